// Package deschedule takes replicas from clusters that have found no node for them for some time, so that the scheduler places them
// elsewhere. It asks the estimators of members which those are.
//
// Only replicas that wait are taken: a cluster keeps what is ready there in any case. Where replicas are being moved, or nobody can
// see how a cluster is, nothing is.
package deschedule

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// Estimators know which replicas wait for a node.
type Estimators interface {
	// Unschedulable counts the replicas of a workload that have found no node in a cluster for longer than the threshold.
	Unschedulable(ctx context.Context, cluster string, of workv1alpha2.ObjectReference, threshold time.Duration) (int32, error)
}

// Options are the settings of the descheduler.
type Options struct {
	// Interval is the time between two looks at all bindings, and Threshold how long a replica waits for a node in vain.
	Interval, Threshold time.Duration
	Estimators          Estimators
	Workers             int
}

// Defaults are those of the reference, without Estimators.
func Defaults() Options {
	return Options{Interval: 2 * time.Minute, Threshold: 5 * time.Minute, Workers: 1}
}

// roundKey is the key whose turns wake bindings. No binding has a kind in its key.
var roundKey = control.Key{GVK: schema.GroupVersionKind{Kind: "Round"}}

// New is the controller named "descheduler". Its keys are ResourceBindings, and one for the rounds.
func New(options Options) control.Controller {
	d := &descheduler{options: options}
	return control.Controller{
		Name: "descheduler", Workers: options.Workers, Reconcile: d.reconcile,
		Watches: []control.Watch{
			{Object: &workv1alpha2.ResourceBinding{}, Keys: onBinding},
			{Object: &clusterv1alpha1.Cluster{}, Keys: func(context.Context, client.Reader, control.Event) []control.Key { return nil }},
		},
	}
}

type descheduler struct {
	options Options

	// mu guards last, when the last round was.
	mu   sync.Mutex
	last time.Time
}

// onBinding begins the rounds with the first binding there is; what others ask for waits until a round is due.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil || event.New == nil {
		return nil
	}
	return []control.Key{roundKey}
}

func (d *descheduler) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if key == roundKey {
		return d.round(ctx, deps)
	}
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !concerns(bound) {
		return control.Result{}, nil
	}
	after, taken, failures := d.withoutWaiting(ctx, deps, bound)
	if taken == 0 {
		return control.Result{}, errors.Join(failures...)
	}
	changed := bound.Shallow()
	err = fieldpatch.Object(ctx, deps.Client, changed.Object, fieldpatch.Fields{Spec: map[string]any{"clusters": after}})
	if err != nil {
		err = fmt.Errorf("taking %d replicas that wait from the clusters of binding %s: %w", taken, bound.NamespacedName(), err)
		if !control.Stale(err) {
			deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventDescheduleBindingFailed, "%v", err)
		}
		return control.Result{}, err
	}
	deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventDescheduleBindingSucceed, "%d replicas that found no node are to be placed elsewhere", taken)
	return control.Result{}, errors.Join(failures...)
}

// round wakes the bindings with a cluster that has fewer ready replicas than it was given.
func (d *descheduler) round(ctx context.Context, deps control.Deps) (control.Result, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := deps.Clock.Now()
	// A clock that was set back makes no round wait for longer than the interval.
	if since := now.Sub(d.last); since >= 0 && since < d.options.Interval {
		return control.Result{RequeueAfter: d.options.Interval - since}, nil
	}
	list := &workv1alpha2.ResourceBindingList{}
	if err := deps.Client.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, fmt.Errorf("listing resource bindings: %w", err)
	}
	d.last = now
	result := control.Result{RequeueAfter: d.options.Interval}
	for i := range list.Items {
		if bound, _ := binding.Of(&list.Items[i]); concerns(bound) {
			result.Wake = append(result.Wake, control.KeyOf(bound))
		}
	}
	return result, nil
}

// concerns tells whether replicas of a binding may be taken: those of a Deployment that is divided by room, that the scheduler has
// decided on and is not kept from, that nothing moves, and that lacks ready replicas somewhere.
func concerns(bound binding.Binding) bool {
	template := &bound.Spec.Resource
	if template.APIVersion != appsv1.SchemeGroupVersion.String() || template.Kind != "Deployment" || !bound.GetDeletionTimestamp().IsZero() {
		return false
	}
	suspension := bound.Spec.Suspension
	if suspension != nil && ptr.Deref(suspension.Scheduling, false) {
		// Nobody would place elsewhere what is taken.
		return false
	}
	if len(bound.Spec.GracefulEvictionTasks) > 0 || !bound.Answered() || !byRoom(bound) {
		return false
	}
	ready := eviction.Ready(bound.Status.AggregatedStatus)
	return slices.ContainsFunc(bound.Spec.Clusters, func(target workv1alpha2.TargetCluster) bool { return ready[target.Name] < target.Replicas })
}

// byRoom reads from the placement of the last decision whether the replicas were divided by what clusters can take.
func byRoom(bound binding.Binding) bool {
	placement, err := eviction.AppliedPlacement(bound.GetAnnotations())
	if err != nil || placement.ReplicaScheduling == nil || placement.ReplicaScheduling.ReplicaSchedulingType != policyv1alpha1.ReplicaSchedulingTypeDivided {
		return false
	}
	scheduling := placement.ReplicaScheduling
	return scheduling.ReplicaDivisionPreference == policyv1alpha1.ReplicaDivisionPreferenceAggregated ||
		scheduling.WeightPreference != nil && scheduling.WeightPreference.DynamicWeight != ""
}

// withoutWaiting are the targets of a binding without the replicas that wait for a node, and how many those are. A cluster whose
// estimator does not answer keeps what it has.
func (d *descheduler) withoutWaiting(ctx context.Context, deps control.Deps, bound binding.Binding) (after []workv1alpha2.TargetCluster, taken int32, failures []error) {
	ready := eviction.Ready(bound.Status.AggregatedStatus)
	after = slices.Clone(bound.Spec.Clusters)
	for i := range after {
		target := &after[i]
		cluster := &clusterv1alpha1.Cluster{}
		err := deps.Client.Get(ctx, types.NamespacedName{Name: target.Name}, cluster)
		if err != nil || !workload.Ready(cluster) || ready[target.Name] >= target.Replicas {
			continue
		}
		waiting, err := d.options.Estimators.Unschedulable(ctx, target.Name, bound.Spec.Resource, d.options.Threshold)
		if err != nil {
			failures = append(failures, fmt.Errorf("asking the estimator of cluster %s which replicas of binding %s wait: %w", target.Name, bound.NamespacedName(), err))
			continue
		}
		if waiting <= 0 {
			continue
		}
		keeps := max(target.Replicas-waiting, ready[target.Name], 0)
		taken += target.Replicas - keeps
		target.Replicas = keeps
	}
	return after, taken, failures
}
