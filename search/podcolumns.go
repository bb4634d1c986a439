package search

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/duration"
)

// podColumns are those by which kubectl shows pods.
func podColumns() columns[corev1.Pod] {
	return columns[corev1.Pod]{
		{name: "Ready", kind: text, of: func(p *corev1.Pod) any { return stateOf(p).readiness() }},
		{name: "Status", kind: text, of: func(p *corev1.Pod) any { return stateOf(p).reason }},
		{name: "Restarts", kind: text, of: func(p *corev1.Pod) any { return stateOf(p).restarted(time.Now()) }},
		{name: "IP", kind: text, wide: true, of: func(p *corev1.Pod) any { return orNone(p.Status.PodIP) }},
		{name: "Node", kind: text, wide: true, of: func(p *corev1.Pod) any { return orNone(p.Spec.NodeName) }},
		{name: "Nominated Node", kind: text, wide: true, of: func(p *corev1.Pod) any { return orNone(p.Status.NominatedNodeName) }},
		{name: "Readiness Gates", kind: text, wide: true, of: func(p *corev1.Pod) any { return gates(p) }},
	}
}

// podState is what is said of a pod in one line.
type podState struct {
	reason            string
	containers, ready int
	restarts          int
	lastRestart       metav1.Time
}

func (s podState) readiness() string { return fmt.Sprintf("%d/%d", s.ready, s.containers) }

func (s podState) restarted(now time.Time) string {
	if s.restarts == 0 || s.lastRestart.IsZero() {
		return strconv.Itoa(s.restarts)
	}
	return fmt.Sprintf("%d (%s ago)", s.restarts, duration.HumanDuration(now.Sub(s.lastRestart.Time)))
}

// restart counts the restarts of a container.
func (s *podState) restart(container *corev1.ContainerStatus) {
	s.restarts += int(container.RestartCount)
	if last := container.LastTerminationState.Terminated; last != nil && s.lastRestart.Before(&last.FinishedAt) {
		s.lastRestart = last.FinishedAt
	}
}

// stateOf sums up a pod as kubectl's users know it: by what holds up its first init container that has not ended well, then by its
// containers, the first of them above all, and by its phase when none of them says anything.
func stateOf(pod *corev1.Pod) podState {
	s := podState{reason: cmp.Or(pod.Status.Reason, string(pod.Status.Phase)), containers: len(pod.Spec.Containers)}
	if scheduled := conditionOf(pod, corev1.PodScheduled); scheduled != nil && scheduled.Reason == corev1.PodReasonSchedulingGated {
		s.reason = corev1.PodReasonSchedulingGated
	}
	sidecars := map[string]bool{}
	for i := range pod.Spec.InitContainers {
		if policy := pod.Spec.InitContainers[i].RestartPolicy; policy != nil && *policy == corev1.ContainerRestartPolicyAlways {
			sidecars[pod.Spec.InitContainers[i].Name] = true
			s.containers++
		}
	}
	beside, waits := s.initialize(pod, sidecars)
	initialized := conditionOf(pod, corev1.PodInitialized)
	if !waits || initialized != nil && initialized.Status == corev1.ConditionTrue {
		// Init containers that have ended are of the past, and so are their restarts.
		s.restarts, s.lastRestart = beside.restarts, beside.lastRestart
		s.run(pod)
	}
	ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	switch {
	case pod.DeletionTimestamp == nil:
	case pod.Status.Reason == "NodeLost":
		s.reason = "Unknown"
	case !ended:
		s.reason = "Terminating"
	}
	return s
}

// initialize goes through the init containers until one holds up the others, which waits tells. beside has the restarts of sidecars.
func (s *podState) initialize(pod *corev1.Pod, sidecars map[string]bool) (beside podState, waits bool) {
	for i := range pod.Status.InitContainerStatuses {
		container := &pod.Status.InitContainerStatuses[i]
		s.restart(container)
		if sidecars[container.Name] {
			beside.restart(container)
		}
		ended, waiting := container.State.Terminated, container.State.Waiting
		switch {
		case ended != nil && ended.ExitCode == 0:
			continue
		case sidecars[container.Name] && container.Started != nil && *container.Started:
			if container.Ready {
				s.ready++
			}
			continue
		case ended != nil:
			s.reason = "Init:" + endOf(ended)
		case waiting != nil && waiting.Reason != "" && waiting.Reason != "PodInitializing":
			s.reason = "Init:" + waiting.Reason
		default:
			s.reason = fmt.Sprintf("Init:%d/%d", i, len(pod.Spec.InitContainers))
		}
		return beside, true
	}
	return beside, false
}

// run goes through the containers from the last to the first, which has the last word.
func (s *podState) run(pod *corev1.Pod) {
	running := false
	for _, container := range slices.Backward(pod.Status.ContainerStatuses) {
		s.restart(&container)
		state := container.State
		switch {
		case state.Waiting != nil && state.Waiting.Reason != "":
			s.reason = state.Waiting.Reason
		case state.Terminated != nil:
			s.reason = endOf(state.Terminated)
		case container.Ready && state.Running != nil:
			running = true
			s.ready++
		}
	}
	if s.reason == "Completed" && running {
		s.reason = "NotReady"
		if ready := conditionOf(pod, corev1.PodReady); ready != nil && ready.Status == corev1.ConditionTrue {
			s.reason = "Running"
		}
	}
}

// endOf says how a container ended.
func endOf(ended *corev1.ContainerStateTerminated) string {
	switch {
	case ended.Reason != "":
		return ended.Reason
	case ended.Signal != 0:
		return fmt.Sprintf("Signal:%d", ended.Signal)
	default:
		return fmt.Sprintf("ExitCode:%d", ended.ExitCode)
	}
}

func gates(pod *corev1.Pod) string {
	if len(pod.Spec.ReadinessGates) == 0 {
		return none
	}
	open := 0
	for _, gate := range pod.Spec.ReadinessGates {
		if met := conditionOf(pod, gate.ConditionType); met != nil && met.Status == corev1.ConditionTrue {
			open++
		}
	}
	return fmt.Sprintf("%d/%d", open, len(pod.Spec.ReadinessGates))
}

func conditionOf(pod *corev1.Pod, wanted corev1.PodConditionType) *corev1.PodCondition {
	at := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == wanted })
	if at < 0 {
		return nil
	}
	return &pod.Status.Conditions[at]
}
