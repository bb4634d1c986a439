package autoscale

import (
	"context"
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// PodKey names a pod of a fleet within the namespace of its workload. Cluster is empty where a source does not tell.
type PodKey struct{ Cluster, Name string }

// Sample is what one pod used.
type Sample struct {
	// Value is in thousandths of the unit of the metric.
	Value int64
	// At is the end of the time it was measured over, which is Window long.
	At     time.Time
	Window time.Duration
}

// Samples are those of one metric.
type Samples map[PodKey]Sample

// Query is a custom or external metric with the series that are wanted of it.
type Query struct {
	Name     string
	Selector labels.Selector
}

// Metrics is a source of readings over all clusters of a fleet. All values are in thousandths.
type Metrics interface {
	// Resource is what the selected pods use of a resource: in one container, or with an empty name in all of them together.
	// Pods without a reading are left out.
	Resource(ctx context.Context, namespace string, pods labels.Selector, resource corev1.ResourceName, container string) (Samples, error)
	// Pods is a custom metric of the selected pods.
	Pods(ctx context.Context, namespace string, pods labels.Selector, metric Query) (Samples, error)
	// Object is a custom metric of one object, added up over the clusters that have it.
	Object(ctx context.Context, namespace string, object autoscalingv2.CrossVersionObjectReference, metric Query) (Total, error)
	// External is a metric of something outside, all its series added up.
	External(ctx context.Context, namespace string, metric Query) (int64, error)
}

// Total is a metric that is there once.
type Total struct {
	Value int64
	// Partial is set where some cluster that may have a part of it did not answer.
	Partial bool
}

// Reading is what a source said about one metric of a specification.
type Reading struct {
	// Samples are for metrics of pods, Total for those of objects and of what is outside.
	Samples Samples
	Total   Total
	// Err tells why there is neither.
	Err error
}

// Read asks a source for one metric of a workload with the given pods.
func Read(ctx context.Context, source Metrics, namespace string, pods labels.Selector, spec *autoscalingv2.MetricSpec) Reading {
	var r Reading
	switch {
	case spec.Type == autoscalingv2.ResourceMetricSourceType && spec.Resource != nil:
		r.Samples, r.Err = source.Resource(ctx, namespace, pods, spec.Resource.Name, "")
	case spec.Type == autoscalingv2.ContainerResourceMetricSourceType && spec.ContainerResource != nil:
		r.Samples, r.Err = source.Resource(ctx, namespace, pods, spec.ContainerResource.Name, spec.ContainerResource.Container)
	case spec.Type == autoscalingv2.PodsMetricSourceType && spec.Pods != nil:
		var query Query
		if query, r.Err = queryOf(spec.Pods.Metric); r.Err == nil {
			r.Samples, r.Err = source.Pods(ctx, namespace, pods, query)
		}
	case spec.Type == autoscalingv2.ObjectMetricSourceType && spec.Object != nil:
		var query Query
		if query, r.Err = queryOf(spec.Object.Metric); r.Err == nil {
			r.Total, r.Err = source.Object(ctx, namespace, spec.Object.DescribedObject, query)
		}
	case spec.Type == autoscalingv2.ExternalMetricSourceType && spec.External != nil:
		var query Query
		if query, r.Err = queryOf(spec.External.Metric); r.Err == nil {
			r.Total.Value, r.Err = source.External(ctx, namespace, query)
		}
	default:
		r.Err = fmt.Errorf("a metric of type %q has no source", spec.Type)
	}
	return r
}

// queryOf reads the selector of a metric; none selects all series.
func queryOf(metric autoscalingv2.MetricIdentifier) (Query, error) {
	query := Query{Name: metric.Name, Selector: labels.Everything()}
	if metric.Selector == nil {
		return query, nil
	}
	var err error
	if query.Selector, err = metav1.LabelSelectorAsSelector(metric.Selector); err != nil {
		return Query{}, fmt.Errorf("the selector of metric %s: %w", metric.Name, err)
	}
	return query, nil
}

// of finds the samples of pods, and drops all others. A sample of no known cluster stands for all pods of its name, which have been
// added up.
func (s Samples) of(pods []Pod) Samples {
	named := map[string]int64{}
	for _, pod := range pods {
		named[pod.Name]++
	}
	found := make(Samples, len(s))
	for _, pod := range pods {
		if sample, ok := s[pod.key()]; ok {
			found[pod.key()] = sample
		} else if sample, ok := s[PodKey{Name: pod.Name}]; ok {
			sample.Value /= named[pod.Name]
			found[pod.key()] = sample
		}
	}
	return found
}
