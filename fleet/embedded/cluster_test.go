package embedded

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/tools/clientcmd"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
)

// testAccess: the cluster says its version, RBAC holds, and a tied client certificate is who it says.
func testAccess(t *testing.T, f *Fleet) {
	ctx := t.Context()
	cfg, err := f.RESTConfig("m1")
	if err != nil {
		t.Fatal(err)
	}
	version, err := discovery.NewDiscoveryClientForConfigOrDie(cfg).ServerVersion()
	if err != nil || version.GitVersion != "v"+Kubernetes {
		t.Errorf("the member's version is %v, %v", version, err)
	}
	path, err := f.IssueKubeconfig("m1", "reader", "someone", "some-group")
	if err != nil {
		t.Fatal(err)
	}
	if cfg, err = clientcmd.BuildConfigFromFlags("", path); err != nil {
		t.Fatal(err)
	}
	if err := clientFor(t, cfg).List(ctx, &corev1.PodList{}); !apierrors.IsForbidden(err) {
		t.Errorf("a user without roles may list pods: %v", err)
	}
	for _, cluster := range []string{"control", "m1"} {
		loader := &clientcmd.ClientConfigLoadingRules{ExplicitPath: f.MergedKubeconfig()}
		cfg, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(loader, &clientcmd.ConfigOverrides{CurrentContext: cluster}).ClientConfig()
		if err != nil {
			t.Fatal(err)
		}
		if err := clientFor(t, cfg).List(ctx, &corev1.NamespaceList{}); err != nil {
			t.Errorf("context %s of the merged kubeconfig: %v", cluster, err)
		}
	}
}

// testAggregation: the control plane's API server passes a group on to a server outside of it, behind a Service that names
// localhost, and shows it its front proxy certificate and the user.
func testAggregation(t *testing.T, f *Fleet) {
	ctx := t.Context()
	files, err := f.Files("control")
	if err != nil {
		t.Fatal(err)
	}
	const service, namespace = "aggregated", "default"
	pair, err := f.IssueServing("control", service, service+"."+namespace+".svc")
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.LoadX509KeyPair(pair.Cert, pair.Key)
	if err != nil {
		t.Fatal(err)
	}
	proxyCA, clusterCA := x509.NewCertPool(), readFile(t, files.CA.Cert)
	proxyCA.AppendCertsFromPEM(readFile(t, files.FrontProxyCA.Cert))
	users := make(chan string, 100)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/apis/test.example/v1/things" {
			users <- r.Header.Get("X-Remote-User")
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"kind":"APIResourceList","apiVersion":"v1","groupVersion":"test.example/v1","resources":[]}`)
	}))
	server.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: proxyCA, ClientAuth: tls.RequireAndVerifyClientCert}
	server.StartTLS()
	defer server.Close()

	control := clientOf(t, f, "control")
	port := int32(server.Listener.Addr().(*net.TCPAddr).Port)
	svc := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: service},
		Spec:       corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "localhost"},
	}
	api := &apiregistrationv1.APIService{
		ObjectMeta: metav1.ObjectMeta{Name: "v1.test.example"},
		Spec: apiregistrationv1.APIServiceSpec{
			Group: "test.example", Version: "v1", GroupPriorityMinimum: 1000, VersionPriority: 10, CABundle: clusterCA,
			Service: &apiregistrationv1.ServiceReference{Namespace: namespace, Name: service, Port: &port},
		},
	}
	for _, obj := range []client.Object{svc, api} {
		if err := control.Create(ctx, obj); err != nil {
			t.Fatal(err)
		}
	}
	cfg, err := f.RESTConfig("control")
	if err != nil {
		t.Fatal(err)
	}
	raw := discovery.NewDiscoveryClientForConfigOrDie(cfg).RESTClient()
	err = f.Await(ctx, 15*time.Second, "the aggregated API", func(ctx context.Context) (bool, error) {
		return raw.Get().AbsPath("/apis/test.example/v1/things").Do(ctx).Error() == nil, nil
	})
	if err != nil {
		t.Fatalf("%v; %+v", err, control.Get(ctx, client.ObjectKeyFromObject(api), api))
	}
	if user := <-users; user != "kubernetes-admin" {
		t.Errorf("the aggregated server was told the user is %q", user)
	}
	if err := control.Delete(ctx, api); err != nil {
		t.Error(err)
	}
}

// testRecover: a pod that the node lifecycle controller marked as not ready becomes ready, one that has a reason does not.
func testRecover(t *testing.T, f *Fleet, member client.Client) {
	ctx := t.Context()
	pods := &corev1.PodList{}
	if err := member.List(ctx, pods, client.InNamespace("default")); err != nil {
		t.Fatal(err)
	}
	setReady := func(pod *corev1.Pod, status corev1.ConditionStatus, reason string) {
		for i := range pod.Status.Conditions {
			if pod.Status.Conditions[i].Type == corev1.PodReady {
				pod.Status.Conditions[i].Status, pod.Status.Conditions[i].Reason = status, reason
			}
		}
		if err := member.Status().Update(ctx, pod); err != nil {
			t.Fatal(err)
		}
	}
	ill := &pods.Items[1]
	setReady(&pods.Items[0], corev1.ConditionFalse, "")
	setReady(ill, corev1.ConditionFalse, "Drill")
	awaitReplicas(t, f, member, "web", 2)
	err := f.Await(ctx, 10*time.Second, "the pod's recovery", func(ctx context.Context) (bool, error) {
		err := member.Get(ctx, client.ObjectKeyFromObject(&pods.Items[0]), &pods.Items[0])
		return podReady(&pods.Items[0]), err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := member.Get(ctx, client.ObjectKeyFromObject(ill), ill); err != nil || podReady(ill) {
		t.Errorf("a pod that is not ready for a reason: ready %t, %v", podReady(ill), err)
	}
	setReady(ill, corev1.ConditionTrue, "")
	awaitReplicas(t, f, member, "web", 3)
}

func checkNodes(t *testing.T, member client.Client) {
	t.Helper()
	nodes := &corev1.NodeList{}
	if err := member.List(t.Context(), nodes); err != nil {
		t.Fatal(err)
	}
	zones := map[string]int{}
	for _, n := range nodes.Items {
		zones[n.Labels[corev1.LabelTopologyZone]]++
		if n.Labels[corev1.LabelTopologyRegion] != "r1" || n.Status.Allocatable.Cpu().String() != fleet.DefaultCPU {
			t.Errorf("node %s is in region %q with %s CPUs", n.Name, n.Labels[corev1.LabelTopologyRegion], n.Status.Allocatable.Cpu())
		}
	}
	if len(nodes.Items) != fleet.DefaultNodes || zones["r1-a"] != 2 || zones["r1-b"] != 1 {
		t.Errorf("%d nodes in zones %v", len(nodes.Items), zones)
	}
}

func checkControlPlaneRunsNoWorkloads(t *testing.T, f *Fleet) {
	t.Helper()
	control := clientOf(t, f, "control")
	d := deployment("web", 1)
	if err := control.Create(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	// The namespace controller does run: a namespace goes away.
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "passing"}}
	if err := control.Create(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	if err := control.Delete(t.Context(), ns); err != nil {
		t.Fatal(err)
	}
	err := f.Await(t.Context(), 10*time.Second, "the namespace's end", func(ctx context.Context) (bool, error) {
		return apierrors.IsNotFound(control.Get(ctx, client.ObjectKeyFromObject(ns), ns)), nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := control.Get(t.Context(), client.ObjectKeyFromObject(d), d); err != nil || d.Status.ObservedGeneration != 0 {
		t.Errorf("a Deployment in the control plane was acted on: %+v, %v", d.Status, err)
	}
}

// linkClient goes the way of the control plane.
func linkClient(t *testing.T, f *Fleet, cluster string) client.Client {
	t.Helper()
	cfg, err := f.RESTConfig(cluster)
	if err != nil {
		t.Fatal(err)
	}
	clusters, err := f.Clusters(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range clusters {
		if c.Name == cluster {
			cfg.Host = c.Endpoint
		}
	}
	return clientFor(t, cfg)
}

// uplinkClient goes the way of an agent in the member.
func uplinkClient(t *testing.T, f *Fleet, member string) client.Client {
	t.Helper()
	path, err := f.IssueUplink(member, "agent", "agent", mastersGroup)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		t.Fatal(err)
	}
	return clientFor(t, cfg)
}

func podReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
