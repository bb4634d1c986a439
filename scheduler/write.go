package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/workload"
)

// appliedPlacement is the placement of a binding in the form that is kept beside the decision it led to.
func appliedPlacement(bound binding.Binding) string {
	encoded, err := json.Marshal(bound.Spec.Placement)
	if err != nil {
		// The placement came out of JSON, so it goes back.
		panic(fmt.Sprintf("encoding the placement of binding %s: %v", bound.NamespacedName(), err))
	}
	return string(encoded)
}

// write puts a decision on its binding: targets and applied placement in one patch, what became of it in the status. When
// no cluster fits, the targets empty, as the user's own words demand; any other failure leaves them as they are.
// The outcome is the error of the decision, or why it was refused for good; err is a write that failed otherwise.
func (s *scheduler) write(ctx context.Context, deps control.Deps, bound binding.Binding, decision placement.Decision) (outcome, err error) {
	changed := bound.Clone()
	var fit *placement.FitError
	if decision.Err == nil || errors.As(decision.Err, &fit) {
		err := s.writeTargets(ctx, deps, bound, changed, decision.Clusters)
		if quotaExceeded(err) {
			decision = placement.Decision{Term: decision.Term, Err: err}
			changed = bound.Clone()
		} else if err != nil {
			return nil, err
		}
	}
	if err := s.writeStatus(ctx, deps, bound, changed, decision); err != nil {
		return nil, err
	}
	s.wrote(deps, changed)
	return decision.Err, nil
}

// writeTargets leaves in changed what the API server made of it.
func (s *scheduler) writeTargets(ctx context.Context, deps control.Deps, bound, changed binding.Binding, clusters []workv1alpha2.TargetCluster) error {
	annotations := maps.Clone(bound.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[names.AnnotationAppliedPlacement] = appliedPlacement(bound)
	changed.SetAnnotations(annotations)
	changed.Spec.Clusters = clusters
	if maps.Equal(bound.GetAnnotations(), annotations) && workload.Equal(bound.Spec.Clusters, clusters) {
		return nil
	}
	patch := client.MergeFromWithOptions(bound.Object, client.MergeFromWithOptimisticLock{})
	began := deps.Clock.Now()
	err := deps.Client.Patch(ctx, changed.Object, patch)
	s.options.Recorder.Write(WriteTargets, err, deps.Clock.Since(began))
	if err != nil {
		return fmt.Errorf("writing the targets of binding %s: %w", bound.NamespacedName(), err)
	}
	return nil
}

func (s *scheduler) writeStatus(ctx context.Context, deps control.Deps, bound, changed binding.Binding, decision placement.Decision) error {
	before := changed.Clone()
	now := metav1.NewTime(deps.Clock.Now())
	outcome := condition(decision, now, changed.GetGeneration())
	meta.SetStatusCondition(&changed.Status.Conditions, outcome)
	news := tells(before, outcome)
	if decision.Err == nil {
		changed.Status.SchedulerObservedGeneration = changed.GetGeneration()
		changed.Status.SchedulerObservedAffinityName = decision.Term
		if news || rescheduleAsked(bound) {
			changed.Status.LastScheduledTime = &now
		}
	}
	if err := s.patchStatus(ctx, deps, before, changed); err != nil {
		return err
	}
	if news {
		report(deps, changed, decision)
	}
	return nil
}

// tells reports whether the outcome says something that was not known before.
func tells(before binding.Binding, outcome metav1.Condition) bool {
	known := meta.FindStatusCondition(before.Status.Conditions, outcome.Type)
	return known == nil || known.Reason != outcome.Reason || known.Message != outcome.Message
}

// observe says on a binding that its decision still holds for what it asks now.
func (s *scheduler) observe(ctx context.Context, deps control.Deps, bound binding.Binding) error {
	changed := bound.Clone()
	changed.Status.SchedulerObservedGeneration = bound.GetGeneration()
	return s.patchStatus(ctx, deps, bound, changed)
}

func (s *scheduler) patchStatus(ctx context.Context, deps control.Deps, before, changed binding.Binding) error {
	if workload.Equal(before.Status, changed.Status) {
		return nil
	}
	// Status aggregation writes conditions as well, and a merge patch replaces the list whole.
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	began := deps.Clock.Now()
	err := deps.Client.Status().Patch(ctx, changed.Object, patch)
	s.options.Recorder.Write(WriteStatus, err, deps.Clock.Since(began))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of binding %s: %w", before.NamespacedName(), err)
	}
	return nil
}
