package eviction

import (
	"time"

	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Divided tells whether the clusters of a binding share its replicas. Otherwise each has all of them.
func Divided(spec *workv1alpha2.ResourceBindingSpec) bool {
	return spec.Replicas > 0 && spec.Placement != nil && spec.Placement.ReplicaScheduling != nil &&
		spec.Placement.ReplicaScheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
}

// Step lets tasks that hold moved replicas give up those whose successors are ready, so that a move goes on while a part of it is on
// its way. When nothing has become ready for half of the timeout, it gives up as many as the floor allows: their room may be
// what the successors of other workloads wait for, and those of this one for theirs. The last replica that is held goes
// with its task only.
//
// The tasks are those of a copy of the binding and are written to; the time of those that give something up begins anew. Next
// is how long it is until time alone allows more, 0 for never.
func (o *Options) Step(tasks []workv1alpha2.GracefulEvictionTask, view *View) (stepped bool, next time.Duration) {
	if o.Reference || !Divided(view.Spec) {
		return false, 0
	}
	held, last := lastStep(view.Spec, tasks)
	if held == 0 {
		return false, 0
	}
	ready, wanted := o.readyInTargets(view)
	excess := held - max(wanted-ready, 1)
	if left := last.Add(o.Timeout / 2).Sub(view.Now); left > 0 {
		next = left
	} else {
		excess = max(excess, held-max(int32(view.Least())-ready, 1))
	}
	return giveUp(tasks, view, excess), next
}

// lastStep is how many replicas tasks hold beyond those that their clusters are to have, and when they last began to hold some or gave
// some up.
func lastStep(spec *workv1alpha2.ResourceBindingSpec, tasks []workv1alpha2.GracefulEvictionTask) (held int32, last time.Time) {
	for i := range tasks {
		if extra := extraOf(spec, &tasks[i]); extra > 0 {
			held += extra
			if at := tasks[i].CreationTimestamp; at != nil && at.After(last) {
				last = at.Time
			}
		}
	}
	return held, last
}

// extraOf is how many replicas a task holds beyond those that its cluster is to have.
func extraOf(spec *workv1alpha2.ResourceBindingSpec, task *workv1alpha2.GracefulEvictionTask) int32 {
	if !Holds(task) || task.SuppressDeletion != nil {
		return 0
	}
	return max(ptr.Deref(task.Replicas, 0)-replicasIn(spec, task.FromCluster), 0)
}

// readyInTargets counts what is ready where it is to stay, and what is wanted there: all replicas of the binding, also when a target
// has left the fleet and nobody has found another one yet. What cannot be seen is not ready.
func (o *Options) readyInTargets(view *View) (ready, wanted int32) {
	counts := view.ready()
	for _, target := range view.Spec.Clusters {
		wanted += target.Replicas
		if view.Seen(target.Name) {
			ready += min(counts[target.Name], target.Replicas)
		}
	}
	return ready, max(wanted, view.Spec.Replicas)
}

// giveUp takes so many replicas out of tasks: those that are not ready first.
func giveUp(tasks []workv1alpha2.GracefulEvictionTask, view *View, excess int32) (stepped bool) {
	now, counts := metav1.NewTime(view.Now), view.ready()
	idle := func(task *workv1alpha2.GracefulEvictionTask) int32 {
		if !view.Seen(task.FromCluster) {
			return extraOf(view.Spec, task)
		}
		return max(*task.Replicas-max(counts[task.FromCluster], replicasIn(view.Spec, task.FromCluster)), 0)
	}
	all := func(task *workv1alpha2.GracefulEvictionTask) int32 { return extraOf(view.Spec, task) }
	for _, most := range []func(*workv1alpha2.GracefulEvictionTask) int32{idle, all} {
		for i := range tasks {
			task := &tasks[i]
			if excess <= 0 || extraOf(view.Spec, task) == 0 {
				continue
			}
			if given := min(most(task), excess); given > 0 {
				excess -= given
				task.Replicas, task.CreationTimestamp, stepped = ptr.To(*task.Replicas-given), &now, true
			}
		}
	}
	return stepped
}

// Spared tells whether a task has given up all that it held beyond what its cluster is to have.
func Spared(spec *workv1alpha2.ResourceBindingSpec, task *workv1alpha2.GracefulEvictionTask) bool {
	return Holds(task) && task.Replicas != nil && Divided(spec) && *task.Replicas == replicasIn(spec, task.FromCluster)
}

// Holding tells whether replicas are held that the scheduler moved elsewhere.
func Holding(spec *workv1alpha2.ResourceBindingSpec) bool {
	for i := range spec.GracefulEvictionTasks {
		if extraOf(spec, &spec.GracefulEvictionTasks[i]) > 0 {
			return true
		}
	}
	return false
}

// Granted are the replicas that each cluster has for now: its targets, or more where replicas are held, and the clusters that only
// hold some, in this order.
func Granted(spec *workv1alpha2.ResourceBindingSpec) []workv1alpha2.TargetCluster {
	granted := make([]workv1alpha2.TargetCluster, 0, len(spec.Clusters)+len(spec.GracefulEvictionTasks))
	for _, target := range spec.Clusters {
		target.Replicas = HeldReplicas(spec, target)
		granted = append(granted, target)
	}
	for i := range spec.GracefulEvictionTasks {
		task := &spec.GracefulEvictionTasks[i]
		if Divided(spec) && !Targets(spec, task.FromCluster) && extraOf(spec, task) > 0 {
			granted = append(granted, workv1alpha2.TargetCluster{Name: task.FromCluster, Replicas: *task.Replicas})
		}
	}
	return granted
}
