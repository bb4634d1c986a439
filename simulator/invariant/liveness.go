package invariant

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/simulator/store"
	"github.com/seatrial/seatrial/workload"
)

// LivenessInvariants are all that hold once a fleet has settled. They build on each other: the first that fails is the cause.
func LivenessInvariants() []Liveness {
	return []Liveness{
		{"stuck", stuck},
		{"clusters", clusters},
		{"claims", claims},
		{"placed", placed},
		{"evicted", evicted},
		{"rendered", rendered},
		{"followed", followed},
		{"applied", applied},
		{"orphans", orphans},
		{"namespaces", namespaces},
		{"aggregated", aggregated},
		{"quotas", quotas},
		{"impersonated", impersonated},
		{"tainted", tainted},
		{"rebalanced", rebalanced},
	}
}

// stuck: nothing is on its way out.
func stuck(w *World) error {
	for _, gvk := range []schema.GroupVersionKind{
		policyKind, clusterPolicyKind, bindingKind, clusterBindingKind, workKind, clusterKind, namespaceKind,
	} {
		for _, event := range w.all(gvk) {
			if object := event.Object(); !object.GetDeletionTimestamp().IsZero() {
				return fmt.Errorf("%s %s is being removed since %s; finalizers %v",
					gvk.Kind, event.Key, object.GetDeletionTimestamp().UTC().Format("15:04:05"), object.GetFinalizers())
			}
		}
	}
	return nil
}

// clusters: every cluster is ready, without the taints of one that is not, and has its execution space; no other space is left.
func clusters(w *World) error {
	for _, cluster := range w.clusters() {
		if !workload.Ready(cluster) {
			return fmt.Errorf("cluster %s is not ready", cluster.Name)
		}
		if slices.ContainsFunc(cluster.Spec.Taints, func(t corev1.Taint) bool {
			return t.Key == names.TaintNotReady || t.Key == names.TaintUnreachable
		}) {
			return fmt.Errorf("cluster %s is ready and has the taints of one that is not", cluster.Name)
		}
		if w.latest(namespaceKind, types.NamespacedName{Name: names.ExecutionSpace(cluster.Name)}) == nil {
			return fmt.Errorf("cluster %s has no execution space", cluster.Name)
		}
	}
	for _, space := range w.all(namespaceKind) {
		if name, err := names.ClusterOfExecutionSpace(space.Key.Name); err == nil && w.cluster(name) == nil {
			return fmt.Errorf("cluster %s has left and its execution space has not", name)
		}
	}
	return nil
}

// claims: a template that policies select belongs to one of them, and its binding says what both say; one that no policy
// selects belongs to none.
func claims(w *World) error {
	policies := w.policies()
	for _, template := range w.templates() {
		claim, claimed := policy.ClaimOf(template)
		what := workload.Describe(template)
		if !slices.ContainsFunc(policies, func(p policy.Policy) bool { return inReach(p, template) && p.Matches(template) }) {
			if claimed {
				return fmt.Errorf("%s belongs to policy %s, and none selects it", what, claim.Policy)
			}
			continue
		}
		at := slices.IndexFunc(policies, func(p policy.Policy) bool { return p.NamespacedName() == claim.Policy && p.ID() == claim.ID })
		if !claimed || at < 0 || !policies[at].Matches(template) {
			return fmt.Errorf("%s belongs to policy %q, which is not there or does not select it", what, claim.Policy.String())
		}
		if err := boundAs(w, template, policies[at]); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
	}
	return nil
}

func inReach(p policy.Policy, template *unstructured.Unstructured) bool {
	return p.ClusterScoped() || p.GetNamespace() == template.GetNamespace()
}

func boundAs(w *World, template *unstructured.Unstructured, claimer policy.Policy) error {
	bound, ok := w.binding(types.NamespacedName{Namespace: template.GetNamespace(), Name: names.Binding(template.GetKind(), template.GetName())})
	if !ok {
		return fmt.Errorf("it has no binding")
	}
	if w.outgrown(bound, template) {
		// Admission refuses to have the binding say what the template says.
		return nil
	}
	if claim, _ := policy.ClaimOf(bound); claim != claimer.Claim() {
		return fmt.Errorf("its binding belongs to policy %s and not to %s", claim.Policy, claimer.NamespacedName())
	}
	if bound.Spec.Resource.UID != template.GetUID() {
		return fmt.Errorf("its binding was made for another template of that name")
	}
	if !workload.Equal(*bound.Spec.Placement, claimer.Spec.Placement) {
		return fmt.Errorf("its binding has not the placement of policy %s", claimer.NamespacedName())
	}
	if replicas, found, _ := unstructured.NestedInt64(template.Object, "spec", "replicas"); found && int64(bound.Spec.Replicas) != replicas {
		return fmt.Errorf("it has %d replicas and its binding %d", replicas, bound.Spec.Replicas)
	}
	return nil
}

// templates are the objects of the control plane that users made, of the kinds that policies select.
func (w *World) templates() []*unstructured.Unstructured {
	kinds := map[schema.GroupVersionKind]bool{}
	for _, p := range w.policies() {
		for _, selector := range p.Spec.ResourceSelectors {
			kinds[schema.FromAPIVersionAndKind(selector.APIVersion, selector.Kind)] = true
		}
	}
	for _, bound := range w.bindings() {
		kinds[schema.FromAPIVersionAndKind(bound.Spec.Resource.APIVersion, bound.Spec.Resource.Kind)] = true
	}
	var trees []*unstructured.Unstructured
	for _, gvk := range slices.SortedFunc(maps.Keys(kinds), func(a, b schema.GroupVersionKind) int { return strings.Compare(a.String(), b.String()) }) {
		for _, event := range w.all(gvk) {
			if tree, ok := event.Tree().(*unstructured.Unstructured); ok && tree.GetDeletionTimestamp().IsZero() && !names.IsReservedNamespace(tree.GetNamespace()) {
				trees = append(trees, tree)
			}
		}
	}
	return trees
}

func (w *World) policies() []policy.Policy {
	var policies []policy.Policy
	for _, event := range append(w.all(policyKind), w.all(clusterPolicyKind)...) {
		p, _ := policy.Of(event.Object())
		policies = append(policies, p)
	}
	return policies
}

// placed: what has a cluster to go to is scheduled, to clusters that are there; what goes everywhere is everywhere.
func placed(w *World) error {
	for _, bound := range w.bindings() {
		if _, claimed := policy.ClaimOf(bound); !claimed || bound.Spec.Placement == nil {
			continue
		}
		eligible := slices.DeleteFunc(w.eligible(bound.Spec.Placement), func(cluster *clusterv1alpha1.Cluster) bool {
			// A workload that does not get well goes round in circles: it may not come back while it is being evicted.
			return evicting(bound, cluster.Name)
		})
		if !meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled) {
			if len(eligible) > 0 && spreadable(bound.Spec.Placement, eligible) && w.fits(bound, eligible) && !w.tooMuch(bound, eligible) {
				return fmt.Errorf("binding %s is not scheduled, and could go to %d clusters: %s",
					bound.NamespacedName(), len(eligible), reason(bound))
			}
			continue
		}
		if !decided(bound) {
			return fmt.Errorf("binding %s: generation %d, decided at %d",
				bound.NamespacedName(), bound.GetGeneration(), bound.Status.SchedulerObservedGeneration)
		}
		if err := placedBinding(w, bound, eligible); err != nil {
			return fmt.Errorf("binding %s: %w", bound.NamespacedName(), err)
		}
	}
	return nil
}

func placedBinding(w *World, bound binding.Binding, eligible []*clusterv1alpha1.Cluster) error {
	everywhere := len(bound.Spec.Placement.SpreadConstraints) == 0 && len(bound.Spec.Placement.ClusterAffinities) == 0 &&
		(bound.Spec.Replicas == 0 || !divided(bound.Spec.Placement))
	for _, target := range bound.Spec.Clusters {
		cluster := w.cluster(target.Name)
		if cluster == nil {
			return fmt.Errorf("target %s is no cluster", target.Name)
		}
		if everywhere && !Admits(bound.Spec.Placement, cluster) {
			return fmt.Errorf("the policy does not admit target %s", target.Name)
		}
	}
	if !everywhere {
		return nil
	}
	for _, cluster := range eligible {
		if !holds(bound.Spec, cluster.Name) {
			return fmt.Errorf("it shall go to all clusters that fit and not to %s", cluster.Name)
		}
	}
	return nil
}

func evicting(bound binding.Binding, cluster string) bool {
	return slices.ContainsFunc(bound.Spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool { return t.FromCluster == cluster })
}

const (
	// unheard is how long an eviction may outlast its time, until its end is written.
	unheard = time.Minute
	// patience is the time of an eviction that does not say.
	patience = 10 * time.Minute
)

// evicted: no copy is held longer than its eviction says. One of what is to run once is not held by the task that says it left directly. Where that does not say, one that serves may be held until enough is
// ready elsewhere; one that waits for a user may stay.
func evicted(w *World) error {
	for _, bound := range w.bindings() {
		for _, task := range bound.Spec.GracefulEvictionTasks {
			directly := task.PurgeMode == policyv1alpha1.PurgeModeDirectly && eviction.Once(bound.Spec, bound.GetAnnotations())
			if directly || task.SuppressDeletion != nil || task.CreationTimestamp == nil || w.cluster(task.FromCluster) == nil {
				continue
			}
			grace := patience
			if task.GracePeriodSeconds != nil {
				grace = time.Duration(*task.GracePeriodSeconds) * time.Second
			} else if w.mayHold(bound, task.FromCluster) {
				continue
			}
			if held := w.now().Sub(task.CreationTimestamp.Time); held > grace+unheard {
				return fmt.Errorf("binding %s is being evicted from cluster %s for %s, and has %s", bound.NamespacedName(), task.FromCluster, held, grace)
			}
		}
	}
	return nil
}

// mayHold tells whether a copy that is being evicted may be held: it serves, and without what is held fewer replicas are ready than
// the floor says.
func (w *World) mayHold(bound binding.Binding, cluster string) bool {
	var sum int64
	for _, target := range bound.Spec.Clusters {
		if target.Name == cluster && counted(copyOf(bound).gvk) {
			return true // it stays in part, or waits for room elsewhere
		}
		sum += min(w.ready(target.Name, copyOf(bound)), int64(target.Replicas))
	}
	template := w.template(bound)
	return w.ready(cluster, copyOf(bound)) > 0 && (template == nil || sum < w.lowest(template, bound))
}

// eligible are the clusters that a placement admits and that would take something new.
func (w *World) eligible(placement *policyv1alpha1.Placement) []*clusterv1alpha1.Cluster {
	return slices.DeleteFunc(w.clusters(), func(cluster *clusterv1alpha1.Cluster) bool {
		return !workload.Ready(cluster) || !Admits(placement, cluster) || !tolerates(placement, cluster)
	})
}

// spreadable tells whether clusters make up as many groups as a placement asks for.
func spreadable(placement *policyv1alpha1.Placement, clusters []*clusterv1alpha1.Cluster) bool {
	for _, constraint := range placement.SpreadConstraints {
		groups := map[string]bool{}
		for _, cluster := range clusters {
			switch constraint.SpreadByField {
			case policyv1alpha1.SpreadByFieldRegion:
				groups[cluster.Spec.Region] = true
			case policyv1alpha1.SpreadByFieldProvider:
				groups[cluster.Spec.Provider] = true
			default:
				groups[cluster.Name] = true
			}
		}
		if len(groups) < constraint.MinGroups {
			return false
		}
	}
	return true
}

// fits tells whether there is room for what a binding asks for in clusters; only some placements go by that. With spread
// constraints it tells only of room in each of them, whichever of them they choose.
func (w *World) fits(bound binding.Binding, clusters []*clusterv1alpha1.Cluster) bool {
	scheduling := bound.Spec.Placement.ReplicaScheduling
	if !divided(bound.Spec.Placement) || bound.Spec.Replicas == 0 ||
		scheduling.ReplicaDivisionPreference != policyv1alpha1.ReplicaDivisionPreferenceAggregated &&
			(scheduling.WeightPreference == nil || scheduling.WeightPreference.DynamicWeight == "") {
		return true
	}
	var sum int64
	for _, cluster := range clusters {
		room := w.room(cluster.Name, bound)
		if len(bound.Spec.Placement.SpreadConstraints) > 0 && room < int64(bound.Spec.Replicas) {
			return false
		}
		sum += room
	}
	return sum >= int64(bound.Spec.Replicas)
}

func reason(bound binding.Binding) string {
	if condition := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionScheduled); condition != nil {
		return condition.Reason + ": " + condition.Message
	}
	return "it has no such condition"
}

// orphans: every Work has what it was made for, and every managed object in a member the Work that carries it.
func orphans(w *World) error {
	for _, event := range w.all(workKind) {
		if err := orphanWork(w, event); err != nil {
			return fmt.Errorf("the Work %s: %w", event.Key, err)
		}
	}
	for _, cluster := range w.clusters() {
		for _, held := range w.held(cluster.Name) {
			if w.left[place{cluster.Name, identity{held.GVK, held.Key}}] {
				continue
			}
			owner, _ := workload.Owner(held.Object())
			if work := w.work(owner); work == nil || !carries(work, held.GVK, held.Key) {
				return fmt.Errorf("%s %s is managed in cluster %s, and no Work %s carries it", held.GVK.Kind, held.Key, cluster.Name, owner)
			}
		}
	}
	return nil
}

func orphanWork(w *World, event store.Event) error {
	work := w.work(event.Key)
	if owner, ok := binding.OwnerOf(work); ok {
		if _, there := w.binding(owner); !there {
			return fmt.Errorf("binding %s is gone", owner)
		}
	}
	for _, owner := range work.OwnerReferences {
		if owner.Kind == namespaceKind.Kind && w.latest(namespaceKind, types.NamespacedName{Name: owner.Name}) == nil {
			return fmt.Errorf("namespace %s is gone", owner.Name)
		}
	}
	return nil
}

// namespaces: every namespace that is propagated is in every cluster.
func namespaces(w *World) error {
	for _, space := range w.all(namespaceKind) {
		name := space.Key.Name
		if name == "default" || strings.HasPrefix(name, "kube-") || names.IsReservedNamespace(name) {
			continue
		}
		for _, cluster := range w.clusters() {
			if _, there := w.members[cluster.Name][identity{namespaceKind, space.Key}]; !there {
				return fmt.Errorf("cluster %s does not have namespace %s", cluster.Name, name)
			}
		}
	}
	return nil
}
