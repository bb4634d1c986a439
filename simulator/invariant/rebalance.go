package invariant

import (
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
)

// rebalanced: a request for fresh placements has a result for each workload, unless one of those without is still on its way, and is
// gone when its time is over.
func rebalanced(w *World) error {
	for _, event := range w.all(rebalancerKind) {
		if err := w.rebalancedBy(event.Object().(*appsv1alpha1.WorkloadRebalancer)); err != nil {
			return fmt.Errorf("request %s: %w", event.Key.Name, err)
		}
	}
	return nil
}

func (w *World) rebalancedBy(request *appsv1alpha1.WorkloadRebalancer) error {
	status, ttl := &request.Status, request.Spec.TTLSecondsAfterFinished
	if status.ObservedGeneration != request.Generation {
		return fmt.Errorf("its status is of generation %d, and it has %d", status.ObservedGeneration, request.Generation)
	}
	open := slices.DeleteFunc(slices.Clone(status.ObservedWorkloads), func(seen appsv1alpha1.ObservedWorkload) bool { return seen.Result != "" })
	switch {
	case len(open) > 0 && !slices.ContainsFunc(open, w.underWay):
		return fmt.Errorf("%d workloads have no result, and none of them is on its way", len(open))
	case len(open) > 0:
		return nil
	case status.FinishTime == nil:
		return fmt.Errorf("all of its workloads have a result, and it has no end")
	case ttl != nil && w.now().Sub(status.FinishTime.Time) > time.Duration(*ttl)*time.Second+lag:
		return fmt.Errorf("it ended at %s and was to stay for %d seconds", status.FinishTime.UTC().Format(time.TimeOnly), *ttl)
	}
	return nil
}

// underWay tells whether a workload has not arrived: it is not decided on or applied, something is held elsewhere, or not all of its
// replicas are ready, and of the template as it is.
func (w *World) underWay(seen appsv1alpha1.ObservedWorkload) bool {
	of := seen.Workload
	bound, there := w.binding(types.NamespacedName{Namespace: of.Namespace, Name: names.Binding(of.Kind, of.Name)})
	if !there {
		return false
	}
	return !decided(bound) || len(bound.Spec.GracefulEvictionTasks) > 0 ||
		!meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionFullyApplied) || w.lacks(bound)
}

// lacks tells whether replicas of a workload are not ready where they are to be, or yet to be replaced: a quota of the cluster may
// leave no room for that.
func (w *World) lacks(bound binding.Binding) bool {
	of := copyOf(bound)
	if !counted(of.gvk) {
		return false
	}
	for _, target := range bound.Spec.Clusters {
		held, there := w.members[target.Name][of]
		if !there || w.ready(target.Name, of) < int64(target.Replicas) || outdated(held.Object()) {
			return true
		}
	}
	return false
}

// outdated tells whether a workload in a member has pods of an earlier template.
func outdated(object client.Object) bool {
	switch object := object.(type) {
	case *appsv1.Deployment:
		return object.Status.UpdatedReplicas < object.Status.Replicas
	case *appsv1.StatefulSet:
		return object.Status.UpdatedReplicas < object.Status.Replicas
	}
	return false
}
