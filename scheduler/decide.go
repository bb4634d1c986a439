package scheduler

import (
	"context"
	"errors"
	"slices"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/scheduler/capacity"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/inflight"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// settle decides on a binding. Where extenders or estimators have to be asked, it does so between two looks at the fleet: the
// first finds out what to ask, the last decides by the fleet as it is then.
func (s *scheduler) settle(ctx context.Context, deps control.Deps, bound binding.Binding) (decision placement.Decision, undo func()) {
	heard := hearings{}
	for {
		decision, open, undo := s.decide(deps, bound, heard)
		if open == nil {
			decision.Err = makeLegible(&decision)
			return decision, undo
		}
		began := deps.Clock.Now()
		heard.add(open, s.options.ask(ctx, open))
		s.options.Recorder.Step(StepAsk, deps.Clock.Since(began))
	}
}

// decide runs the core and enters the outcome into what is in flight, until undo takes it back. It decides nothing while a
// question is open.
func (s *scheduler) decide(deps control.Deps, bound binding.Binding, heard hearings) (decision placement.Decision, open *question, undo func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := deps.Clock.Now()
	s.inFlight.Expire(now)
	ledger := s.inFlight
	if s.options.Overcommit {
		ledger = nil
	}
	seen := basis{batch: s.shared(), ledger: ledger, memo: s.memo, heard: heard, steps: timing{deps.Clock, s.options.Recorder}}
	decision, open = s.options.decide(bound, seen)
	if open != nil || decision.Err != nil {
		return decision, open, func() {}
	}
	release := s.inFlight.Assume(bound.NamespacedName(), bound.Spec, decision.Clusters, now)
	s.fleet.Assume(bound, decision)
	s.options.Recorder.InFlight(s.inFlight.Len())
	return decision, nil, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		release()
		s.fleet.Retract(bound.NamespacedName())
	}
}

// reserve keeps room for the replicas of a move that are still to come: one that goes in steps takes longer than an assumption lasts.
func (s *scheduler) reserve(deps control.Deps, bound binding.Binding) {
	if s.options.Overcommit || !eviction.Holding(bound.Spec) {
		return
	}
	ready, there := eviction.Ready(bound.Status.AggregatedStatus), *bound.Spec
	there.Clusters = slices.Clone(bound.Spec.Clusters)
	for i := range there.Clusters {
		there.Clusters[i].Replicas = min(there.Clusters[i].Replicas, ready[there.Clusters[i].Name])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight.Forget(bound.NamespacedName())
	s.inFlight.Assume(bound.NamespacedName(), &there, bound.Spec.Clusters, deps.Clock.Now())
}

// shared is the work on the newest snapshot that bindings of equal placements share.
func (s *scheduler) shared() *placement.Batch {
	if current := s.fleet.Current(); s.batch.Snapshot() != current {
		s.batch = placement.NewBatch(current)
	}
	return s.batch
}

// Decide runs the core for one binding on a snapshot: one attempt for each affinity term until one succeeds. It waits for
// extenders and estimators, where there are any. A binding for another scheduler is decided on by the built-in plugins.
func (o Options) Decide(ctx context.Context, bound binding.Binding, fleet *placement.Snapshot) placement.Decision {
	o = o.withDefaults()
	heard := hearings{}
	for {
		decision, open := o.decide(bound, basis{batch: placement.NewBatch(fleet), memo: capacity.New(o.General), heard: heard})
		if open == nil {
			return decision
		}
		heard.add(open, o.ask(ctx, open))
	}
}

// basis is what a decision sees beside the binding. Ledger is nil when nothing is on its way or nobody minds.
type basis struct {
	batch  *placement.Batch
	ledger *inflight.Ledger
	memo   *capacity.Memo
	heard  hearings
	steps  timing
}

// decide gives a workload a place without the clusters it is to be evicted from; where there is none, these stay. What a user says
// in so many words takes effect all the same.
func (o Options) decide(bound binding.Binding, seen basis) (decision placement.Decision, open *question) {
	preferences, err := placement.ParsePreferences(bound.GetAnnotations())
	if err != nil {
		return placement.Decision{Err: err}, nil
	}
	profile := o.profile(bound)
	if profile == nil {
		profile = &framework.Profile{}
	}
	profile = seen.steps.observes(profile)
	settings := profile.Options(o.Placement)
	settings.KeepTainted = !o.ReferenceFailover && !placementChanged(bound)
	request := placement.Request{
		Binding: bound.NamespacedName(), Spec: bound.Spec, Term: bound.Status.SchedulerObservedAffinityName,
		LastScheduled: bound.Status.LastScheduledTime, Options: settings, Preferences: preferences,
		Fingerprint: fingerprint(bound),
	}
	if !o.ReferenceFailover && replicasChanged(bound.Spec) {
		request.Ready = eviction.Ready(bound.Status.AggregatedStatus)
	}
	if tasks := eviction.WithoutHolds(bound.Spec.GracefulEvictionTasks); len(tasks) < len(bound.Spec.GracefulEvictionTasks) {
		spec := *bound.Spec
		spec.GracefulEvictionTasks = tasks
		request.Spec = &spec
	}
	decision, open = o.try(bound, profile, request, seen)
	switch {
	case open != nil || o.ReferenceFailover || failedPlugin(decision.Err) || !eviction.AnyWaiting(bound.Spec):
	case decision.Err != nil:
		decision, open = o.keep(bound, profile, request, seen, eviction.WithoutWaiting(request.Spec), makeLegible(&decision).Error())
	case eviction.Unreplaced(request.Spec, decision.Clusters):
		decision, open = o.keep(bound, profile, request, seen, eviction.WithoutFailing(request.Spec), messageUnreplaced)
	}
	decision.Err = staying(bound, decision.Err)
	return decision, open
}

// messageUnreplaced says why copies stay that are to leave for their health.
const messageUnreplaced = "every other cluster for a copy has one."

// keep decides on a workload as if it were to leave clusters by these tasks alone, and says why it stays in others.
func (o Options) keep(
	bound binding.Binding, profile *framework.Profile, request placement.Request, seen basis, tasks []workv1alpha2.GracefulEvictionTask, why string,
) (decision placement.Decision, open *question) {
	spec := *request.Spec
	spec.GracefulEvictionTasks = tasks
	request.Spec = &spec
	decision, open = o.try(bound, profile, request, seen)
	leaves := func(target workv1alpha2.TargetCluster) bool { return eviction.Task(bound.Spec, target.Name) != nil }
	if open == nil && decision.Err == nil && slices.ContainsFunc(decision.Clusters, leaves) {
		decision.Kept = why
	}
	return decision, open
}

// try stops at the first attempt that succeeds, that lacks answers, or that failed for another reason than the clusters.
func (o Options) try(bound binding.Binding, profile *framework.Profile, request placement.Request, seen basis) (decision placement.Decision, open *question) {
	for _, attempt := range request.Attempts() {
		if decision, open = o.attempt(bound, profile, attempt, seen); open != nil {
			return placement.Decision{}, open
		}
		if decision.Err == nil || failedPlugin(decision.Err) {
			break
		}
	}
	return decision, nil
}

// failedPlugin tells an error that is not about the clusters.
func failedPlugin(err error) bool {
	var failed *framework.PluginError
	return errors.As(err, &failed)
}

// staying keeps a workload where it is when only plugins and extenders reject the clusters. What no cluster fits is taken away
// because the user's own words demand it, and theirs are not.
func staying(bound binding.Binding, err error) error {
	var fit *placement.FitError
	if len(bound.Spec.Clusters) == 0 || !errors.As(err, &fit) || !fit.Foreign {
		return err
	}
	return &placement.UnschedulableError{Message: err.Error()}
}

func (o Options) attempt(bound binding.Binding, profile *framework.Profile, attempt placement.Request, seen basis) (placement.Decision, *question) {
	lap := seen.steps.start()
	candidates, err := profile.Candidates(attempt, seen.batch)
	lap = seen.steps.step(StepFilter, lap)
	if err != nil {
		return placement.Decision{Term: attempt.Term, Err: err}, nil
	}
	heard := seen.heard[attempt.Term]
	if o.asks(candidates, heard) {
		return placement.Decision{}, o.question(bound, candidates, seen.ledger)
	}
	if err := heard.failure(o, candidates); err != nil {
		decision := placement.Assign(candidates, nil)
		decision.Clusters, decision.Err = nil, err
		return decision, nil
	}
	candidates = heard.apply(candidates)
	room, doubts := o.estimate(candidates, seen, heard)
	lap = seen.steps.step(StepEstimate, lap)
	decision := profile.Assign(candidates, room)
	seen.steps.step(StepAssign, lap)
	decision.Doubts = doubts
	return decision, nil
}

// estimate answers the capacity question of one attempt for all its candidates. What the nodes of a cluster say now counts alone:
// the summary is older and coarser. Where there is doubt, the smaller of the two counts.
func (o Options) estimate(candidates *placement.CandidateSet, seen basis, heard *hearing) ([]int32, []placement.Doubt) {
	room := placement.NoCapacity(candidates.Len())
	demand := candidates.Demand()
	if demand == placement.DemandNone {
		return room, nil
	}
	spec := candidates.Request().Spec
	replicas := seen.memo.Replicas(spec.ReplicaRequirements)
	var doubts []placement.Doubt
	for i := range room {
		var assumed []estimator.AssumedWorkload
		if seen.ledger != nil {
			assumed = seen.ledger.Assumed(candidates.Name(i))
		}
		if demand == placement.DemandReplicas {
			room[i] = replicas(candidates.Cluster(i), assumed)
		} else {
			room[i] = o.General.Sets(candidates.Cluster(i), spec.Components, assumed)
		}
		if o.Estimators == nil {
			continue
		}
		count, doubt := heard.nodes(candidates.Name(i), spec, seen.ledger)
		if doubt == nil {
			room[i] = count
			continue
		}
		doubts = append(doubts, *doubt)
		placement.Tighten(room[i:i+1], []int32{count})
	}
	return room, doubts
}
