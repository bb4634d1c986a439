package admit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

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

// asking are the rights of the agent of a cluster that is no member yet. It writes by names only: it makes its Cluster and its
// certificate requests by applying them, for the right to create by name holds for nothing else. Secrets it may not touch: those of
// this name are somebody else's if another cluster becomes a member by it.
func asking(cluster string) []right {
	own := []string{cluster}
	return []right{{name: AgentRole(cluster), rules: []rbacv1.PolicyRule{
		rule(clusterv1alpha1.GroupName, []string{"clusters"}, own, append([]string{"list", "watch", "delete"}, write()...)),
		rule(clusterv1alpha1.GroupName, []string{"clusters/status"}, own, []string{"get", "patch", "update"}),
		rule(configv1alpha1.GroupName, []string{"resourceinterpretercustomizations", "resourceinterpreterwebhookconfigurations"}, nil, []string{"get", "list", "watch"}),
		rule(certificatesv1.GroupName, []string{"certificatesigningrequests"}, []string{names.AgentRequest(cluster)}, []string{"get", "create", "patch", "delete"}),
	}}}
}

func write() []string { return []string{"get", "create", "patch", "update"} }

// rights are those of the agent of a member outside its execution space. It makes its Lease and its secrets by applying them too. Its
// secrets may stand in any of the namespaces.
func rights(cluster string, namespaces []string) []right {
	all := asking(cluster)
	secrets := rule(corev1.GroupName, []string{"secrets"}, []string{cluster, names.ImpersonationSecret(cluster)}, write())
	lease := right{name: secretRole(cluster), namespace: names.NamespaceCluster, rules: []rbacv1.PolicyRule{
		rule(coordinationv1.GroupName, []string{"leases"}, []string{cluster}, write()),
	}}
	for _, namespace := range namespaces {
		if namespace == lease.namespace {
			lease.rules = append(lease.rules, secrets)
		} else {
			all = append(all, right{name: lease.name, namespace: namespace, rules: []rbacv1.PolicyRule{secrets}})
		}
	}
	return append(all, lease)
}

// The roles of an agent are called by its cluster, between these two and what follows them.
const (
	rolePrefix = "system:karmada:"
	roleSuffix = ":agent"
)

// AgentRole is the cluster role of the agent of a cluster.
func AgentRole(cluster string) string { return rolePrefix + cluster + roleSuffix }

func secretRole(cluster string) string { return rolePrefix + cluster + roleSuffix + "-secret" }

func workRole(cluster string) string { return rolePrefix + cluster + roleSuffix + "-work" }

// clusterOfRole is the cluster to whose agent a role, or the binding of one, gives rights by its name; empty for all others.
func clusterOfRole(object client.Object) string {
	cluster, found := strings.CutPrefix(object.GetName(), rolePrefix)
	if !found {
		return ""
	}
	cluster, kind, _ := strings.Cut(cluster, ":")
	switch kind = ":" + kind; {
	case object.GetNamespace() == "" && kind == roleSuffix, object.GetNamespace() != "" && strings.HasPrefix(kind, roleSuffix+"-"):
		return cluster
	}
	return ""
}

// inside is what the agent of a member may do in its execution space. The control plane makes Works and deletes them, the agent
// says how they are and lets them go. Works that report EndpointSlices of the member are the agent's own.
func inside(cluster string) right {
	return right{name: workRole(cluster), namespace: names.ExecutionSpace(cluster), rules: []rbacv1.PolicyRule{
		rule(workv1alpha1.GroupName, []string{"works"}, nil, []string{"get", "list", "watch", "create", "patch", "update", "delete"}),
		rule(workv1alpha1.GroupName, []string{"works/status"}, nil, []string{"get", "patch", "update"}),
		rule(eventsv1.GroupName, []string{"events"}, nil, []string{"create", "patch", "update"}),
	}}
}

func rule(group string, resources, named, verbs []string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: resources, ResourceNames: named, Verbs: verbs}
}

// grantMember gives the agent of a member its rights, for as long as it is one.
func (a *approver) grantMember(ctx context.Context, deps control.Deps, name string) error {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster); err != nil {
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading cluster %s: %w", name, err)
		}
		none, err := gone(ctx, deps, name)
		if err != nil || !none {
			return err
		}
		return a.sweepRoles(ctx, deps, name, nil)
	}
	if !cluster.DeletionTimestamp.IsZero() {
		return nil
	}
	if cluster.Spec.SyncMode != clusterv1alpha1.Pull {
		if err := a.revoke(ctx, deps, name); err != nil {
			return err
		}
		return a.sweepRoles(ctx, deps, name, nil)
	}
	// Who is let in already has secrets of its own there.
	role := &rbacv1.Role{}
	err := deps.Client.Get(ctx, types.NamespacedName{Namespace: names.NamespaceCluster, Name: secretRole(name)}, role, client.UnsafeDisableDeepCopy)
	if err == nil && !ownedBy(role, cluster) || apierrors.IsNotFound(err) {
		err = a.sweepSecrets(ctx, deps, cluster)
	}
	if err != nil {
		return fmt.Errorf("letting the agent of cluster %s in: %w", name, err)
	}
	if err := a.grant(ctx, deps, grantee{name: name, member: cluster}); err != nil {
		return err
	}
	return a.sweepRoles(ctx, deps, name, cluster)
}

// grantee is the agent of a cluster that is a member, or of one that asks to become one.
type grantee struct {
	name string
	// member is nil for those that ask, and request is the UID of theirs.
	member  *clusterv1alpha1.Cluster
	request string
}

// grant makes the roles of an agent, and adds to those that are there the rules they lack, as they do after an upgrade, or the agent to
// whom they are bound. What an administrator or another tool has said beyond stays. They go with the Cluster once there is one.
func (a *approver) grant(ctx context.Context, deps control.Deps, agent grantee) error {
	for _, namespace := range a.options.SecretNamespaces {
		if err := ensureNamespace(ctx, deps, namespace); err != nil {
			return err
		}
	}
	all := asking(agent.name)
	if agent.member != nil {
		all = rights(agent.name, a.options.SecretNamespaces)
		space := &corev1.Namespace{}
		err := deps.Client.Get(ctx, types.NamespacedName{Name: names.ExecutionSpace(agent.name)}, space)
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("reading the execution space of cluster %s: %w", agent.name, err)
		}
		// Without one, its coming wakes the cluster again.
		if err == nil && space.DeletionTimestamp.IsZero() {
			all = append(all, inside(agent.name))
		}
	}
	for _, given := range all {
		for _, object := range given.objects(agent.name) {
			if err := ensure(ctx, deps, object, agent); err != nil {
				return fmt.Errorf("granting the agent of cluster %s its rights: %w", agent.name, err)
			}
		}
	}
	return nil
}

// ensureNamespace makes a namespace for the secrets of clusters, in which agents may make none.
func ensureNamespace(ctx context.Context, deps control.Deps, name string) error {
	err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, &corev1.Namespace{}, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		of := metav1.ObjectMeta{Name: name, Labels: map[string]string{names.LabelSystem: names.LabelSystemValue}}
		if err = deps.Client.Create(ctx, &corev1.Namespace{ObjectMeta: of}); apierrors.IsAlreadyExists(err) {
			return nil
		}
	}
	if err != nil {
		return fmt.Errorf("preparing namespace %s for the secrets of clusters: %w", name, err)
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

// revoke takes away what an agent was given: nobody inside a cluster in Push mode talks to the control plane, and who got a certificate
// by that name earlier must not become an administrator of the cluster by the secrets that the control plane keeps of it.
func (a *approver) revoke(ctx context.Context, deps control.Deps, cluster string) error {
	for _, given := range append(rights(cluster, a.options.SecretNamespaces), inside(cluster)) {
		for _, object := range given.objects(cluster) {
			err := deps.Client.Get(ctx, client.ObjectKeyFromObject(object), object)
			if err == nil && object.GetLabels()[names.LabelSystem] == names.LabelSystemValue {
				err = deps.Client.Delete(ctx, object)
			}
			if client.IgnoreNotFound(err) != nil {
				return fmt.Errorf("taking the rights of an agent of cluster %s away, which is in Push mode: %T %s: %w", cluster, object, client.ObjectKeyFromObject(object), err)
			}
		}
	}
	return nil
}

// ensure makes an object, or brings one that is there up to date.
func ensure(ctx context.Context, deps control.Deps, wanted client.Object, agent grantee) error {
	key := client.ObjectKeyFromObject(wanted)
	present := wanted.DeepCopyObject().(client.Object)
	err := deps.Client.Get(ctx, key, present)
	if apierrors.IsNotFound(err) {
		wanted.SetOwnerReferences(owned(nil, agent.member))
		note(wanted, agent)
		err = deps.Client.Create(ctx, wanted)
	} else if err == nil {
		err = update(ctx, deps, present, wanted, agent)
	}
	if err != nil {
		return fmt.Errorf("%T %s: %w", wanted, key, err)
	}
	return nil
}

// update adds what an object lacks. It fails where somebody else writes the object meanwhile, the garbage collector included.
func update(ctx context.Context, deps control.Deps, present, wanted client.Object, agent grantee) error {
	before := present.DeepCopyObject().(client.Object)
	present.SetOwnerReferences(owned(present.GetOwnerReferences(), agent.member))
	note(present, agent)
	if present.GetAnnotations()[rbacv1.AutoUpdateAnnotationKey] != "false" {
		switch given := present.(type) {
		case *rbacv1.ClusterRole:
			given.Rules = amended(given.Rules, wanted.(*rbacv1.ClusterRole).Rules)
		case *rbacv1.Role:
			given.Rules = amended(given.Rules, wanted.(*rbacv1.Role).Rules)
		case *rbacv1.ClusterRoleBinding:
			given.Subjects = bound(given.Subjects, wanted.(*rbacv1.ClusterRoleBinding).Subjects)
		case *rbacv1.RoleBinding:
			given.Subjects = bound(given.Subjects, wanted.(*rbacv1.RoleBinding).Subjects)
		}
	}
	if equality.Semantic.DeepEqual(before, present) {
		return nil
	}
	return deps.Client.Patch(ctx, present, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
}

// note says on the role of an agent for which request it was given the name, as long as no member has it.
func note(object client.Object, agent grantee) {
	annotations := maps.Clone(object.GetAnnotations())
	_, isRole := object.(*rbacv1.ClusterRole)
	switch {
	case agent.member != nil:
		delete(annotations, names.AnnotationGrantedRequest)
	case isRole && annotations == nil:
		annotations = map[string]string{names.AnnotationGrantedRequest: agent.request}
	case isRole:
		annotations[names.AnnotationGrantedRequest] = agent.request
	}
	object.SetAnnotations(annotations)
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

// outgrown tells rules that this controller gave agents before, and which allow them more than they need: to look at the requests of all.
func outgrown(given rbacv1.PolicyRule) bool {
	return equality.Semantic.DeepEqual(given, rule(certificatesv1.GroupName, []string{"certificatesigningrequests"}, nil, []string{"create", "get", "list", "watch"}))
}

// amended are rules that allow what the wanted ones do. What they allow beyond stays, but for what this controller gave itself.
func amended(present, wanted []rbacv1.PolicyRule) []rbacv1.PolicyRule {
	present = slices.DeleteFunc(slices.Clone(present), outgrown)
	for _, rule := range wanted {
		if covered, _ := validation.Covers(present, []rbacv1.PolicyRule{rule}); !covered {
			present = append(present, rule)
		}
	}
	return present
}

// bound are subjects with the wanted ones among them.
func bound(present, wanted []rbacv1.Subject) []rbacv1.Subject {
	for _, subject := range wanted {
		if !slices.Contains(present, subject) {
			present = append(present, subject)
		}
	}
	return present
}
