// Package run executes the plan of a scenario on a simulated fleet with the controllers of production, and measures what the
// users of the fleet feel.
package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/invariant"
	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
)

const (
	// sampling is the interval at which capacities are looked at.
	sampling = 10 * time.Second
	// pulse at most passes between two calls of Progress.
	pulse = time.Second
)

// Options say how a plan is run. None of them changes what happens.
type Options struct {
	// Progress is told how far the run has come in virtual time; nil for nobody.
	Progress func(passed time.Duration)
	// Beside is that of simulator.Options.
	Beside func(func())
	// Checked makes reads panic that find an object which a controller has written to, and validates every write by its schema.
	// It is for tests and takes several times as long.
	Checked bool
}

// Result is what a run gives.
type Result struct {
	Report *report.Report
	// Digest is that of the history: runs with the same one have had the same events.
	Digest string
}

// Run executes a plan. When the context ends before it does, the report is that of the time until then, marked as partial, and
// no error is returned, unless no time has passed; so it does when an invariant is violated, which ends a run at once. The same plan
// gives the same bytes.
func Run(ctx context.Context, plan *scenario.Plan, options Options) (*Result, error) {
	e, err := prepare(ctx, plan, options)
	if err != nil {
		return nil, fmt.Errorf("preparing scenario %s: %w", plan.Name, err)
	}
	partial := false
	if err := e.play(ctx); err != nil {
		var violation *invariant.Violation
		switch {
		case errors.As(err, &violation):
			e.recorder.Violated(e.passed(), violation.Invariant, violation.Error())
		case ctx.Err() == nil || !errors.Is(err, ctx.Err()):
			return nil, fmt.Errorf("running scenario %s: %w", plan.Name, err)
		}
		partial = true
	}
	e.finish()
	digest, err := e.fleet.Digest()
	if err != nil {
		return nil, fmt.Errorf("summing up scenario %s: %w", plan.Name, err)
	}
	return &Result{Report: e.recorder.Finish(e.passed(), partial), Digest: digest}, nil
}

// engine is one run.
type engine struct {
	// ctx does not end with that of the caller: an action is done whole or not at all.
	ctx        context.Context
	plan       *scenario.Plan
	options    Options
	fleet      *simulator.Fleet
	plane      client.Client
	estimators *simulator.Estimators
	recorder   *report.Recorder
	// invariants are checked when an objective asks for it; otherwise nil.
	invariants *invariant.Checker

	members map[string]*member
	// leaving are members that end as soon as their Cluster object is gone.
	leaving   []string
	workloads map[workloadKey]*workload
	bindings  map[bindingKey]*decision
	turns     map[string]int64
	// loads are what there is to do, as the last event about each workload said.
	loads []load
}

// prepare makes the fleet as it is at the beginning.
func prepare(ctx context.Context, plan *scenario.Plan, options Options) (*engine, error) {
	e := &engine{
		ctx: context.WithoutCancel(ctx), plan: plan, options: options, members: map[string]*member{},
		workloads: map[workloadKey]*workload{}, bindings: map[bindingKey]*decision{}, turns: map[string]int64{},
		recorder: report.New(report.Options{
			Scenario: plan.Name, Description: plan.Description, Seed: plan.Seed, Start: plan.Start, Duration: plan.Duration, Objectives: plan.Objectives,
		}),
	}
	var err error
	e.fleet, err = simulator.New(e.ctx, simulator.Options{
		Start: plan.Start, Seed: plan.Seed, Beside: options.Beside, Checked: options.Checked, Trusting: !options.Checked, Forget: true, Turn: func(controller string) { e.turns[controller]++ },
		QuotaEnforcement: plan.Settings.FeatureGates[gateQuota], NoExecuteTaintPolicy: ptr.Deref(plan.Settings.Eviction.NoExecute, false),
	})
	if err != nil {
		return nil, err
	}
	if e.plane, err = e.fleet.Client(e.ctx, fleet.ControlPlaneName); err != nil {
		return nil, err
	}
	if err := e.fleet.Watch(fleet.ControlPlaneName, e.onPlane); err != nil {
		return nil, err
	}
	if slices.ContainsFunc(plan.Objectives, func(o report.Objective) bool { return o.Measure == report.Invariant }) {
		e.invariants = invariant.Follow(e.fleet, invariant.Options{Safety: invariant.SafetyInvariants()})
	}
	if err := e.serve(fleet.ControlPlaneName, plan.Settings.API); err != nil {
		return nil, err
	}
	for _, component := range []scenario.Component{manager, schedulerProcess} {
		if err := e.start(component); err != nil {
			return nil, err
		}
	}
	return e, e.populate(ctx)
}

// populate brings the clusters and objects of the beginning.
func (e *engine) populate(ctx context.Context) error {
	for _, c := range e.plan.Clusters {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.addCluster(c); err != nil {
			return err
		}
	}
	for _, object := range e.plan.Objects {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := e.apply(object); err != nil {
			return err
		}
	}
	return nil
}

// play lets time pass, does what the plan says when it says so, and takes samples between.
func (e *engine) play(ctx context.Context) error {
	next := 0
	for at := time.Duration(0); ; {
		for next < len(e.plan.Actions) && e.plan.Actions[next].At <= at {
			if err := e.do(&e.plan.Actions[next]); err != nil {
				return fmt.Errorf("at %s, %s: %w", at, e.plan.Actions[next].Name, err)
			}
			next++
		}
		if err := e.endLeaving(); err != nil {
			return err
		}
		// Thousands of arrivals between two samples do not look at every cluster again.
		if at%sampling == 0 || at >= e.plan.Duration {
			e.sample()
		}
		if at >= e.plan.Duration {
			return nil
		}
		at = min(at.Truncate(sampling)+sampling, e.plan.Duration)
		if next < len(e.plan.Actions) {
			at = min(at, max(e.plan.Actions[next].At, e.passed()))
		}
		if err := e.advance(ctx, at); err != nil {
			return err
		}
	}
}

// advance lets time pass until then, and tells of it.
func (e *engine) advance(ctx context.Context, until time.Duration) error {
	for e.passed() < until {
		if err := e.fleet.Advance(ctx, e.plan.Start.Add(min(until, e.passed()+pulse))); err != nil {
			return err
		}
		if e.options.Progress != nil {
			e.options.Progress(e.passed())
		}
	}
	return nil
}

func (e *engine) passed() time.Duration { return e.fleet.Now().Sub(e.plan.Start) }

// finish hands over what was only counted.
func (e *engine) finish() {
	for _, controller := range slices.Sorted(maps.Keys(e.turns)) {
		e.recorder.Reconciled(controller, e.turns[controller])
	}
	for _, name := range slices.Sorted(maps.Keys(e.members)) {
		e.recorder.PodsStarted(int64(e.members[name].kube.Stats().Started))
	}
}
