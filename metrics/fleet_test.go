package metrics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/internalversion"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/endpoints/request"
	registry "k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/custom-metrics-apiserver/pkg/provider"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// answers are what a member says, by path and parameters.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	asked := r.URL.Path
	if r.URL.RawQuery != "" {
		asked += "?" + r.URL.RawQuery
	}
	body, found := a[asked]
	if !found {
		w.WriteHeader(http.StatusNotFound)
		body = `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`
	}
	fmt.Fprint(w, body)
}

// fleetOf is one of members that are ready, but those without any answer, which are not reached.
func fleetOf(t *testing.T, members map[string]answers) *fleet {
	t.Helper()
	var clusters []*clusterv1alpha1.Cluster
	clients := map[string]rest.Interface{}
	for name, says := range members {
		clusters = append(clusters, readyCluster(name))
		if says == nil {
			continue
		}
		server := httptest.NewServer(says)
		t.Cleanup(server.Close)
		client, err := rest.UnversionedRESTClientFor(&rest.Config{Host: server.URL, ContentConfig: rest.ContentConfig{NegotiatedSerializer: scheme.Codecs.WithoutConversion()}})
		if err != nil {
			t.Fatal(err)
		}
		clients[name] = client
	}
	return &fleet{
		clusters: func() ([]*clusterv1alpha1.Cluster, error) { return clusters, nil },
		reach: func(_ context.Context, cluster *clusterv1alpha1.Cluster) (rest.Interface, error) {
			if clients[cluster.Name] == nil {
				return nil, errors.New("unplugged")
			}
			return clients[cluster.Name], nil
		},
	}
}

func readyCluster(name string) *clusterv1alpha1.Cluster {
	made := &clusterv1alpha1.Cluster{}
	made.Name = name
	meta.SetStatusCondition(&made.Status.Conditions, metav1.Condition{Type: names.ConditionClusterReady, Status: metav1.ConditionTrue, Reason: "ClusterReady"})
	return made
}

// podUse is what a pod's two containers use together.
func podUse(name string, milli int) string {
	return fmt.Sprintf(`{"metadata":{"name":%q,"namespace":"shop"},"timestamp":"2026-01-01T00:00:00Z","window":"30s",
		"containers":[{"name":"a","usage":{"cpu":"%dm","memory":"1Mi"}},{"name":"b","usage":{"cpu":"5m","memory":"1Mi"}}]}`, name, milli-5)
}

func podList(pods ...string) string {
	return `{"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1","items":[` + strings.Join(pods, ",") + `]}`
}

const podsPath = "/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods"

// printed is what a table says.
func printed(t *testing.T, storage registry.Storage, object runtime.Object) string {
	t.Helper()
	table, err := storage.(registry.TableConvertor).ConvertToTable(t.Context(), object, nil)
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for _, row := range table.Rows {
		rows = append(rows, fmt.Sprint(row.Cells))
	}
	return strings.Join(rows, " ")
}

func TestUseOfPodsIsThatOfAllMembers(t *testing.T) {
	storage := usage(fleetOf(t, map[string]answers{
		"m1": {podsPath: podList(podUse("x", 20), podUse("y", 30)), podsPath + "?labelSelector=app%3Dweb": podList(podUse("y", 30)), podsPath + "/x": podUse("x", 20), podsPath + "/y": podUse("y", 30)},
		"m2": {podsPath: podList(podUse("x", 40)), podsPath + "?labelSelector=app%3Dweb": podList(), podsPath + "/x": podUse("x", 40)},
		"m3": {}, "m4": nil,
	}))["pods"]
	ctx := request.WithNamespace(t.Context(), "shop")
	for name, tc := range map[string]struct {
		options *internalversion.ListOptions
		want    string
	}{
		"all":      {&internalversion.ListOptions{}, "[x m1 20m 2Mi 30s] [y m1 30m 2Mi 30s] [x m2 40m 2Mi 30s]"},
		"by label": {&internalversion.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{"app": "web"})}, "[y m1 30m 2Mi 30s]"},
		"by field": {&internalversion.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", "x")}, "[x m1 20m 2Mi 30s] [x m2 40m 2Mi 30s]"},
	} {
		list, err := storage.(registry.Lister).List(ctx, tc.options)
		if err != nil {
			t.Fatal(err)
		}
		if got := printed(t, storage, list); got != tc.want {
			t.Errorf("%s: %s, want %s", name, got, tc.want)
		}
	}
	one, err := storage.(registry.Getter).Get(ctx, "y", nil)
	if err != nil || one.(*metricsv1beta1.PodMetrics).Annotations[names.AnnotationQueryFromCluster] != "m1" {
		t.Errorf("y: %v, %v", one, err)
	}
	if _, err := storage.(registry.Getter).Get(ctx, "x", nil); !apierrors.IsConflict(err) || !strings.Contains(err.Error(), "m1 and m2") {
		t.Errorf("a pod of two clusters: %v", err)
	}
	if _, err := storage.(registry.Getter).Get(ctx, "z", nil); !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "m4: unplugged") {
		t.Errorf("a pod that may be in a cluster that does not answer: %v", err)
	}
}

func TestUseOfNodesAndUnknownOnes(t *testing.T) {
	const node = `{"kind":"NodeMetrics","metadata":{"name":"n"},"window":"10s","usage":{"cpu":"2","memory":"1Gi"}}`
	storage := usage(fleetOf(t, map[string]answers{"m1": {"/apis/metrics.k8s.io/v1beta1/nodes/n": node}, "m2": {}}))["nodes"]
	found, err := storage.(registry.Getter).Get(t.Context(), "n", nil)
	if err != nil || printed(t, storage, found) != "[n m1 2 1Gi 10s]" {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := storage.(registry.Getter).Get(t.Context(), "other", nil); !apierrors.IsNotFound(err) {
		t.Errorf("a node that no cluster has: %v", err)
	}
	if _, err := storage.(registry.Getter).Get(t.Context(), "..", nil); !apierrors.IsBadRequest(err) {
		t.Errorf("a name that leads elsewhere: %v", err)
	}
}

func TestClustersThatAreNotReadyAreNotAsked(t *testing.T) {
	asked := atomic.Int32{}
	f := fleetOf(t, map[string]answers{"m1": nil})
	reach := f.reach
	f.reach = func(ctx context.Context, cluster *clusterv1alpha1.Cluster) (rest.Interface, error) {
		asked.Add(1)
		return reach(ctx, cluster)
	}
	clusters, _ := f.clusters()
	clusters[0].Status.Conditions[0].Status = metav1.ConditionFalse
	_, err := f.get(t.Context(), "/x", nil)
	if !apierrors.IsServiceUnavailable(err) || !strings.Contains(err.Error(), "cluster m1: it is not ready") || asked.Load() > 0 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
	f.clusters = func() ([]*clusterv1alpha1.Cluster, error) { return nil, errors.New("not known yet") }
	if _, err := f.get(t.Context(), "/x", nil); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("before the clusters are known: %v", err)
	}
}

// value is one of a metric, as the earlier version of the API has it or the later one.
func value(name, amount, at string, later bool) string {
	identity := `"metricName":"hits"`
	if later {
		identity = `"metric":{"name":"hits"}`
	}
	return fmt.Sprintf(`{"describedObject":{"kind":"Pod","namespace":"shop","name":%q},%s,"timestamp":%q,"value":%q}`, name, identity, at, amount)
}

func values(items ...string) string {
	return `{"kind":"MetricValueList","items":[` + strings.Join(items, ",") + `]}`
}

func TestCustomMetricsAreAddedUp(t *testing.T) {
	const later, earlier = "/apis/custom.metrics.k8s.io/v1beta2", "/apis/custom.metrics.k8s.io/v1beta1"
	const of = "/namespaces/shop/pods/*/hits"
	c := &customs{clock: clock.RealClock{}, ends: t.Context(), fleet: fleetOf(t, map[string]answers{
		"m1": {
			later + of:                                values(value("y", "10", "2026-01-01T00:00:09Z", true), value("x", "1500m", "2026-01-01T00:00:07Z", true)),
			later + "/namespaces/shop/pods/x/hits":    values(value("x", "1500m", "2026-01-01T00:00:07Z", true)),
			later + "/namespaces/shop/metrics/orders": values(value("shop", "3", "2026-01-01T00:00:07Z", true)),
			later: `{"resources":[{"name":"pods/hits","namespaced":true},{"name":"namespaces/orders"},{"name":"odd"}]}`,
		},
		"m2": {
			earlier + of + "?metricLabelSelector=path%3D%2F": values(),
			earlier + of: values(value("x", "1", "2026-01-01T00:00:05Z", false)),
			earlier:      `{"resources":[{"name":"jobs.batch/age","namespaced":true},{"name":"pods/hits","namespaced":true}]}`,
		},
		"m3": {}, "m4": nil,
	})}
	pods := provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "pods"}, Namespaced: true, Metric: "hits"}
	list, err := c.GetMetricBySelector(t.Context(), "shop", labels.Everything(), pods, labels.Everything())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, item := range list.Items {
		got = append(got, fmt.Sprint(item.DescribedObject.Name, " ", item.Metric.Name, " ", item.Value.String(), " ", item.Timestamp.UTC().Second()))
	}
	if want := "x hits 2500m 5; y hits 10 9"; strings.Join(got, "; ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
	one, err := c.GetMetricByName(t.Context(), types.NamespacedName{Namespace: "shop", Name: "x"}, pods, labels.Everything())
	if err != nil || one.Value.String() != "1500m" {
		t.Errorf("by name: %v, %v", one, err)
	}
	namespaces := provider.CustomMetricInfo{GroupResource: schema.GroupResource{Resource: "namespaces"}, Metric: "orders"}
	if one, err := c.GetMetricByName(t.Context(), types.NamespacedName{Name: "shop"}, namespaces, labels.Everything()); err != nil || one.Value.String() != "3" {
		t.Errorf("of a namespace: %v, %v", one, err)
	}
	series := labels.SelectorFromSet(labels.Set{"path": "/"})
	if _, err := c.GetMetricBySelector(t.Context(), "shop", labels.Everything(), pods, series); !apierrors.IsNotFound(err) {
		t.Errorf("series that nobody has: %v", err)
	}
	if got := fmt.Sprint(c.ListAllMetrics()); got != "[jobs.batch/age(namespaced) namespaces/orders pods/hits(namespaced)]" {
		t.Errorf("there are %s", got)
	}
	if _, err := c.GetExternalMetric(t.Context(), "shop", labels.Everything(), provider.ExternalMetricInfo{Metric: "queue"}); !apierrors.IsNotFound(err) {
		t.Errorf("what is outside of clusters: %v", err)
	}
}

// Members that do not tell what they have are not asked by each client anew, and are asked again.
func TestListsThatFailAreRemembered(t *testing.T) {
	now, asked, broken := clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0)), 0, errors.New("broken")
	c := &customs{clock: now, ends: t.Context(), fleet: &fleet{
		clusters: func() ([]*clusterv1alpha1.Cluster, error) { return []*clusterv1alpha1.Cluster{readyCluster("m1")}, nil },
		reach:    func(context.Context, *clusterv1alpha1.Cluster) (rest.Interface, error) { asked++; return nil, broken },
	}}
	for _, step := range []struct {
		later time.Duration
		want  int
	}{{0, 1}, {0, 1}, {failuresLast - 1, 1}, {1, 2}, {0, 2}} {
		now.SetTime(now.Now().Add(step.later))
		if got := c.ListAllMetrics(); len(got) > 0 || asked != step.want {
			t.Errorf("at %s there are %v, and members were asked %d times, want %d", now.Now().UTC().Format(time.TimeOnly), got, asked, step.want)
		}
	}
}

// What a client gets is what the API of metrics says, whatever the fields are called in between.
func TestUsageIsEncodedAsServed(t *testing.T) {
	known, err := usageScheme()
	if err != nil {
		t.Fatal(err)
	}
	pod := &metricsv1beta1.PodMetrics{Containers: []metricsv1beta1.ContainerMetrics{{Name: "a", Usage: corev1.ResourceList{}}}}
	served, err := known.ConvertToVersion(pod, metricsv1beta1.SchemeGroupVersion)
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(served)
	if err != nil || !strings.HasPrefix(string(encoded), `{"kind":"PodMetrics","apiVersion":"metrics.k8s.io/v1beta1"`) {
		t.Errorf("%s, %v", encoded, err)
	}
}
