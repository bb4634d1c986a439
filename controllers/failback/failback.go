// Package failback lets workloads move by themselves to where they would be placed anew: back to a cluster that has recovered, into one
// that has joined, out of one that has filled up. Policies opt in by the annotation seatrial.io/rebalance.
//
// It looks at the fleet at intervals and asks the scheduler for fresh placements, a few at a time and into one cluster after the
// other. The moves themselves are those of any reschedule: new replicas are ready before old ones go.
package failback

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Options are how cautious it is.
type Options struct {
	// Decide makes the decision that the scheduler would make for a binding on a fleet.
	Decide func(ctx context.Context, bound binding.Binding, fleet *placement.Snapshot) placement.Decision
	// Interval is the time between two looks at the fleet.
	Interval time.Duration
	// Settling is how long a cluster must have been healthy without a break before anything moves into it.
	Settling time.Duration
	// Rest is how long a workload stays where it was moved to, at least.
	Rest time.Duration
	// Hysteresis is the part of the replicas of a workload, from 0 to 1, that must be out of place for it to move.
	Hysteresis float64
	// AtOnce is the part of the workloads that have opted in, from 0 to 1, that may move at the same time; one may in any case.
	AtOnce float64
	// Eviction is when workloads count as settled.
	Eviction eviction.Options
	// General says how many replicas fit beside what clusters have.
	General estimator.General
}

// Defaults lack Decide.
func Defaults() Options {
	return Options{
		Interval: time.Minute, Settling: 5 * time.Minute, Rest: 10 * time.Minute, Hysteresis: 0.1, AtOnce: 0.05, Eviction: eviction.Defaults(),
		General: estimator.General{UseModels: true},
	}
}

// lookKey is the one key of the controller.
var lookKey = control.Key{GVK: schema.GroupVersionKind{Kind: "Fleet"}}

// New is the controller named "failback". Its one key stands for a look at the fleet.
func New(options Options) control.Controller {
	m := &mover{options: options, asked: map[types.NamespacedName]asked{}}
	var watches []control.Watch
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: m.onBinding})
	}
	// What is read at the look has to be followed.
	watches = append(watches, control.Watch{Object: &clusterv1alpha1.Cluster{}, Keys: func(context.Context, client.Reader, control.Event) []control.Key { return nil }})
	return control.Controller{Name: "failback", Watches: watches, Reconcile: m.look}
}

type mover struct {
	options Options

	// mu guards what follows. Receiver is the cluster into which workloads move at present; empty for none.
	mu       sync.Mutex
	receiver string
	// asked are the last requests, by binding.
	asked map[types.NamespacedName]asked
}

// onBinding wakes for bindings that opt in; what else happens to them the next look finds.
func (m *mover) onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if m.options.Eviction.Reference || event.New == nil || !optedIn(event.New) || event.Old != nil && optedIn(event.Old) {
		return nil
	}
	return []control.Key{lookKey}
}

func optedIn(object client.Object) bool {
	return object.GetAnnotations()[names.AnnotationRebalance] == names.RebalanceAutomatic
}

// fleet is what one look sees.
type fleet struct {
	snapshot *placement.Snapshot
	clusters map[string]*clusterv1alpha1.Cluster
	now      time.Time
}

// look asks for the moves that pay back, as many as may go on at once.
func (m *mover) look(ctx context.Context, deps control.Deps, _ control.Key) (control.Result, error) {
	all, err := binding.List(ctx, deps.Client, client.UnsafeDisableDeepCopy)
	if err != nil {
		return control.Result{}, err
	}
	chosen := slices.DeleteFunc(all, func(bound binding.Binding) bool { return !optedIn(bound) || !bound.GetDeletionTimestamp().IsZero() })
	if len(chosen) == 0 {
		return control.Result{}, nil
	}
	seen, err := survey(ctx, deps)
	if err != nil {
		return control.Result{}, err
	}
	m.forget(chosen)
	most := max(int(m.options.AtOnce*float64(len(chosen))), 1)
	moving := 0
	var idle []binding.Binding
	for _, bound := range chosen {
		view := eviction.Look(bound, seen.clusters, seen.now)
		settled, rests := m.options.Eviction.Settled(view), m.rests(bound, seen.now)
		switch {
		case settled && !rests && bound.Answered():
			idle = append(idle, bound)
		case !settled && (rests || m.getsOn(view)):
			moving++
		}
	}
	return control.Result{RequeueAfter: m.options.Interval}, m.move(ctx, deps, seen, idle, moving, most)
}

// rests tells whether a workload was moved not long ago, by whomever.
func (m *mover) rests(bound binding.Binding, now time.Time) bool {
	at := bound.Spec.RescheduleTriggeredAt
	return at != nil && now.Sub(at.Time) < m.options.Rest
}

// getsOn tells whether a workload is on its way for longer than it would rest: replicas are held until others are ready, and some have become
// so of late. One that does not get on tells so by itself, and is no reason for others to stay where they are.
func (m *mover) getsOn(view *eviction.View) bool {
	return eviction.Holding(view.Spec) && m.options.Eviction.Stuck(view.Spec.GracefulEvictionTasks, view) == nil
}

func survey(ctx context.Context, deps control.Deps) (*fleet, error) {
	list := &clusterv1alpha1.ClusterList{}
	if err := deps.Client.List(ctx, list); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	seen := &fleet{clusters: map[string]*clusterv1alpha1.Cluster{}, now: deps.Clock.Now()}
	members := make([]*clusterv1alpha1.Cluster, len(list.Items))
	for i := range list.Items {
		members[i] = &list.Items[i]
		seen.clusters[members[i].Name] = members[i]
	}
	seen.snapshot = placement.NewSnapshot(members)
	return seen, nil
}

// move asks for moves into one cluster: the one that workloads move into already, or the first that something would.
func (m *mover) move(ctx context.Context, deps control.Deps, seen *fleet, idle []binding.Binding, moving, most int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if moving == 0 {
		m.receiver = ""
	}
	for _, bound := range idle {
		if moving >= most {
			return nil
		}
		if m.waits(bound, seen.now) {
			continue
		}
		better, found := m.judge(ctx, bound, seen)
		if !found || m.receiver != "" && better.receiver != m.receiver {
			continue
		}
		if answered(bound, seen.now) {
			continue
		}
		if err := ask(ctx, deps, bound, better); err != nil {
			return err
		}
		m.note(bound, seen.now)
		m.receiver = better.receiver
		moving++
	}
	return nil
}

// answered tells whether a binding was decided on in this very second: what is asked for now would count as answered.
func answered(bound binding.Binding, now time.Time) bool {
	last := bound.Status.LastScheduledTime
	return last != nil && !now.Truncate(time.Second).After(last.Time)
}

// ask has a binding placed anew. One that shall return to an earlier affinity group loses the name of the present one first, from
// which the scheduler would go on.
func ask(ctx context.Context, deps control.Deps, bound binding.Binding, better improvement) error {
	now := metav1.NewTime(deps.Clock.Now()).Rfc3339Copy()
	changed := bound.Shallow()
	if better.returns {
		fields := fieldpatch.Fields{Status: map[string]any{"schedulerObservingAffinityName": nil}}
		if err := fieldpatch.Status(ctx, deps.Client, changed.Object, fields); err != nil {
			return fmt.Errorf("letting binding %s return to its first affinity group: %w", bound.NamespacedName(), err)
		}
	}
	if err := fieldpatch.Object(ctx, deps.Client, changed.Object, fieldpatch.Fields{Spec: map[string]any{"rescheduleTriggeredAt": &now}}); err != nil {
		return fmt.Errorf("asking for another placement of binding %s: %w", bound.NamespacedName(), err)
	}
	deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventRebalanced, "%s", better)
	return nil
}
