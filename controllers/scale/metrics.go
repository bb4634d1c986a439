package scale

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/control"
)

// members implements autoscale.Metrics by the metrics APIs of each member: metrics.k8s.io/v1beta1, as its metrics-server serves it, and
// custom.metrics.k8s.io. External metrics belong to no member, and are read from the control plane.
type members struct {
	control.Members
	// clusters are those that pods were seen in, placed all that have the workload, silent those among them that did not answer a moment
	// ago.
	clusters, placed, silent []string
	// plane is the control plane; nil where it is no real one.
	plane control.PathReader
	// kinds are those of the control plane.
	kinds meta.RESTMapper
}

var _ autoscale.Metrics = members{}

// source is where a turn reads metrics: where it was told to, or in the clusters that it has seen pods of.
func (t *turn) source(seen *sight) autoscale.Metrics {
	if t.Metrics != nil {
		return t.Metrics
	}
	var clusters []string
	for _, pod := range seen.Pods {
		clusters = append(clusters, pod.Cluster)
	}
	slices.Sort(clusters)
	return members{
		Members: t.deps.Members, clusters: slices.Compact(clusters), placed: seen.clusters, silent: seen.silent, plane: t.deps.Paths, kinds: t.deps.Client.RESTMapper(),
	}
}

// each asks the clusters that pods were seen in. Those that do not answer are left out, unless none does: to the algorithm their pods
// are pods without a reading, for whose sake nothing is taken away.
func (m members) each(what string, ask func(cluster string) error) error {
	answers := 0
	var lost error
	for _, cluster := range m.clusters {
		err := ask(cluster)
		if err == nil {
			answers++
		} else if lost == nil {
			lost = fmt.Errorf("reading %s in cluster %s: %w", what, cluster, err)
		}
	}
	if answers == 0 {
		return lost
	}
	return nil
}

// Resource implements autoscale.Metrics.
func (m members) Resource(ctx context.Context, namespace string, pods labels.Selector, resource corev1.ResourceName, container string) (autoscale.Samples, error) {
	all := autoscale.Samples{}
	err := m.each(fmt.Sprintf("the use of %s", resource), func(cluster string) error {
		read, err := m.podMetrics(ctx, cluster, namespace, pods)
		for i := range read {
			if used, ok := use(&read[i], resource, container); ok {
				all[autoscale.PodKey{Cluster: cluster, Name: read[i].Name}] = autoscale.Sample{Value: used, At: read[i].Timestamp.Time, Window: read[i].Window.Duration}
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

func (m members) podMetrics(ctx context.Context, cluster, namespace string, pods labels.Selector) ([]metricsv1beta1.PodMetrics, error) {
	member, err := m.Member(ctx, cluster)
	if err != nil {
		return nil, err
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(metricsv1beta1.SchemeGroupVersion.WithKind("PodMetricsList"))
	err = member.Live().List(ctx, list, client.InNamespace(namespace), client.MatchingLabelsSelector{Selector: pods})
	if meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("it serves no metrics API, so install metrics-server there: %w", err)
	}
	if err != nil {
		return nil, err
	}
	read := make([]metricsv1beta1.PodMetrics, len(list.Items))
	for i := range list.Items {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &read[i]); err != nil {
			return nil, fmt.Errorf("metrics of pod %s/%s: %w", namespace, list.Items[i].GetName(), err)
		}
	}
	return read, nil
}

// use is what a pod uses, in thousandths: one container, or all of them. A pod one of whose containers has no reading has none.
func use(pod *metricsv1beta1.PodMetrics, name corev1.ResourceName, container string) (int64, bool) {
	sum, found := resource.Quantity{}, false
	for i := range pod.Containers {
		if container != "" && pod.Containers[i].Name != container {
			continue
		}
		quantity, ok := pod.Containers[i].Usage[name]
		if !ok {
			return 0, false
		}
		sum.Add(quantity)
		found = true
	}
	return thousandths(sum), found
}
