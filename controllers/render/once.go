package render

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/workload"
)

// mayStillRun says where a workload that is to run once may still run though it has left: none begins elsewhere before its Work is gone
// there, which it is when the member has let go of the copy, or the cluster has left the fleet. The end of the Work wakes the binding.
// What leaves directly waits for nothing, nor does what shall stay until a user says otherwise. It is nil where there is no such cluster.
func (r *renderer) mayStillRun(bound binding.Binding, works []workv1alpha1.Work, targets []workv1alpha2.TargetCluster) error {
	if r.options.Reference || !eviction.Once(bound.Spec, bound.GetAnnotations()) {
		return nil
	}
	var left []string
	for i := range works {
		cluster, err := names.ClusterOfExecutionSpace(works[i].Namespace)
		if err == nil && indexOf(targets, cluster) < 0 && !waitsForNothing(bound.Spec, cluster) {
			left = append(left, cluster)
		}
	}
	if len(left) == 0 {
		return nil
	}
	slices.Sort(left)
	return fmt.Errorf("it is to run once, and may still run in %s", strings.Join(left, ", "))
}

// wouldRunAgain says that a Job which has come to its end begins in no other cluster, wherever it is to be now. Where each cluster has a Job
// of its own, one that comes to the others gets its own as well. It is nil for all else.
func (r *renderer) wouldRunAgain(
	bound binding.Binding, template *unstructured.Unstructured, works []workv1alpha1.Work, targets []workv1alpha2.TargetCluster,
) error {
	joins := !eviction.Divided(bound.Spec) && slices.ContainsFunc(targets, func(t workv1alpha2.TargetCluster) bool { return begun(works, t.Name) })
	if r.options.Reference || !eviction.IsJob(bound.Spec) || !eviction.Over(template) || joins {
		return nil
	}
	return errors.New("the Job has come to its end, and would run again")
}

// waitsForNothing tells a cluster that a workload leaves directly, or where its copy stays until a user says that it may go.
func waitsForNothing(spec *workv1alpha2.ResourceBindingSpec, cluster string) bool {
	task := eviction.Task(spec, cluster)
	return task != nil && (task.PurgeMode == policyv1alpha1.PurgeModeDirectly || task.SuppressDeletion != nil)
}

// begun tells whether a cluster has a Work already.
func begun(works []workv1alpha1.Work, cluster string) bool {
	return slices.ContainsFunc(works, func(w workv1alpha1.Work) bool { return w.Namespace == names.ExecutionSpace(cluster) })
}

// unwind is the pause between two looks at replicas that have yet to end.
const unwind = 5 * time.Second

// handedOver lets targets of a workload that is to run once grow only by replicas that have ended elsewhere: those that a Work carries, or
// that are reported beyond, may run. What has not been reported as ended within the timeout after the decision is waited for no
// longer, unless its cluster was left. Where members scale by themselves nobody can tell. next is how long it is until another look, 0 for
// never.
func (r *renderer) handedOver(
	ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, works []workv1alpha1.Work,
	targets []workv1alpha2.TargetCluster,
) (within []workv1alpha2.TargetCluster, next time.Duration, err error) {
	if r.options.Reference || !eviction.Divided(bound.Spec) || len(bound.Spec.RequiredBy) > 0 ||
		template.GetLabels()[names.LabelRetainReplicas] == names.LabelRetainReplicasValue {
		return targets, 0, nil
	}
	carried, err := carriedReplicas(ctx, deps, works)
	if err != nil {
		return nil, 0, fmt.Errorf("reading what clusters have of %s: %w", workload.Describe(template), err)
	}
	waits := deps.Clock.Since(decided(bound)) < r.options.Timeout
	// What the targets add up to may run: not what the template asks for since, to which nobody may answer any more.
	var free int32
	for _, target := range targets {
		free += target.Replicas
	}
	running := eviction.Running(bound.Status.AggregatedStatus)
	for cluster, replicas := range carried {
		i := indexOf(targets, cluster)
		if i < 0 && waitsForNothing(bound.Spec, cluster) {
			continue
		}
		if i < 0 || waits && targets[i].Replicas < replicas {
			free -= replicas
		} else if free -= min(targets[i].Replicas, replicas); waits {
			free -= max(running[cluster]-replicas, 0)
		}
	}
	within = slices.Clone(targets)
	for i := range within {
		if grows := within[i].Replicas - carried[within[i].Name]; grows > 0 {
			given := min(grows, max(free, 0))
			if free -= given; given < grows {
				within[i].Replicas, next = within[i].Replicas-grows+given, unwind
			}
		}
	}
	return slices.DeleteFunc(within, func(target workv1alpha2.TargetCluster) bool {
		return target.Replicas == 0 && !begun(works, target.Name)
	}), next, nil
}

// carriedReplicas are those that Works carry, by cluster; one that is being removed carries them until it is gone.
func carriedReplicas(ctx context.Context, deps control.Deps, works []workv1alpha1.Work) (map[string]int32, error) {
	carried := map[string]int32{}
	for i := range works {
		cluster, err := names.ClusterOfExecutionSpace(works[i].Namespace)
		if err != nil {
			return nil, err
		}
		if carried[cluster], err = replicasOf(ctx, deps, &works[i]); err != nil {
			return nil, err
		}
	}
	return carried, nil
}

// decided is when the targets of a binding were last decided on.
func decided(bound binding.Binding) time.Time {
	if at := bound.Status.LastScheduledTime; at != nil {
		return at.Time
	}
	return time.Time{}
}

func indexOf(targets []workv1alpha2.TargetCluster, cluster string) int {
	return slices.IndexFunc(targets, func(t workv1alpha2.TargetCluster) bool { return t.Name == cluster })
}
