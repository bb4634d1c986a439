package local

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

const (
	// proxyAdmin is the role of those who may speak to every member through the control plane.
	proxyAdmin = "cluster-proxy-admin"
	// administrator is the user of the control plane's kubeconfig.
	administrator = "kubernetes-admin"
)

// openMembers lets the administrator through to members. Members know the administrator by name: no group of theirs says as much.
func openMembers(ctx context.Context, plane client.Client) error {
	objects := []client.Object{
		&rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: proxyAdmin}, Rules: []rbacv1.PolicyRule{{
			APIGroups: []string{clusterv1alpha1.GroupName}, Resources: []string{"clusters/proxy"}, Verbs: []string{"*"},
		}}},
		&rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: proxyAdmin},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: proxyAdmin},
			Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: administrator}},
		},
	}
	for _, object := range objects {
		if err := plane.Create(ctx, object); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("letting %s through to members: creating %T %s: %w", administrator, object, object.GetName(), err)
		}
	}
	return nil
}
