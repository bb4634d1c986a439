// Package waves carries out one wave of a plan at a time: it asks the control plane to place the workloads of the wave anew, by a
// WorkloadRebalancer, and tells when all of them are healthy in their new places. What was asked for goes on without it.
package waves

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/rebalance"
)

// kept is for how long the request for a wave stays after its end, for people to look at.
const kept = time.Hour

// Begin asks for the moves of a wave, under a name that no request has yet.
func Begin(ctx context.Context, plane client.Client, name string, wave rebalance.Wave) error {
	request := &appsv1alpha1.WorkloadRebalancer{ObjectMeta: metav1.ObjectMeta{Name: name}}
	request.Spec.TTLSecondsAfterFinished = ptr.To(int32(kept / time.Second))
	for i := range wave.Moves {
		move := &wave.Moves[i]
		request.Spec.Workloads = append(request.Spec.Workloads, appsv1alpha1.ObjectReference{
			APIVersion: move.APIVersion, Kind: move.Kind, Namespace: move.Namespace, Name: move.Name,
		})
	}
	if err := plane.Create(ctx, request); err != nil {
		return fmt.Errorf("asking for the moves of wave %s: %w", name, err)
	}
	return nil
}

// Progress is how far a wave has come.
type Progress struct {
	// Settled counts the workloads that are healthy in their new places.
	Settled int
	// Moving are those that are not yet, Failed those that are never going to be. Gone were deleted meanwhile: nobody waits for them.
	Moving, Failed, Gone []rebalance.Workload
}

// Over tells that nothing of the wave moves any more.
func (p *Progress) Over() bool { return len(p.Moving) == 0 }

// Look tells how far the wave has come that was begun under a name.
func Look(ctx context.Context, plane client.Reader, name string, wave rebalance.Wave) (Progress, error) {
	request := &appsv1alpha1.WorkloadRebalancer{}
	if err := plane.Get(ctx, client.ObjectKey{Name: name}, request); err != nil {
		return Progress{}, fmt.Errorf("reading the request for wave %s: %w", name, err)
	}
	results := map[appsv1alpha1.ObjectReference]appsv1alpha1.ObservedWorkload{}
	for _, seen := range request.Status.ObservedWorkloads {
		results[seen.Workload] = seen
	}
	var progress Progress
	for i := range wave.Moves {
		move := &wave.Moves[i]
		of := appsv1alpha1.ObjectReference{APIVersion: move.APIVersion, Kind: move.Kind, Namespace: move.Namespace, Name: move.Name}
		answer := results[of]
		bound, err := binding.Get(ctx, plane, move.Binding())
		if client.IgnoreNotFound(err) != nil {
			return Progress{}, fmt.Errorf("reading the binding of %s: %w", move, err)
		}
		if err != nil || !bound.GetDeletionTimestamp().IsZero() || answer.Reason == appsv1alpha1.RebalanceObjectNotFound {
			progress.Gone = append(progress.Gone, move.Workload)
			continue
		}
		settled, err := settled(ctx, plane, bound, request.CreationTimestamp)
		switch {
		case err != nil:
			return Progress{}, err
		case answer.Result == appsv1alpha1.RebalanceFailed:
			progress.Failed = append(progress.Failed, move.Workload)
		case settled && answer.Result == appsv1alpha1.RebalanceSuccessful:
			progress.Settled++
		default:
			progress.Moving = append(progress.Moving, move.Workload)
		}
	}
	return progress, nil
}

// settled tells whether a workload was placed since the wave began, and is healthy there. A control plane may call a move a success
// once it is asked for.
func settled(ctx context.Context, plane client.Reader, bound binding.Binding, since metav1.Time) (bool, error) {
	if trigger := bound.Spec.RescheduleTriggeredAt; trigger == nil || trigger.Before(&since) || !bound.Answered() {
		return false, nil
	}
	clusters, err := bound.Clusters(ctx, plane)
	if err != nil {
		return false, err
	}
	options := eviction.Defaults()
	// It is no matter of time.
	return options.Settled(eviction.Look(bound, clusters, time.Time{})), nil
}
