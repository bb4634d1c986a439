package autoscale

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Pod is a pod of a workload in one of its clusters. It is not changed.
type Pod struct {
	Cluster string
	*corev1.Pod
}

func (p *Pod) key() PodKey { return PodKey{p.Cluster, p.Name} }

// ready is the condition of that name, nil when the pod has none.
func (p *Pod) ready() *corev1.PodCondition {
	for i := range p.Status.Conditions {
		if p.Status.Conditions[i].Type == corev1.PodReady {
			return &p.Status.Conditions[i]
		}
	}
	return nil
}

// groups are the pods of a workload by what their samples say.
type groups struct {
	// counted pods are ready, and have a sample that counts.
	counted []PodKey
	// unready pods have not started yet: a sample of theirs says nothing.
	unready []PodKey
	// missing pods run, and have no sample.
	missing []PodKey
}

// group sorts pods. Those that end, or have failed, are in no group.
func (o *Options) group(pods []Pod, samples Samples, resource corev1.ResourceName, now time.Time) groups {
	var g groups
	for i := range pods {
		pod := &pods[i]
		sample, measured := samples[pod.key()]
		switch {
		case pod.DeletionTimestamp != nil || pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded:
		case pod.Status.Phase == corev1.PodPending:
			g.unready = append(g.unready, pod.key())
		case !measured:
			g.missing = append(g.missing, pod.key())
		case resource == corev1.ResourceCPU && o.starting(pod, sample, now):
			g.unready = append(g.unready, pod.key())
		default:
			g.counted = append(g.counted, pod.key())
		}
	}
	return g
}

// starting tells whether a pod is still busy with itself, so that its use of CPU says nothing about the load.
func (o *Options) starting(pod *Pod, sample Sample, now time.Time) bool {
	ready := pod.ready()
	if ready == nil || pod.Status.StartTime == nil {
		return true
	}
	started := pod.Status.StartTime.Time
	if now.Before(started.Add(o.CPUInitializationPeriod)) {
		// It counts as soon as it was ready for all of the time that was measured.
		return ready.Status == corev1.ConditionFalse || sample.At.Before(ready.LastTransitionTime.Add(sample.Window))
	}
	// One that has never been ready since is starting still; one that was ready and is not any more works, or is overloaded.
	return ready.Status == corev1.ConditionFalse && ready.LastTransitionTime.Time.Before(started.Add(o.InitialReadinessDelay))
}

// readyPods counts the pods that serve.
func readyPods(pods []Pod) int64 {
	count := int64(0)
	for i := range pods {
		ready := pods[i].ready()
		if pods[i].Status.Phase == corev1.PodRunning && ready != nil && ready.Status == corev1.ConditionTrue {
			count++
		}
	}
	return count
}

// requests are what pods ask of a resource, in thousandths: in one container, or with an empty name in all of them together.
// It fails for a pod that asks for none, of which no part can be told.
func requests(pods []Pod, resource corev1.ResourceName, container string) (map[PodKey]int64, error) {
	asked := make(map[PodKey]int64, len(pods))
	for i := range pods {
		sum, err := pods[i].request(resource, container)
		if err != nil {
			return nil, err
		}
		asked[pods[i].key()] = sum
	}
	return asked, nil
}

func (p *Pod) request(resource corev1.ResourceName, container string) (int64, error) {
	if container == "" && p.Spec.Resources != nil {
		if whole, ok := p.Spec.Resources.Requests[resource]; ok {
			return whole.MilliValue(), nil
		}
	}
	sum, found := int64(0), false
	for _, c := range running(&p.Spec) {
		if container != "" && c.Name != container {
			continue
		}
		request, ok := c.Resources.Requests[resource]
		if !ok {
			return 0, fmt.Errorf("container %s of pod %s in cluster %s requests no %s", c.Name, p.Name, p.Cluster, resource)
		}
		sum, found = sum+request.MilliValue(), true
	}
	if !found {
		return 0, fmt.Errorf("pod %s in cluster %s has no container %s", p.Name, p.Cluster, container)
	}
	return sum, nil
}

// running are the containers that run as long as their pod does: sidecars stand among the containers of the beginning.
func running(spec *corev1.PodSpec) []corev1.Container {
	containers := append([]corev1.Container(nil), spec.Containers...)
	for _, c := range spec.InitContainers {
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, c)
		}
	}
	return containers
}
