package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/rebalance/drain"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
)

func printPlan(out io.Writer, plan rebalance.Plan) error {
	if len(plan.Waves) == 0 {
		fmt.Fprintln(out, "nothing to move")
		return printRest(out, plan)
	}
	moves := 0
	for _, wave := range plan.Waves {
		moves += len(wave.Moves)
	}
	fmt.Fprintf(out, "%d workloads move %d replicas in %d waves, with up to %d replicas twice at once", moves, plan.Replicas, len(plan.Waves), plan.Surge)
	if plan.Cost != nil {
		fmt.Fprintf(out, "; they then cost %+g", *plan.Cost)
	}
	fmt.Fprintln(out)
	if err := printMoves(out, plan.Waves, true); err != nil {
		return err
	}
	fmt.Fprintln(out)
	if err := printBalance(out, plan.Before, plan.After); err != nil {
		return err
	}
	return printRest(out, plan)
}

// printRest tells what stays, and what the plan does not know.
func printRest(out io.Writer, plan rebalance.Plan) error {
	if err := printSkipped(out, plan.Skipped); err != nil || len(plan.Doubts) == 0 {
		return err
	}
	fmt.Fprintln(out, "\nThe scheduler may know more, and divide otherwise:")
	for _, doubt := range plan.Doubts {
		fmt.Fprintf(out, "* %s: %s: %s\n", doubt.Cluster, roomIs(doubt.Kind), doubt.Reason)
	}
	return nil
}

func printMoves(out io.Writer, planned []rebalance.Wave, numbered bool) error {
	columns := []string{"WORKLOAD", "REPLICAS", "FROM", "TO"}
	if numbered {
		columns = append([]string{"WAVE"}, columns...)
	}
	table := newTable(out, columns...)
	for number, wave := range planned {
		for _, move := range wave.Moves {
			if numbered {
				fmt.Fprintf(table, "%d\t", number+1)
			}
			from, to := sidesOf(move.Shifts)
			fmt.Fprintf(table, "%s\t%d\t%s\t%s\n", move, move.Replicas, from, to)
		}
	}
	return table.Flush()
}

// sidesOf reads "member1:-2, member2:-1" and "member3:+3"; clusters of objects without replicas stand alone, and - for none.
func sidesOf(shifts []rebalance.Shift) (from, to string) {
	var gives, takes []string
	for _, shift := range shifts {
		text := shift.Cluster
		if shift.To != shift.From {
			text += fmt.Sprintf(":%+d", shift.To-shift.From)
		}
		if shift.To < shift.From || shift.Leaves {
			gives = append(gives, text)
		} else {
			takes = append(takes, text)
		}
	}
	side := func(parts []string) string {
		if len(parts) == 0 {
			return "-"
		}
		return strings.Join(parts, ", ")
	}
	return side(gives), side(takes)
}

func printBalance(out io.Writer, before, after rebalance.Balance) error {
	table := newTable(out, "CLUSTER", "USED", "THEN")
	for i, load := range before.Clusters {
		fmt.Fprintf(table, "%s\t%.1f %%\t%.1f %%\n", load.Cluster, 100*load.Used, 100*after.Clusters[i].Used)
	}
	fmt.Fprintf(table, "spread\t%.1f %%\t%.1f %%\n", 100*before.Spread, 100*after.Spread)
	return table.Flush()
}

func printSkipped(out io.Writer, skipped []rebalance.Skip) error {
	if len(skipped) == 0 {
		return nil
	}
	fmt.Fprintf(out, "\n%d workloads stay where they are:\n", len(skipped))
	table := newTable(out, "WORKLOAD", "REASON")
	for _, skip := range skipped {
		fmt.Fprintf(table, "%s\t%s\n", skip, skip.Reason)
	}
	return table.Flush()
}

// rehearse tells what a drain would move, and where, without changing anything.
func (r *drainRun) rehearse(ctx context.Context, output output) error {
	clusters, err := readFleet(ctx, r.plane)
	if err != nil {
		return err
	}
	options, done, err := r.options(ctx, clusters)
	if err != nil {
		return err
	}
	defer done()
	plan, err := r.evacuation(ctx, clusters, options)
	if err != nil {
		return err
	}
	if output == outputJSON {
		return printJSON(r.out, plan)
	}
	moves := 0
	for _, wave := range plan.Waves {
		moves += len(wave.Moves)
	}
	fmt.Fprintf(r.out, "would drain cluster %s (dry run): %d workloads move, %d stay\n", r.Cluster, moves, len(plan.Skipped))
	if moves > 0 {
		if err := printMoves(r.out, plan.Waves, false); err != nil {
			return err
		}
	}
	return printRest(r.out, plan)
}

// evacuation plans a drain: what cannot leave is skipped, as is what fits nowhere else.
func (r *drainRun) evacuation(ctx context.Context, clusters []*clusterv1alpha1.Cluster, options scheduler.Options) (rebalance.Plan, error) {
	clusters, known := slices.Clone(clusters), false
	for i, cluster := range clusters {
		if cluster.Name == r.Cluster {
			clusters[i], known = drain.AsCordoned(cluster), true
		}
	}
	if !known {
		return rebalance.Plan{}, fmt.Errorf("there is no cluster %s", r.Cluster)
	}
	progress, err := drain.Look(ctx, r.plane, r.Cluster)
	if err != nil {
		return rebalance.Plan{}, err
	}
	limits := rebalance.Options{Only: map[types.NamespacedName]bool{}, General: options.General}
	staying := map[types.NamespacedName]string{}
	for i := range progress.Workloads {
		if w := &progress.Workloads[i]; w.State == drain.Stays {
			staying[w.Binding()] = w.Reason
		} else {
			limits.Only[w.Binding()] = true
		}
	}
	bindings, err := binding.List(ctx, r.plane)
	if err != nil {
		return rebalance.Plan{}, err
	}
	plan, err := rebalance.Evacuate(ctx, placement.NewSnapshot(clusters), bindings, r.Cluster, options.Decide, limits)
	if err != nil {
		return rebalance.Plan{}, err
	}
	for _, bound := range bindings {
		if reason := staying[bound.NamespacedName()]; reason != "" {
			plan.Skipped = append(plan.Skipped, rebalance.Skip{Workload: rebalance.WorkloadOf(bound), Reason: reason})
		}
	}
	return plan, nil
}
