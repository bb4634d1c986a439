package drain

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/klog/v2"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/rebalance"
)

// concerns tells whether a binding has anything in a cluster.
func concerns(spec *workv1alpha2.ResourceBindingSpec, cluster string) bool {
	if eviction.Targets(spec, cluster) || taskFrom(spec, cluster) != nil {
		return true
	}
	for i := range spec.RequiredBy {
		if slices.ContainsFunc(spec.RequiredBy[i].Clusters, func(t workv1alpha2.TargetCluster) bool { return t.Name == cluster }) {
			return true
		}
	}
	return false
}

// follows tells bindings that are in a cluster because others need them there. They leave with those.
func follows(spec *workv1alpha2.ResourceBindingSpec, cluster string) bool {
	return len(spec.RequiredBy) > 0 && (spec.Placement == nil || !eviction.Targets(spec, cluster) && taskFrom(spec, cluster) == nil)
}

// taskFrom is any task about a cluster, one that only holds replicas included.
func taskFrom(spec *workv1alpha2.ResourceBindingSpec, cluster string) *workv1alpha2.GracefulEvictionTask {
	at := slices.IndexFunc(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool { return t.FromCluster == cluster })
	if at < 0 {
		return nil
	}
	return &spec.GracefulEvictionTasks[at]
}

// judge tells where a workload is on its way out of a cluster.
func judge(bound binding.Binding, cluster string) Workload {
	w := Workload{
		Kind: bound.Spec.Resource.Kind, Namespace: bound.Spec.Resource.Namespace, Name: bound.Spec.Resource.Name,
		Replicas: replicasIn(bound.Spec, cluster), bound: bound,
	}
	task := eviction.Task(bound.Spec, cluster)
	obstacle := obstacleOf(bound)
	switch {
	case task != nil && !eviction.Waiting(bound.Spec, task):
		w.State, w.Reason = Moving, lacking(bound)
	case task != nil && obstacle == "":
		w.State, w.Reason = awaitsRoom(bound)
	case obstacle != "":
		w.State, w.Reason = Stays, obstacle
	case eviction.IsJob(bound.Spec):
		w.State, w.Reason = Queued, rebalance.JobStays+", so its end is awaited"
	case len(bound.Spec.GracefulEvictionTasks) > 0:
		// A task takes the place of one that holds replicas of an earlier move, which are needed until it is over.
		w.State, w.Reason = Queued, "another move of it is under way: "+lacking(bound)
	default:
		w.State = Queued
	}
	return w
}

func replicasIn(spec *workv1alpha2.ResourceBindingSpec, cluster string) int32 {
	if task := taskFrom(spec, cluster); task != nil && task.Replicas != nil {
		return *task.Replicas
	}
	for _, target := range spec.Clusters {
		if target.Name == cluster {
			return target.Replicas
		}
	}
	return 0
}

// obstacleOf is why no scheduler is going to move a binding, empty when one will.
func obstacleOf(bound binding.Binding) string {
	_, claimed := policy.ClaimOf(bound)
	suspension := bound.Spec.Suspension
	switch {
	case bound.Spec.Placement == nil || !claimed && bound.GetLabels()[names.LabelBindingManagedBy] == "":
		return "no policy claims it, so no scheduler places it"
	case suspension != nil && ptr.Deref(suspension.Scheduling, false):
		return "its scheduling is suspended"
	case toleratesCordon(bound.Spec.Placement.ClusterTolerations):
		return fmt.Sprintf("it tolerates the taint %s, so it would come back", names.TaintUnschedulable)
	}
	return ""
}

func toleratesCordon(tolerations []corev1.Toleration) bool {
	taint := Cordoned()
	return slices.ContainsFunc(tolerations, func(toleration corev1.Toleration) bool {
		return toleration.ToleratesTaint(klog.Logger{}, &taint, false)
	})
}

// awaitsRoom tells a binding that no other cluster has room for from one that the scheduler has not answered yet.
func awaitsRoom(bound binding.Binding) (State, string) {
	scheduled := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionScheduled)
	if scheduled == nil || scheduled.ObservedGeneration != bound.GetGeneration() {
		return Moving, "the scheduler has not looked for a place elsewhere yet"
	}
	_, why, found := strings.Cut(scheduled.Message, names.MessageKept)
	if !found {
		why = scheduled.Message
	}
	return Stuck, why
}

// lacking names the targets that are not ready, empty when all report that they are. Where a kind counts no replicas, healthy is ready.
func lacking(bound binding.Binding) string {
	copies := bound.Status.AggregatedStatus
	ready := eviction.Ready(copies)
	var waits []string
	for _, target := range bound.Spec.Clusters {
		has, counted := ready[target.Name]
		well := !counted && slices.ContainsFunc(copies, func(item workv1alpha2.AggregatedStatusItem) bool {
			return item.ClusterName == target.Name && item.Health == workv1alpha2.ResourceHealthy
		})
		if !well && target.Replicas > 0 && has < target.Replicas {
			waits = append(waits, fmt.Sprintf("%s has %d of %d replicas ready", target.Name, has, target.Replicas))
		}
	}
	return strings.Join(waits, ", ")
}
