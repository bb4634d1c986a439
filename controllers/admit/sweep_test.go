package admit

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// there tells whether an object exists.
func (p *plane) there(object client.Object) bool {
	p.Helper()
	err := p.Get(p.Context(), client.ObjectKeyFromObject(object), object)
	if client.IgnoreNotFound(err) != nil {
		p.Fatal(err)
	}
	return !apierrors.IsNotFound(err)
}

func ownedByCluster(uid string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{APIVersion: "cluster.karmada.io/v1alpha1", Kind: "Cluster", Name: "m1", UID: types.UID(uid)}}
}

// TestNewMembersReadNoOldSecrets: those that an earlier cluster of the name has left go before the agent may read them. Its own stay, and
// those that a tool has made just before the Cluster, and all that are there once the agent is let in.
func TestNewMembersReadNoOldSecrets(t *testing.T) {
	begun := time.Unix(10_000, 0)
	secret := func(namespace, name string, age time.Duration, owners []metav1.OwnerReference) *corev1.Secret {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: owners, CreationTimestamp: metav1.NewTime(begun.Add(-age))}}
	}
	cluster := member("m1", clusterv1alpha1.Pull)
	cluster.CreationTimestamp = metav1.NewTime(begun)
	for name, tc := range map[string]struct {
		secret *corev1.Secret
		stays  bool
	}{
		"of an unfinished join":                {secret("karmada-cluster", "m1", time.Hour, nil), false},
		"of an earlier cluster":                {secret("karmada-cluster", "m1-impersonator", time.Hour, ownedByCluster("uid-of-another")), false},
		"its own":                              {secret("karmada-cluster", "m1", time.Hour, ownedByCluster("uid-of-cluster")), true},
		"made by a tool that makes them first": {secret("karmada-cluster", "m1", time.Second, nil), true},
		"made after it":                        {secret("karmada-cluster", "m1", -time.Second, nil), true},
		"of another cluster":                   {secret("karmada-cluster", "m2", time.Hour, nil), true},
		"in another namespace":                 {secret("shop", "m1", time.Hour, nil), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t, cluster.DeepCopy(), tc.secret)
			p.turn(control.Key{GVK: clusterKind, Name: "m1"})
			if got := p.there(tc.secret.DeepCopy()); got != tc.stays {
				t.Errorf("the secret is there: %t, want %t", got, tc.stays)
			}
			// Whatever comes later is the agent's.
			later := secret("karmada-cluster", "m1-impersonator", time.Hour, nil)
			if p.there(later.DeepCopy()) {
				return
			}
			if err := p.Create(t.Context(), later); err != nil {
				t.Fatal(err)
			}
			p.turn(control.Key{GVK: clusterKind, Name: "m1"})
			if !p.there(later.DeepCopy()) {
				t.Error("a secret of a member was taken away")
			}
		})
	}
}

// TestLeftoverRightsGo: those in namespaces that hold no secrets any more, and those of clusters that are gone or have changed their mode.
func TestLeftoverRightsGo(t *testing.T) {
	role := func(namespace, name string, owners []metav1.OwnerReference, labels map[string]string) *rbacv1.Role {
		return &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, OwnerReferences: owners, Labels: labels}}
	}
	ours := map[string]string{"karmada.io/system": "true"}
	const secrets, works = "system:karmada:m1:agent-secret", "system:karmada:m1:agent-work"
	given := ownedByCluster("uid-of-cluster")
	for name, tc := range map[string]struct {
		mode  clusterv1alpha1.ClusterSyncMode
		role  *rbacv1.Role
		stays bool
	}{
		"in Pull mode, where secrets are":      {clusterv1alpha1.Pull, role("karmada-cluster", secrets, given, ours), true},
		"in Pull mode, where secrets were":     {clusterv1alpha1.Pull, role("vault", secrets, given, ours), false},
		"in Pull mode, in its execution space": {clusterv1alpha1.Pull, role("karmada-es-m1", works, given, ours), true},
		"in Pull mode, in that of another":     {clusterv1alpha1.Pull, role("karmada-es-m2", works, given, ours), false},
		"in Push mode, where secrets were":     {clusterv1alpha1.Push, role("vault", secrets, given, ours), false},
		"gone":                                 {"", role("karmada-es-m1", works, given, ours), false},
		"gone, of another tool":                {"", role("karmada-es-m1", works, nil, ours), true},
		"gone, not marked":                     {"", role("karmada-es-m1", works, given, nil), true},
		"gone, of another cluster":             {"", role("karmada-es-m2", "system:karmada:m2:agent-work", given, ours), true},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlane(t, tc.role)
			binding := &rbacv1.RoleBinding{ObjectMeta: *tc.role.ObjectMeta.DeepCopy(), RoleRef: rbacv1.RoleRef{Kind: "Role", Name: tc.role.Name}}
			binding.ResourceVersion = ""
			if err := p.Create(t.Context(), binding); err != nil {
				t.Fatal(err)
			}
			if tc.mode != "" {
				if err := p.Create(t.Context(), member("m1", tc.mode)); err != nil {
					t.Fatal(err)
				}
			}
			for _, object := range []client.Object{tc.role, binding} {
				// As it is found at the start.
				keys := onRole(t.Context(), p.Client, control.Event{New: object})
				if wakes := len(keys) == 1; wakes != (tc.mode != clusterv1alpha1.Pull) {
					t.Errorf("%T wakes %v", object, keys)
				}
			}
			p.turn(control.Key{GVK: clusterKind, Name: "m1"})
			for _, object := range []client.Object{tc.role.DeepCopy(), binding.DeepCopy()} {
				if got := p.there(object); got != tc.stays {
					t.Errorf("%T is there: %t, want %t", object, got, tc.stays)
				}
			}
		})
	}
}
