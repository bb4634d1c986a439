package metrics

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	explain "k8s.io/kubectl/pkg/explain/v2"
	metricsv1beta1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// plane answers as a kube-apiserver what an adapter asks of one: who callers are, what they may do, and which clusters there are.
type plane struct{ member string }

func (p plane) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	body, _ := io.ReadAll(r.Body)
	switch {
	case strings.HasSuffix(r.URL.Path, "/tokenreviews"):
		// A token is the name of its user.
		review := struct {
			Spec struct{ Token string }
		}{}
		_ = json.Unmarshal(body, &review)
		fmt.Fprintf(w, `{"apiVersion":"authentication.k8s.io/v1","kind":"TokenReview","status":{"authenticated":true,"user":{"username":%q}}}`, review.Spec.Token)
	case strings.HasSuffix(r.URL.Path, "/subjectaccessreviews"):
		fmt.Fprintf(w, `{"apiVersion":"authorization.k8s.io/v1","kind":"SubjectAccessReview","status":{"allowed":%t}}`, strings.Contains(string(body), `"user":"una"`))
	case strings.HasSuffix(r.URL.Path, "/clusters") && r.URL.Query().Get("watch") == "":
		cluster := readyCluster("m1")
		cluster.Spec.APIEndpoint, cluster.Spec.SecretRef = p.member, &clusterv1alpha1.LocalSecretReference{Namespace: "karmada-cluster", Name: "m1"}
		list := clusterv1alpha1.ClusterList{Items: []clusterv1alpha1.Cluster{*cluster}}
		list.APIVersion, list.Kind, list.ResourceVersion = clusterv1alpha1.GroupVersion.String(), "ClusterList", "1"
		_ = json.NewEncoder(w).Encode(list)
	case strings.HasSuffix(r.URL.Path, "/clusters") && r.URL.Query().Get("sendInitialEvents") == "":
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	case strings.HasSuffix(r.URL.Path, "/secrets/m1"):
		fmt.Fprint(w, `{"apiVersion":"v1","kind":"Secret","metadata":{"name":"m1"},"data":{"token":"b3du"}}`)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`)
	}
}

// serve runs an adapter over one member, and returns where.
func serve(t *testing.T, says answers) string {
	t.Helper()
	member := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer own" {
			t.Errorf("the member was asked with %q", r.Header.Get("Authorization"))
		}
		says.ServeHTTP(w, r)
	}))
	t.Cleanup(member.Close)
	controlPlane := httptest.NewServer(plane{member: member.URL})
	t.Cleanup(func() {
		controlPlane.CloseClientConnections()
		controlPlane.Close()
	})
	kubeconfig := filepath.Join(t.TempDir(), "plane.config")
	config := api.Config{
		Clusters: map[string]*api.Cluster{"plane": {Server: controlPlane.URL}}, Contexts: map[string]*api.Context{"plane": {Cluster: "plane"}}, CurrentContext: "plane",
	}
	if err := clientcmd.WriteToFile(config, kubeconfig); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := NewOptions()
	flags := pflag.NewFlagSet("metrics-adapter", pflag.ContinueOnError)
	options.AddFlags(flags)
	arguments := []string{"--kubeconfig=" + kubeconfig, "--cert-dir=" + t.TempDir(), "--authentication-skip-lookup", "--metrics-bind-address=0", "--bind-address=127.0.0.1"}
	if err := flags.Parse(arguments); err != nil {
		t.Fatal(err)
	}
	options.SecureServing.Listener, options.SecureServing.BindPort = listener, listener.Addr().(*net.TCPAddr).Port
	if err := options.Complete(); err != nil {
		t.Fatal(err)
	}
	if err := options.Validate(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- options.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the adapter ended: %v", err)
		}
	})
	return "https://" + listener.Addr().String()
}

// TestAdapterServes: who is known and allowed is answered for all three groups, in every version and as a table, and nobody else.
func TestAdapterServes(t *testing.T) {
	const later = "/apis/custom.metrics.k8s.io/v1beta2"
	hits := values(value("x", "1500m", "2026-01-01T00:00:07Z", true))
	url := serve(t, answers{
		podsPath: podList(podUse("x", 20)), later: `{"resources":[{"name":"pods/hits","namespaced":true}]}`,
		later + "/namespaces/shop/pods/*/hits": hits, later + "/namespaces/shop/pods/x/hits": hits,
	})
	as := func(user string) *rest.Config {
		return &rest.Config{Host: url, BearerToken: user, TLSClientConfig: rest.TLSClientConfig{Insecure: true}}
	}
	get := func(path, user, accept string) (int, string) {
		client, err := rest.HTTPClientFor(as(user))
		if err != nil {
			t.Fatal(err)
		}
		defer client.CloseIdleConnections()
		asked, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		asked.Header.Set("Accept", accept)
		response, err := client.Do(asked)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return response.StatusCode, string(body)
	}
	deadline := time.Now().Add(30 * time.Second)
	for status, body := get(podsPath, "una", ""); status != http.StatusOK; status, body = get(podsPath, "una", "") {
		if time.Now().After(deadline) {
			t.Fatalf("the adapter does not serve: %d %s", status, body)
		}
		time.Sleep(20 * time.Millisecond)
	}
	const earlier = "/apis/custom.metrics.k8s.io/v1beta1"
	const table = "application/json;as=Table;v=v1;g=meta.k8s.io"
	for _, tc := range []struct {
		path, user, accept string
		status             int
		want               string
	}{
		{podsPath, "una", "", 200, `"kind":"PodMetricsList","apiVersion":"metrics.k8s.io/v1beta1"`},
		{podsPath, "una", "", 200, `"resource.karmada.io/query-from-cluster":"m1"`},
		{podsPath, "una", table, 200, `"cells":["x","m1","20m","2Mi","30s"]`},
		{podsPath, "stranger", "", 403, "stranger"},
		{podsPath, "", "", 403, "system:anonymous"},
		{"/apis/metrics.k8s.io/v1beta1", "una", "", 200, `"name":"nodes"`},
		{later, "una", "", 200, `"pods/hits"`},
		{later + "/namespaces/shop/pods/*/hits", "una", "", 200, `"metric":{"name":"hits"`},
		{earlier + "/namespaces/shop/pods/x/hits", "una", "", 200, `"metricName":"hits"`},
		{earlier + "/namespaces/shop/pods/x/misses", "una", "", 404, "misses"},
		{later + "/namespaces/shop/pods/x/hits", "stranger", "", 403, "stranger"},
		{"/apis/external.metrics.k8s.io/v1beta1", "una", "", 200, `"resources":[]`},
		{"/apis/external.metrics.k8s.io/v1beta1/namespaces/shop/queue", "una", "", 404, "queue"},
		{"/openapi/v3", "una", "", 200, `"apis/metrics.k8s.io/v1beta1"`},
		{"/openapi/v3/apis/metrics.k8s.io/v1beta1", "una", "", 200, `"x-kubernetes-group-version-kind":[{"group":"metrics.k8s.io","kind":"PodMetrics","version":"v1beta1"}]`},
		{"/openapi/v3/apis/custom.metrics.k8s.io/v1beta1", "una", "", 200, `"/apis/custom.metrics.k8s.io/v1beta1/namespaces/{namespace}/{resource}/{name}/{subresource}"`},
		{"/openapi/v3/apis/custom.metrics.k8s.io/v1beta2", "una", "", 200, `{"group":"custom.metrics.k8s.io","kind":"MetricValueList","version":"v1beta2"}`},
		{"/openapi/v3/apis/external.metrics.k8s.io/v1beta1", "una", "", 200, `{"group":"external.metrics.k8s.io","kind":"ExternalMetricValueList","version":"v1beta1"}`},
		{"/openapi/v2", "una", "", 200, `"io.k8s.metrics.pkg.apis.metrics.v1beta1.NodeMetrics":{`},
		{"/openapi/v2", "stranger", "", 403, "stranger"},
	} {
		if status, body := get(tc.path, tc.user, tc.accept); status != tc.status || !strings.Contains(body, tc.want) {
			t.Errorf("%s as %q: %d %s, want %d with %s", tc.path, tc.user, status, body, tc.status, tc.want)
		}
	}
	for resource, want := range map[string]string{"pods": "containers", "nodes": "usage"} {
		if said := explained(t, as("una"), metricsv1beta1.SchemeGroupVersion.WithResource(resource)); !strings.Contains(said, want) {
			t.Errorf("of %s is explained: %s, want %s in it", resource, said, want)
		}
	}
}

// TestNoPortWithoutAServer: the adapter's own metrics are served beside a server, and by nobody while there is none.
func TestNoPortWithoutAServer(t *testing.T) {
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	if err := free.Close(); err != nil {
		t.Fatal(err)
	}
	options := NewOptions()
	options.MetricsBindAddress, options.Kubeconfig = address, filepath.Join(t.TempDir(), "none")
	if err := options.Run(t.Context()); err == nil {
		t.Fatal("it runs without a control plane")
	}
	again, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatalf("something listens where no server was made: %v", err)
	}
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

// explained holds what `kubectl explain` says of a kind.
func explained(t *testing.T, as *rest.Config, resource schema.GroupVersionResource) string {
	t.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(as)
	if err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	if err := explain.PrintModelDescription(nil, &said, client.OpenAPIV3(), resource, false, 0, "plaintext"); err != nil {
		t.Errorf("explaining %s: %v", resource, err)
	}
	return said.String()
}

func TestAdapterValidatesItsFlags(t *testing.T) {
	options := NewOptions()
	options.MetricsBindAddress, options.Members.QPS = "nowhere", 0
	if err := options.Validate(); err == nil || !strings.Contains(err.Error(), "--metrics-bind-address") || !strings.Contains(err.Error(), "--cluster-api-qps") {
		t.Errorf("error %v", err)
	}
}
