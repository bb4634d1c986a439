package admit

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
)

// abandonedAfter is how much older than its Cluster a secret is that an earlier member of the name has left. Tools that make the secrets
// first make the Cluster within seconds.
const abandonedAfter = time.Minute

// sweepSecrets deletes what an earlier member of a name has left behind in the places that the agent of this one is about to be let
// into: the credentials of a cluster that is another one's.
func (a *approver) sweepSecrets(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) error {
	for _, namespace := range a.options.SecretNamespaces {
		for _, name := range []string{cluster.Name, names.ImpersonationSecret(cluster.Name)} {
			secret := &corev1.Secret{}
			// Not by the cache, which would hold all secrets for this.
			err := deps.Live.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, secret)
			if err == nil && abandoned(secret, cluster) {
				err = deps.Client.Delete(ctx, secret, client.Preconditions{UID: &secret.UID, ResourceVersion: &secret.ResourceVersion})
			}
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("taking secret %s/%s of an earlier cluster %s away: %w", namespace, name, cluster.Name, err)
			}
		}
	}
	return nil
}

func ownedBy(object client.Object, cluster *clusterv1alpha1.Cluster) bool {
	return slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool { return owner.UID == cluster.UID })
}

func abandoned(secret *corev1.Secret, cluster *clusterv1alpha1.Cluster) bool {
	return !ownedBy(secret, cluster) && secret.CreationTimestamp.Add(abandonedAfter).Before(cluster.CreationTimestamp.Time)
}

// sweepRoles deletes the rights within namespaces that the agent of a cluster was given as a member, except where it has them still:
// those of clusters that are gone, and those in namespaces that hold no secrets any more. member is nil for a cluster that is gone.
func (a *approver) sweepRoles(ctx context.Context, deps control.Deps, name string, member *clusterv1alpha1.Cluster) error {
	var found []client.Object
	roles, bindings := &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}
	if err := deps.Client.List(ctx, roles, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the roles of agents: %w", err)
	}
	if err := deps.Client.List(ctx, bindings, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the roles of agents: %w", err)
	}
	for i := range roles.Items {
		found = append(found, &roles.Items[i])
	}
	for i := range bindings.Items {
		found = append(found, &bindings.Items[i])
	}
	for _, object := range found {
		if clusterOfRole(object) != name || a.holds(object, member) || !given(object) {
			continue
		}
		if err := deps.Client.Delete(ctx, object.DeepCopyObject().(client.Object)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("taking the leftover rights of the agent of cluster %s away: %T %s: %w", name, object, client.ObjectKeyFromObject(object), err)
		}
	}
	return nil
}

// given tells that this controller gave a right to the agent of a member: others have no such owner.
func given(object client.Object) bool {
	owned := slices.ContainsFunc(object.GetOwnerReferences(), func(owner metav1.OwnerReference) bool {
		return owner.Kind == clusterKind.Kind && owner.APIVersion == clusterKind.GroupVersion().String()
	})
	return owned && object.GetLabels()[names.LabelSystem] == names.LabelSystemValue && object.GetDeletionTimestamp().IsZero()
}

// holds tells whether a right is one that the agent of a member has.
func (a *approver) holds(object client.Object, member *clusterv1alpha1.Cluster) bool {
	if member == nil {
		return false
	}
	all := append(rights(member.Name, a.options.SecretNamespaces), inside(member.Name))
	return slices.ContainsFunc(all, func(r right) bool { return r.name == object.GetName() && r.namespace == object.GetNamespace() })
}

// gone tells that there is no Cluster of a name, whatever the cache says.
func gone(ctx context.Context, deps control.Deps, name string) (bool, error) {
	err := deps.Live.Get(ctx, types.NamespacedName{Name: name}, &clusterv1alpha1.Cluster{})
	if apierrors.IsNotFound(err) {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for cluster %s: %w", name, err)
	}
	return false, nil
}
