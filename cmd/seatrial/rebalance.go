package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/rebalance/waves"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// deciding are the flags of commands that make the decisions of the scheduler, and what follows from them.
type deciding struct {
	process   *component.Process
	decisions *component.Decisions
}

func newDeciding() *deciding {
	return &deciding{component.NewProcess("", ""), component.NewDecisions(nil)}
}

func (d *deciding) addTo(command *cobra.Command) {
	d.process.AddPlaneFlags(command.Flags())
	d.decisions.AddTo(command)
	acceptAlso(command.Flags(), "karmada-context", "context")
}

// open makes an administrator's client of the control plane.
func (d *deciding) open() (client.Client, error) {
	config, err := d.process.RESTConfig()
	if err != nil {
		return nil, err
	}
	return newClient(config)
}

// options are those of the scheduler that the flags describe. Done ends what they hold open.
func (d *deciding) options(ctx context.Context, clusters []*clusterv1alpha1.Cluster) (options scheduler.Options, done func(), err error) {
	// What went wrong with an estimator stands in the answer.
	klog.SetLogger(logr.Discard())
	if options, err = d.decisions.Options(); err != nil {
		return options, nil, err
	}
	estimators, err := connect(ctx, d.process, &d.decisions.Estimators, clusters)
	if err != nil || estimators == nil {
		return options, func() {}, err
	}
	options.Estimators = estimators
	return options, estimators.Close, nil
}

// rebalanceRun is one call of the command.
type rebalanceRun struct {
	*deciding
	limits    rebalance.Options
	surge     intstr.IntOrString
	timeout   time.Duration
	plane     client.Client
	out, told io.Writer
}

func newRebalanceCommand() *cobra.Command {
	run := &rebalanceRun{deciding: newDeciding(), limits: rebalance.Options{Moves: 10, Threshold: 0.1}}
	surge, planOnly := "25%", false
	output := outputText
	command := &cobra.Command{
		Use:   "rebalance",
		Short: "Move workloads to where their policies would place them now",
		Long: `Plan how workloads come to where they would be placed anew, print the plan, and carry it out. With --plan, nothing is changed.

A workload moves when at least --threshold of its replicas are in another place than its policy would put them now, as after a
failover or when clusters join. One that goes wherever there is room moves only if that makes the fleet more even.

Moves are made in waves. Within a wave new replicas are ready before old ones go, so each wave needs room for both; --moves and
--surge bound it. The next wave begins when all workloads of the last are healthy in their new places, and is planned by the state
the fleet is in then: a workload moves once, and none moves that the printed plan does not name. When the command is interrupted, the
wave under way is completed and no other begins.`,
		Example: `  # What would move, what it costs, and how even the fleet would be
  seatrial rebalance --plan

  # As data
  seatrial rebalance --plan -o json | jq '.waves[].moves[].name'

  # One workload after the other
  seatrial rebalance --moves 1`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			run.out, run.told = command.OutOrStdout(), command.ErrOrStderr()
			run.surge = intstr.Parse(surge)
			if err := run.check(surge); err != nil {
				return err
			}
			return run.do(command.Context(), planOnly, output)
		},
	}
	run.addTo(command)
	flags := command.Flags()
	flags.BoolVar(&planOnly, "plan", false, "Print the plan and change nothing")
	flags.IntVar(&run.limits.Moves, "moves", run.limits.Moves, "Workloads that move in a wave; 0 for no bound")
	flags.StringVar(&surge, "surge", surge, "Replicas that run twice at once during a wave, as a number or a part of all that can move; 0 for no bound")
	flags.Float64Var(&run.limits.Threshold, "threshold", run.limits.Threshold, "Part of its replicas, from 0 to 1, that a workload must have in the wrong place to be moved")
	flags.DurationVar(&run.timeout, "wave-timeout", 10*time.Minute, "How long to wait for the workloads of a wave to be healthy in their new places")
	output.addTo(command)
	return command
}

func (r *rebalanceRun) check(surge string) error {
	if value, err := intstr.GetScaledValueFromIntOrPercent(&r.surge, 100, true); err != nil || value < 0 {
		return fmt.Errorf("--surge %q: give a number of replicas, such as 20, or a part, such as 25%%", surge)
	}
	if r.limits.Moves < 0 || r.limits.Threshold < 0 || r.limits.Threshold > 1 || r.timeout <= 0 {
		return errors.New("--moves must not be negative, --threshold must be between 0 and 1, and --wave-timeout positive")
	}
	return nil
}

func (r *rebalanceRun) do(ctx context.Context, planOnly bool, output output) error {
	var err error
	if r.plane, err = r.open(); err != nil {
		return err
	}
	plan, err := r.planNow(ctx)
	if err != nil {
		return err
	}
	if output == outputJSON {
		err = printJSON(r.out, plan)
	} else {
		err = printPlan(r.out, plan)
	}
	if err != nil || planOnly {
		return err
	}
	return r.apply(ctx, plan)
}

// planNow plans by the state the control plane is in.
func (r *rebalanceRun) planNow(ctx context.Context) (rebalance.Plan, error) {
	clusters, err := readFleet(ctx, r.plane)
	if err != nil {
		return rebalance.Plan{}, err
	}
	bindings, err := binding.List(ctx, r.plane)
	if err != nil {
		return rebalance.Plan{}, err
	}
	options, done, err := r.options(ctx, clusters)
	if err != nil {
		return rebalance.Plan{}, err
	}
	defer done()
	limits := r.limits
	limits.General = options.General
	if limits.Surge, err = surgeOf(r.surge, bindings); err != nil {
		return rebalance.Plan{}, err
	}
	return rebalance.New(ctx, placement.NewSnapshot(clusters), bindings, options.Decide, limits)
}

// surgeOf is a number of replicas, of all that are divided among clusters where it is a part.
func surgeOf(surge intstr.IntOrString, bindings []binding.Binding) (int64, error) {
	all := 0
	for _, bound := range bindings {
		if eviction.Divided(bound.Spec) {
			all += int(bound.Spec.Replicas)
		}
	}
	value, err := intstr.GetScaledValueFromIntOrPercent(&surge, all, true)
	return int64(value), err
}

// apply carries out a plan wave by wave. Each wave is planned anew, since the fleet does not stand still; what may move is what the
// plan names and has not moved.
func (r *rebalanceRun) apply(ctx context.Context, plan rebalance.Plan) error {
	if len(plan.Waves) == 0 {
		return nil
	}
	r.limits.Only = map[types.NamespacedName]bool{}
	for _, wave := range plan.Waves {
		for i := range wave.Moves {
			r.limits.Only[wave.Moves[i].Binding()] = true
		}
	}
	name := fmt.Sprintf("rebalance-%d", time.Now().Unix())
	for number := 1; len(plan.Waves) > 0; number++ {
		wave := plan.Waves[0]
		progress, err := r.carryOut(ctx, fmt.Sprintf("%s-%d", name, number), wave)
		if err != nil {
			return fmt.Errorf("wave %d: %w", number, err)
		}
		fmt.Fprintf(r.told, "wave %d: %s\n", number, ended(progress))
		for i := range wave.Moves {
			delete(r.limits.Only, wave.Moves[i].Binding())
		}
		if len(r.limits.Only) == 0 {
			return nil
		}
		if plan, err = r.planNow(ctx); err != nil {
			return err
		}
	}
	return left(plan)
}

// ended tells what came of a wave that is over.
func ended(progress waves.Progress) string {
	text := fmt.Sprintf("%d workloads moved and healthy", progress.Settled)
	if gone := len(progress.Gone); gone > 0 {
		text += fmt.Sprintf(", %d deleted meanwhile: %s", gone, listed(progress.Gone))
	}
	return text
}

// left is an error about the workloads that were to move and do not any more, nil when the others are in place by now.
func left(plan rebalance.Plan) error {
	stay := make([]string, len(plan.Skipped))
	for i, skip := range plan.Skipped {
		stay[i] = fmt.Sprintf("%s (%s)", skip, skip.Reason)
	}
	if len(stay) == 0 {
		return nil
	}
	return fmt.Errorf("%d workloads of the plan stay where they are: %s", len(stay), strings.Join(few(stay), ", "))
}

// carryOut makes the moves of one wave and waits until all workloads that are still there are healthy.
func (r *rebalanceRun) carryOut(ctx context.Context, name string, wave rebalance.Wave) (progress waves.Progress, err error) {
	if err := waves.Begin(ctx, r.plane, name, wave); err != nil {
		return progress, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("not done within %s (see --wave-timeout)", r.timeout))
	defer cancel()
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	moving := make([]rebalance.Workload, len(wave.Moves))
	for failed := 0; ; {
		select {
		case <-ctx.Done():
			return progress, fmt.Errorf("%w; %d workloads are still moving, and no other wave begins: %s", interruption(ctx), len(moving), listed(moving))
		case <-ticker.C:
		}
		progress, err = waves.Look(ctx, r.plane, name, wave)
		switch {
		case err != nil && ctx.Err() == nil:
			if failed++; failed == hiccups {
				return progress, err
			}
		case err == nil:
			failed, moving = 0, progress.Moving
			if progress.Over() && len(progress.Failed) > 0 {
				return progress, fmt.Errorf("the control plane could not move %s", listed(progress.Failed))
			}
			if progress.Over() {
				return progress, nil
			}
		}
	}
}

// listed names the first few.
func listed(workloads []rebalance.Workload) string {
	names := make([]string, len(workloads))
	for i, w := range workloads {
		names[i] = w.String()
	}
	return strings.Join(few(names), ", ")
}

// few leaves the first of many, and tells how many more there are.
func few(all []string) []string {
	const most = 5
	if len(all) <= most {
		return all
	}
	return append(all[:most:most], fmt.Sprintf("and %d more", len(all)-most))
}
