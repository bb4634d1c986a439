package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
	"golang.org/x/term"

	"github.com/seatrial/seatrial/simulator/fuzz"
)

// fuzzing are the flags of "seatrial fuzz".
type fuzzing struct {
	seeds    uint64
	from     uint64
	duration time.Duration
	replay   string
	keep     string
	shrink   int
	parallel int
	output   output
}

func newFuzzCommand() *cobra.Command {
	options := &fuzzing{output: outputText}
	command := &cobra.Command{
		Use:   "fuzz",
		Short: "Run the controllers through random scenarios with random faults",
		Long: `Run the controllers of the control plane and the scheduler through random scenarios in the simulator: clusters, workloads and
policies change for half an hour of virtual time while clusters fail, networks break, API servers refuse and processes crash.
Invariants are judged after every write, and in the end all must be where it should be.

A seed stands for a scenario, and the same seed always gives the same history. A seed that fails is shrunk to a small scenario,
which is printed with the command that replays it; the exit code is then 1.`,
		Example: `  # 100 scenarios, on all cores
  seatrial fuzz --seeds 100

  # As many as fit into ten minutes, from another seed on
  seatrial fuzz --from 5000 --duration 10m

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
	options.output.addTo(command)
	command.PreRun = func(command *cobra.Command, _ []string) {
		if options.duration > 0 && !flags.Changed("seeds") {
			options.seeds = 0
		}
	}
	return command
}

// campaign is what came of all seeds.
type campaign struct {
	Seeds    uint64        `json:"seeds"`
	Faults   int           `json:"faults"`
	Writes   uint64        `json:"writes"`
	Virtual  time.Duration `json:"virtual"`
	Coverage fuzz.Coverage `json:"coverage"`
	Uncover  []string      `json:"uncovered,omitempty"`
	Failure  *fuzzFailure  `json:"failure,omitempty"`
}

// fuzzFailure is one seed that failed.
type fuzzFailure struct {
	fuzz.Result
	Scenario fuzz.Scenario `json:"scenario"`
	Replay   string        `json:"replay"`
}

func (o *fuzzing) run(ctx context.Context, out, progress io.Writer) error {
	if o.replay == "" && o.seeds == 0 && o.duration == 0 {
		return errors.New("--seeds is 0: give a number of seeds, or --duration")
	}
	found := &campaign{Coverage: fuzz.Coverage{}}
	var err error
	if o.replay != "" {
		err = o.runOne(ctx, found)
	} else {
		err = o.runAll(ctx, found, progress)
	}
	if err != nil {
		return err
	}
	found.Uncover = found.Coverage.Empty(fuzz.ControllerNames())
	if o.output == outputJSON {
		err = printJSON(out, found)
	} else {
		err = found.print(out)
	}
	if err == nil && found.Failure != nil {
		err = fmt.Errorf("seed %d: %w", found.Failure.Seed, found.Failure.Violation)
	}
	return err
}

func (o *fuzzing) runOne(ctx context.Context, found *campaign) error {
	scenario, err := o.scenario()
	if err != nil {
		return err
	}
	result, err := fuzz.Run(ctx, scenario, fuzz.Options{})
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
		return fuzz.Generate(seed, fuzz.ControllerNames()), nil
	}
	text, err := os.ReadFile(o.replay)
	if err != nil {
		return fuzz.Scenario{}, fmt.Errorf("--replay is neither a seed nor a file: %w", err)
	}
	return fuzz.Parse(text)
}

// runAll runs seeds side by side until they are through, the time is up, or one fails. The failure told is that of the smallest
// seed that failed by then.
func (o *fuzzing) runAll(ctx context.Context, found *campaign, progress io.Writer) error {
	var mu sync.Mutex
	var failed *fuzz.Result
	began := time.Now()
	shown := newFuzzProgress(progress, o.seeds)
	defer shown.end()
	group, running := errgroup.WithContext(ctx)
	group.SetLimit(max(o.parallel, 1))
	stop := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return failed != nil || running.Err() != nil || o.duration > 0 && time.Since(began) >= o.duration
	}
	for seed := o.from; (o.seeds == 0 || seed < o.from+o.seeds) && !stop(); seed++ {
		group.Go(func() error {
			if stop() {
				return nil
			}
			result, err := fuzz.Run(running, fuzz.Generate(seed, fuzz.ControllerNames()), fuzz.Options{})
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			found.add(result)
			shown.tell(found, time.Since(began))
			if result.Violation != nil && (failed == nil || result.Seed < failed.Seed) {
				failed = &result
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if failed == nil {
		return nil
	}
	return o.shrinkTo(ctx, found, *failed)
}

// shrinkTo makes a small scenario of a seed that failed and keeps it in a file.
func (o *fuzzing) shrinkTo(ctx context.Context, found *campaign, failed fuzz.Result) error {
	scenario := fuzz.Generate(failed.Seed, fuzz.ControllerNames())
	result := failed
	if o.shrink > 0 {
		var err error
		if scenario, result, err = fuzz.Shrink(ctx, scenario, failed, fuzz.Options{}, o.shrink); err != nil {
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

func (c *campaign) add(result fuzz.Result) {
	c.Seeds++
	c.Faults += result.Faults
	c.Writes += result.Writes
	c.Virtual += result.Virtual
	c.Coverage.Merge(result.Coverage)
}

func (c *campaign) print(out io.Writer) error {
	if c.Failure != nil {
		text, err := c.Failure.Scenario.YAML()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s\nSeed %d breaks it, in %d steps:\n\n  %s\n\n", text, c.Failure.Seed, c.Failure.Steps, c.Failure.Replay)
		return nil
	}
	fmt.Fprintf(out, "%d seeds held: %s of virtual time, %d faults that took effect, %d writes of the control planes.\n\n",
		c.Seeds, c.Virtual.Round(time.Minute), c.Faults, c.Writes)
	fmt.Fprintln(out, "Turns of controllers that each fault reached:")
	if err := c.Coverage.Print(out, fuzz.ControllerNames()); err != nil {
		return err
	}
	for _, cell := range c.Uncover {
		fmt.Fprintf(out, "never met: %s\n", cell)
	}
	return nil
}

// fuzzProgress shows how far a campaign is, where somebody looks at a terminal.
type fuzzProgress struct {
	to    io.Writer
	seeds uint64
}

func newFuzzProgress(to io.Writer, seeds uint64) *fuzzProgress {
	if file, ok := to.(*os.File); !ok || !term.IsTerminal(int(file.Fd())) {
		to = nil
	}
	return &fuzzProgress{to: to, seeds: seeds}
}

func (p *fuzzProgress) tell(c *campaign, passed time.Duration) {
	if p.to == nil {
		return
	}
	of := ""
	if p.seeds > 0 {
		left := time.Duration(float64(passed) / float64(c.Seeds) * float64(p.seeds-c.Seeds))
		of = fmt.Sprintf(" of %d, %s to go", p.seeds, left.Round(time.Second))
	}
	fmt.Fprintf(p.to, "\r\x1b[K%d seeds%s; %s of virtual time, %.0f times as fast as real time", c.Seeds, of,
		c.Virtual.Round(time.Minute), float64(c.Virtual)/float64(passed))
}

func (p *fuzzProgress) end() {
	if p.to != nil {
		fmt.Fprint(p.to, "\r\x1b[K")
	}
}
