// Package load is a source of metrics for rehearsals: a workload is told how much there is to do in all, its pods that are ready share
// it, and the clusters that can be reached report what each of theirs does.
package load

import (
	"context"
	"fmt"
	"math"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/control"
)

// window is what samples are measured over, as a metrics server with its default settings does.
const window = 30 * time.Second

// Source implements autoscale.Metrics.
type Source struct {
	// Clusters names the members, in an order that is always the same.
	Clusters func() []string
	// Inside reads a member from within, whether or not others reach it. It fails for one that does not run.
	Inside func(ctx context.Context, cluster string) (client.Client, error)
	// Members are reached as the control plane does.
	Members control.Members
	Clock   clock.PassiveClock
	// Demand is how much of a metric there is at a time, in thousandths: what all pods of a workload do together, or the value of
	// a metric that belongs to no pod, for which pods is nil. Less than 0 is a metric that nobody reports.
	Demand func(at time.Time, namespace string, pods labels.Selector, metric string) int64
}

var _ autoscale.Metrics = &Source{}

// Resource implements autoscale.Metrics. All containers of a pod but the first are idle.
func (s *Source) Resource(ctx context.Context, namespace string, pods labels.Selector, resource corev1.ResourceName, container string) (autoscale.Samples, error) {
	return s.share(ctx, namespace, pods, string(resource), func(pod *corev1.Pod) bool {
		return container == "" || pod.Spec.Containers[0].Name == container
	})
}

// Pods implements autoscale.Metrics.
func (s *Source) Pods(ctx context.Context, namespace string, pods labels.Selector, metric autoscale.Query) (autoscale.Samples, error) {
	return s.share(ctx, namespace, pods, metric.Name, func(*corev1.Pod) bool { return true })
}

// share divides what there is to do among the pods that are ready.
func (s *Source) share(ctx context.Context, namespace string, pods labels.Selector, metric string, busy func(*corev1.Pod) bool) (autoscale.Samples, error) {
	now := s.Clock.Now()
	demand := s.Demand(now, namespace, pods, metric)
	if demand < 0 {
		return nil, fmt.Errorf("nobody reports %s in namespace %s", metric, namespace)
	}
	serving, reported := 0, autoscale.Samples{}
	for _, cluster := range s.Clusters() {
		found, err := s.serving(ctx, cluster, namespace, pods)
		if err != nil {
			continue // what does not run does nothing
		}
		serving += len(found)
		member, err := s.Members.Member(ctx, cluster)
		if err != nil {
			continue
		}
		if healthy, err := member.Health(ctx); err != nil || !healthy {
			continue
		}
		for _, pod := range found {
			sample := autoscale.Sample{At: now, Window: window}
			if busy(pod) {
				sample.Value = 1
			}
			reported[autoscale.PodKey{Cluster: cluster, Name: pod.Name}] = sample
		}
	}
	each := int64(math.Ceil(float64(demand) / float64(max(serving, 1))))
	for key, sample := range reported {
		sample.Value *= each
		reported[key] = sample
	}
	return reported, nil
}

// serving are the pods of a member that are ready.
func (s *Source) serving(ctx context.Context, cluster, namespace string, pods labels.Selector) ([]*corev1.Pod, error) {
	inside, err := s.Inside(ctx, cluster)
	if err != nil {
		return nil, err
	}
	list := &corev1.PodList{}
	if err := inside.List(ctx, list, &client.ListOptions{Namespace: namespace, LabelSelector: pods}); err != nil {
		return nil, err
	}
	var ready []*corev1.Pod
	for i := range list.Items {
		pod := &list.Items[i]
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil {
				ready = append(ready, pod)
			}
		}
	}
	return ready, nil
}

// Object implements autoscale.Metrics.
func (s *Source) Object(ctx context.Context, namespace string, _ autoscalingv2.CrossVersionObjectReference, metric autoscale.Query) (autoscale.Total, error) {
	total, err := s.External(ctx, namespace, metric)
	return autoscale.Total{Value: total}, err
}

// External implements autoscale.Metrics.
func (s *Source) External(_ context.Context, namespace string, metric autoscale.Query) (int64, error) {
	demand := s.Demand(s.Clock.Now(), namespace, nil, metric.Name)
	if demand < 0 {
		return 0, fmt.Errorf("nobody reports %s in namespace %s", metric.Name, namespace)
	}
	return demand, nil
}
