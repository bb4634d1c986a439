package eviction

import (
	"slices"

	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Targets tells whether a cluster is one of those a binding is scheduled to.
func Targets(spec *workv1alpha2.ResourceBindingSpec, cluster string) bool {
	return slices.ContainsFunc(spec.Clusters, func(t workv1alpha2.TargetCluster) bool { return t.Name == cluster })
}

// Holds tells a task that only holds replicas which the scheduler moved, from one by which a binding leaves a cluster.
func Holds(task *workv1alpha2.GracefulEvictionTask) bool {
	return task.Producer == names.EvictionProducerScheduler
}

// Task is the one by which a binding leaves a cluster, nil when it does not.
func Task(spec *workv1alpha2.ResourceBindingSpec, cluster string) *workv1alpha2.GracefulEvictionTask {
	at := slices.IndexFunc(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool {
		return t.FromCluster == cluster && !Holds(&t)
	})
	if at < 0 {
		return nil
	}
	return &spec.GracefulEvictionTasks[at]
}

// Waiting tells whether an eviction has not taken effect: its cluster is a target until the scheduler finds room elsewhere.
func Waiting(spec *workv1alpha2.ResourceBindingSpec, task *workv1alpha2.GracefulEvictionTask) bool {
	return !Holds(task) && Targets(spec, task.FromCluster)
}

// AnyWaiting tells whether an eviction of a binding has not taken effect.
func AnyWaiting(spec *workv1alpha2.ResourceBindingSpec) bool {
	return slices.ContainsFunc(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool { return Waiting(spec, &t) })
}

// WithoutWaiting are the tasks that have taken effect.
func WithoutWaiting(spec *workv1alpha2.ResourceBindingSpec) []workv1alpha2.GracefulEvictionTask {
	return without(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool { return Waiting(spec, &t) })
}

// Unreplaced tells whether copies are to leave for their health alone, and other targets would not take their place: where each
// cluster has all replicas, those that have a copy already do not. Such a copy would come back when its task ends, as unhealthy as
// before, and what was ready of it would be lost each time.
func Unreplaced(spec *workv1alpha2.ResourceBindingSpec, after []workv1alpha2.TargetCluster) bool {
	return !Divided(spec) && len(WithoutFailing(spec)) < len(spec.GracefulEvictionTasks) &&
		!slices.ContainsFunc(after, func(t workv1alpha2.TargetCluster) bool { return !Targets(spec, t.Name) })
}

// WithoutFailing are the tasks without those that wait and are for the health of a copy.
func WithoutFailing(spec *workv1alpha2.ResourceBindingSpec) []workv1alpha2.GracefulEvictionTask {
	return without(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool {
		return t.Reason == names.EvictionReasonApplication && Waiting(spec, &t)
	})
}

// Leave makes a binding leave a target by a task. If it waits, the cluster stays a target until the scheduler finds room
// elsewhere; otherwise it is none from now on. A cluster that is none, or is being left already, gets no other task. The slices
// of the binding are replaced, never written to. It reports whether anything changed.
func Leave(spec *workv1alpha2.ResourceBindingSpec, task workv1alpha2.GracefulEvictionTask, waits bool) bool {
	at := slices.IndexFunc(spec.Clusters, func(t workv1alpha2.TargetCluster) bool { return t.Name == task.FromCluster })
	leaves := Task(spec, task.FromCluster) != nil
	if at < 0 || leaves && waits {
		return false
	}
	if !leaves {
		if held := spec.Clusters[at].Replicas; held > 0 {
			task.Replicas = ptr.To(held)
		}
		spec.GracefulEvictionTasks = without(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool { return t.FromCluster == task.FromCluster })
		spec.GracefulEvictionTasks = append(spec.GracefulEvictionTasks, task)
	}
	if !waits {
		Remove(spec, task.FromCluster)
	}
	return true
}

// Remove takes a cluster from the targets.
func Remove(spec *workv1alpha2.ResourceBindingSpec, cluster string) {
	spec.Clusters = without(spec.Clusters, func(t workv1alpha2.TargetCluster) bool { return t.Name == cluster })
}

// without leaves the given slice as it is, and nothing of an empty one.
func without[T any](all []T, unwanted func(T) bool) []T {
	var kept []T
	for _, one := range all {
		if !unwanted(one) {
			kept = append(kept, one)
		}
	}
	return kept
}

// Withdraw takes back the evictions that a controller asked for, that have not taken effect, and that nothing calls for any more.
// One that left a binding without any target has led to nothing: it is taken back as well, and only holds its copy from then on,
// which would go otherwise before the scheduler decides anew. It reports the clusters that may be kept.
func Withdraw(spec *workv1alpha2.ResourceBindingSpec, producer string, stands func(cluster string) bool) []string {
	var kept []string
	var held []workv1alpha2.GracefulEvictionTask
	nowhere := len(spec.Clusters) == 0
	spec.GracefulEvictionTasks = without(spec.GracefulEvictionTasks, func(t workv1alpha2.GracefulEvictionTask) bool {
		if t.Producer != producer || t.PurgeMode == policyv1alpha1.PurgeModeDirectly || !nowhere && !Waiting(spec, &t) || stands(t.FromCluster) {
			return false
		}
		kept = append(kept, t.FromCluster)
		if nowhere {
			t.Producer, t.Reason, t.Message = names.EvictionProducerScheduler, names.EvictionReasonMoved, ""
			t.GracePeriodSeconds, t.CreationTimestamp = nil, nil
			held = append(held, t)
		}
		return true
	})
	spec.GracefulEvictionTasks = append(spec.GracefulEvictionTasks, held...)
	return kept
}
