package invariant

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/workload"
)

// SafetyInvariants are all that are judged after every write.
func SafetyInvariants() []Safety {
	return []Safety{
		{"totals", totals},
		{"affinity", affinity},
		{"works", works},
		{"ownership", ownership},
		{"finalizers", finalizers},
		{"release", release},
		{"retract", retract},
		{"copies", copies},
		{"floor", floor},
		{"quota", quota},
		{"refused", refused},
	}
}

// totals: a decision that the scheduler calls current hands out just the replicas that are asked for, and names no cluster twice.
func totals(_ *World, c Change) error {
	bound, ok := binding.Of(c.After)
	if !ok || c.Cluster != "" {
		return nil
	}
	seen := map[string]bool{}
	var sum int32
	for _, target := range bound.Spec.Clusters {
		if seen[target.Name] {
			return fmt.Errorf("cluster %s is a target twice", target.Name)
		}
		if target.Replicas < 0 {
			return fmt.Errorf("cluster %s has %d replicas", target.Name, target.Replicas)
		}
		seen[target.Name] = true
		sum += target.Replicas
	}
	if !decided(bound) || bound.Spec.Replicas == 0 || len(bound.Spec.Components) > 0 {
		return nil
	}
	if divided(bound.Spec.Placement) {
		if sum != bound.Spec.Replicas {
			return fmt.Errorf("the targets hold %d replicas of %d", sum, bound.Spec.Replicas)
		}
		return nil
	}
	for _, target := range bound.Spec.Clusters {
		if target.Replicas != bound.Spec.Replicas {
			return fmt.Errorf("cluster %s has %d replicas where each shall have %d", target.Name, target.Replicas, bound.Spec.Replicas)
		}
	}
	return nil
}

// decided tells a binding whose targets answer what it asks now.
func decided(bound binding.Binding) bool {
	return meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled) &&
		bound.Status.SchedulerObservedGeneration == bound.GetGeneration() && bound.Spec.Placement != nil &&
		bound.GetDeletionTimestamp().IsZero()
}

func divided(placement *policyv1alpha1.Placement) bool {
	return placement != nil && placement.ReplicaScheduling != nil &&
		placement.ReplicaScheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
}

// affinity: a cluster becomes a target only when the policy admits it, and it is there and its taints are tolerated.
func affinity(w *World, c Change) error {
	bound, ok := binding.Of(c.After)
	if !ok || c.Cluster != "" || bound.Spec.Placement == nil {
		return nil
	}
	var had []workv1alpha2.TargetCluster
	if before, ok := binding.Of(c.Before); ok {
		had = before.Spec.Clusters
	}
	for _, target := range bound.Spec.Clusters {
		if slices.ContainsFunc(had, func(t workv1alpha2.TargetCluster) bool { return t.Name == target.Name }) {
			continue
		}
		if !w.ever(clusterKind, types.NamespacedName{Name: target.Name}, func(object client.Object) bool {
			cluster, there := object.(*clusterv1alpha1.Cluster)
			return there && Admits(bound.Spec.Placement, cluster) && tolerates(bound.Spec.Placement, cluster)
		}) {
			return fmt.Errorf("cluster %s became a target, and the policy does not admit it", target.Name)
		}
	}
	return nil
}

// Admits tells whether a placement allows a cluster, in any of its terms.
func Admits(placement *policyv1alpha1.Placement, cluster *clusterv1alpha1.Cluster) bool {
	if len(placement.ClusterAffinities) == 0 {
		return placement.ClusterAffinity == nil || override.Targets(placement.ClusterAffinity, cluster)
	}
	return slices.ContainsFunc(placement.ClusterAffinities, func(term policyv1alpha1.ClusterAffinityTerm) bool {
		if override.Targets(&term.ClusterAffinity, cluster) {
			return true
		}
		return slices.ContainsFunc(term.OverflowAffinities, func(overflow policyv1alpha1.OverflowClusterAffinity) bool {
			return override.Targets(&overflow.ClusterAffinity, cluster)
		})
	})
}

func tolerates(placement *policyv1alpha1.Placement, cluster *clusterv1alpha1.Cluster) bool {
	for _, taint := range cluster.Spec.Taints {
		if taint.Effect == corev1.TaintEffectPreferNoSchedule {
			continue
		}
		if !slices.ContainsFunc(placement.ClusterTolerations, func(t corev1.Toleration) bool {
			return (t.Effect == "" || t.Effect == taint.Effect) && (t.Key == "" || t.Key == taint.Key) &&
				(t.Operator == corev1.TolerationOpExists || t.Value == taint.Value)
		}) {
			return false
		}
	}
	return true
}

// holds tells whether a cluster shall have, or may still have, what a binding is for.
func holds(spec *workv1alpha2.ResourceBindingSpec, cluster string) bool {
	in := func(targets []workv1alpha2.TargetCluster) bool {
		return slices.ContainsFunc(targets, func(t workv1alpha2.TargetCluster) bool { return t.Name == cluster })
	}
	return in(spec.Clusters) ||
		slices.ContainsFunc(spec.RequiredBy, func(r workv1alpha2.BindingSnapshot) bool { return in(r.Clusters) }) ||
		slices.ContainsFunc(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool {
			return t.FromCluster == cluster && t.PurgeMode != policyv1alpha1.PurgeModeDirectly
		})
}

// works: a Work of a binding is made only for a cluster that the binding names.
func works(w *World, c Change) error {
	work, ok := c.After.(*workv1alpha1.Work)
	if !ok || c.Before != nil {
		return nil
	}
	cluster, err := names.ClusterOfExecutionSpace(work.Namespace)
	if err != nil {
		return fmt.Errorf("a Work outside of the execution spaces")
	}
	owner, ok := binding.OwnerOf(work)
	if !ok {
		return nil
	}
	if !w.ever(kindOfBinding(owner), owner, func(object client.Object) bool {
		bound, there := binding.Of(object)
		return there && holds(bound.Spec, cluster)
	}) {
		return fmt.Errorf("a Work for cluster %s, which binding %s does not name", cluster, owner)
	}
	return nil
}

// ownership: a Work and its binding carry the same identity, and a managed object in a member leads back to a Work for that
// member that carries it.
func ownership(w *World, c Change) error {
	if work, ok := c.After.(*workv1alpha1.Work); ok && c.Cluster == "" {
		return ownedWork(w, work)
	}
	if c.Cluster == "" || c.After == nil || !workload.Managed(c.After) || !c.After.GetDeletionTimestamp().IsZero() {
		return nil
	}
	owner, ok := workload.Owner(c.After)
	if !ok || owner.Namespace != names.ExecutionSpace(c.Cluster) {
		return fmt.Errorf("a managed object of cluster %s leads back to Work %s", c.Cluster, owner)
	}
	if c.Before != nil && workload.Managed(c.Before) {
		return nil
	}
	if !w.ever(workKind, owner, func(object client.Object) bool {
		work, there := object.(*workv1alpha1.Work)
		return there && carries(work, c.GVK, c.Key)
	}) {
		return fmt.Errorf("no Work %s carries it", owner)
	}
	return nil
}

func ownedWork(w *World, work *workv1alpha1.Work) error {
	owner, ok := binding.OwnerOf(work)
	if !ok || !work.DeletionTimestamp.IsZero() {
		return nil
	}
	wanted := binding.New(owner.Namespace, owner.Name)
	id := work.Labels[wanted.IDLabel()]
	if !w.ever(kindOfBinding(owner), owner, func(object client.Object) bool {
		bound, there := binding.Of(object)
		return there && bound.ID() == id
	}) {
		return fmt.Errorf("it carries the identity %q, and binding %s does not", id, owner)
	}
	return nil
}

func carries(work *workv1alpha1.Work, gvk schema.GroupVersionKind, key types.NamespacedName) bool {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return false
	}
	for _, manifest := range manifests {
		if manifest.GroupVersionKind() == gvk && client.ObjectKeyFromObject(manifest) == key {
			return true
		}
	}
	return false
}

// guards are the finalizers that hold objects until what they stand for is gone.
func guards(c Change) string {
	switch c.GVK {
	case bindingKind:
		return names.FinalizerResourceBinding
	case clusterBindingKind:
		return names.FinalizerClusterResourceBinding
	case workKind:
		return names.FinalizerExecution
	case clusterKind:
		return names.FinalizerCluster
	case policyKind:
		return names.FinalizerPropagationPolicy
	case clusterPolicyKind:
		return names.FinalizerClusterPropagationPolicy
	}
	return ""
}

// finalizers: what has been given a guard keeps it for as long as nobody deletes it.
func finalizers(_ *World, c Change) error {
	guard := guards(c)
	if c.Cluster != "" || guard == "" || c.Before == nil || !c.Last.GetDeletionTimestamp().IsZero() {
		return nil
	}
	if slices.Contains(c.Before.GetFinalizers(), guard) && (c.After == nil || !slices.Contains(c.After.GetFinalizers(), guard)) {
		return fmt.Errorf("finalizer %s is gone, and nobody deletes the object", guard)
	}
	return nil
}

// release: a guard goes only when what it guards has gone: a binding's Works, a Work's copies, a cluster's execution space.
func release(w *World, c Change) error {
	guard := guards(c)
	if c.Cluster != "" || guard == "" || c.Before == nil || !slices.Contains(c.Before.GetFinalizers(), guard) ||
		c.After != nil && slices.Contains(c.After.GetFinalizers(), guard) {
		return nil
	}
	switch c.GVK {
	case bindingKind, clusterBindingKind:
		if left := len(w.works[c.Key]); left > 0 {
			return fmt.Errorf("released with %d Works left", left)
		}
	case workKind:
		return releaseWork(w, c)
	case clusterKind:
		if w.latest(namespaceKind, types.NamespacedName{Name: names.ExecutionSpace(c.Key.Name)}) != nil {
			return fmt.Errorf("released while its execution space is there")
		}
	}
	return nil
}

func releaseWork(w *World, c Change) error {
	name, err := names.ClusterOfExecutionSpace(c.Key.Namespace)
	if err != nil {
		return err
	}
	if w.ever(clusterKind, types.NamespacedName{Name: name}, func(object client.Object) bool {
		return object == nil || !object.GetDeletionTimestamp().IsZero()
	}) {
		return nil
	}
	for _, held := range w.held(name) {
		owner, _ := workload.Owner(held.Object())
		if owner == c.Key && held.Object().GetDeletionTimestamp().IsZero() {
			return fmt.Errorf("released while %s %s is still in cluster %s", held.GVK.Kind, held.Key, name)
		}
	}
	return nil
}

// retract: a Work is deleted only when its binding, its cluster or its namespace wants it no more, or by its user, and a
// binding only when its template has gone, unless it was made for those who need it alone.
func retract(w *World, c Change) error {
	if c.Cluster != "" || !c.began() || w.asked[place{"", identity{c.GVK, c.Key}}] {
		return nil
	}
	switch object := c.Last.(type) {
	case *workv1alpha1.Work:
		return retractWork(w, object)
	default:
		if bound, ok := binding.Of(c.Last); ok {
			return retractBinding(w, bound)
		}
	}
	return nil
}

func retractWork(w *World, work *workv1alpha1.Work) error {
	gone := func(object client.Object) bool { return object == nil || !object.GetDeletionTimestamp().IsZero() }
	name, err := names.ClusterOfExecutionSpace(work.Namespace)
	if err != nil || w.ever(clusterKind, types.NamespacedName{Name: name}, gone) {
		return nil
	}
	owner, ok := binding.OwnerOf(work)
	if !ok {
		if of := metav1.GetControllerOf(work); of != nil && !w.ever(namespaceKind, types.NamespacedName{Name: of.Name}, gone) {
			return fmt.Errorf("the Work of namespace %s is deleted, and the namespace is there", of.Name)
		}
		return nil
	}
	if !w.ever(kindOfBinding(owner), owner, func(object client.Object) bool {
		bound, there := binding.Of(object)
		return !there || gone(object) || !holds(bound.Spec, name)
	}) {
		return fmt.Errorf("the Work is deleted, and binding %s names cluster %s", owner, name)
	}
	return nil
}

func retractBinding(w *World, bound binding.Binding) error {
	resource := bound.Spec.Resource
	if bound.Spec.Placement == nil {
		return nil
	}
	gvk := schema.FromAPIVersionAndKind(resource.APIVersion, resource.Kind)
	if !w.ever(gvk, types.NamespacedName{Namespace: resource.Namespace, Name: resource.Name}, func(object client.Object) bool {
		return object == nil || object.GetUID() != resource.UID || !object.GetDeletionTimestamp().IsZero()
	}) {
		return fmt.Errorf("the binding is deleted, and its template is there")
	}
	return nil
}

// copies: a managed object in a member is deleted only when its Work is, or its namespace, or by its user.
func copies(w *World, c Change) error {
	if c.Cluster == "" || !c.began() || !workload.Managed(c.Before) || w.asked[place{c.Cluster, identity{c.GVK, c.Key}}] {
		return nil
	}
	if c.Key.Namespace != "" {
		space, there := w.members[c.Cluster][identity{namespaceKind, types.NamespacedName{Name: c.Key.Namespace}}]
		if c.Key.Namespace != metav1.NamespaceDefault && (!there || !space.Object().GetDeletionTimestamp().IsZero()) {
			return nil
		}
	}
	owner, _ := workload.Owner(c.Before)
	work := w.latest(workKind, owner)
	if work != nil && work.GetDeletionTimestamp().IsZero() {
		return fmt.Errorf("a copy in cluster %s is deleted, and Work %s is there", c.Cluster, owner)
	}
	return nil
}
