package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/rebalance/drain"
)

// drainRun is one call of the command.
type drainRun struct {
	*deciding
	drain.Options
	timeout   time.Duration
	plane     client.Client
	out, told io.Writer
	// live says that told is a terminal: progress is shown while it is made.
	live bool
	// seen is how many workloads there were to move.
	seen map[string]bool
}

// lookAgain is the time between two looks at a cluster that is being drained.
const lookAgain = time.Second

// hiccups is how many looks in a row may fail: the API server of a control plane restarts now and then.
const hiccups = 15

func newDrainCommand() *cobra.Command {
	run := &drainRun{deciding: newDeciding(), Options: drain.Options{Moves: 20}, seen: map[string]bool{}}
	output, dryRun := outputText, false
	command := &cobra.Command{
		Use:   "drain NAME",
		Short: "Move all that runs in a cluster elsewhere, without loss",
		Long: `Cordon a cluster and move what the control plane propagates to it to other clusters. Each copy is held until its replacement is
ready elsewhere. What fits nowhere else stays, and moves once there is room.

The command waits until the cluster is empty. It fails when something stays: because nothing else has room within --timeout, its
scheduling is suspended, no policy claims it, or it tolerates the taint of cordoned clusters. What it began goes on when it is
interrupted, and a second call goes on from there; "seatrial uncordon" gives up what has not moved yet.

Jobs are waited for until their end. Namespaces and what else every member has stay. No feature gate is needed beyond GracefulEviction, which is on by default.`,
		Example: `  # What would move, and where
  seatrial drain member1 --dry-run

  seatrial drain member1 --timeout 30m

  # A few at a time, with at most 50 replicas more than usual in the fleet
  seatrial drain member1 --moves 5 --surge 50`,
		Args:              nameOfCluster,
		ValidArgsFunction: completeCluster(run.open),
		RunE: func(command *cobra.Command, args []string) error {
			plane, err := run.open()
			if err != nil {
				return err
			}
			run.Cluster, run.plane, run.out, run.told = args[0], plane, command.OutOrStdout(), command.ErrOrStderr()
			if run.Moves < 0 || run.Surge < 0 || run.timeout < 0 {
				return errors.New("--moves, --surge and --timeout must not be negative")
			}
			if dryRun {
				return run.rehearse(command.Context(), output)
			}
			return run.drain(command.Context(), output)
		},
	}
	run.addTo(command)
	flags := command.Flags()
	flags.BoolVar(&dryRun, "dry-run", false, "Tell what would move where, by the decisions of a scheduler with these flags, and change nothing")
	flags.IntVar(&run.Moves, "moves", run.Moves, "Workloads that move at once; 0 for all")
	flags.Int64Var(&run.Surge, "surge", 0, "Replicas that may run twice at once while they move; 0 for no bound. A larger workload moves alone")
	flags.DurationVar(&run.timeout, "timeout", 10*time.Minute, "How long to wait for the cluster to be empty; 0 for as long as it takes")
	output.addTo(command)
	return command
}

// drain works until the cluster is empty, nothing more will leave it, or the time is over.
func (r *drainRun) drain(ctx context.Context, output output) error {
	if _, err := drain.Cordon(ctx, r.plane, r.Cluster, false); err != nil {
		return err
	}
	if file, ok := r.told.(*os.File); ok {
		r.live = term.IsTerminal(int(file.Fd()))
	}
	if r.timeout > 0 {
		bounded, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("not empty within %s (see --timeout)", r.timeout))
		defer cancel()
		ctx = bounded
	}
	progress, ended := r.wait(ctx)
	r.clear()
	if progress.Cluster == "" {
		return ended
	}
	if output == outputJSON {
		if err := printJSON(r.out, r.outcome(progress)); err != nil {
			return err
		}
	} else if err := r.print(progress); err != nil {
		return err
	}
	if ended != nil {
		return fmt.Errorf("draining cluster %s: %w; it stays cordoned and moves under way go on: call drain again, or uncordon", r.Cluster, ended)
	}
	if !progress.Empty() {
		return fmt.Errorf("draining cluster %s: %d workloads stay there", r.Cluster, len(progress.Workloads))
	}
	return nil
}

// wait lets workloads leave step by step. The progress is that of the last look that succeeded.
func (r *drainRun) wait(ctx context.Context) (last drain.Progress, ended error) {
	ticker := time.NewTicker(lookAgain)
	defer ticker.Stop()
	for failed := 0; ; {
		progress, err := drain.Step(ctx, r.plane, r.Options)
		switch {
		case err == nil:
			failed, last = 0, progress
			for i := range progress.Workloads {
				r.seen[progress.Workloads[i].String()] = true
			}
			r.show(progress)
			if progress.Over() {
				return last, nil
			}
		case ctx.Err() == nil:
			if failed++; failed == hiccups {
				return last, err
			}
		}
		select {
		case <-ctx.Done():
			return last, interruption(ctx)
		case <-ticker.C:
		}
	}
}

// interruption is why a context ended, in words for users.
func interruption(ctx context.Context) error {
	if cause := context.Cause(ctx); !errors.Is(cause, context.Canceled) {
		return cause
	}
	return errors.New("interrupted")
}

// drainOutcome is what a drain came to.
type drainOutcome struct {
	drain.Progress
	// Moved counts the workloads that left during the call.
	Moved int `json:"moved"`
}

func (r *drainRun) outcome(progress drain.Progress) drainOutcome {
	return drainOutcome{Progress: progress, Moved: len(r.seen) - len(progress.Workloads)}
}

// show rewrites one line of a terminal.
func (r *drainRun) show(progress drain.Progress) {
	if !r.live {
		return
	}
	fmt.Fprintf(r.told, "\r\x1b[K%s: %d of %d workloads moved, %d moving, %d queued, %d without room elsewhere, %d stay, %d copies being removed",
		r.Cluster, r.outcome(progress).Moved, len(r.seen), progress.Count(drain.Moving), progress.Count(drain.Queued), progress.Count(drain.Stuck),
		progress.Count(drain.Stays), progress.Removing)
}

func (r *drainRun) clear() {
	if r.live {
		fmt.Fprint(r.told, "\r\x1b[K")
	}
}

func (r *drainRun) print(progress drain.Progress) error {
	moved := r.outcome(progress).Moved
	if progress.Empty() {
		_, err := fmt.Fprintf(r.out, "cluster %s drained: %d workloads moved\n", r.Cluster, moved)
		return err
	}
	fmt.Fprintf(r.out, "cluster %s: %d workloads moved, %d left, %d copies being removed\n", r.Cluster, moved, len(progress.Workloads), progress.Removing)
	if len(progress.Workloads) == 0 {
		return nil
	}
	table := newTable(r.out, "WORKLOAD", "REPLICAS", "STATE", "REASON")
	for i := range progress.Workloads {
		w := &progress.Workloads[i]
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", w, strconv.Itoa(int(w.Replicas)), w.State, w.Reason)
	}
	return table.Flush()
}
