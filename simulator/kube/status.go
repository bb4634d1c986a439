package kube

import (
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// Status is what the controllers of a cluster say of a workload, in numbers. Fields that a kind does not have are zero.
type Status struct {
	// Generation is that of the object it answers to.
	Generation int64
	// Desired is how many pods there should be. Replicas, Updated, Ready, Available and Unavailable are those of the API.
	Desired, Replicas, Updated, Ready, Available, Unavailable, Terminating int32
	// Serving is the truth: the pods that users reach, whatever the control plane has noticed.
	Serving int32
	// Pending pods have no node.
	Pending int32
	// Current counts the pods of a StatefulSet's stable revision; a DaemonSet's Misscheduled run where they should not.
	Current, Misscheduled int32
	// CurrentRevision and UpdateRevision name those of a StatefulSet; UpdateRevision the hash of a Deployment.
	CurrentRevision, UpdateRevision string
	// Succeeded and Failed are a Job's pods. Ended are those of its parallelism that have succeeded and that no other follows.
	Succeeded, Failed, Ended int32
	// Condition is what a Job has come to: empty, "Complete" or "Failed"; Reason says why. For a Deployment Condition is that
	// of type Progressing: "Progressing", "Complete" or "Stalled".
	Condition, Reason string
	// Started and Finished are a Job's, LastScheduled a CronJob's; times since the cluster began, zero for none.
	Started, Finished, LastScheduled time.Duration
	// Active counts the Jobs of a CronJob that run.
	Active int32
	// Minimum: a Deployment has as many available replicas as its strategy demands.
	Minimum bool
	// Refused: a quota or a limit range forbids another pod.
	Refused bool
}

// Settled tells whether a workload has come to where it was to go, or will not get there.
func (s Status) Settled() bool {
	if s.Condition != "" {
		return s.Condition != "Progressing"
	}
	return s.Ready == s.Desired && s.Updated == s.Replicas
}

// Status returns the status of a workload as of now, and whether it exists.
func (c *Cluster) Status(key Key) (Status, bool) {
	c.join()
	id, ok := c.workOf[key]
	if !ok {
		return Status{}, false
	}
	return c.statusOf(&c.works[id]), true
}

func (c *Cluster) statusOf(w *workload) Status {
	s := Status{Generation: w.generation, Desired: w.replicas, Refused: w.refused}
	for _, of := range w.sets {
		t := &c.sets[of].tally
		s.Replicas += t.active
		s.Ready += t.ready
		s.Available += t.available
		s.Terminating += t.terminating
		s.Serving += t.serving
		s.Pending += t.active - t.scheduled
		s.Succeeded += t.succeeded
		s.Failed += t.failed
		if of == w.current {
			s.Updated = t.active
		}
	}
	switch w.key.Kind {
	case KindDeployment:
		c.deploymentStatus(w, &s)
	case KindStatefulSet:
		s.UpdateRevision = c.revisionName(w, w.current)
		stable := w.current
		if w.ordinals != nil && slices.Contains(w.sets, w.ordinals.stable) {
			stable = w.ordinals.stable
		}
		s.CurrentRevision, s.Current = c.revisionName(w, stable), c.sets[stable].active
		// A terminating pod is a replica until it is gone.
		s.Replicas += s.Terminating
	case KindDaemonSet:
		s.Desired = c.reportedDesired(w)
		s.Misscheduled = max(s.Replicas-s.Desired-c.doubled(w), 0)
		s.Ready, s.Available = min(s.Ready, s.Desired), min(s.Available, s.Desired)
		s.Replicas = min(s.Replicas-s.Pending, s.Desired)
		s.Updated = min(s.Updated, s.Replicas)
		s.Unavailable = max(s.Desired-s.Available, 0)
	case KindJob:
		if j := w.job; j != nil {
			s.Succeeded, s.Failed, s.Condition, s.Reason = s.Succeeded+j.succeeded, s.Failed+j.failed, j.condition, j.reason
			s.Started, s.Finished = time.Duration(j.started), time.Duration(j.finished)
			s.Ended = w.replicas - followed(w, s)
		}
	case KindCronJob:
		s.LastScheduled = time.Duration(w.cron.last)
		for _, started := range w.cron.jobs {
			if job, ok := c.workOf[started]; ok && c.works[job].job != nil && c.works[job].job.condition == "" {
				s.Active++
			}
		}
	}
	return s
}

// followed is how much of a Job's parallelism there is still something to do for.
func followed(w *workload, s Status) int32 {
	completions := w.object.(*batchv1.Job).Spec.Completions
	switch {
	case s.Condition == string(batchv1.JobComplete):
		return 0
	case completions != nil:
		return min(w.replicas, max(*completions-s.Succeeded, 0))
	case s.Succeeded > 0:
		return min(w.replicas, s.Replicas)
	}
	return w.replicas
}

func (c *Cluster) deploymentStatus(w *workload, s *Status) {
	_, unavailable := rollingLimits(w.object.(*appsv1.Deployment), w.replicas)
	s.Unavailable = max(max(s.Replicas, w.replicas)-s.Available, 0)
	s.Minimum = s.Available >= w.replicas-unavailable
	s.UpdateRevision = c.sets[w.current].hash
	switch {
	case c.complete(w):
		s.Condition = "Complete"
	case w.stalled:
		s.Condition = "Stalled"
	default:
		s.Condition = "Progressing"
	}
}

func (c *Cluster) revisionName(w *workload, of int32) string {
	return w.key.Name + "-" + c.sets[of].hash
}

// report tells of each workload whose status has changed, in the order of keys.
func (c *Cluster) report() {
	changed := c.changed
	c.changed, c.reporting = c.reporting[:0], changed
	kept := changed[:0]
	for _, id := range changed {
		w := &c.works[id]
		w.changed = false
		if !w.known {
			continue
		}
		if now := c.statusOf(w); now != w.reported {
			w.reported = now
			kept = append(kept, id)
		}
	}
	if c.events.Status == nil {
		return
	}
	slices.SortFunc(kept, func(a, b int32) int { return c.works[a].key.compare(c.works[b].key) })
	quotas := c.changedQuotas()
	for _, id := range kept {
		key := c.works[id].key
		for ; len(quotas) > 0 && quotas[0].compare(key) < 0; quotas = quotas[1:] {
			c.events.Status(quotas[0])
		}
		c.events.Status(key)
	}
	for _, key := range quotas {
		c.events.Status(key)
	}
}

// DeploymentStatus writes the status as the API has it. Conditions that do not change keep their times.
func (s Status) DeploymentStatus(old *appsv1.DeploymentStatus, now time.Time) appsv1.DeploymentStatus {
	status := appsv1.DeploymentStatus{
		ObservedGeneration: s.Generation, Replicas: s.Replicas, UpdatedReplicas: s.Updated, ReadyReplicas: s.Ready,
		AvailableReplicas: s.Available, UnavailableReplicas: s.Unavailable, CollisionCount: old.CollisionCount,
		TerminatingReplicas: ptr.To(s.Terminating),
	}
	available := appsv1.DeploymentCondition{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionFalse,
		Reason: "MinimumReplicasUnavailable", Message: "Deployment does not have minimum availability."}
	if s.Minimum {
		available.Status, available.Reason, available.Message = corev1.ConditionTrue, "MinimumReplicasAvailable", "Deployment has minimum availability."
	}
	progressing := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "ReplicaSetUpdated"}
	switch s.Condition {
	case "Complete":
		progressing.Reason = "NewReplicaSetAvailable"
	case "Stalled":
		progressing.Status, progressing.Reason = corev1.ConditionFalse, "ProgressDeadlineExceeded"
	}
	conditions := []appsv1.DeploymentCondition{available, progressing}
	if s.Refused {
		conditions = append(conditions, appsv1.DeploymentCondition{Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue,
			Reason: reasonRefused, Message: messageRefused})
	}
	for _, condition := range conditions {
		condition.LastTransitionTime, condition.LastUpdateTime = metav1.NewTime(now), metav1.NewTime(now)
		for _, before := range old.Conditions {
			if before.Type == condition.Type && before.Status == condition.Status {
				condition.LastTransitionTime = before.LastTransitionTime
				if before.Reason == condition.Reason {
					condition.LastUpdateTime = before.LastUpdateTime
				}
			}
		}
		status.Conditions = append(status.Conditions, condition)
	}
	return status
}

// What a ReplicaSet says whose pods are refused.
const (
	reasonRefused  = "FailedCreate"
	messageRefused = "A resource quota or a limit range forbids another pod."
)

// ReplicaSetStatus writes the status as the API has it.
func (s Status) ReplicaSetStatus(old *appsv1.ReplicaSetStatus, now time.Time) appsv1.ReplicaSetStatus {
	status := appsv1.ReplicaSetStatus{
		ObservedGeneration: s.Generation, Replicas: s.Replicas, FullyLabeledReplicas: s.Updated, ReadyReplicas: s.Ready,
		AvailableReplicas: s.Available, TerminatingReplicas: ptr.To(s.Terminating),
	}
	if !s.Refused {
		return status
	}
	failure := appsv1.ReplicaSetCondition{Type: appsv1.ReplicaSetReplicaFailure, Status: corev1.ConditionTrue, Reason: reasonRefused,
		Message: messageRefused, LastTransitionTime: metav1.NewTime(now)}
	for _, before := range old.Conditions {
		if before.Type == failure.Type {
			failure.LastTransitionTime = before.LastTransitionTime
		}
	}
	status.Conditions = []appsv1.ReplicaSetCondition{failure}
	return status
}

// StatefulSetStatus writes the status as the API has it.
func (s Status) StatefulSetStatus() appsv1.StatefulSetStatus {
	return appsv1.StatefulSetStatus{
		ObservedGeneration: s.Generation, Replicas: s.Replicas, ReadyReplicas: s.Ready, CurrentReplicas: s.Current,
		UpdatedReplicas: s.Updated, CurrentRevision: s.CurrentRevision, UpdateRevision: s.UpdateRevision,
		AvailableReplicas: s.Available, CollisionCount: ptr.To[int32](0),
	}
}

// DaemonSetStatus writes the status as the API has it.
func (s Status) DaemonSetStatus() appsv1.DaemonSetStatus {
	return appsv1.DaemonSetStatus{
		ObservedGeneration: s.Generation, DesiredNumberScheduled: s.Desired, CurrentNumberScheduled: s.Replicas,
		NumberMisscheduled: s.Misscheduled, NumberReady: s.Ready, UpdatedNumberScheduled: s.Updated,
		NumberAvailable: s.Available, NumberUnavailable: s.Unavailable,
	}
}

// JobStatus writes the status as the API has it.
func (c *Cluster) JobStatus(s Status) batchv1.JobStatus {
	c.join()
	started := metav1.NewTime(c.time(int64(s.Started)))
	status := batchv1.JobStatus{
		StartTime: &started, Active: s.Replicas, Succeeded: s.Succeeded, Failed: s.Failed, Ready: ptr.To(s.Ready),
		Terminating: ptr.To(s.Terminating), UncountedTerminatedPods: &batchv1.UncountedTerminatedPods{},
	}
	if s.Condition == "" {
		return status
	}
	finished := metav1.NewTime(c.time(int64(s.Finished)))
	for _, condition := range []batchv1.JobConditionType{interimCondition(s.Condition), batchv1.JobConditionType(s.Condition)} {
		status.Conditions = append(status.Conditions, batchv1.JobCondition{Type: condition, Status: corev1.ConditionTrue,
			Reason: s.Reason, LastProbeTime: finished, LastTransitionTime: finished})
	}
	if s.Condition == string(batchv1.JobComplete) {
		status.CompletionTime = &finished
	}
	return status
}

// interimCondition is what a Job has on its way to a condition.
func interimCondition(final string) batchv1.JobConditionType {
	if final == string(batchv1.JobComplete) {
		return batchv1.JobSuccessCriteriaMet
	}
	return batchv1.JobFailureTarget
}

// Serving counts the pods of all workloads that users reach.
func (c *Cluster) Serving() int64 {
	c.join()
	var sum int64
	for id := range c.works {
		if c.works[id].known {
			for _, of := range c.works[id].sets {
				sum += int64(c.sets[of].tally.serving)
			}
		}
	}
	return sum
}

// Workloads lists the keys of all workloads, sorted.
func (c *Cluster) Workloads() []Key {
	c.join()
	keys := make([]Key, 0, len(c.workOf))
	for id := range c.works {
		if c.works[id].known {
			keys = append(keys, c.works[id].key)
		}
	}
	slices.SortFunc(keys, Key.compare)
	return keys
}
