package eviction

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/utils/ptr"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Hold returns the tasks of a binding that moves to other targets. Of the replicas that are ready where they are to go, as many
// are held as the others have yet to bring up: a cluster that only shrinks for a smaller workload gives them up at once. Those of
// clusters that do not stay in the fleet cannot be held. What has no replicas is held where it was applied, until it is in the clusters
// that are new to it.
//
// What is to run once (Once) must not be held: that is for the caller to see.
//
// A task that holds replicas says how many the cluster has until it ends. The cluster may be a target with fewer of them.
func Hold(
	spec *workv1alpha2.ResourceBindingSpec, after []workv1alpha2.TargetCluster, copies []workv1alpha2.AggregatedStatusItem,
	stays func(cluster string) bool, now metav1.Time,
) []workv1alpha2.GracefulEvictionTask {
	if !slices.ContainsFunc(slices.Concat(spec.Clusters, after), func(t workv1alpha2.TargetCluster) bool { return t.Replicas > 0 }) {
		return holdWhole(spec, after, copies, stays, now)
	}
	tasks := spec.GracefulEvictionTasks
	wanted := &workv1alpha2.ResourceBindingSpec{Clusters: after}
	growth := int32(0)
	for _, target := range after {
		growth += max(0, target.Replicas-replicasIn(spec, target.Name))
	}
	view := &View{Spec: spec, Copies: copies}
	for _, target := range spec.Clusters {
		if growth <= 0 {
			break
		}
		item := view.copyIn(target.Name)
		if item == nil || Task(spec, target.Name) != nil || !stays(target.Name) {
			continue
		}
		ready, _ := readyReplicas(item)
		if Uncounted(spec, copies) && (&Options{}).healthy(item, target) {
			ready = int64(target.Replicas)
		}
		keeps := replicasIn(wanted, target.Name)
		extra := min(growth, int32(min(ready, int64(target.Replicas)))-keeps)
		if extra <= 0 {
			continue
		}
		// What may not be there is held, and others hold as much.
		growth -= min(extra, max(int32(believed(spec, target.Name, ready))-keeps, 0))
		tasks = holding(tasks, target.Name, keeps+extra, now)
	}
	if len(tasks) == 0 {
		return nil
	}
	return bounding(tasks, spec, wanted, view, now)
}

// Uncounted tells kinds that have replicas and do not report how many are ready, such as Pods: a copy is well or not as a whole, so it is held
// until those that replace it are. The workloads of Kubernetes count, also before they have said so.
func Uncounted(spec *workv1alpha2.ResourceBindingSpec, copies []workv1alpha2.AggregatedStatusItem) bool {
	return !strings.HasPrefix(spec.Resource.APIVersion, appsv1.GroupName+"/") && len(Ready(copies)) == 0
}

// holdWhole does so where there are no replicas to count.
func holdWhole(
	spec *workv1alpha2.ResourceBindingSpec, after []workv1alpha2.TargetCluster, copies []workv1alpha2.AggregatedStatusItem,
	stays func(cluster string) bool, now metav1.Time,
) []workv1alpha2.GracefulEvictionTask {
	tasks, wanted := spec.GracefulEvictionTasks, &workv1alpha2.ResourceBindingSpec{Clusters: after}
	grows := slices.ContainsFunc(after, func(t workv1alpha2.TargetCluster) bool { return !Targets(spec, t.Name) })
	if !grows {
		return tasks
	}
	view := View{Copies: copies}
	for _, target := range spec.Clusters {
		item := view.copyIn(target.Name)
		if item != nil && item.Applied && !Targets(wanted, target.Name) && Task(spec, target.Name) == nil && stays(target.Name) {
			tasks = holding(tasks, target.Name, 0, now)
		}
	}
	return tasks
}

func replicasIn(spec *workv1alpha2.ResourceBindingSpec, cluster string) int32 {
	for _, target := range spec.Clusters {
		if target.Name == cluster {
			return target.Replicas
		}
	}
	return 0
}

// holding adds a task, in place of one that holds less.
func holding(tasks []workv1alpha2.GracefulEvictionTask, cluster string, replicas int32, now metav1.Time) []workv1alpha2.GracefulEvictionTask {
	for i := range tasks {
		if tasks[i].FromCluster == cluster && ptr.Deref(tasks[i].Replicas, 0) >= replicas {
			return tasks
		}
	}
	task := hold(cluster, &replicas, now)
	if replicas == 0 {
		task.Replicas = nil
	}
	return append(without(tasks, from(cluster)), task)
}

func from(cluster string) func(workv1alpha2.GracefulEvictionTask) bool {
	return func(t workv1alpha2.GracefulEvictionTask) bool { return t.FromCluster == cluster }
}

func hold(cluster string, replicas *int32, now metav1.Time) workv1alpha2.GracefulEvictionTask {
	return workv1alpha2.GracefulEvictionTask{
		FromCluster: cluster, PurgeMode: policyv1alpha1.PurgeModeGracefully, Replicas: replicas, Reason: names.EvictionReasonMoved,
		Producer: names.EvictionProducerScheduler, CreationTimestamp: &now,
	}
}

// WithoutHolds are the tasks by which a binding leaves clusters.
func WithoutHolds(tasks []workv1alpha2.GracefulEvictionTask) []workv1alpha2.GracefulEvictionTask {
	return without(tasks, func(t workv1alpha2.GracefulEvictionTask) bool { return Holds(&t) })
}

// HeldReplicas are those that a target has for now: more than it is to have while others are not ready.
func HeldReplicas(spec *workv1alpha2.ResourceBindingSpec, target workv1alpha2.TargetCluster) int32 {
	for i := range spec.GracefulEvictionTasks {
		task := &spec.GracefulEvictionTasks[i]
		if Holds(task) && task.FromCluster == target.Name {
			return max(target.Replicas, ptr.Deref(task.Replicas, 0))
		}
	}
	return target.Replicas
}
