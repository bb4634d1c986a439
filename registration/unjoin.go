package registration

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// UnjoinOptions bound and loosen an unjoin.
type UnjoinOptions struct {
	// Wait is how long to wait until the control plane has taken its objects out of the member.
	Wait time.Duration
	// Force goes on when the member cannot be cleaned: what is left there stays there.
	Force bool
}

// Unjoin takes a member out of the fleet. The Cluster goes first, and with it everything it had been given, then its
// credentials; then the identities of the control plane leave the member. cluster may be nil when the member cannot be reached any more, which
// needs Force.
func Unjoin(ctx context.Context, plane, cluster client.Client, member Member, options UnjoinOptions) error {
	if cluster == nil && !options.Force {
		return fmt.Errorf("unjoining cluster %s: without access to the member its service accounts stay there; give its kubeconfig, or --force", member.Name)
	}
	if err := removeCluster(ctx, plane, member.Name, options.Wait); err != nil {
		return fmt.Errorf("unjoining cluster %s: %w", member.Name, err)
	}
	if err := removeCredentials(ctx, plane, member); err != nil {
		return fmt.Errorf("unjoining cluster %s: %w", member.Name, err)
	}
	if cluster == nil {
		return nil
	}
	if err := revokeAccess(ctx, cluster, member); err != nil && !options.Force {
		return fmt.Errorf("unjoining cluster %s: cleaning the member: %w", member.Name, err)
	}
	return nil
}

func removeCluster(ctx context.Context, plane client.Client, name string, timeout time.Duration) error {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := plane.Delete(ctx, cluster); err != nil {
		if apierrors.IsNotFound(err) {
			return fmt.Errorf("no cluster named %s is a member", name)
		}
		return fmt.Errorf("deleting the Cluster: %w", err)
	}
	err := wait.PollUntilContextTimeout(ctx, poll, timeout, true, func(ctx context.Context) (bool, error) {
		err := plane.Get(ctx, types.NamespacedName{Name: name}, cluster)
		// Who could delete it as its agent may not look for it any more once it is gone.
		if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
			return true, nil
		}
		return false, err
	})
	if err != nil {
		return fmt.Errorf("waiting %s for the control plane to take its objects out of the member: %w", timeout, err)
	}
	return nil
}

// removeCredentials does not rely on the Cluster owning the secrets: other tools make them before it.
func removeCredentials(ctx context.Context, plane client.Client, member Member) error {
	var failures []error
	for _, name := range []string{member.Name, names.ImpersonationSecret(member.Name)} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: member.namespace(), Name: name}}
		if err := plane.Delete(ctx, secret); client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("deleting secret %s/%s: %w", secret.Namespace, name, err))
		}
	}
	return errors.Join(failures...)
}

func revokeAccess(ctx context.Context, cluster client.Client, member Member) error {
	account := names.ServiceAccount(member.Name)
	role := names.MemberRole(account)
	namespaced := func(name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: member.namespace(), Name: name}
	}
	granted := []client.Object{
		&rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: role}},
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: role}},
		&corev1.Secret{ObjectMeta: namespaced(account)},
		&corev1.Secret{ObjectMeta: namespaced(impersonator)},
		&corev1.ServiceAccount{ObjectMeta: namespaced(account)},
		&corev1.ServiceAccount{ObjectMeta: namespaced(impersonator)},
	}
	var failures []error
	for _, object := range granted {
		if err := cluster.Delete(ctx, object); client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("deleting %T %s: %w", object, object.GetName(), err))
		}
	}
	return errors.Join(append(failures, removeNamespace(ctx, cluster, member.namespace()))...)
}

// removeNamespace leaves a namespace alone that a join found there.
func removeNamespace(ctx context.Context, cluster client.Client, name string) error {
	namespace := &corev1.Namespace{}
	err := cluster.Get(ctx, types.NamespacedName{Name: name}, namespace)
	if err == nil && namespace.Labels[names.LabelSystem] == names.LabelSystemValue {
		err = cluster.Delete(ctx, namespace)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("removing namespace %s: %w", name, err)
	}
	return nil
}
