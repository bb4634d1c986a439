package custom

import (
	"context"
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestPaths(t *testing.T) {
	web := labels.SelectorFromSet(labels.Set{"app": "web"})
	for want, query := range map[string]Query{
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/hits":               {Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop", Metric: "hits", Objects: web},
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/jobs.batch/a/age":          {Resource: schema.GroupResource{Group: "batch", Resource: "jobs"}, Namespace: "shop", Name: "a", Metric: "age", Objects: web},
		"/apis/custom.metrics.k8s.io/v1beta2/nodes/n/heat":                              {Resource: schema.GroupResource{Resource: "nodes"}, Name: "n", Metric: "heat"},
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/metrics/orders":            {Resource: schema.GroupResource{Resource: "namespaces"}, Name: "shop", Metric: "orders"},
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/*/metrics/orders":               {Resource: schema.GroupResource{Resource: "namespaces"}, Metric: "orders"},
		"/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/namespaces.example.io/a/b": {Resource: schema.GroupResource{Group: "example.io", Resource: "namespaces"}, Namespace: "shop", Name: "a", Metric: "b"},
	} {
		if got := query.path(Versions()[0]); got != want {
			t.Errorf("%+v is at %s, want %s", query, got, want)
		}
		if selects := query.parameters()["labelSelector"]; (selects == "app=web") != (query.Name == "" && query.Objects != nil) {
			t.Errorf("%+v selects by %q", query, selects)
		}
	}
}

// Names come from users, and must not lead to what those may not ask for.
func TestNamesStayWithinTheirPath(t *testing.T) {
	pods := schema.GroupResource{Resource: "pods"}
	for _, query := range []Query{
		{Resource: pods, Namespace: "shop", Name: "..", Metric: "hits"},
		{Resource: pods, Namespace: "shop", Name: "a", Metric: "../../../../../../../api/v1/secrets"},
		{Resource: pods, Namespace: "..", Name: "a", Metric: "hits"},
		{Resource: pods, Namespace: "shop", Name: "a%2F..", Metric: "hits"},
		{Resource: schema.GroupResource{Resource: ".."}, Namespace: "shop", Name: "a", Metric: "hits"},
	} {
		_, err := Get(t.Context(), func(_ context.Context, path string, _ map[string]string) ([]byte, error) {
			t.Errorf("%+v asks for %s", query, path)
			return []byte("{}"), nil
		}, query)
		if !apierrors.IsBadRequest(err) {
			t.Errorf("%+v: %v", query, err)
		}
	}
}

func TestVersionsAreTriedInOrder(t *testing.T) {
	query := Query{Resource: schema.GroupResource{Resource: "pods"}, Namespace: "shop", Metric: "hits"}
	served := func(version, body string, failure error) Read {
		return func(_ context.Context, path string, _ map[string]string) ([]byte, error) {
			if !strings.Contains(path, "/"+version+"/") {
				return nil, apierrors.NewNotFound(schema.GroupResource{}, path)
			}
			return []byte(body), failure
		}
	}
	got, err := Get(t.Context(), served("v1beta1", `{"items":[{"metricName":"hits","window":7,"value":"3"}]}`, nil), query)
	if err != nil || len(got) != 1 || got[0].Metric.Name != "hits" || *got[0].WindowSeconds != 7 || got[0].Value.Value() != 3 {
		t.Errorf("%v, %v", got, err)
	}
	broken := errors.New("broken")
	if _, err := Get(t.Context(), served("v1beta2", "", broken), query); !errors.Is(err, broken) || !strings.Contains(err.Error(), "metric hits of pods") {
		t.Errorf("a failure: %v", err)
	}
	if _, err := Get(t.Context(), served("v1beta2", `{"items":7}`, nil), query); err == nil || !strings.Contains(err.Error(), "v1beta2") {
		t.Errorf("no list: %v", err)
	}
	if _, err := Get(t.Context(), served("v1", "", nil), query); !apierrors.IsNotFound(err) {
		t.Errorf("no version: %v", err)
	}
}
