package eviction

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// A report may be older than the last decision. When a cluster that gave replicas up gets some back before it has told of fewer, its
// report still counts those that are gone, and what is held elsewhere for them must not go. Nothing in a report tells which
// decision it has seen; hence a task of the scheduler that holds fewer replicas than its cluster is to have bounds those that are
// taken for ready there, until a report tells of as few, or the timeout of evictions is over.

// bounds tells a task that only bounds what is taken for ready.
func bounds(spec *workv1alpha2.ResourceBindingSpec, task *workv1alpha2.GracefulEvictionTask) bool {
	return Holds(task) && task.Replicas != nil && task.SuppressDeletion == nil && *task.Replicas < replicasIn(spec, task.FromCluster)
}

// believed is how many replicas are taken for ready in a cluster that reports so many.
func believed(spec *workv1alpha2.ResourceBindingSpec, cluster string, reported int64) int64 {
	for i := range spec.GracefulEvictionTasks {
		if task := &spec.GracefulEvictionTasks[i]; task.FromCluster == cluster && bounds(spec, task) {
			return min(reported, int64(*task.Replicas))
		}
	}
	return reported
}

// confirmed tells whether the cluster of a task that bounds has reported as few ready replicas.
func (v *View) confirmed(task *workv1alpha2.GracefulEvictionTask) bool {
	item := v.copyIn(task.FromCluster)
	if item == nil {
		return true
	}
	reported, counted := readyReplicas(item)
	return !counted || reported <= int64(*task.Replicas)
}

// bounding adds tasks for the targets that get more than the replicas they have, and report more than these as ready.
func bounding(
	tasks []workv1alpha2.GracefulEvictionTask, spec, wanted *workv1alpha2.ResourceBindingSpec, view *View, now metav1.Time,
) []workv1alpha2.GracefulEvictionTask {
	for _, target := range wanted.Clusters {
		has := HeldReplicas(spec, workv1alpha2.TargetCluster{Name: target.Name, Replicas: replicasIn(spec, target.Name)})
		item := view.copyIn(target.Name)
		// What it holds already bounds it from now on, since its last step.
		if item == nil || target.Replicas <= has || slices.ContainsFunc(tasks, from(target.Name)) {
			continue
		}
		if reported, counted := readyReplicas(item); counted && reported > int64(has) {
			tasks = append(tasks, hold(target.Name, &has, now))
		}
	}
	return tasks
}

// ready counts the replicas that are taken for ready, by cluster.
func (v *View) ready() map[string]int32 {
	counts := Ready(v.Copies)
	for cluster, count := range counts {
		counts[cluster] = int32(believed(v.Spec, cluster, int64(count)))
	}
	return counts
}
