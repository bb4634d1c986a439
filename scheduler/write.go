package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
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
// Seen is what the turn began with: the decision was made on that fleet, or a later one.
// The outcome is the error of the decision, or why it was refused for good; err is a write that failed otherwise.
func (s *scheduler) write(
	ctx context.Context, deps control.Deps, bound binding.Binding, decision placement.Decision, seen sight,
) (outcome, err error) {
	changed := bound.Clone()
	var fit *placement.FitError
	left := s.standing(bound.Spec.Clusters)
	if decision.Err != nil && !errors.As(decision.Err, &fit) && len(left) < len(bound.Spec.Clusters) {
		// Nothing new was found, but what is gone is gone.
		decision.Clusters, decision.Kept = left, ""
	}
	if decision.Err == nil || errors.As(decision.Err, &fit) || len(left) < len(bound.Spec.Clusters) {
		err := s.writeTargets(ctx, deps, bound, changed, decision)
		if quotaExceeded(err) {
			decision = placement.Decision{Term: decision.Term, Err: err}
			changed = bound.Clone()
		} else if err != nil {
			return nil, err
		}
	}
	// What follows from the fleet is looked at also when nothing has changed, to be sure.
	attempt := seen.called || !bound.Decided() || !followsFleet(bound.Spec) || calledFor(bound, seen.fleet) ||
		changed.GetResourceVersion() != bound.GetResourceVersion()
	if err := s.writeStatus(ctx, deps, changed, decision, attempt); err != nil {
		if changed.GetResourceVersion() != bound.GetResourceVersion() {
			s.keepUndated(deps, bound, changed, decision)
		}
		return nil, err
	}
	s.wrote(deps, changed, seen.revision)
	return decision.Err, nil
}

// standing are the targets whose clusters have not left the fleet.
func (s *scheduler) standing(targets []workv1alpha2.TargetCluster) []workv1alpha2.TargetCluster {
	s.mu.Lock()
	fleet := s.fleet.Current()
	s.mu.Unlock()
	var left []workv1alpha2.TargetCluster
	for _, target := range targets {
		if fleet.Cluster(target.Name) != nil {
			left = append(left, target)
		}
	}
	return left
}

// writeTargets leaves in changed what is on the API server then. Another order of the same targets is no news.
func (s *scheduler) writeTargets(ctx context.Context, deps control.Deps, bound, changed binding.Binding, decision placement.Decision) error {
	applied := appliedBy(bound, &decision)
	if sameTargets(bound.Spec.Clusters, decision.Clusters) && keeps(bound, applied) {
		return nil
	}
	fields := fieldpatch.Fields{Annotations: applied, Spec: map[string]any{"clusters": decision.Clusters}}
	if tasks := s.hold(deps, bound, decision); !workload.Equal(tasks, bound.Spec.GracefulEvictionTasks) {
		fields.Spec["gracefulEvictionTasks"] = tasks
		changed.Spec.GracefulEvictionTasks = tasks
	}
	began := deps.Clock.Now()
	err := fieldpatch.Object(ctx, deps.Client, changed.Object, fields)
	s.options.Recorder.Write(WriteTargets, err, deps.Clock.Since(began))
	if err != nil {
		return fmt.Errorf("writing the targets of binding %s: %w", bound.NamespacedName(), err)
	}
	changed.Spec.Clusters = decision.Clusters
	return nil
}

// hold keeps the replicas that a decision moves until their successors are ready.
func (s *scheduler) hold(deps control.Deps, bound binding.Binding, decision placement.Decision) []workv1alpha2.GracefulEvictionTask {
	if s.options.DropMoved || eviction.Once(bound.Spec, bound.GetAnnotations()) {
		return bound.Spec.GracefulEvictionTasks
	}
	s.mu.Lock()
	fleet := s.fleet.Current()
	s.mu.Unlock()
	stays := func(name string) bool {
		cluster := fleet.Cluster(name)
		return cluster != nil && cluster.DeletionTimestamp.IsZero()
	}
	return eviction.Hold(bound.Spec, decision.Clusters, bound.Status.AggregatedStatus, stays, metav1.NewTime(deps.Clock.Now()))
}

// sameTargets compares targets as sets, in which a cluster stands once.
func sameTargets(before, after []workv1alpha2.TargetCluster) bool {
	if len(before) != len(after) {
		return false
	}
	for i := range after {
		same := func(target workv1alpha2.TargetCluster) bool { return workload.Equal(target, after[i]) }
		if !workload.Equal(before[i], after[i]) && !slices.ContainsFunc(before, same) {
			return false
		}
	}
	return true
}

// writeStatus says what became of a decision. An attempt that succeeded is dated, also when its outcome is the same as before,
// for by its date others tell whether what they asked for is answered. One that failed leaves the date, so that what was asked for
// still is, and a look that finds all as it was is no attempt. The write does not wake the binding.
func (s *scheduler) writeStatus(ctx context.Context, deps control.Deps, changed binding.Binding, decision placement.Decision, attempt bool) error {
	before := changed.Clone()
	now := metav1.NewTime(deps.Clock.Now())
	outcome := condition(decision, now, changed.GetGeneration())
	meta.SetStatusCondition(&changed.Status.Conditions, outcome)
	news := tells(before, outcome)
	if decision.Err == nil {
		changed.Status.SchedulerObservedGeneration = changed.GetGeneration()
		changed.Status.SchedulerObservedAffinityName = decision.Term
		if news || attempt {
			changed.Status.LastScheduledTime = answeredAt(changed, now)
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

// answeredAt dates a decision. API servers store whole seconds: a second decision in the same one has nothing to add. Who asked for a
// fresh placement may have a clock that is ahead, and an answer that is older than what it answers would never count as one.
func answeredAt(bound binding.Binding, now metav1.Time) *metav1.Time {
	at := now.Rfc3339Copy()
	if asked := bound.Spec.RescheduleTriggeredAt; asked != nil && asked.After(at.Time) {
		at = *asked
	}
	return &at
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
	fields := fieldpatch.Between(before.Status, changed.Status)
	if len(fields) == 0 {
		return nil
	}
	// Status aggregation writes conditions as well, and the patch replaces the list whole: it must not be older than the rest.
	began := deps.Clock.Now()
	err := fieldpatch.Status(ctx, deps.Client, changed.Object, fieldpatch.Fields{Status: fields})
	s.options.Recorder.Write(WriteStatus, err, deps.Clock.Since(began))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of binding %s: %w", before.NamespacedName(), err)
	}
	return nil
}
