package rebalance

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
)

// advance gives results to the workloads that have arrived or cannot move, and asks for the moves whose turn it is. Again is how long
// it is until one can be asked for that is too early now, 0 for never.
func (r *rebalancer) advance(
	ctx context.Context, deps control.Deps, request *appsv1alpha1.WorkloadRebalancer, status *appsv1alpha1.WorkloadRebalancerStatus,
) (again time.Duration, failure error) {
	most, err := r.most(request, len(status.ObservedWorkloads))
	if err != nil {
		deps.Events.Eventf(request, corev1.EventTypeWarning, names.EventRebalanceRefused, "%v", err)
		return 0, nil
	}
	moving := 0
	var due []move
	var failures []error
	for i := range status.ObservedWorkloads {
		next := move{of: &status.ObservedWorkloads[i]}
		if next.of.Result != "" {
			continue
		}
		if next.bound, err = binding.Get(ctx, deps.Client, bindingOf(next.of.Workload), client.UnsafeDisableDeepCopy); apierrors.IsNotFound(err) {
			next.of.Result, next.of.Reason = appsv1alpha1.RebalanceFailed, appsv1alpha1.RebalanceObjectNotFound
			continue
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("reading binding %s: %w", bindingOf(next.of.Workload), err))
			continue
		}
		if !r.options.Reference && eviction.Spent(next.bound) {
			// It has nothing to do in another place.
			next.of.Result = appsv1alpha1.RebalanceSuccessful
			continue
		}
		if !asked(next.bound, request) {
			due = append(due, next)
			continue
		}
		arrived, err := r.arrived(ctx, deps, next.bound)
		if err != nil {
			failures = append(failures, err)
		}
		if arrived {
			next.of.Result = appsv1alpha1.RebalanceSuccessful
		} else {
			moving++
		}
	}
	for _, next := range due[:min(len(due), max(most-moving, 0))] {
		wait, err := r.ask(ctx, deps, next, request.CreationTimestamp)
		if err != nil {
			failures = append(failures, err)
		}
		if wait > 0 && (again == 0 || wait < again) {
			again = wait
		}
	}
	return again, errors.Join(failures...)
}

// move is a workload without a result, and its binding.
type move struct {
	of    *appsv1alpha1.ObservedWorkload
	bound binding.Binding
}

// asked tells whether a fresh placement was asked for since the request was made, by this request or by another.
func asked(bound binding.Binding, request *appsv1alpha1.WorkloadRebalancer) bool {
	at := bound.Spec.RescheduleTriggeredAt
	return at != nil && !at.Before(&request.CreationTimestamp)
}

// arrived tells whether a workload is healthy where the scheduler has moved it, and nothing is held elsewhere any more. The reference
// does not wait for that.
func (r *rebalancer) arrived(ctx context.Context, deps control.Deps, bound binding.Binding) (bool, error) {
	if r.options.Reference {
		return true, nil
	}
	if !bound.Answered() {
		return false, nil
	}
	clusters, err := bound.Clusters(ctx, deps.Client)
	if err != nil {
		return false, err
	}
	return r.options.Settled(eviction.Look(bound, clusters, deps.Clock.Now())), nil
}

// ask asks the scheduler for a fresh placement, for a request that was created then. Times are stored in whole seconds, and only one that is later than the last decision
// asks for anything: wait is how long it is until then.
func (r *rebalancer) ask(ctx context.Context, deps control.Deps, next move, created metav1.Time) (wait time.Duration, err error) {
	bound := next.bound.Shallow()
	now := metav1.NewTime(deps.Clock.Now()).Rfc3339Copy()
	if now.Before(&created) && !r.options.Reference {
		// By a clock that is behind the API server's the request would never count as asked.
		now = created
	}
	if last := bound.Status.LastScheduledTime; last != nil && !now.After(last.Time) && !r.options.Reference {
		return last.Add(time.Second).Sub(deps.Clock.Now()), nil
	}
	if bound.Status.SchedulerObservedAffinityName != "" && !r.options.Reference {
		// The scheduler goes on from the affinity group it names, and a fresh placement begins with the first.
		if err := fieldpatch.Status(ctx, deps.Client, bound.Object, fieldpatch.Fields{Status: map[string]any{"schedulerObservingAffinityName": nil}}); err != nil {
			return 0, fmt.Errorf("letting binding %s begin with its first affinity group: %w", bound.NamespacedName(), err)
		}
	}
	if err := fieldpatch.Object(ctx, deps.Client, bound.Object, fieldpatch.Fields{Spec: map[string]any{"rescheduleTriggeredAt": &now}}); err != nil {
		return 0, fmt.Errorf("asking for another placement of binding %s: %w", bound.NamespacedName(), err)
	}
	if r.options.Reference {
		next.of.Result = appsv1alpha1.RebalanceSuccessful
	}
	return 0, nil
}
