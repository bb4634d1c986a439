// Package custom reads the custom metrics API of a cluster, custom.metrics.k8s.io, whichever of its versions is served.
package custom

import (
	"context"
	"encoding/json"
	"fmt"
	"path"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta1"
	"k8s.io/metrics/pkg/apis/custom_metrics/v1beta2"
)

// Read returns what an API server answers to a GET of a path. Errors are those of an API server.
type Read func(ctx context.Context, path string, parameters map[string]string) ([]byte, error)

// Query is what is asked for: a metric of one object, or of all objects of a kind that a selector finds.
type Query struct {
	Resource schema.GroupResource
	// Namespace is empty for kinds that have none.
	Namespace string
	// Name is that of the object; empty for all that Objects finds.
	Name    string
	Objects labels.Selector
	Metric  string
	// Series chooses among those of the metric; nil for all.
	Series labels.Selector
}

// Versions are those of the API, the better ones first.
func Versions() []schema.GroupVersion {
	return []schema.GroupVersion{v1beta2.SchemeGroupVersion, v1beta1.SchemeGroupVersion}
}

// Get asks for values. It is NotFound where neither the metric nor the API is served.
func Get(ctx context.Context, read Read, query Query) ([]v1beta2.MetricValue, error) {
	if err := CheckSegments(query.Resource.String(), query.Namespace, query.Name, query.Metric); err != nil {
		return nil, err
	}
	var absent error
	for _, version := range Versions() {
		body, err := read(ctx, query.path(version), query.parameters())
		if apierrors.IsNotFound(err) {
			if absent == nil {
				absent = err
			}
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading metric %s of %s: %w", query.Metric, query.Resource, err)
		}
		return decode(body, version)
	}
	return nil, absent
}

// CheckSegments refuses names that would lead a path elsewhere. They come from users, while paths are asked for with more rights than
// users have. Empty ones are no segments.
func CheckSegments(names ...string) error {
	for _, name := range names {
		if faults := content.IsPathSegmentName(name); len(faults) > 0 {
			return apierrors.NewBadRequest(fmt.Sprintf("name %q of what is measured: %s", name, faults[0]))
		}
	}
	return nil
}

// path is where the values are. Those of a namespace itself stand beside those of what is in it.
func (q Query) path(version schema.GroupVersion) string {
	name := q.Name
	if name == "" {
		name = v1beta2.AllObjects
	}
	root := path.Join("/apis", version.String())
	switch {
	case q.Resource == schema.GroupResource{Resource: "namespaces"}:
		return path.Join(root, "namespaces", name, "metrics", q.Metric)
	case q.Namespace != "":
		root = path.Join(root, "namespaces", q.Namespace)
	}
	return path.Join(root, q.Resource.String(), name, q.Metric)
}

func (q Query) parameters() map[string]string {
	given := map[string]string{}
	if q.Name == "" && q.Objects != nil && !q.Objects.Empty() {
		given["labelSelector"] = q.Objects.String()
	}
	if q.Series != nil && !q.Series.Empty() {
		given["metricLabelSelector"] = q.Series.String()
	}
	return given
}

// decode reads a list of either version.
func decode(body []byte, version schema.GroupVersion) ([]v1beta2.MetricValue, error) {
	var err error
	list := v1beta2.MetricValueList{}
	if version == v1beta2.SchemeGroupVersion {
		err = json.Unmarshal(body, &list)
	} else {
		earlier := v1beta1.MetricValueList{}
		err = json.Unmarshal(body, &earlier)
		for _, value := range earlier.Items {
			list.Items = append(list.Items, v1beta2.MetricValue{
				DescribedObject: value.DescribedObject, Metric: v1beta2.MetricIdentifier{Name: value.MetricName, Selector: value.Selector},
				Timestamp: value.Timestamp, WindowSeconds: value.WindowSeconds, Value: value.Value,
			})
		}
	}
	if err != nil {
		return nil, fmt.Errorf("decoding a list of %s: %w", version, err)
	}
	return list.Items, nil
}
