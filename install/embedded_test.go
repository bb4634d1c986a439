package install

import (
	"context"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	apiregistrationv1 "k8s.io/kube-aggregator/pkg/apis/apiregistration/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/deploy"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	os.Exit(m.Run())
}

// hosted is a host whose pods are ready without running anything, and another cluster that stands for the control plane in it.
type hosted struct {
	Host
	plane client.Client
}

func newHosted(t *testing.T) hosted {
	t.Helper()
	if testing.Short() {
		t.Skip("starts real clusters")
	}
	binary, err := embedded.EnsureBinary(t.Context(), os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	if err := apiregistrationv1.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	clusters, err := embedded.Open(embedded.Options{Root: t.TempDir(), Binary: binary, Tied: true, Scheme: kinds})
	if err != nil {
		t.Fatal(err)
	}
	host := fleet.Spec{Name: "host", Role: fleet.Member, Nodes: fleet.NodePool{Count: 1, CPU: "8", Memory: "16Gi", Pods: fleet.DefaultPods}}.WithDefaults()
	t.Cleanup(func() {
		for _, name := range []string{host.Name, fleet.ControlPlaneName} {
			if err := clusters.Remove(context.Background(), name); err != nil {
				t.Errorf("after the test: %v", err)
			}
		}
	})
	if err := clusters.Up(t.Context(), fleet.Spec{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane}, host); err != nil {
		t.Fatal(err)
	}
	config, err := clusters.RESTConfig(fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	h := hosted{}
	if h.plane, err = clusters.Client(t.Context(), fleet.ControlPlaneName); err != nil {
		t.Fatal(err)
	}
	if h.Client, err = clusters.Client(t.Context(), host.Name); err != nil {
		t.Fatal(err)
	}
	h.Reach = func(context.Context, []byte, []byte, []byte) (*rest.Config, func(), error) {
		return config, func() {}, nil
	}
	h.Served = func(context.Context, *rest.Config) error { return nil }
	return h
}

func options() Options {
	return Options{
		Values: deploy.Values{
			Namespace: "karmada-system", Replicas: 1, NodePort: 32443,
			Images: deploy.Images{Seatrial: "seatrial:v1", KubeAPIServer: "a:v1", KubeControllerManager: "b:v1", Etcd: "c:v1"},
		},
		CertValidity: 365 * 24 * time.Hour, Timeout: 2 * time.Minute,
	}
}

func mustInstall(t *testing.T, h hosted, o Options) *Result {
	t.Helper()
	result, err := Install(t.Context(), h.Host, o, local.NewProgress(io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestInstallAndUninstall(t *testing.T) {
	h := newHosted(t)
	for _, refused := range refusals() {
		o := options()
		refused.spoil(&o)
		if _, err := Install(t.Context(), h.Host, o, local.NewProgress(io.Discard)); err == nil || !strings.Contains(err.Error(), refused.want) {
			t.Errorf("error %v, want %q in it", err, refused.want)
		}
	}
	dry := options()
	dry.DryRun = true
	if result := mustInstall(t, h, dry); result.Count(created) != len(result.Changes) || len(result.Changes) == 0 {
		t.Errorf("a dry run would make %+v", result.Changes)
	}
	if err := h.Client.Get(t.Context(), client.ObjectKey{Name: "karmada-system"}, &corev1.Namespace{}); !apierrors.IsNotFound(err) {
		t.Errorf("after a dry run the namespace is there (%v)", err)
	}

	first := mustInstall(t, h, options())
	if first.Count(created) < 30 || len(first.Issued) == 0 {
		t.Errorf("%d objects are created and %d certificates issued at first", first.Count(created), len(first.Issued))
	}
	h.checkInstalled(t, first)
	second := mustInstall(t, h, options())
	if second.Count(unchanged) != len(second.Changes) || len(second.Issued) > 0 || string(second.Kubeconfig) != string(first.Kubeconfig) {
		t.Errorf("a second run changes %+v, and issues %v", changesOf(second), second.Issued)
	}
	h.checkUpdates(t)
	h.checkRemoval(t)
}

type refusal struct {
	want  string
	spoil func(*Options)
}

func refusals() []refusal {
	return []refusal{
		{"name one with --etcd-image", func(o *Options) { o.Values.Images.Etcd = "" }},
		{"no default storage class", func(o *Options) { o.Values.Storage = &deploy.Claim{Size: resource.MustParse("1Gi")} }},
		{"no storage class fast", func(o *Options) { o.Values.Storage = &deploy.Claim{Class: "fast", Size: resource.MustParse("1Gi")} }},
		{"checking the host", func(o *Options) { o.Timeout = 1 }},
	}
}

func changesOf(result *Result) []Change {
	var all []Change
	for _, change := range result.Changes {
		if change.Action != unchanged {
			all = append(all, change)
		}
	}
	return all
}

// checkInstalled looks at both sides of an installation.
func (h hosted) checkInstalled(t *testing.T, result *Result) {
	t.Helper()
	ctx := t.Context()
	config, err := clientcmd.RESTConfigFromKubeConfig(result.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != result.Endpoint || !strings.HasSuffix(config.Host, ":32443") {
		t.Errorf("the kubeconfig leads to %s, the endpoint is %s", config.Host, result.Endpoint)
	}
	for _, name := range []string{"karmada-apiserver", "karmada-kube-controller-manager", "karmada-aggregated-apiserver", "karmada-webhook", "karmada-controller-manager", "karmada-scheduler"} {
		if err := h.Client.Get(ctx, client.ObjectKey{Namespace: "karmada-system", Name: name}, &appsv1.Deployment{}); err != nil {
			t.Error(err)
		}
	}
	service := &apiregistrationv1.APIService{}
	if err := h.plane.Get(ctx, client.ObjectKey{Name: "v1alpha1.cluster.karmada.io"}, service); err != nil {
		t.Error(err)
	}
	target := &corev1.Service{}
	if err := h.plane.Get(ctx, client.ObjectKey{Namespace: "karmada-system", Name: "karmada-aggregated-apiserver"}, target); err != nil {
		t.Error(err)
	}
	if want := "karmada-aggregated-apiserver.karmada-system.svc"; target.Spec.ExternalName != want {
		t.Errorf("the control plane looks for its servers at %s, want %s", target.Spec.ExternalName, want)
	}
	info := &corev1.ConfigMap{}
	if err := h.plane.Get(ctx, client.ObjectKey{Namespace: "kube-public", Name: "cluster-info"}, info); err != nil {
		t.Error(err)
	}
	if !strings.Contains(info.Data["kubeconfig"], result.Endpoint) {
		t.Errorf("agents are told another address than %s", result.Endpoint)
	}
}

// checkUpdates has another run change what differs, and refuse to take fields of others unasked.
func (h hosted) checkUpdates(t *testing.T) {
	t.Helper()
	more := options()
	more.Values.Images.Seatrial = "seatrial:v2"
	result := mustInstall(t, h, more)
	if got := result.Count(changed); got != 4 || result.Count(created) > 0 {
		t.Errorf("another image changes %+v, want the four components that run it", changesOf(result))
	}
	webhook := &appsv1.Deployment{}
	if err := h.Client.Get(t.Context(), client.ObjectKey{Namespace: "karmada-system", Name: "karmada-webhook"}, webhook); err != nil {
		t.Fatal(err)
	}
	before := webhook.DeepCopy()
	webhook.Spec.Replicas = ptr.To[int32](2)
	if err := h.Client.Patch(t.Context(), webhook, client.MergeFrom(before), client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	if _, err := Install(t.Context(), h.Host, more, local.NewProgress(io.Discard)); err == nil || !strings.Contains(err.Error(), "--force-conflicts") {
		t.Errorf("a field of somebody else's: error %v, want --force-conflicts in it", err)
	}
	more.Force = true
	if got := changesOf(mustInstall(t, h, more)); len(got) != 1 || got[0].Name != "karmada-webhook" {
		t.Errorf("forced, %+v changes, want the webhook", got)
	}
}

// checkRemoval takes the control plane away, with a member joined, beside the work of others.
func (h hosted) checkRemoval(t *testing.T) {
	t.Helper()
	ctx := t.Context()
	remove := func(force bool) (*Removal, error) {
		return Uninstall(ctx, h.Host, RemoveOptions{Namespace: "karmada-system", Force: force, Timeout: time.Minute}, local.NewProgress(io.Discard))
	}
	if _, err := remove(false); err == nil || !strings.Contains(err.Error(), "does not say whether clusters are joined") {
		t.Errorf("without an aggregated API: error %v", err)
	}
	h.serveClusters(t, "member1")
	if _, err := remove(false); err == nil || !strings.Contains(err.Error(), "clusters are still joined: member1") {
		t.Errorf("with a member: error %v", err)
	}
	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "karmada-system", Name: "foreign"}}
	if err := h.Client.Create(ctx, foreign); err != nil {
		t.Fatal(err)
	}
	removal, err := remove(true)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(removal.Kept, "Secret foreign") || len(removal.Members) != 1 || len(removal.Changes) < 25 {
		t.Errorf("removal %+v", removal)
	}
	if err := h.plane.Get(ctx, client.ObjectKey{Name: "member1"}, &clusterv1alpha1.Cluster{}); err != nil {
		t.Errorf("removing a control plane took a member out: %v", err)
	}
	if err := h.Client.Delete(ctx, foreign); err != nil {
		t.Fatal(err)
	}
	if removal, err = remove(false); err != nil || removal.Kept != "" || len(removal.Changes) != 1 {
		t.Errorf("going on: %+v, %v, want the namespace removed and nothing else", removal, err)
	}
	if removal, err = remove(false); err != nil || len(removal.Changes) != 0 {
		t.Errorf("once more: %+v, %v, want nothing removed", removal, err)
	}
}

// serveClusters has the stand-in serve Clusters without an aggregated API.
func (h hosted) serveClusters(t *testing.T, name string) {
	t.Helper()
	ctx := t.Context()
	if err := h.plane.Delete(ctx, &apiregistrationv1.APIService{ObjectMeta: metav1.ObjectMeta{Name: "v1alpha1.cluster.karmada.io"}}); err != nil {
		t.Fatal(err)
	}
	definition := &apiextensionsv1.CustomResourceDefinition{
		ObjectMeta: metav1.ObjectMeta{Name: "clusters." + clusterv1alpha1.GroupName},
		Spec: apiextensionsv1.CustomResourceDefinitionSpec{
			Group: clusterv1alpha1.GroupName, Scope: apiextensionsv1.ClusterScoped,
			Names: apiextensionsv1.CustomResourceDefinitionNames{Plural: "clusters", Kind: "Cluster"},
			Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
				Name: clusterv1alpha1.GroupVersion.Version, Served: true, Storage: true,
				Schema: &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: &apiextensionsv1.JSONSchemaProps{
					Type: "object", XPreserveUnknownFields: ptr.To(true),
				}},
			}},
		},
	}
	if err := h.plane.Create(ctx, definition); err != nil {
		t.Fatal(err)
	}
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}}
	waiting, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := await(waiting, func(string) {}, func(ctx context.Context) (string, error) {
		return "", h.plane.Create(ctx, cluster.DeepCopy())
	}); err != nil {
		t.Fatal(err)
	}
}
