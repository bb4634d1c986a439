package registration_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/registration"
	"github.com/seatrial/seatrial/simulator"
)

// sides are the API servers of a control plane and of a cluster whose own controllers are done before anyone looks: service
// accounts have their tokens, and namespaces that were deleted are gone.
func sides(t *testing.T) (plane, cluster client.WithWatch) {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Add(t.Context(), fleet.Spec{Name: "m1"}); err != nil {
		t.Fatal(err)
	}
	of := func(name string) client.WithWatch {
		c, err := env.Client(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		return c.(client.WithWatch)
	}
	settled := func(context.Context) (bool, error) { return true, nil }
	return of(fleet.ControlPlaneName), interceptor.NewClient(of("m1"), interceptor.Funcs{
		Create: issueToken,
		Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			if err := env.Await(ctx, 0, "the cluster to settle", settled); err != nil {
				return err
			}
			return to.Get(ctx, key, object, options...)
		},
	})
}

func issueToken(ctx context.Context, to client.WithWatch, object client.Object, options ...client.CreateOption) error {
	if secret, ok := object.(*corev1.Secret); ok && secret.Type == corev1.SecretTypeServiceAccountToken {
		secret.Data = map[string][]byte{corev1.ServiceAccountTokenKey: []byte("token of " + secret.Annotations[corev1.ServiceAccountNameKey])}
	}
	return to.Create(ctx, object, options...)
}

var member = registration.Member{
	Name: "m1", Endpoint: "https://m1.example.com:6443", CABundle: []byte("certificate"), Provider: "p", Region: "r", Zones: []string{"z"},
}

func join(t *testing.T, plane, cluster client.Client) {
	t.Helper()
	if err := registration.Join(t.Context(), plane, cluster, member); err != nil {
		t.Fatal(err)
	}
}

func get[T client.Object](t *testing.T, from client.Client, object T) T {
	t.Helper()
	if err := from.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
		t.Fatal(err)
	}
	return object
}

func missing(t *testing.T, from client.Client, object client.Object) {
	t.Helper()
	if err := from.Get(t.Context(), client.ObjectKeyFromObject(object), object); !apierrors.IsNotFound(err) {
		t.Errorf("%T %s is still there: %v", object, object.GetName(), err)
	}
}

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}

func TestJoin(t *testing.T) {
	plane, cluster := sides(t)
	join(t, plane, cluster)
	joined := get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
	system := get(t, cluster, &corev1.Namespace{ObjectMeta: named("", metav1.NamespaceSystem)})
	spec := joined.Spec
	if spec.ID != string(system.UID) || spec.SyncMode != clusterv1alpha1.Push || spec.APIEndpoint != member.Endpoint || spec.Provider != "p" || spec.Region != "r" || len(spec.Zones) != 1 {
		t.Errorf("spec %+v", spec)
	}
	for _, c := range []struct {
		reference *clusterv1alpha1.LocalSecretReference
		name      string
		data      map[string]string
	}{
		{spec.SecretRef, "m1", map[string]string{"token": "token of karmada-m1", "caBundle": "certificate"}},
		{spec.ImpersonatorSecretRef, "m1-impersonator", map[string]string{"token": "token of karmada-impersonator"}},
	} {
		if c.reference == nil || c.reference.Namespace != "karmada-cluster" || c.reference.Name != c.name {
			t.Fatalf("secret reference %+v, want karmada-cluster/%s", c.reference, c.name)
		}
		secret := get(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", c.name)})
		if len(secret.Data) != len(c.data) {
			t.Errorf("secret %s has keys %v", c.name, secret.Data)
		}
		for key, want := range c.data {
			if string(secret.Data[key]) != want {
				t.Errorf("secret %s, %s: %q, want %q", c.name, key, secret.Data[key], want)
			}
		}
		if len(secret.OwnerReferences) != 1 || secret.OwnerReferences[0].UID != joined.UID {
			t.Errorf("secret %s is owned by %v", c.name, secret.OwnerReferences)
		}
	}
	get(t, cluster, &corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-impersonator")})
	bound := get(t, cluster, &rbacv1.ClusterRoleBinding{ObjectMeta: named("", "karmada-controller-manager:karmada-m1")})
	if bound.RoleRef.Name != bound.Name || bound.Subjects[0].Name != "karmada-m1" {
		t.Errorf("role binding %+v", bound)
	}
}

// TestJoinRefusesMembers joins what is a member already: by name, and by cluster.
func TestJoinRefusesMembers(t *testing.T) {
	plane, cluster := sides(t)
	join(t, plane, cluster)
	for name, says := range map[string]string{"m1": "a cluster named m1 is a member already", "other": "under the name m1"} {
		again := member
		again.Name = name
		if err := registration.Join(t.Context(), plane, cluster, again); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("joining it as %s: %v", name, err)
		}
	}
	missing(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", "other")})
	missing(t, cluster, &corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-other")})
}

// TestJoinRefusesNamesOfAgents: who has a certificate of an agent of that name has rights to the Cluster.
func TestJoinRefusesNamesOfAgents(t *testing.T) {
	plane, cluster := sides(t)
	role := &rbacv1.ClusterRole{ObjectMeta: named("", "system:karmada:m1:agent")}
	role.Annotations = map[string]string{"seatrial.io/granted-request": "uid-of-request"}
	if err := plane.Create(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	if err := registration.Join(t.Context(), plane, cluster, member); err == nil || !strings.Contains(err.Error(), "kubectl delete clusterrole system:karmada:m1:agent") {
		t.Errorf("joining: %v", err)
	}
	missing(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", "m1")})
	if err := plane.Delete(t.Context(), role); err != nil {
		t.Fatal(err)
	}
	join(t, plane, cluster)
}

// TestJoinLooksAgain: while the member issues tokens, an agent gets a certificate of the name, by whose Cluster it could read them.
func TestJoinLooksAgain(t *testing.T) {
	plane, cluster := sides(t)
	late := failing(cluster, func(object client.Object) bool {
		role := &rbacv1.ClusterRole{ObjectMeta: named("", "system:karmada:m1:agent")}
		role.Annotations = map[string]string{"seatrial.io/granted-request": "uid-of-request"}
		if err := plane.Create(t.Context(), role); err != nil && !apierrors.IsAlreadyExists(err) {
			t.Error(err)
		}
		return false
	})
	if err := registration.Join(t.Context(), plane, late, member); err == nil || !strings.Contains(err.Error(), "a certificate of an agent was given") {
		t.Errorf("joining: %v", err)
	}
	missing(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", "m1")})
}

// failing makes writes of objects fail as long as it is told to.
func failing(to client.WithWatch, fails func(client.Object) bool) client.WithWatch {
	return interceptor.NewClient(to, interceptor.Funcs{
		Create: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.CreateOption) error {
			if fails(object) {
				return errors.New("no such luck")
			}
			return to.Create(ctx, object, options...)
		},
		Patch: func(ctx context.Context, to client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			if fails(object) {
				return errors.New("no such luck")
			}
			return to.Patch(ctx, object, patch, options...)
		},
	})
}

// TestJoinAgainAfterFailure lets a join fail at every write on either side, and repeats it. There are never credentials without a
// Cluster that they go with, and no Cluster that refers to credentials which are not there.
func TestJoinAgainAfterFailure(t *testing.T) {
	for failAt := 1; ; failAt++ {
		plane, cluster := sides(t)
		written := 0
		fails := func(client.Object) bool {
			written++
			return written == failAt
		}
		err := registration.Join(t.Context(), failing(plane, fails), failing(cluster, fails), member)
		if written < failAt {
			if err != nil || failAt < 12 {
				t.Fatalf("a join that was not disturbed wrote %d objects: %v", written, err)
			}
			return
		}
		if err == nil || !strings.Contains(err.Error(), "joining cluster m1") || !strings.Contains(err.Error(), "no such luck") {
			t.Fatalf("write %d failed, and the join said %v", failAt, err)
		}
		begun, secrets := &clusterv1alpha1.ClusterList{}, &corev1.SecretList{}
		if err := errors.Join(plane.List(t.Context(), begun), plane.List(t.Context(), secrets, client.InNamespace("karmada-cluster"))); err != nil {
			t.Fatal(err)
		}
		if len(begun.Items) > 0 && (begun.Items[0].Spec.SecretRef != nil || begun.Items[0].Spec.ImpersonatorSecretRef != nil) {
			t.Errorf("write %d failed, and the Cluster refers to secrets: %+v", failAt, begun.Items[0].Spec)
		}
		for i := range secrets.Items {
			if owners := secrets.Items[i].OwnerReferences; len(begun.Items) == 0 || len(owners) != 1 || owners[0].UID != begun.Items[0].UID {
				t.Errorf("write %d failed, and left secret %s with the owners %v", failAt, secrets.Items[i].Name, owners)
			}
		}
		join(t, plane, cluster)
	}
}

// TestJoinTakesNoNameThatIsTaken between its last look and its first write: nothing is written that others could read.
func TestJoinTakesNoNameThatIsTaken(t *testing.T) {
	plane, cluster := sides(t)
	late := failing(plane, func(object client.Object) bool {
		if _, isCluster := object.(*clusterv1alpha1.Cluster); isCluster {
			other := &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1"), Spec: clusterv1alpha1.ClusterSpec{ID: "another", SyncMode: clusterv1alpha1.Pull}}
			if err := plane.Create(t.Context(), other); err != nil {
				t.Error(err)
			}
		}
		return false
	})
	if err := registration.Join(t.Context(), late, cluster, member); !apierrors.IsAlreadyExists(err) {
		t.Errorf("joining: %v", err)
	}
	missing(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", "m1")})
	if err := registration.Join(t.Context(), plane, cluster, member); err == nil || !strings.Contains(err.Error(), "a cluster named m1 is a member already") {
		t.Errorf("joining again: %v", err)
	}
}

func TestUnjoinLeavesNothing(t *testing.T) {
	plane, cluster := sides(t)
	join(t, plane, cluster)
	if err := registration.Unjoin(t.Context(), plane, cluster, member, registration.UnjoinOptions{Wait: time.Second}); err != nil {
		t.Fatal(err)
	}
	missing(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
	for _, name := range []string{"m1", "m1-impersonator"} {
		missing(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", name)})
	}
	for _, object := range []client.Object{
		&corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-m1")},
		&corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-impersonator")},
		&corev1.Secret{ObjectMeta: named("karmada-cluster", "karmada-m1")},
		&rbacv1.ClusterRole{ObjectMeta: named("", "karmada-controller-manager:karmada-m1")},
		&rbacv1.ClusterRoleBinding{ObjectMeta: named("", "karmada-controller-manager:karmada-m1")},
	} {
		missing(t, cluster, object)
	}
	missing(t, cluster, &corev1.Namespace{ObjectMeta: named("", "karmada-cluster")})
	if err := registration.Unjoin(t.Context(), plane, cluster, member, registration.UnjoinOptions{}); err == nil || !strings.Contains(err.Error(), "no cluster named m1") {
		t.Errorf("unjoining it again: %v", err)
	}
}

// TestUnjoinKeepsForeignNamespace joins into a namespace that was there before.
func TestUnjoinKeepsForeignNamespace(t *testing.T) {
	plane, cluster := sides(t)
	own := member
	own.Namespace = "tools"
	if err := cluster.Create(t.Context(), &corev1.Namespace{ObjectMeta: named("", "tools")}); err != nil {
		t.Fatal(err)
	}
	if err := registration.Join(t.Context(), plane, cluster, own); err != nil {
		t.Fatal(err)
	}
	if err := registration.Unjoin(t.Context(), plane, cluster, own, registration.UnjoinOptions{Wait: time.Second}); err != nil {
		t.Fatal(err)
	}
	if namespace := get(t, cluster, &corev1.Namespace{ObjectMeta: named("", "tools")}); !namespace.DeletionTimestamp.IsZero() {
		t.Error("a namespace that the join did not make is being removed")
	}
	missing(t, cluster, &corev1.ServiceAccount{ObjectMeta: named("tools", "karmada-m1")})
}

// TestUnjoinTakesAnUnfinishedJoin back: one that failed after its credentials were made.
func TestUnjoinTakesAnUnfinishedJoin(t *testing.T) {
	plane, cluster := sides(t)
	unpatched := interceptor.NewClient(plane, interceptor.Funcs{
		Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
			return errors.New("no such luck")
		},
	})
	if err := registration.Join(t.Context(), unpatched, cluster, member); err == nil {
		t.Fatal("the join did not notice")
	}
	if err := registration.Unjoin(t.Context(), plane, cluster, member, registration.UnjoinOptions{Wait: time.Second}); err != nil {
		t.Fatal(err)
	}
	missing(t, plane, &corev1.Secret{ObjectMeta: named("karmada-cluster", "m1")})
	join(t, plane, cluster)
}

func TestUnjoinWithoutMember(t *testing.T) {
	plane, cluster := sides(t)
	join(t, plane, cluster)
	if err := registration.Unjoin(t.Context(), plane, nil, member, registration.UnjoinOptions{}); err == nil || !strings.Contains(err.Error(), "--force") {
		t.Errorf("without access to the member: %v", err)
	}
	get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
	if err := registration.Unjoin(t.Context(), plane, nil, member, registration.UnjoinOptions{Force: true, Wait: time.Second}); err != nil {
		t.Error(err)
	}
	missing(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
}

// TestUnjoinWaitsForControlPlane unjoins a cluster that a finalizer holds: the member keeps its identities meanwhile.
func TestUnjoinWaitsForControlPlane(t *testing.T) {
	plane, cluster := sides(t)
	join(t, plane, cluster)
	held := get(t, plane, &clusterv1alpha1.Cluster{ObjectMeta: named("", "m1")})
	held.Finalizers = []string{names.FinalizerCluster}
	if err := plane.Update(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	err := registration.Unjoin(t.Context(), plane, cluster, member, registration.UnjoinOptions{Wait: time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "waiting 1ms for the control plane") {
		t.Errorf("error %v", err)
	}
	get(t, cluster, &corev1.ServiceAccount{ObjectMeta: named("karmada-cluster", "karmada-m1")})
}
