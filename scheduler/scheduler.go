// Package scheduler decides where bindings go: it gathers what the pure core of scheduler/placement needs, and writes what
// it decides.
//
// Decisions are made one after the other on one snapshot of the fleet; the questions to extenders and estimators before
// them, and the writes that follow, run side by side. What was decided and is not reported by the clusters yet counts as taken.
// The scheduler keeps the snapshot, those assumptions and its own last writes in memory. They only save work and guard against
// lag: a new process builds them anew.
package scheduler

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler/capacity"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/inflight"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/scheduler/queue"
	"github.com/seatrial/seatrial/scheduler/snapshot"
)

const (
	// flight is how long an assignment may stay out of sight: from the patch of a binding to a status of the cluster that
	// counts its pods, with two intervals of status collection to spare.
	flight = 30 * time.Second
	// parking is how long a binding that nothing fits waits for an event before it is looked at without one.
	parking = 5 * time.Minute
	// minPatience keeps bindings that wait for room from trying all the time.
	minPatience = 5 * time.Second
	// catchUp is the pause before another look at a binding whose last write is yet to be seen.
	catchUp = time.Second
)

// Options are the settings of one scheduler.
type Options struct {
	// Name is the schedulerName of the bindings it serves. Profiles, where there are any, name them instead.
	Name string
	// Profiles are how bindings are placed, by their schedulerName; none stands for the built-in plugins under Name.
	Profiles []framework.Profile
	// Gather asks extenders about candidates; nil for none.
	Gather framework.Gatherer
	// Estimators look at the nodes of members; nil for none, and capacity then is what General reads.
	Estimators estimator.Estimators
	// Placement are the settings that change decisions.
	Placement placement.Options
	// General is the estimator that reads the resource summary of a Cluster.
	General estimator.General
	// IgnorePriority takes bindings in order of arrival instead of priority (gate PriorityBasedScheduling off).
	IgnorePriority bool
	// Overcommit gives room away that earlier decisions took but clusters do not report yet (gate
	// SchedulingOvercommitProtection off).
	Overcommit bool
	// ReferenceFailover lets workloads leave clusters whether others can take them or not, and grow at the cost of clusters that
	// cannot be reached, as in the reference.
	ReferenceFailover bool
	// DropMoved gives replicas up at once that move to other clusters, as the reference does. Otherwise they are held until their
	// successors are ready, for which a controller manager must run that ends eviction tasks.
	DropMoved bool
	// Recorder is told what the scheduler does; nil for nobody.
	Recorder Recorder
	Workers  int
}

// fleetKey is the key whose turn takes over changes of clusters.
var fleetKey = control.Key{GVK: clusterv1alpha1.GroupVersion.WithKind(clusterv1alpha1.ResourceKindCluster)}

// New is the scheduler as a controller, named "scheduler". Its keys are bindings of both scopes, and one for the fleet.
func New(options Options) control.Controller {
	scheduler := newScheduler(options)
	watches := []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster}}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{
		Name: "scheduler", Watches: watches, Indexes: indexes(), Workers: options.Workers, Queue: scheduler.options.queue, Reconcile: scheduler.reconcile,
	}
}

func (o Options) withDefaults() Options {
	if o.Recorder == nil {
		o.Recorder = silent{}
	}
	if len(o.Profiles) == 0 {
		o.Profiles = []framework.Profile{{SchedulerName: o.Name}}
	}
	return o
}

func (o Options) queue() control.Queue {
	settings := queue.Defaults()
	settings.Priority, settings.PolicyChanged, settings.Recorder = o.priority, policyChanged, o.Recorder
	return queue.New(settings)
}

// priority is that of a binding; the fleet goes before all of them, for they are judged by it.
func (o Options) priority(key control.Key, event control.Event) (priority int64, ok bool) {
	if key == fleetKey {
		return queue.First, true
	}
	bound, ok := binding.Of(event.Object())
	// The queue remembers what has a priority, and shall forget what is gone.
	if !ok || event.New == nil || o.IgnorePriority || bound.Spec.SchedulePriority == nil {
		return 0, ok
	}
	return int64(bound.Spec.SchedulePriority.Priority), true
}

type scheduler struct {
	options Options

	// mu guards what follows. It is held for a decision, never while an API server is asked.
	mu       sync.Mutex
	fleet    *snapshot.Cache
	synced   bool
	inFlight *inflight.Ledger
	memo     *capacity.Memo
	batch    *placement.Batch
	// written are the versions that the scheduler's own complete writes gave to bindings, until it reads a later one.
	written map[types.NamespacedName]version
	// owed says that bindings have not been woken yet for a change of traits that was taken over, and moved that it is not how
	// this process found the fleet. Called are those that were woken for such a change and have no decision since.
	owed, moved bool
	// decided are the last decisions that were written, and when.
	decided map[types.NamespacedName]decided
	called  map[types.NamespacedName]bool
	// undated are answers of which the targets are written and the date is not.
	undated map[types.NamespacedName]undated
}

type version struct {
	number uint64
	// revision is that of the fleet the write answers to.
	revision uint64
	at       time.Time
}

type decided struct {
	targets []workv1alpha2.TargetCluster
	at      time.Time
}

// repeats tells a decision that was written just now, and is not there: who alters what is written would be written against without a pause.
func (s *scheduler) repeats(bound binding.Binding, targets []workv1alpha2.TargetCluster, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	last, known := s.decided[bound.NamespacedName()]
	return known && now.Sub(last.at) < catchUp && sameTargets(last.targets, targets) && !sameTargets(bound.Spec.Clusters, targets)
}

func newScheduler(options Options) *scheduler {
	return &scheduler{
		options: options.withDefaults(), fleet: snapshot.New(), inFlight: inflight.New(flight),
		memo: capacity.New(options.General), batch: placement.NewBatch(nil), written: map[types.NamespacedName]version{}, called: map[types.NamespacedName]bool{},
		decided: map[types.NamespacedName]decided{}, undated: map[types.NamespacedName]undated{},
	}
}

func (s *scheduler) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if key == fleetKey {
		return s.syncFleet(ctx, deps)
	}
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		if err = client.IgnoreNotFound(err); err == nil {
			s.forget(key.NamespacedName())
		}
		return control.Result{}, err
	}
	if err := s.ensureFleet(ctx, deps); err != nil {
		return control.Result{}, err
	}
	switch seen := s.look(deps, bound); {
	case !s.serves(bound), seen.settled:
		return control.Result{}, nil
	case seen.lags:
		return control.Result{RequeueAfter: catchUp}, nil
	case !due(bound, seen.fleet):
		s.reserve(deps, bound)
		return control.Result{}, s.observe(ctx, deps, bound)
	default:
		return s.schedule(ctx, deps, bound, seen)
	}
}

// schedule decides on a binding and writes the decision. Failures that only the fleet or the binding can mend wait for a
// change of either.
func (s *scheduler) schedule(ctx context.Context, deps control.Deps, bound binding.Binding, seen sight) (control.Result, error) {
	began := deps.Clock.Now()
	decision, undo, known := s.recall(bound, seen.fleet)
	if !known {
		decision, undo = s.settle(ctx, deps, bound)
	}
	if decision.Err == nil && s.repeats(bound, decision.Clusters, deps.Clock.Now()) {
		undo()
		return control.Result{RequeueAfter: catchUp}, nil
	}
	outcome, err := s.write(ctx, deps, bound, decision, seen)
	if err == nil {
		err = outcome
	}
	if err != nil && !s.halfWritten(bound, decision) {
		undo()
	}
	if !control.Stale(err) {
		s.options.Recorder.Attempt(kindOf(bound), err, deps.Clock.Since(began))
	}
	var fit *placement.FitError
	var failed *framework.PluginError
	switch {
	case err == nil && decision.Kept != "":
		return control.Result{RequeueAfter: s.patience(deps.Clock.Now())}, nil
	case err == nil:
		return control.Result{}, nil
	case outcome == nil, quotaExceeded(outcome), errors.As(outcome, &failed):
		return control.Result{}, fmt.Errorf("scheduling binding %s: %w", bound.NamespacedName(), err)
	case errors.As(outcome, &fit):
		return control.Result{RequeueAfter: parking}, nil
	default:
		return control.Result{RequeueAfter: s.patience(deps.Clock.Now())}, nil
	}
}

// patience is how long a binding waits for room without an event: not much beyond the moment when the next assumption that
// may have taken it expires.
func (s *scheduler) patience(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if at, ok := s.inFlight.Next(); ok {
		return max(at.Sub(now), minPatience)
	}
	return parking
}

// profile is the one that serves a binding, nil for none.
func (o Options) profile(bound binding.Binding) *framework.Profile {
	profile, _ := (&framework.Configuration{Profiles: o.Profiles}).Profile(bound.Spec.SchedulerName)
	return profile
}

func (s *scheduler) serves(bound binding.Binding) bool { return s.options.refusal(bound) == "" }

// refusal is why a scheduler leaves a binding alone, empty when it does not.
func (o Options) refusal(bound binding.Binding) string {
	switch {
	case !bound.GetDeletionTimestamp().IsZero():
		return "it is being deleted"
	case bound.Spec.Placement == nil || !policy.Wants(bound):
		return "no policy claims it"
	case o.profile(bound) == nil:
		return "it is for the scheduler " + cmp.Or(bound.Spec.SchedulerName, framework.DefaultScheduler)
	case bound.Spec.Suspension != nil && ptr.Deref(bound.Spec.Suspension.Scheduling, false):
		return "its scheduling is suspended"
	}
	return ""
}
