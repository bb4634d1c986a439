package e2e

import (
	"context"
	"slices"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
)

// ProxyUsersAreImpersonated lets a user through to one member, and no more: the member lets the control plane act for that user
// as long.
func ProxyUsersAreImpersonated(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	for _, name := range members {
		// Not every fleet hands out credentials when a member joins.
		update(f, f.plane, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}, func(c *clusterv1alpha1.Cluster) {
			if c.Spec.ImpersonatorSecretRef == nil {
				c.Spec.ImpersonatorSecretRef = &clusterv1alpha1.LocalSecretReference{Namespace: names.NamespaceCluster, Name: names.ImpersonationSecret(name)}
			}
		})
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "proxy-users"}, Rules: []rbacv1.PolicyRule{{
		Verbs: []string{"get"}, APIGroups: []string{clusterv1alpha1.GroupVersion.Group}, Resources: []string{"clusters/proxy"}, ResourceNames: []string{"member1"},
	}}}
	given := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "proxy-users"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "proxy-users"},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: "tom"}},
	}
	f.create(role)
	f.create(given)
	f.awaitImpersonated("tom", "member1")
	update(f, f.plane, role, func(r *rbacv1.ClusterRole) { r.Rules[0].ResourceNames = []string{"member1", "member2"} })
	f.awaitImpersonated("tom", "member1", "member2")
	f.delete(f.plane, given)
	f.awaitImpersonated("tom")
	f.delete(f.plane, role)
}

// awaitImpersonated waits until the control plane may act for a user in these members and in no other.
func (f *fixture) awaitImpersonated(user string, expected ...string) {
	f.Helper()
	for _, member := range members {
		wanted := slices.Contains(expected, member)
		f.await(toSettle, user+" to be impersonated in "+member, func(ctx context.Context) (bool, error) {
			role, given := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
			name := types.NamespacedName{Name: names.ImpersonatorName}
			for _, object := range []client.Object{role, given} {
				if err := f.member(member).Get(ctx, name, object); err != nil {
					return !wanted, client.IgnoreNotFound(err)
				}
			}
			may := slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool {
				return slices.Contains(rule.Resources, "users") && slices.Contains(rule.ResourceNames, user)
			})
			return may == wanted && given.Subjects[0].Name == names.ImpersonatorName, nil
		})
	}
}
