package invariant

import (
	"context"
	"fmt"
	"math"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/eviction"
	keptup "github.com/seatrial/seatrial/eviction/floor"
	"github.com/seatrial/seatrial/workload"
)

// floor: no move that the control plane starts by itself takes a workload below its availability floor while there is room to
// keep it up. What was out of sight of late does not count as lost. Such moves are decisions that take replicas from a cluster and that nothing a user did calls for, the ends of
// evictions among them. What is to run once has no floor while it moves. A copy in a member shrinks only when its Work says so.
func floor(w *World, c Change) error {
	if c.Cluster != "" {
		return shrunk(w, c)
	}
	before, was := binding.Of(c.Before)
	after, is := binding.Of(c.After)
	if !was || !is || !after.GetDeletionTimestamp().IsZero() || after.Spec.Replicas == 0 || after.Spec.Placement == nil {
		return nil
	}
	template := w.template(after)
	if template == nil || !counted(template.GroupVersionKind()) || eviction.Once(after.Spec, after.GetAnnotations()) || !takes(before, after) || permitted(before, after) || w.called(before, after) {
		return nil
	}
	lowest := w.lowest(template, after)
	had, left := w.upheld(before, w.readyIfSteady), w.upheld(after, w.readiest)
	missing := min(had, lowest) - left
	if missing <= 0 || w.elsewhere(after) < missing {
		return nil
	}
	return fmt.Errorf("of %d ready replicas it keeps %d, its floor is %d, there is room for more, and no user asked for this", had, left, lowest)
}

// shrunk: the replicas of a copy in a member go down only to what its Work has carried not long ago. Where the member scales by
// itself, it may do as it likes.
func shrunk(w *World, c Change) error {
	from, counts := replicasOf(c.Before)
	to, still := replicasOf(c.After)
	if !counts || !still || to >= from || !workload.Managed(c.Before) || w.scaled(c.Cluster, c.Key.Namespace) {
		return nil
	}
	owner, _ := workload.Owner(c.Before)
	if w.ever(workKind, owner, func(object client.Object) bool {
		work, there := object.(*workv1alpha1.Work)
		if !there {
			return true
		}
		manifests, err := workload.Manifests(work)
		return err != nil || slices.ContainsFunc(manifests, func(manifest *unstructured.Unstructured) bool {
			wanted, set, _ := unstructured.NestedInt64(manifest.Object, "spec", "replicas")
			return !set || wanted <= to
		})
	}) {
		return nil
	}
	return fmt.Errorf("a copy in cluster %s went from %d to %d replicas, and Work %s carries more", c.Cluster, from, to, owner)
}

// scaled tells whether a member has autoscalers in a namespace.
func (w *World) scaled(cluster, namespace string) bool {
	for id := range w.members[cluster] {
		if id.gvk.Kind == "HorizontalPodAutoscaler" && id.key.Namespace == namespace {
			return true
		}
	}
	return false
}

// takes tells a decision that takes replicas from a cluster, or lets go of a copy that an eviction still held.
func takes(before, after binding.Binding) bool {
	return slices.ContainsFunc(holders(before.Spec), func(cluster string) bool {
		return granted(after.Spec, cluster) < granted(before.Spec, cluster)
	})
}

// holders are the clusters that may hold replicas.
func holders(spec *workv1alpha2.ResourceBindingSpec) []string {
	var clusters []string
	for _, target := range spec.Clusters {
		clusters = append(clusters, target.Name)
	}
	for _, task := range spec.GracefulEvictionTasks {
		if !slices.Contains(clusters, task.FromCluster) {
			clusters = append(clusters, task.FromCluster)
		}
	}
	return clusters
}

// granted are the replicas that a cluster may hold: those it is given, or those of an eviction that has not ended. One that waits for a
// place elsewhere holds nothing: until then the cluster has what it is given.
func granted(spec *workv1alpha2.ResourceBindingSpec, cluster string) int64 {
	var most int64
	for _, target := range spec.Clusters {
		if target.Name == cluster {
			most = max(most, int64(target.Replicas))
		}
	}
	for _, task := range spec.GracefulEvictionTasks {
		if task.FromCluster == cluster && task.PurgeMode != policyv1alpha1.PurgeModeDirectly && !eviction.Waiting(spec, &task) {
			most = max(most, int64(ptr.Deref(task.Replicas, spec.Replicas)))
		}
	}
	return most
}

// called tells whether something that users do calls for a decision: another specification of the binding than not long ago, or,
// while targets change, a cluster that its placement has come to admit or to refuse.
func (w *World) called(before, bound binding.Binding) bool {
	if !workload.Equal(before.Spec.Clusters, bound.Spec.Clusters) && w.readmitted(bound.Spec.Placement) {
		return true
	}
	asked := func(object client.Object) *workv1alpha2.ResourceBindingSpec {
		view, there := binding.Of(object)
		if !there {
			return nil
		}
		spec := *view.Spec
		spec.Clusters, spec.GracefulEvictionTasks, spec.RequiredBy = nil, nil, nil
		// A fresh placement is another place, and no fewer replicas.
		spec.RescheduleTriggeredAt = nil
		return &spec
	}
	now := asked(bound.Object)
	return w.ever(kindOfBinding(bound.NamespacedName()), bound.NamespacedName(), func(object client.Object) bool {
		return !workload.Equal(asked(object), now)
	})
}

// readmitted tells whether users have come to admit a cluster to a placement, or to refuse it.
func (w *World) readmitted(placement *policyv1alpha1.Placement) bool {
	for key := range w.plane[clusterKind] {
		admits := func(object client.Object) bool {
			cluster, there := object.(*clusterv1alpha1.Cluster)
			return there && cluster.DeletionTimestamp.IsZero() && Admits(placement, cluster) && tolerates(placement, withoutOurs(cluster))
		}
		current := admits(w.latest(clusterKind, key))
		if w.ever(clusterKind, key, func(object client.Object) bool { return admits(object) != current }) {
			return true
		}
	}
	return false
}

// withoutOurs is a cluster without the taints that the control plane sets itself.
func withoutOurs(cluster *clusterv1alpha1.Cluster) *clusterv1alpha1.Cluster {
	shown := *cluster
	shown.Spec.Taints = slices.DeleteFunc(slices.Clone(cluster.Spec.Taints), func(t corev1.Taint) bool {
		return t.Key == names.TaintNotReady || t.Key == names.TaintUnreachable
	})
	return &shown
}

// permitted tells whether users have said that copies may go whatever comes of it: at once, after a time, or on their word.
func permitted(before, after binding.Binding) bool {
	return slices.ContainsFunc(slices.Concat(before.Spec.GracefulEvictionTasks, after.Spec.GracefulEvictionTasks), func(task workv1alpha2.GracefulEvictionTask) bool {
		return task.PurgeMode == policyv1alpha1.PurgeModeDirectly || task.GracePeriodSeconds != nil || task.SuppressDeletion != nil
	})
}

// upheld are the replicas that a decision lets be, of those that are ready in clusters.
func (w *World) upheld(by binding.Binding, ready func(cluster string, of identity) int64) int64 {
	var sum int64
	for _, cluster := range holders(by.Spec) {
		sum += min(ready(cluster, copyOf(by)), granted(by.Spec, cluster))
	}
	return sum
}

// readyIfSteady are the ready replicas in a cluster that has not been out of sight.
func (w *World) readyIfSteady(cluster string, of identity) int64 {
	if !w.steady(cluster) {
		return 0
	}
	return w.ready(cluster, of)
}

// steady tells whether a cluster has been ready all the while, and stays in the fleet: what runs in one that a user takes out of it
// need not be kept up.
func (w *World) steady(cluster string) bool {
	return !w.ever(clusterKind, types.NamespacedName{Name: cluster}, func(object client.Object) bool {
		seen, there := object.(*clusterv1alpha1.Cluster)
		return !there || !workload.Ready(seen) || !seen.DeletionTimestamp.IsZero()
	})
}

// elsewhere is the room for more replicas of a binding in the clusters that it may go to.
func (w *World) elsewhere(bound binding.Binding) int64 {
	var sum int64
	for _, cluster := range w.eligible(bound.Spec.Placement) {
		sum += w.room(cluster.Name, bound)
	}
	return sum
}

// room is how many more replicas of a binding fit into a cluster; none when that cannot be seen.
func (w *World) room(cluster string, bound binding.Binding) int64 {
	question := estimator.Question{Namespace: bound.GetNamespace(), Requirements: bound.Spec.ReplicaRequirements}
	answer := w.estimators.Estimate(context.Background(), question, []string{cluster})[0]
	if answer.Err != nil {
		return 0
	}
	return int64(answer.Count)
}

// lowest is the availability floor of a workload: its replicas without those that its strategy lets be away, at least one, or what disruption
// budgets and its policy keep up that have stood as they are for a while. More replicas than its binding was admitted with do not count.
func (w *World) lowest(template *unstructured.Unstructured, bound binding.Binding) int64 {
	replicas, set, _ := unstructured.NestedInt64(template.Object, "spec", "replicas")
	if !set {
		replicas = 1
	}
	replicas = min(replicas, int64(bound.Spec.Replicas))
	away := int64(1)
	if template.GetKind() == "Deployment" {
		away = awayOf(template, replicas)
	}
	least := keptup.Budgeted(max(replicas-away, 1), template, w.budgets(template.GetNamespace()), int32(replicas))
	return w.raised(least, bound, int32(replicas))
}

// raised is a floor as the policy of a binding raises it: the lowest of those that it has asked for lately. What cannot be read asks for
// none.
func (w *World) raised(least int64, bound binding.Binding, replicas int32) int64 {
	lowest := int64(math.MaxInt64)
	w.ever(kindOfBinding(bound.NamespacedName()), bound.NamespacedName(), func(object client.Object) bool {
		asked := ""
		if object != nil {
			asked = object.GetAnnotations()[names.AnnotationFloor]
		}
		floor, err := keptup.Raised(least, asked, replicas)
		if err != nil {
			floor = least
		}
		lowest = min(lowest, floor)
		return false
	})
	return lowest
}

// budgets are the disruption budgets of a namespace that have stood as they are for a while.
func (w *World) budgets(namespace string) []policyv1.PodDisruptionBudget {
	var known []policyv1.PodDisruptionBudget
	for _, event := range w.all(budgetKind) {
		budget := event.Object().(*policyv1.PodDisruptionBudget)
		if event.Key.Namespace == namespace && !w.ever(budgetKind, event.Key, func(object client.Object) bool {
			past, there := object.(*policyv1.PodDisruptionBudget)
			return !there || !workload.Equal(past.Spec, budget.Spec)
		}) {
			known = append(known, *budget)
		}
	}
	return known
}

// awayOf is the maxUnavailable of a Deployment; all of them where that cannot be told.
func awayOf(template *unstructured.Unstructured, replicas int64) int64 {
	deployment := &appsv1.Deployment{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(template.Object, deployment); err != nil ||
		deployment.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return replicas
	}
	most := intstr.FromString("25%")
	if rolling := deployment.Spec.Strategy.RollingUpdate; rolling != nil && rolling.MaxUnavailable != nil {
		most = *rolling.MaxUnavailable
	}
	away, err := intstr.GetScaledValueFromIntOrPercent(&most, int(replicas), false)
	if err != nil {
		return replicas
	}
	return int64(away)
}

// counted are the kinds whose members report ready replicas.
func counted(gvk schema.GroupVersionKind) bool {
	return gvk.Group == appsv1.GroupName && (gvk.Kind == "Deployment" || gvk.Kind == "StatefulSet")
}

// copyOf is what the copies of a binding's template are called.
func copyOf(bound binding.Binding) identity {
	of := bound.Spec.Resource
	return identity{schema.FromAPIVersionAndKind(of.APIVersion, of.Kind), types.NamespacedName{Namespace: of.Namespace, Name: of.Name}}
}

func replicasOf(object client.Object) (replicas int64, counts bool) {
	switch object := object.(type) {
	case *appsv1.Deployment:
		return int64(ptr.Deref(object.Spec.Replicas, 1)), true
	case *appsv1.StatefulSet:
		return int64(ptr.Deref(object.Spec.Replicas, 1)), true
	}
	return 0, false
}
