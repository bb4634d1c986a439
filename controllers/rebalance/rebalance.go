// Package rebalance carries out WorkloadRebalancers: it asks the scheduler for fresh placements, so many at a time as the request
// allows, and calls a workload done when it is healthy where it was moved to.
package rebalance

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "workloadRebalancer". Its keys are WorkloadRebalancers.
func New(options eviction.Options, workers int) control.Controller {
	r := &rebalancer{options: options}
	watches := []control.Watch{
		{Object: &appsv1alpha1.WorkloadRebalancer{}, Keys: onRequest}, {Object: &clusterv1alpha1.Cluster{}, Keys: onCluster},
	}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{Name: "workloadRebalancer", Watches: watches, Workers: workers, Reconcile: r.reconcile}
}

type rebalancer struct{ options eviction.Options }

// onRequest leaves out status changes, but for the one that says which workloads a request is for: from then on they can move.
func onRequest(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*appsv1alpha1.WorkloadRebalancer)
	current, _ := event.New.(*appsv1alpha1.WorkloadRebalancer)
	if current == nil || old != nil && old.Generation == current.Generation && maps.Equal(old.Annotations, current.Annotations) &&
		old.Status.ObservedGeneration == current.Status.ObservedGeneration {
		return nil
	}
	return []control.Key{control.KeyOf(current)}
}

// onBinding wakes the requests that wait for a binding. Those that have not come to it yet wait for others.
func onBinding(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	bound, ok := binding.Of(event.Object())
	if !ok || bound.Spec.RescheduleTriggeredAt == nil {
		return nil
	}
	template := &bound.Spec.Resource
	return waiting(ctx, reader, func(seen *appsv1alpha1.ObservedWorkload) bool {
		// A request may name another version of the kind: bindings are found by kind and name.
		of := &seen.Workload
		return of.Kind == template.Kind && of.Namespace == template.Namespace && of.Name == template.Name
	})
}

// onCluster wakes the requests that wait for anything when a cluster is seen again or not any more.
func onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if old == nil || current != nil && workload.Ready(old) == workload.Ready(current) {
		return nil
	}
	return waiting(ctx, reader, func(*appsv1alpha1.ObservedWorkload) bool { return true })
}

// waiting are the requests with a workload without a result that is concerned.
func waiting(ctx context.Context, reader client.Reader, concerned func(*appsv1alpha1.ObservedWorkload) bool) []control.Key {
	requests := &appsv1alpha1.WorkloadRebalancerList{}
	if err := reader.List(ctx, requests, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var keys []control.Key
	for i := range requests.Items {
		seen := requests.Items[i].Status.ObservedWorkloads
		if slices.ContainsFunc(seen, func(one appsv1alpha1.ObservedWorkload) bool { return one.Result == "" && concerned(&one) }) {
			keys = append(keys, control.KeyOf(&requests.Items[i]))
		}
	}
	return keys
}

func (r *rebalancer) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	request := &appsv1alpha1.WorkloadRebalancer{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), request); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !request.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	if request.Status.ObservedGeneration != request.Generation {
		// Bindings wake the requests whose status names them, so that comes before anything moves, and wakes the request itself.
		status, err := r.observe(ctx, deps, request)
		if err != nil {
			return control.Result{}, err
		}
		return control.Result{}, write(ctx, deps, request, status)
	}
	status := request.Status.DeepCopy()
	again, failure := r.advance(ctx, deps, request, status)
	finish(status, deps.Clock.Now())
	if err := write(ctx, deps, request, status); err != nil {
		return control.Result{}, err
	}
	if failure != nil || status.FinishTime == nil {
		return control.Result{RequeueAfter: again}, failure
	}
	return r.expire(ctx, deps, request, status.FinishTime)
}

func write(ctx context.Context, deps control.Deps, request *appsv1alpha1.WorkloadRebalancer, status *appsv1alpha1.WorkloadRebalancerStatus) error {
	fields := fieldpatch.Between(&request.Status, status)
	if len(fields) == 0 {
		return nil
	}
	if err := fieldpatch.Status(ctx, deps.Client, request, fieldpatch.Fields{Status: fields}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of WorkloadRebalancer %s: %w", request.Name, err)
	}
	return nil
}

// finish dates the end of a request, which is when the last workload got its result.
func finish(status *appsv1alpha1.WorkloadRebalancerStatus, now time.Time) {
	open := slices.ContainsFunc(status.ObservedWorkloads, func(one appsv1alpha1.ObservedWorkload) bool { return one.Result == "" })
	if status.FinishTime == nil && !open {
		at := metav1.NewTime(now)
		status.FinishTime = &at
	}
}

// expire deletes a request whose time to live after its end is over.
func (r *rebalancer) expire(ctx context.Context, deps control.Deps, request *appsv1alpha1.WorkloadRebalancer, finished *metav1.Time) (control.Result, error) {
	if request.Spec.TTLSecondsAfterFinished == nil {
		return control.Result{}, nil
	}
	left := finished.Add(time.Duration(*request.Spec.TTLSecondsAfterFinished) * time.Second).Sub(deps.Clock.Now())
	if left > 0 {
		return control.Result{RequeueAfter: left}, nil
	}
	// A request that somebody has changed since is not over.
	same := client.Preconditions{UID: &request.UID, ResourceVersion: &request.ResourceVersion}
	if err := deps.Client.Delete(ctx, request, same); client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("deleting WorkloadRebalancer %s, which is over: %w", request.Name, err)
	}
	return control.Result{}, nil
}

// most is how many workloads of a request may move at once.
func (r *rebalancer) most(request *appsv1alpha1.WorkloadRebalancer, all int) (int, error) {
	text, given := request.Annotations[names.AnnotationAtOnce]
	if !given || r.options.Reference {
		return all, nil
	}
	return atOnce(text, all)
}
