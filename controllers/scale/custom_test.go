package scale

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/control"
)

// paths is an API server that says something below paths, and an error below those that say none.
type paths map[string]string

func (p paths) ReadPath(_ context.Context, path string, parameters map[string]string) ([]byte, error) {
	for _, name := range []string{"labelSelector", "metricLabelSelector"} {
		if parameters[name] != "" {
			path += " " + parameters[name]
		}
	}
	body, found := p[path]
	if !found {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, path)
	}
	if body == "" {
		return nil, errors.New("broken")
	}
	return []byte(body), nil
}

// fleetOfPaths are members by their names.
type fleetOfPaths map[string]paths

func (f fleetOfPaths) Member(_ context.Context, cluster string) (control.Member, error) {
	if f[cluster] == nil {
		return nil, control.ErrNoMember
	}
	return struct {
		control.Member
		control.PathReader
	}{PathReader: f[cluster]}, nil
}

const (
	hitsPath   = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/pods/*/hits app=web path=/"
	lengthPath = "/apis/custom.metrics.k8s.io/v1beta2/namespaces/shop/ingresses.networking.k8s.io/front/hits"
)

func measuredAs(name, amount string) string {
	return `{"items":[{"describedObject":{"kind":"Pod","name":"` + name + `"},"metric":{"name":"hits"},"timestamp":"2023-11-14T22:13:20Z","windowSeconds":60,"value":"` + amount + `"}]}`
}

func reading(fleet fleetOfPaths, clusters ...string) members {
	kinds := meta.NewDefaultRESTMapper(nil)
	kinds.Add(schema.GroupVersionKind{Group: "networking.k8s.io", Version: "v1", Kind: "Ingress"}, meta.RESTScopeNamespace)
	kinds.Add(schema.GroupVersionKind{Version: "v1", Kind: "Node"}, meta.RESTScopeRoot)
	return members{Members: fleet, clusters: clusters, placed: clusters, kinds: kinds}
}

func TestCustomMetricsOfPods(t *testing.T) {
	fleet := fleetOfPaths{"m1": {hitsPath: measuredAs("web-1", "1500m")}, "m2": {hitsPath: measuredAs("web-1", "2")}, "bare": {}}
	series := autoscale.Query{Name: "hits", Selector: labels.SelectorFromSet(labels.Set{"path": "/"})}
	got, err := reading(fleet, "m1", "m2", "bare", "gone").Pods(t.Context(), "shop", labels.SelectorFromSet(web), series)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(1_700_000_000, 0).UTC()
	for key, sample := range got {
		sample.At = sample.At.UTC()
		got[key] = sample
	}
	want := autoscale.Samples{
		{Cluster: "m1", Name: "web-1"}: {Value: 1500, At: at, Window: time.Minute}, {Cluster: "m2", Name: "web-1"}: {Value: 2000, At: at, Window: time.Minute},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := reading(fleet, "bare").Pods(t.Context(), "shop", labels.Everything(), series); !apierrors.IsNotFound(err) {
		t.Errorf("nobody has it: %v", err)
	}
}

func TestMetricsOfObjectsAreAddedUp(t *testing.T) {
	front := autoscalingv2.CrossVersionObjectReference{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "front"}
	fleet := fleetOfPaths{
		"m1": {lengthPath: measuredAs("front", "3")}, "m2": {lengthPath: measuredAs("front", "4500m")}, "bare": {}, "broken": {lengthPath: ""},
		"node": {"/apis/custom.metrics.k8s.io/v1beta2/nodes/n/hits": measuredAs("n", "1")},
	}
	for name, tc := range map[string]struct {
		clusters []string
		silent   []string
		object   autoscalingv2.CrossVersionObjectReference
		want     autoscale.Total
		err      string
	}{
		"two clusters have one":          {clusters: []string{"m1", "m2", "bare"}, object: front, want: autoscale.Total{Value: 7500}},
		"a cluster that does not answer": {clusters: []string{"m1", "broken"}, object: front, want: autoscale.Total{Value: 3000, Partial: true}},
		"a cluster that was silent":      {clusters: []string{"m1", "m2"}, silent: []string{"m2"}, object: front, want: autoscale.Total{Value: 3000, Partial: true}},
		"only silent clusters":           {clusters: []string{"m2"}, silent: []string{"m2"}, object: front, err: "cluster m2: it does not answer"},
		"a cluster that is gone":         {clusters: []string{"gone", "m1"}, object: front, want: autoscale.Total{Value: 3000, Partial: true}},
		"no cluster answers":             {clusters: []string{"bare", "broken"}, object: front, err: "in cluster broken"},
		"no cluster has it":              {clusters: []string{"bare"}, object: front, err: "no cluster of the target has metric hits of Ingress front"},
		"of no namespace":                {clusters: []string{"node"}, object: autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: "Node", Name: "n"}, want: autoscale.Total{Value: 1000}},
		"of a kind that is not known":    {clusters: []string{"m1"}, object: autoscalingv2.CrossVersionObjectReference{APIVersion: "v1", Kind: "Thing", Name: "n"}, err: "Thing"},
	} {
		m := reading(fleet, tc.clusters...)
		m.silent = tc.silent
		got, err := m.Object(t.Context(), "shop", tc.object, autoscale.Query{Name: "hits", Selector: labels.Everything()})
		switch {
		case tc.err != "" && (err == nil || !strings.Contains(err.Error(), tc.err)), tc.err == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case tc.err == "" && got != tc.want:
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestExternalMetricsAreThoseOfTheControlPlane(t *testing.T) {
	const at = "/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/"
	m := members{plane: paths{at + "queue region=eu": `{"items":[{"value":"2"},{"value":"500m"}]}`, at + "empty": `{"items":[]}`, at + "broken": "", "/api/v1/secrets": `{"items":[{"value":"2"}]}`}}
	got, err := m.External(t.Context(), "shop", autoscale.Query{Name: "queue", Selector: labels.SelectorFromSet(labels.Set{"region": "eu"})})
	if err != nil || got != 2500 {
		t.Errorf("%d, %v", got, err)
	}
	for name, want := range map[string]string{"empty": "no values", "broken": "broken", "unheard": "register an API server", "../../../../../api/v1/secrets": "may not contain '/'"} {
		if _, err := m.External(t.Context(), "shop", autoscale.Query{Name: name}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := (members{}).External(t.Context(), "shop", autoscale.Query{Name: "queue"}); err == nil {
		t.Error("a control plane without API server has external metrics")
	}
}

func TestReadingsDoNotOverflow(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1500m": 1500, "-3": -3000, "1u": 1, "9223372036854775807m": math.MaxInt64, "9223372036854775": 9223372036854775000,
		"9223372036854776": math.MaxInt64, "9E": math.MaxInt64, "-9E": -math.MaxInt64,
	} {
		if got := thousandths(resource.MustParse(text)); got != want {
			t.Errorf("%s is %d thousandths, want %d", text, got, want)
		}
	}
	large := resource.MustParse("7E")
	pod := &metricsv1beta1.PodMetrics{Containers: []metricsv1beta1.ContainerMetrics{{Usage: corev1.ResourceList{"x": large}}, {Usage: corev1.ResourceList{"x": large}}}}
	if sum, found := use(pod, "x", ""); !found || sum != math.MaxInt64 {
		t.Errorf("the sum of two large readings is %d, %t", sum, found)
	}
}
