package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/fuzz"
)

// fuzzGarbagePercent lets the heap grow to several times what is in use before it is collected.
const fuzzGarbagePercent = 400

// fuzzing are the flags of "seatrial fuzz".
type fuzzing struct {
	seeds    uint64
	from     uint64
	duration time.Duration
	replay   string
	keep     string
	shrink   int
	parallel int
	covered  bool
	twice    bool
	state    string
	sizeName string
	output   output
	// options are those of each run; none from the command line.
	options fuzz.Options

	size        fuzz.Size
	controllers []string
}

func newFuzzCommand() *cobra.Command {
	options := &fuzzing{output: outputText}
	command := &cobra.Command{
		Use:   "fuzz",
		Short: "Run the controllers through random scenarios with random faults",
		Long: `Run the controllers of the control plane and the scheduler through random scenarios in the simulator: clusters, workloads and
policies change for half an hour of virtual time while clusters fail, networks break, API servers refuse and processes crash.
Invariants are judged after every write, and in the end all must be where it should be.

A seed stands for a scenario, and the same seed always gives the same history, however many run at once. A seed that fails is
shrunk to a small scenario, which is printed with the command that replays it; the exit code is then 1.`,
		Example: `  # 100 scenarios, on all cores
  seatrial fuzz --seeds 100

  # As many as fit into ten minutes, from another seed on
  seatrial fuzz --from 5000 --duration 10m

  # Many small scenarios; a run that is cut goes on where it was
  seatrial fuzz --size small --seeds 100000 --state small.json

  # One seed again, or a scenario that was shrunk
  seatrial fuzz --replay 5017
  seatrial fuzz --replay seed-5017.yaml`,
		Args: cobra.NoArgs,
		RunE: func(command *cobra.Command, _ []string) error {
			return options.run(command.Context(), command.OutOrStdout(), command.ErrOrStderr())
		},
	}
	flags := command.Flags()
	flags.Uint64Var(&options.seeds, "seeds", 10, "how many seeds to run; with --duration, 0 for as many as fit")
	flags.Uint64Var(&options.from, "from", 1, "the first seed")
	flags.DurationVar(&options.duration, "duration", 0, "begin no further seed after this time; 0 for no limit")
	flags.StringVar(&options.replay, "replay", "", "run one seed, or the scenario in a file, and no others")
	flags.StringVar(&options.keep, "keep", ".", "the folder for the scenarios of seeds that fail")
	flags.IntVar(&options.shrink, "shrink", 300, "how many runs a seed that fails may take to become a small scenario; 0 to leave it")
	flags.IntVar(&options.parallel, "parallel", runtime.GOMAXPROCS(0), "how many seeds run at once")
	flags.StringVar(&options.sizeName, "size", fuzz.Large, "how large the scenarios of seeds are: large, or small, of which dozens take as long")
	flags.StringVar(&options.state, "state", "", "a file that keeps what came of the seeds so far; what it says is not run again, and seeds that fail do not end the run")
	flags.BoolVar(&options.twice, "twice", false, "run each seed twice, and fail when the two have other histories")
	flags.BoolVar(&options.covered, "covered", false, "fail when a fault has not reached a controller that it can reach")
	options.output.addTo(command)
	command.PreRun = func(command *cobra.Command, _ []string) {
		if options.duration > 0 && !flags.Changed("seeds") {
			options.seeds = 0
		}
	}
	return command
}

func (o *fuzzing) run(ctx context.Context, out, progress io.Writer) error {
	if o.replay == "" && o.seeds == 0 && o.duration == 0 {
		return errors.New("--seeds is 0: give a number of seeds, or --duration")
	}
	if err := o.prepare(); err != nil {
		return err
	}
	// Runs make much garbage and keep little.
	defer debug.SetGCPercent(debug.SetGCPercent(fuzzGarbagePercent))
	found, err := o.begin()
	if err != nil {
		return err
	}
	if o.replay != "" {
		err = o.runOne(ctx, found)
	} else {
		err = o.runAll(ctx, found, progress)
	}
	if err != nil {
		return err
	}
	found.Uncovered = found.Coverage.Empty(o.controllers)
	if o.output == outputJSON {
		err = printJSON(out, found)
	} else {
		err = found.print(out, o.controllers)
	}
	switch {
	case err != nil:
		return err
	case found.Failure != nil:
		return fmt.Errorf("seed %d at commit %s: %w", found.Failure.Seed, found.Commit, found.Failure.Violation)
	case len(found.Failed) > 0:
		return fmt.Errorf("%d seeds failed; seed %d at commit %s: %w", len(found.Failed), found.Failed[0].Seed, found.Commit, found.Failed[0].Violation)
	case o.covered && len(found.Uncovered) > 0:
		return fmt.Errorf("faults that never met a controller they can meet: %s", strings.Join(found.Uncovered, ", "))
	}
	return nil
}

// prepare makes ready what all runs share.
func (o *fuzzing) prepare() (err error) {
	if o.size, err = fuzz.SizeOf(o.sizeName); err != nil {
		return fmt.Errorf("--size: %w", err)
	}
	if o.options.Kinds, err = simulator.NewKinds(); err != nil {
		return err
	}
	o.controllers = fuzz.ControllerNames()
	return nil
}

// begin is a new campaign, or the one in the state file as far as it came.
func (o *fuzzing) begin() (*campaign, error) {
	if o.state == "" || o.replay != "" {
		return newCampaign(o.sizeName, o.from), nil
	}
	return resumeCampaign(o.state, o.sizeName, o.from)
}

func (o *fuzzing) runOne(ctx context.Context, found *campaign) error {
	scenario, err := o.scenario()
	if err != nil {
		return err
	}
	result, err := fuzz.Run(ctx, scenario, o.options)
	if err != nil {
		return err
	}
	found.add(result)
	if result.Violation != nil {
		found.Failure = &fuzzFailure{Result: result, Scenario: scenario, Replay: "seatrial fuzz --replay " + o.replay}
	}
	return nil
}

// scenario is the one to replay: that of a seed, or of a file.
func (o *fuzzing) scenario() (fuzz.Scenario, error) {
	if seed, err := strconv.ParseUint(o.replay, 10, 64); err == nil {
		return o.generate(seed), nil
	}
	text, err := os.ReadFile(o.replay)
	if err != nil {
		return fuzz.Scenario{}, fmt.Errorf("--replay is neither a seed nor a file: %w", err)
	}
	return fuzz.Parse(text)
}

func (o *fuzzing) generate(seed uint64) fuzz.Scenario {
	return fuzz.Generate(seed, o.size, o.controllers)
}

// runAll runs seeds side by side until they are through, the time is up, or, without a state file, one fails. What is told is that of the seeds up to the
// smallest that failed: what larger ones came to that ran beside it depends on how many run at once, and does not count.
func (o *fuzzing) runAll(ctx context.Context, found *campaign, progress io.Writer) error {
	began := time.Now()
	shown := newFuzzProgress(progress, o.seeds, found.Seeds)
	defer shown.end()
	tally := newTally(o.from+found.Seeds, found)
	tally.onward = o.state != ""
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(max(o.parallel, 1))
	for seed := tally.next; o.seeds == 0 || seed < o.from+o.seeds; seed++ {
		if tally.failedBefore(seed) || running.Err() != nil || o.duration > 0 && time.Since(began) >= o.duration {
			break
		}
		group.Go(func() error {
			if tally.failedBefore(seed) {
				return nil
			}
			result, err := o.runSeed(running, seed)
			if err != nil {
				return err
			}
			return tally.enter(seed, result, func() error {
				shown.tell(found, time.Since(began))
				return o.save(found)
			})
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if o.state != "" {
		return found.writeTo(o.state)
	}
	if tally.failed == nil {
		return nil
	}
	return o.shrinkTo(ctx, found, *tally.failed)
}

// runSeed runs a seed, once or twice.
func (o *fuzzing) runSeed(ctx context.Context, seed uint64) (fuzz.Result, error) {
	result, err := fuzz.Run(ctx, o.generate(seed), o.options)
	if err != nil || !o.twice {
		return result, err
	}
	again, err := fuzz.Run(ctx, o.generate(seed), o.options)
	if err == nil && again.Digest != result.Digest {
		err = fmt.Errorf("seed %d has the digest %s, and run again %s", seed, result.Digest, again.Digest)
	}
	return result, err
}

// shrinkTo makes a small scenario of a seed that failed and keeps it in a file.
func (o *fuzzing) shrinkTo(ctx context.Context, found *campaign, failed fuzz.Result) error {
	scenario := o.generate(failed.Seed)
	result := failed
	if o.shrink > 0 {
		var err error
		if scenario, result, err = fuzz.Shrink(ctx, scenario, failed, o.options, o.shrink); err != nil {
			return fmt.Errorf("shrinking seed %d: %w", failed.Seed, err)
		}
	}
	text, err := scenario.YAML()
	if err != nil {
		return err
	}
	file := fmt.Sprintf("%s/seed-%d.yaml", o.keep, failed.Seed)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return fmt.Errorf("keeping the scenario of seed %d: %w", failed.Seed, err)
	}
	found.Failure = &fuzzFailure{Result: result, Scenario: scenario, Replay: "seatrial fuzz --replay " + file}
	return nil
}

// saveEvery is how many seeds a run that is cut may lose.
const saveEvery = 100

// save keeps what is known now and then.
func (o *fuzzing) save(found *campaign) error {
	if o.state == "" || found.Seeds%saveEvery != 0 {
		return nil
	}
	return found.writeTo(o.state)
}

// fuzzProgress shows how far a campaign is, where somebody looks at a terminal.
type fuzzProgress struct {
	to    io.Writer
	seeds uint64
	// known are those that need not be run.
	known uint64
}

func newFuzzProgress(to io.Writer, seeds, known uint64) *fuzzProgress {
	if file, ok := to.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		to = nil
	}
	return &fuzzProgress{to: to, seeds: seeds, known: known}
}

func (p *fuzzProgress) tell(c *campaign, passed time.Duration) {
	if p.to == nil {
		return
	}
	of := ""
	if p.seeds > 0 {
		left := time.Duration(float64(passed) / float64(c.Seeds-p.known) * float64(p.seeds-c.Seeds))
		of = fmt.Sprintf(" of %d, %s to go", p.seeds, left.Round(time.Second))
	}
	fmt.Fprintf(p.to, "\r\x1b[K%d seeds%s; %s of virtual time, %d failed", c.Seeds, of, c.Virtual.Round(time.Minute), len(c.Failed))
}

func (p *fuzzProgress) end() {
	if p.to != nil {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
