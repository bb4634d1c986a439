package apiserver_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/apiserver"
	"github.com/seatrial/seatrial/fleet"
)

// The kube-apiserver publishes the schema of the server behind it, from which `kubectl explain` prints.
func (s *stand) testExplain(ctx context.Context, t *testing.T) {
	const group = "apis/cluster.karmada.io/v1alpha1"
	published := ""
	err := s.fleet.Await(ctx, 2*time.Minute, "the schema of "+group, func(context.Context) (bool, error) {
		paths, err := s.kube.Discovery().OpenAPIV3().Paths()
		if err != nil || paths[group] == nil {
			return false, err
		}
		text, err := paths[group].Schema("application/json")
		published = string(text)
		return err == nil, err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"x-kubernetes-group-version-kind":[{"group":"cluster.karmada.io","kind":"Cluster","version":"v1alpha1"}]`,
		"Spec is how to reach the cluster and what is known about it beforehand.",
		"Taints keep resources without a matching toleration out of the cluster",
		"Required. The effect of the taint on pods that do not tolerate the taint.",
	} {
		if !strings.Contains(published, want) {
			t.Errorf("the published schema lacks %q", want)
		}
	}
	if strings.Contains(published, "__internal") {
		t.Error("the published schema shows the internal version")
	}
	resources, err := s.kube.Discovery().ServerResourcesForGroupVersion("cluster.karmada.io/v1alpha1")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, resource := range resources.APIResources {
		names = append(names, resource.Name+" "+resource.SingularName+" "+resource.Kind)
	}
	if got := strings.Join(names, "; "); got != "clusters cluster Cluster; clusters/proxy  ClusterProxyOptions; clusters/status  Cluster" {
		t.Errorf("discovered resources: %s", got)
	}
}

// Callers that come straight to the server are known by the control plane's client CA and held to the control plane's RBAC.
func (s *stand) testAuthorization(ctx context.Context, t *testing.T) {
	role := &rbacv1.ClusterRole{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster-reader"},
		Rules:      []rbacv1.PolicyRule{{APIGroups: []string{"cluster.karmada.io"}, Resources: []string{"clusters"}, Verbs: []string{"get"}}},
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "cluster-reader"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-reader"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "reader"}},
	}
	for _, object := range []client.Object{role, binding} {
		if err := s.client.Create(ctx, object); err != nil {
			t.Fatal(err)
		}
	}
	stranger, reader := s.direct(t, "stranger"), s.direct(t, "reader")
	key := client.ObjectKey{Name: "member1"}
	if err := stranger.Get(ctx, key, &clusterv1alpha1.Cluster{}); !apierrors.IsForbidden(err) {
		t.Errorf("a user without rights reads a cluster: %v", err)
	}
	// The control plane's own authorizer may learn of the binding later than its client.
	err := s.fleet.Await(ctx, time.Minute, "the reader's right to read", func(ctx context.Context) (bool, error) {
		return reader.Get(ctx, key, &clusterv1alpha1.Cluster{}) == nil, nil
	})
	if err != nil {
		t.Error(err)
	}
	if err := reader.Delete(ctx, newCluster("member1")); !apierrors.IsForbidden(err) {
		t.Errorf("a user with the right to read deletes a cluster: %v", err)
	}
}

// direct is a client of the server itself, past the kube-apiserver.
func (s *stand) direct(t *testing.T, user string) client.Client {
	t.Helper()
	kubeconfig, err := s.fleet.IssueKubeconfig(fleet.ControlPlaneName, user, user)
	if err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("https://"+s.address, kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if config.CAData, err = os.ReadFile(s.caFile); err != nil {
		t.Fatal(err)
	}
	config.ServerName = apiserver.ServingName
	made, err := client.New(config, client.Options{Scheme: testScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// The types of the served version stand in for the internal one, so an object in the watch cache carries whichever kind was last
// written on it. No reader may see another's.
func (s *stand) testReadersAtOnce(ctx context.Context, t *testing.T) {
	const readers, rounds = 8, 25
	group, ctx := errgroup.WithContext(ctx)
	for range readers {
		group.Go(func() error {
			for range rounds {
				if err := s.readKinds(ctx, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		cluster := newCluster("member1")
		for i := range rounds {
			patch := fmt.Appendf(nil, `{"status":{"kubernetesVersion":"v1.36.%d"}}`, i)
			if err := s.client.Status().Patch(ctx, cluster, client.RawPatch(types.MergePatchType, patch)); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		t.Error(err)
	}
}

// readKinds gets, lists and watches clusters as unstructured objects, which show the kind that was sent.
func (s *stand) readKinds(ctx context.Context, t *testing.T) error {
	kind := clusterv1alpha1.GroupVersion.WithKind("Cluster")
	check := func(how string, object *unstructured.Unstructured) {
		if got := object.GroupVersionKind(); got != kind {
			t.Errorf("%s %s: it says it is a %v", how, object.GetName(), got)
		}
	}
	single := &unstructured.Unstructured{}
	single.SetGroupVersionKind(kind)
	if err := s.client.Get(ctx, client.ObjectKey{Name: "member1"}, single); err != nil {
		return err
	}
	check("get", single)

	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(clusterv1alpha1.GroupVersion.WithKind("ClusterList"))
	if err := s.client.List(ctx, list, &client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}}); err != nil {
		return err
	}
	watcher, err := s.client.Watch(ctx, list.DeepCopyObject().(*unstructured.UnstructuredList),
		&client.ListOptions{Raw: &metav1.ListOptions{ResourceVersion: "0"}})
	if err != nil {
		return err
	}
	defer watcher.Stop()
	for range list.Items {
		event := <-watcher.ResultChan()
		object, ok := event.Object.(*unstructured.Unstructured)
		if !ok {
			t.Errorf("watch: event %s with %T", event.Type, event.Object)
			return nil
		}
		check("watch", object)
	}
	return nil
}

// A stopped server ends soon though a client still watches, and one started in its place has the objects.
func (s *stand) testRestart(ctx context.Context, t *testing.T) {
	before := &clusterv1alpha1.ClusterList{}
	if err := s.client.List(ctx, before); err != nil {
		t.Fatal(err)
	}
	watcher, err := s.client.Watch(ctx, &clusterv1alpha1.ClusterList{})
	if err != nil {
		t.Fatal(err)
	}
	defer watcher.Stop()
	if _, open := <-watcher.ResultChan(); !open {
		t.Fatal("the watch ended before it began")
	}

	took := s.stop(t)
	t.Logf("the server ended %s after SIGTERM", took.Round(time.Millisecond))
	if took > 10*time.Second {
		t.Errorf("the server needed %s to end", took)
	}
	s.start(ctx, t)

	after := &clusterv1alpha1.ClusterList{}
	if err := s.client.List(ctx, after); err != nil {
		t.Fatal(err)
	}
	if len(before.Items) != 2 || len(after.Items) != 2 {
		t.Fatalf("%d clusters before the restart and %d after, want 2", len(before.Items), len(after.Items))
	}
	for i := range before.Items {
		was, is := before.Items[i], after.Items[i]
		if was.UID != is.UID || was.ResourceVersion != is.ResourceVersion || was.Generation != is.Generation {
			t.Errorf("cluster %s: %+v before the restart, %+v after", was.Name, was.ObjectMeta, is.ObjectMeta)
		}
	}
}
