package metrics

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/klog/v2"
	"k8s.io/metrics/pkg/apis/custom_metrics"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
	"k8s.io/metrics/pkg/apis/external_metrics"
	"k8s.io/utils/clock"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	"github.com/seatrial/seatrial/autoscale/custom"
	"github.com/seatrial/seatrial/controllers/live"
)

const (
	// listsLast is how long it is believed which metrics members have: clients ask for it with every discovery.
	listsLast = 30 * time.Second
	// failuresLast is how long members are left alone that have not told: those who wait for each other would each wait for them, too.
	failuresLast = time.Second
)

// customs answers for custom metrics. What several clusters say of objects of the same name is added up.
type customs struct {
	fleet *fleet
	clock clock.PassiveClock
	// ends is done when nobody needs an answer any more.
	ends context.Context

	mu    sync.Mutex
	known []provider.CustomMetricInfo
	// listsAgain is when members are asked again which metrics they have.
	listsAgain time.Time
}

var _ provider.MetricsProvider = &customs{}

// GetMetricByName implements provider.CustomMetricsProvider.
func (c *customs) GetMetricByName(ctx context.Context, name types.NamespacedName, info provider.CustomMetricInfo, series labels.Selector) (*custom_metrics.MetricValue, error) {
	found, err := c.values(ctx, custom.Query{Resource: info.GroupResource, Namespace: name.Namespace, Name: name.Name, Metric: info.Metric, Series: series})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, provider.NewMetricNotFoundForError(info.GroupResource, info.Metric, name.Name)
	}
	return &found[0], nil
}

// GetMetricBySelector implements provider.CustomMetricsProvider.
func (c *customs) GetMetricBySelector(ctx context.Context, namespace string, objects labels.Selector, info provider.CustomMetricInfo, series labels.Selector) (*custom_metrics.MetricValueList, error) {
	found, err := c.values(ctx, custom.Query{Resource: info.GroupResource, Namespace: namespace, Objects: objects, Metric: info.Metric, Series: series})
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, provider.NewMetricNotFoundForSelectorError(info.GroupResource, info.Metric, v1beta2.AllObjects, objects)
	}
	return &custom_metrics.MetricValueList{Items: found}, nil
}

// values are those of all members by object, added up.
func (c *customs) values(ctx context.Context, query custom.Query) ([]custom_metrics.MetricValue, error) {
	answers, err := ask(ctx, c.fleet, "metric "+query.Metric+" of "+query.Resource.String(), func(ctx context.Context, member rest.Interface) ([]v1beta2.MetricValue, error) {
		return custom.Get(ctx, func(ctx context.Context, path string, parameters map[string]string) ([]byte, error) {
			return live.Paths{Interface: member}.ReadPath(ctx, path, parameters)
		}, query)
	})
	if err != nil {
		return nil, err
	}
	var all []custom_metrics.MetricValue
	at := map[types.NamespacedName]int{}
	for _, answer := range answers {
		for _, value := range answer.said {
			of := types.NamespacedName{Namespace: value.DescribedObject.Namespace, Name: value.DescribedObject.Name}
			if i, known := at[of]; known {
				add(&all[i], value)
				continue
			}
			at[of] = len(all)
			all = append(all, internal(value))
		}
	}
	slices.SortStableFunc(all, func(a, b custom_metrics.MetricValue) int {
		return cmp.Or(cmp.Compare(a.DescribedObject.Namespace, b.DescribedObject.Namespace), cmp.Compare(a.DescribedObject.Name, b.DescribedObject.Name))
	})
	return all, nil
}

// add adds a value of another cluster: the sum is as old as the oldest of its parts.
func add(sum *custom_metrics.MetricValue, part v1beta2.MetricValue) {
	sum.Value.Add(part.Value)
	if part.Timestamp.Before(&sum.Timestamp) {
		sum.Timestamp = part.Timestamp
	}
}

func internal(value v1beta2.MetricValue) custom_metrics.MetricValue {
	of := value.DescribedObject
	return custom_metrics.MetricValue{
		DescribedObject: custom_metrics.ObjectReference{
			Kind: of.Kind, Namespace: of.Namespace, Name: of.Name, UID: of.UID, APIVersion: of.APIVersion, ResourceVersion: of.ResourceVersion, FieldPath: of.FieldPath,
		},
		Metric:    custom_metrics.MetricIdentifier{Name: value.Metric.Name, Selector: value.Metric.Selector},
		Timestamp: value.Timestamp, WindowSeconds: value.WindowSeconds, Value: value.Value,
	}
}

// ListAllMetrics implements provider.CustomMetricsProvider: all that some member has.
func (c *customs) ListAllMetrics() []provider.CustomMetricInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.clock.Now().Before(c.listsAgain) {
		return c.known
	}
	answers, err := ask(c.ends, c.fleet, "the custom metrics it has", lists)
	if err != nil {
		klog.ErrorS(err, "What custom metrics members have could not be told")
		c.listsAgain = c.clock.Now().Add(failuresLast)
		return c.known
	}
	var found []provider.CustomMetricInfo
	for _, answer := range answers {
		found = append(found, answer.said...)
	}
	slices.SortFunc(found, func(a, b provider.CustomMetricInfo) int { return strings.Compare(a.String(), b.String()) })
	c.known, c.listsAgain = slices.Compact(found), c.clock.Now().Add(listsLast)
	return c.known
}

// lists are the metrics that a member has. Their names are resource/metric.
func lists(ctx context.Context, member rest.Interface) ([]provider.CustomMetricInfo, error) {
	for _, version := range custom.Versions() {
		body, err := live.Paths{Interface: member}.ReadPath(ctx, path.Join("/apis", version.String()), nil)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		resources := metav1.APIResourceList{}
		if err := json.Unmarshal(body, &resources); err != nil {
			return nil, fmt.Errorf("decoding the resources of %s: %w", version, err)
		}
		var found []provider.CustomMetricInfo
		for _, resource := range resources.APIResources {
			if of, metric, both := strings.Cut(resource.Name, "/"); both {
				found = append(found, provider.CustomMetricInfo{GroupResource: schema.ParseGroupResource(of), Namespaced: resource.Namespaced, Metric: metric})
			}
		}
		return found, nil
	}
	return nil, nil
}

// GetExternalMetric implements provider.ExternalMetricsProvider. What is outside of all clusters is in none of them: several members
// that know of it would be counted several times.
func (c *customs) GetExternalMetric(_ context.Context, _ string, _ labels.Selector, info provider.ExternalMetricInfo) (*external_metrics.ExternalMetricValueList, error) {
	return nil, apierrors.NewNotFound(external_metrics.Resource("externalmetrics"), info.Metric)
}

// ListAllExternalMetrics implements provider.ExternalMetricsProvider.
func (c *customs) ListAllExternalMetrics() []provider.ExternalMetricInfo { return nil }
