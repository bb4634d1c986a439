package invariant

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/workload"
)

// impersonated: a cluster that the control plane has credentials for lets it act for just those whom roles let through to the
// cluster; where there are none, and without credentials, it has neither of the two Works.
func impersonated(w *World) error {
	for _, cluster := range w.clusters() {
		if err := w.impersonatedIn(cluster); err != nil {
			return fmt.Errorf("cluster %s: %w", cluster.Name, err)
		}
	}
	return nil
}

func (w *World) impersonatedIn(cluster *clusterv1alpha1.Cluster) error {
	let := w.letThrough(cluster.Name)
	wanted := cluster.Spec.ImpersonatorSecretRef != nil && len(let) > 0
	manifests := map[string]*unstructured.Unstructured{}
	for _, gvk := range []schema.GroupVersionKind{clusterRoleKind, clusterRoleBindingKind} {
		work := w.work(types.NamespacedName{Namespace: names.ExecutionSpace(cluster.Name), Name: names.Work(gvk.Kind, names.ImpersonatorName, "")})
		if there := work != nil; there != wanted {
			return fmt.Errorf("a Work for the %s of the impersonator: %t, and it shall be %t", gvk.Kind, there, wanted)
		}
		if work == nil {
			continue
		}
		carried, err := workload.Manifests(work)
		if err != nil {
			return fmt.Errorf("reading the Work for the %s of the impersonator: %w", gvk.Kind, err)
		}
		if len(carried) != 1 {
			return fmt.Errorf("the Work for the %s of the impersonator carries %d manifests", gvk.Kind, len(carried))
		}
		manifests[gvk.Kind] = carried[0]
	}
	if !wanted {
		return nil
	}
	role, bound := &rbacv1.ClusterRole{}, &rbacv1.ClusterRoleBinding{}
	for kind, into := range map[string]any{clusterRoleKind.Kind: role, clusterRoleBindingKind.Kind: bound} {
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[kind].Object, into); err != nil {
			return err
		}
	}
	may := map[string]bool{}
	for _, rule := range role.Rules {
		for _, name := range rule.ResourceNames {
			may[strings.Join(rule.Verbs, ",")+" "+strings.Join(rule.Resources, ",")+" "+name] = true
		}
	}
	if !maps.Equal(may, let) {
		return fmt.Errorf("the impersonator may %v, and shall %v", slices.Sorted(maps.Keys(may)), slices.Sorted(maps.Keys(let)))
	}
	if len(bound.Subjects) != 1 || bound.Subjects[0].Namespace != cluster.Spec.ImpersonatorSecretRef.Namespace {
		return fmt.Errorf("the role of the impersonator is given to %v", bound.Subjects)
	}
	return nil
}

// letThrough are those whom roles let through to a cluster, as what the impersonator may do for them.
func (w *World) letThrough(cluster string) map[string]bool {
	let := map[string]bool{}
	for _, event := range w.all(clusterRoleBindingKind) {
		bound := event.Object().(*rbacv1.ClusterRoleBinding)
		role, there := w.latest(clusterRoleKind, types.NamespacedName{Name: bound.RoleRef.Name}).(*rbacv1.ClusterRole)
		if !there || !slices.ContainsFunc(role.Rules, func(rule rbacv1.PolicyRule) bool { return reaches(rule, cluster) }) {
			continue
		}
		for _, subject := range bound.Subjects {
			let["impersonate "+strings.ToLower(subject.Kind)+"s "+subject.Name] = true
		}
	}
	return let
}

func reaches(rule rbacv1.PolicyRule, cluster string) bool {
	return slices.Contains(rule.APIGroups, clusterv1alpha1.GroupVersion.Group) && len(rule.Verbs) > 0 &&
		(slices.Contains(rule.Resources, "clusters/proxy") || slices.Contains(rule.Resources, "*/proxy")) &&
		(len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, cluster))
}

// tainted: clusters have the taints of the policies that want them there, and none of those that want them gone.
func tainted(w *World) error {
	for _, event := range w.all(taintPolicyKind) {
		spec := event.Object().(*policyv1alpha1.ClusterTaintPolicy).Spec
		for _, cluster := range w.clusters() {
			if spec.TargetClusters != nil && !override.Targets(spec.TargetClusters, cluster) {
				continue
			}
			add, remove := conditions(spec.AddOnConditions, cluster), conditions(spec.RemoveOnConditions, cluster)
			for _, taint := range spec.Taints {
				at := slices.IndexFunc(cluster.Spec.Taints, func(t corev1.Taint) bool { return t.Key == taint.Key && t.Effect == taint.Effect })
				switch {
				case remove && at >= 0:
					return fmt.Errorf("cluster %s has the taint %s that policy %s takes away", cluster.Name, taint.Key, event.Key.Name)
				case add && !remove && (at < 0 || cluster.Spec.Taints[at].Value != taint.Value):
					return fmt.Errorf("cluster %s has not the taint %s of policy %s", cluster.Name, taint.Key, event.Key.Name)
				}
			}
		}
	}
	return nil
}

// conditions tells whether a cluster has all conditions that a policy asks for.
func conditions(asked []policyv1alpha1.MatchCondition, cluster *clusterv1alpha1.Cluster) bool {
	for _, match := range asked {
		condition := meta.FindStatusCondition(cluster.Status.Conditions, match.ConditionType)
		if condition == nil || slices.Contains(match.StatusValues, condition.Status) != (match.Operator == policyv1alpha1.MatchConditionOpIn) {
			return false
		}
	}
	return len(asked) > 0
}
