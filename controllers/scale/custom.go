package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	externalv1beta1 "k8s.io/metrics/pkg/apis/external_metrics/v1beta1"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/autoscale/custom"
	"github.com/seatrial/seatrial/control"
)

// Pods implements autoscale.Metrics.
func (m members) Pods(ctx context.Context, namespace string, pods labels.Selector, metric autoscale.Query) (autoscale.Samples, error) {
	all := autoscale.Samples{}
	err := m.each("metric "+metric.Name+" of pods", func(cluster string) error {
		values, err := m.custom(ctx, cluster, custom.Query{
			Resource: schema.GroupResource{Resource: "pods"}, Namespace: namespace, Objects: pods, Metric: metric.Name, Series: metric.Selector,
		})
		for _, value := range values {
			all[autoscale.PodKey{Cluster: cluster, Name: value.DescribedObject.Name}] = autoscale.Sample{
				Value: thousandths(value.Value), At: value.Timestamp.Time, Window: time.Duration(ptr.Deref(value.WindowSeconds, 0)) * time.Second,
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// Object implements autoscale.Metrics. All clusters that the workload was placed in are asked, for each may have an object of that name,
// except for those that are silent already: each would take its time once more.
func (m members) Object(ctx context.Context, namespace string, object autoscalingv2.CrossVersionObjectReference, metric autoscale.Query) (autoscale.Total, error) {
	about := fmt.Sprintf("metric %s of %s %s", metric.Name, object.Kind, object.Name)
	of, err := schema.ParseGroupVersion(object.APIVersion)
	if err != nil {
		return autoscale.Total{}, fmt.Errorf("%s: %w", about, err)
	}
	mapping, err := m.kinds.RESTMapping(of.WithKind(object.Kind).GroupKind(), of.Version)
	if err != nil {
		return autoscale.Total{}, fmt.Errorf("%s: %w", about, err)
	}
	query := custom.Query{Resource: mapping.Resource.GroupResource(), Namespace: namespace, Name: object.Name, Metric: metric.Name, Series: metric.Selector}
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		query.Namespace = ""
	}
	total, found, sum := autoscale.Total{}, false, resource.Quantity{}
	var lost error
	for _, cluster := range m.placed {
		if slices.Contains(m.silent, cluster) {
			total.Partial, lost = true, fmt.Errorf("reading %s in cluster %s: it does not answer", about, cluster)
			continue
		}
		values, err := m.custom(ctx, cluster, query)
		if err != nil && !apierrors.IsNotFound(err) {
			total.Partial, lost = true, fmt.Errorf("reading %s in cluster %s: %w", about, cluster, err)
		}
		for _, value := range values {
			sum.Add(value.Value)
			found = true
		}
	}
	total.Value = thousandths(sum)
	switch {
	case found:
		return total, nil
	case lost != nil:
		return total, lost
	}
	return total, fmt.Errorf("no cluster of the target has %s", about)
}

func (m members) custom(ctx context.Context, cluster string, query custom.Query) ([]v1beta2.MetricValue, error) {
	member, err := m.Member(ctx, cluster)
	if err != nil {
		return nil, err
	}
	paths, ok := member.(control.PathReader)
	if !ok {
		return nil, errors.New("it serves no custom metrics")
	}
	return custom.Get(ctx, paths.ReadPath, query)
}

// External implements autoscale.Metrics, by external.metrics.k8s.io of the control plane.
func (m members) External(ctx context.Context, namespace string, metric autoscale.Query) (int64, error) {
	if m.plane == nil {
		return 0, errors.New("this control plane has no source of external metrics")
	}
	if err := custom.CheckSegments(namespace, metric.Name); err != nil {
		return 0, err
	}
	parameters := map[string]string{}
	if metric.Selector != nil && !metric.Selector.Empty() {
		parameters["labelSelector"] = metric.Selector.String()
	}
	at := path.Join("/apis", externalv1beta1.SchemeGroupVersion.String(), "namespaces", namespace, metric.Name)
	body, err := m.plane.ReadPath(ctx, at, parameters)
	if apierrors.IsNotFound(err) {
		return 0, fmt.Errorf("the control plane has no external metric %s: register an API server for external.metrics.k8s.io that has it", metric.Name)
	}
	if err != nil {
		return 0, fmt.Errorf("reading external metric %s of the control plane: %w", metric.Name, err)
	}
	list := externalv1beta1.ExternalMetricValueList{}
	if err := json.Unmarshal(body, &list); err != nil {
		return 0, fmt.Errorf("decoding external metric %s: %w", metric.Name, err)
	}
	if len(list.Items) == 0 {
		return 0, fmt.Errorf("external metric %s has no values", metric.Name)
	}
	total := resource.Quantity{}
	for i := range list.Items {
		total.Add(list.Items[i].Value)
	}
	return thousandths(total), nil
}

// thousandths is a reading, rounded up, and at most the largest number there is, of either sign.
func thousandths(reading resource.Quantity) int64 {
	switch {
	case reading.Cmp(*resource.NewMilliQuantity(math.MaxInt64, resource.DecimalSI)) >= 0:
		return math.MaxInt64
	case reading.Cmp(*resource.NewMilliQuantity(-math.MaxInt64, resource.DecimalSI)) <= 0:
		return -math.MaxInt64
	}
	return reading.MilliValue()
}
