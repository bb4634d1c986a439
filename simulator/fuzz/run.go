package fuzz

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime/debug"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/deschedule"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/estimator"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/invariant"
	"github.com/seatrial/seatrial/simulator/kube"
)

const (
	settling = 40 * time.Minute
	// settled is for how long it must then stay as it is.
	settled = 30 * time.Second
	// looks is how often it is looked at meanwhile.
	looks = 5 * time.Second
)

// Options are what a run does not draw.
type Options struct {
	// Controllers makes the controllers, anew for each start; nil for those that run in production.
	Controllers func(Scenario, Estimators) []control.Controller
	// Kinds are shared by runs, also by those side by side; nil for some of its own, which take longer than a small run.
	Kinds *simulator.Kinds
	// Invariants are what is checked; without any, all are.
	Invariants invariant.Options
	// Settling is how long the fleet has to settle in the end; 0 for 40 minutes, which is longer than the longest backoffs of
	// two controllers that wait for each other, after the longest fault.
	Settling time.Duration
}

func (o Options) withDefaults() Options {
	if o.Controllers == nil {
		o.Controllers = Production
	}
	if len(o.Invariants.Safety)+len(o.Invariants.Liveness) == 0 {
		o.Invariants = invariant.Defaults()
	}
	if o.Settling == 0 {
		o.Settling = settling
	}
	return o
}

// patience is how long a workload that says nothing stays in a cluster that is not well: less than the longest outages. Nor do
// workloads that move by themselves wait longer.
const patience = time.Minute

// Estimators are what the scheduler and the descheduler ask.
type Estimators interface {
	estimator.Estimators
	deschedule.Estimators
}

// Production are the controllers of the controller manager, with failover on, the scheduler and the descheduler.
func Production(scenario Scenario, estimators Estimators) []control.Controller {
	options := controlplane.Defaults()
	options.Quota.Enforced = scenario.EnforceQuotas
	options.Failback.Interval, options.Failback.Settling, options.Failback.Rest = patience/4, patience/2, patience
	options.Failback.AtOnce = 0.5
	options.Eviction.Failover = true
	options.Eviction.NotReady, options.Eviction.Unreachable = patience, patience
	return append(controlplane.Controllers(options),
		scheduler.New(scheduler.Options{Name: "default-scheduler", Estimators: estimators}),
		deschedule.New(deschedule.Options{Interval: patience / 2, Threshold: patience / 2, Estimators: estimators, Workers: 1}))
}

// enforcement is the controller that runs only where quotas are enforced.
const enforcement = "federatedResourceQuotaEnforcement"

// idle are the controllers of Production that find nothing or too little to do: scenarios draw no objects of theirs.
func idle(controller string) bool {
	switch controller {
	case "descheduler", "remedy", "serviceExport", "endpointSlice", "serviceImport",
		"federatedHorizontalPodAutoscaler", "cronFederatedHorizontalPodAutoscaler":
		return true
	}
	return false
}

// ControllerNames are those of Production that every fault has to meet, in the order of reports.
func ControllerNames() []string {
	var names []string
	for _, controller := range Production(Scenario{EnforceQuotas: true}, nil) {
		if !idle(controller.Name) {
			names = append(names, controller.Name)
		}
	}
	return names
}

// Result is what became of a scenario.
type Result struct {
	Seed uint64 `json:"seed"`
	// Digest is of the whole history: the same scenario has the same.
	Digest string `json:"digest,omitempty"`
	// Virtual is how long it took in virtual time.
	Virtual time.Duration `json:"virtual"`
	// Writes are those of the control plane. Faults counts those that took effect.
	Writes    uint64   `json:"writes"`
	Clusters  int      `json:"clusters"`
	Workloads int      `json:"workloads"`
	Steps     int      `json:"steps"`
	Faults    int      `json:"faults"`
	Coverage  Coverage `json:"-"`
	// Violation is nil when every invariant held.
	Violation *invariant.Violation `json:"violation,omitempty"`

	size Size
}

// Counts tells whether a run was as large as one must be to count.
func (r Result) Counts() bool {
	return r.Clusters >= r.size.clusters.least && r.Workloads >= r.size.workloads.least && r.Faults >= r.size.hit && r.Virtual >= r.size.lasting
}

// Run plays a scenario. An error is one of the simulation or of the scenario; a broken invariant is part of the result.
func Run(ctx context.Context, scenario Scenario, options Options) (Result, error) {
	options = options.withDefaults()
	size, err := SizeOf(scenario.Size)
	if err != nil {
		return Result{}, fmt.Errorf("seed %d: %w", scenario.Seed, err)
	}
	result := Result{
		Seed: scenario.Seed, Clusters: len(scenario.Clusters), Workloads: scenario.workloads(), Steps: len(scenario.Steps), Coverage: Coverage{}, size: size,
	}
	p, err := prepare(ctx, scenario, scenario.Seed%size.thorough == 0, options, result.Coverage)
	if err != nil {
		return result, fmt.Errorf("preparing seed %d: %w", scenario.Seed, err)
	}
	err = p.play()
	if violation := (*invariant.Violation)(nil); errors.As(err, &violation) {
		result.Violation, err = violation, nil
	}
	if err != nil {
		return result, fmt.Errorf("playing seed %d: %w", scenario.Seed, err)
	}
	result.Virtual = p.fleet.Now().Sub(start)
	for _, f := range p.faults {
		if f.hit {
			result.Faults++
		}
	}
	if result.Writes, err = p.fleet.Revision(fleet.ControlPlaneName); err != nil {
		return result, err
	}
	result.Digest, err = p.fleet.Digest()
	return result, err
}

// start is the virtual time at which every run begins.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// play is one run of a scenario.
type play struct {
	ctx      context.Context
	scenario Scenario
	options  Options

	fleet      *simulator.Fleet
	members    map[string]*kube.Cluster
	plane      client.Client
	estimators *simulator.Estimators
	checker    *invariant.Checker
	injector   *injector
	faults     []*fault
	// healed: the time of faults is over.
	healed bool
}

func prepare(ctx context.Context, scenario Scenario, thorough bool, options Options, coverage Coverage) (*play, error) {
	f, err := simulator.New(ctx, simulator.Options{
		Start: start, Seed: scenario.Seed, Forget: true, Trusting: !thorough, Checked: thorough,
		QuotaEnforcement: scenario.EnforceQuotas, Kinds: options.Kinds,
	})
	if err != nil {
		return nil, err
	}
	p := &play{
		ctx: ctx, scenario: scenario, options: options, fleet: f, members: map[string]*kube.Cluster{},
		estimators: f.Estimators(packing.Options{Assumed: true}),
	}
	p.injector = &injector{random: rand.New(rand.NewPCG(scenario.Seed, 2)), now: f.Now, coverage: coverage, died: p.crash, fell: p.fall}
	if p.plane, err = f.Client(ctx, fleet.ControlPlaneName); err != nil {
		return nil, err
	}
	options.Invariants.QuotasEnforced = options.Invariants.QuotasEnforced || scenario.EnforceQuotas
	p.checker = invariant.Follow(f, options.Invariants)
	if err := f.Run(p.controllers()...); err != nil {
		return nil, err
	}
	for _, spec := range scenario.Clusters {
		if err := p.add(spec); err != nil {
			return nil, err
		}
	}
	for _, step := range scenario.Steps {
		f.After(step.At.Duration, func() error { return p.take(step) })
	}
	return p, nil
}

// add makes a member with nodes and pods, and joins it.
func (p *play) add(spec fleet.Spec) error {
	pool, err := poolOf(spec)
	if err != nil {
		return err
	}
	p.members[spec.Name], err = p.fleet.AddColumnar(p.ctx, spec, simulator.Columns{Timing: timingOf(spec), Pools: []kube.NodePool{pool}})
	if err != nil {
		return err
	}
	return p.fleet.Join(p.ctx, spec.Name)
}

// controllers are those of a process that starts, behind the injector.
func (p *play) controllers() []control.Controller {
	made := p.options.Controllers(p.scenario, estimators{p.estimators, p.injector})
	for i := range made {
		made[i] = p.injector.wrap(made[i])
	}
	return made
}

// crash ends the processes between two turns of the loop, and starts them again later.
func (p *play) crash(f *fault) {
	p.fleet.After(0, func() error { return p.fleet.Restart() })
	p.fleet.After(f.step.Delay.Duration+time.Millisecond, func() error {
		p.injector.dead = false
		return p.fleet.Restart(p.controllers()...)
	})
}

// play lets everything happen, heals what is broken, and waits until all is where it should be.
func (p *play) play() (err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = &invariant.Violation{Invariant: "panic", At: p.fleet.Now(), Message: fmt.Sprintf("%v\n%s", panicked, debug.Stack())}
		}
	}()
	if err := p.fleet.Pass(p.ctx, p.scenario.Duration.Duration); err != nil {
		return err
	}
	if err := p.heal(); err != nil {
		return err
	}
	if err := p.settle(); err != nil {
		return err
	}
	return p.checker.Scan(p.ctx)
}

// settle waits until all liveness invariants hold, and then goes on for a while in which they must stay so.
func (p *play) settle() error {
	deadline := p.fleet.Now().Add(p.options.Settling)
	var since time.Time
	for {
		if err := p.fleet.Pass(p.ctx, looks); err != nil {
			return err
		}
		violation := p.checker.Settled()
		now := p.fleet.Now()
		switch {
		case violation != nil && !now.Before(deadline):
			return violation
		case violation != nil:
			since = time.Time{}
		case since.IsZero():
			since = now
		case now.Sub(since) >= settled:
			return nil
		}
	}
}
