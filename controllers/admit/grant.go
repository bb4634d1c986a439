package admit

import (
	"context"
	"fmt"

	certificatesv1 "k8s.io/api/certificates/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/component-helpers/auth/rbac/validation"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// right is what an agent may do in one namespace, or with objects that have none.
type right struct {
	name, namespace string
	rules           []rbacv1.PolicyRule
}

// rights are those of the agent of a cluster before it is a member. It writes by names only: it makes its Cluster, its Lease and its
// secrets by applying them, for the right to create by name holds for nothing else.
func rights(cluster string) []right {
	own := []string{cluster}
	write := []string{"get", "create", "patch", "update"}
	return []right{{name: "system:karmada:" + cluster + ":agent", rules: []rbacv1.PolicyRule{
		rule(clusterv1alpha1.GroupName, []string{"clusters"}, own, append([]string{"list", "watch", "delete"}, write...)),
		rule(clusterv1alpha1.GroupName, []string{"clusters/status"}, own, []string{"get", "patch", "update"}),
		rule(configv1alpha1.GroupName, []string{"resourceinterpretercustomizations", "resourceinterpreterwebhookconfigurations"}, nil, []string{"get", "list", "watch"}),
		rule(certificatesv1.GroupName, []string{"certificatesigningrequests"}, nil, []string{"create", "get", "list", "watch"}),
	}}, {name: "system:karmada:" + cluster + ":agent-secret", namespace: names.NamespaceCluster, rules: []rbacv1.PolicyRule{
		rule(corev1.GroupName, []string{"secrets"}, []string{cluster, names.ImpersonationSecret(cluster)}, write),
		rule(coordinationv1.GroupName, []string{"leases"}, own, write),
	}}}
}

// inside is what the agent of a member may do in its execution space. The control plane makes Works and deletes them, the agent
// says how they are and lets them go.
func inside(cluster string) right {
	return right{name: "system:karmada:" + cluster + ":agent-work", namespace: names.ExecutionSpace(cluster), rules: []rbacv1.PolicyRule{
		rule(workv1alpha1.GroupName, []string{"works"}, nil, []string{"get", "list", "watch", "patch", "update"}),
		rule(workv1alpha1.GroupName, []string{"works/status"}, nil, []string{"get", "patch", "update"}),
		rule(eventsv1.GroupName, []string{"events"}, nil, []string{"create", "patch", "update"}),
	}}
}

func rule(group string, resources, named, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, ResourceNames: named, Verbs: verbs}
}

// grantMember gives the agent of a member its rights, for as long as it is one.
func grantMember(ctx context.Context, deps control.Deps, name string) error {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster); err != nil {
		return client.IgnoreNotFound(err)
	}
	if cluster.Spec.SyncMode != clusterv1alpha1.Pull || !cluster.DeletionTimestamp.IsZero() {
		return nil
	}
	return grant(ctx, deps, name, cluster)
}

// grant makes the roles of an agent, and adds to those that are there the rules they lack, as they do after an upgrade. What an
// administrator or another tool has said beyond stays. They go with the Cluster once there is one.
func grant(ctx context.Context, deps control.Deps, name string, cluster *clusterv1alpha1.Cluster) error {
	all := rights(name)
	if cluster != nil {
		space := &corev1.Namespace{}
		err := deps.Client.Get(ctx, types.NamespacedName{Name: names.ExecutionSpace(name)}, space)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading the execution space of cluster %s: %w", name, err)
		}
		// Without one, its coming wakes the cluster again.
		if err == nil && space.DeletionTimestamp.IsZero() {
			all = append(all, inside(name))
		}
	}
	for _, given := range all {
		for _, object := range given.objects(name) {
			if err := ensure(ctx, deps, object, cluster); err != nil {
				return fmt.Errorf("granting the agent of cluster %s its rights: %w", name, err)
			}
		}
	}
	return nil
}

// objects are the role and its binding to the agent.
func (r right) objects(cluster string) []client.Object {
	of := metav1.ObjectMeta{Name: r.name, Namespace: r.namespace, Labels: map[string]string{names.LabelSystem: names.LabelSystemValue}}
	agent := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: names.AgentUser(cluster)}}
	if r.namespace == "" {
		return []client.Object{
			&rbacv1.ClusterRole{ObjectMeta: of, Rules: r.rules},
			&rbacv1.ClusterRoleBinding{ObjectMeta: of, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r.name}, Subjects: agent},
		}
	}
	return []client.Object{
		&rbacv1.Role{ObjectMeta: of, Rules: r.rules},
		&rbacv1.RoleBinding{ObjectMeta: of, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: r.name}, Subjects: agent},
	}
}

// ensure makes an object, or brings one that is there up to date.
func ensure(ctx context.Context, deps control.Deps, wanted client.Object, cluster *clusterv1alpha1.Cluster) error {
	key := client.ObjectKeyFromObject(wanted)
	present := wanted.DeepCopyObject().(client.Object)
	err := deps.Client.Get(ctx, key, present)
	if apierrors.IsNotFound(err) {
		wanted.SetOwnerReferences(owned(nil, cluster))
		err = deps.Client.Create(ctx, wanted)
	} else if err == nil {
		err = update(ctx, deps, present, wanted, cluster)
	}
	if err != nil {
		return fmt.Errorf("%T %s: %w", wanted, key, err)
	}
	return nil
}

// update adds what an object lacks. It fails where somebody else writes the object meanwhile, the garbage collector included.
func update(ctx context.Context, deps control.Deps, present, wanted client.Object, cluster *clusterv1alpha1.Cluster) error {
	before := present.DeepCopyObject().(client.Object)
	present.SetOwnerReferences(owned(present.GetOwnerReferences(), cluster))
	if present.GetAnnotations()[rbacv1.AutoUpdateAnnotationKey] != "false" {
		switch role := present.(type) {
		case *rbacv1.ClusterRole:
			role.Rules = amended(role.Rules, wanted.(*rbacv1.ClusterRole).Rules)
		case *rbacv1.Role:
			role.Rules = amended(role.Rules, wanted.(*rbacv1.Role).Rules)
		}
	}
	if equality.Semantic.DeepEqual(before, present) {
		return nil
	}
	return deps.Client.Patch(ctx, present, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// owned are the owners of what goes with a Cluster. What an earlier Cluster of the name owned does not go with that one any more: its
// deletion may still be under way when the name is registered anew.
func owned(present []metav1.OwnerReference, cluster *clusterv1alpha1.Cluster) []metav1.OwnerReference {
	var kept []metav1.OwnerReference
	known := false
	for _, owner := range present {
		ofCluster := owner.Kind == clusterKind.Kind && owner.APIVersion == clusterKind.GroupVersion().String()
		same := ofCluster && cluster != nil && owner.UID == cluster.UID
		if ofCluster && !same {
			continue
		}
		known = known || same
		kept = append(kept, owner)
	}
	if known || cluster == nil {
		return kept
	}
	return append(kept, metav1.OwnerReference{
		APIVersion: clusterKind.GroupVersion().String(), Kind: clusterKind.Kind, Name: cluster.Name, UID: cluster.UID,
	})
}

// amended are rules that allow what the wanted ones do. What they allow beyond stays.
func amended(present, wanted []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	for _, rule := range wanted {
		if covered, _ := validation.Covers(present, []rbacv1.PolicyRule{rule}); !covered {
			present = append(present, rule)
		}
	}
	return present
}
