package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/cli"
	"github.com/seatrial/seatrial/simulator/run"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// Forms of a report.
const (
	formText        reportForm = "text"
	formJSON        reportForm = "json"
	formJUnit       reportForm = "junit"
	formOpenMetrics reportForm = "openmetrics"
	formCSV         reportForm = "csv"
	formHTML        reportForm = "html"
)

// reportForm is a form of a report; it implements pflag.Value.
type reportForm string

func reportForms() []string {
	return []string{string(formText), string(formJSON), string(formJUnit), string(formOpenMetrics), string(formCSV), string(formHTML)}
}

func (f *reportForm) String() string { return string(*f) }
func (f *reportForm) Type() string   { return "format" }

// Set refuses forms that do not exist.
func (f *reportForm) Set(text string) error {
	if !slices.Contains(reportForms(), text) {
		return fmt.Errorf("use one of %s", strings.Join(reportForms(), ", "))
	}
	*f = reportForm(text)
	return nil
}

// exitError ends the process with a code of its own.
type exitError struct {
	error
	code int
}

func (e exitError) Unwrap() error { return e.error }

// badInput is what a user has to mend.
func badInput(err error) error {
	if err == nil {
		return nil
	}
	return exitError{err, 2}
}

// exitCode is what the process ends with after an error.
func exitCode(err error) int {
	var exit exitError
	if errors.As(err, &exit) {
		return exit.code
	}
	var failure *cli.Failure
	if errors.As(err, &failure) {
		return failure.Code
	}
	return 1
}

// simulateOptions are the flags of seatrial simulate.
type simulateOptions struct {
	seed           uint64
	duration       time.Duration
	form           reportForm
	file           string
	compare        []string
	vary           []string
	replications   int
	list, validate bool
	force          bool

	progress io.Writer
}

func newSimulateCommand() *cobra.Command {
	options := &simulateOptions{form: formText}
	command := &cobra.Command{
		Use:   "simulate FILE|NAME",
		Short: "Play a scenario on a simulated fleet and report what users would have felt",
		Long: `Run the controllers and the scheduler of a control plane on a virtual clock against simulated clusters, let happen what the
scenario says, and report what the users of its workloads would have felt. The same scenario and seed give the same report.

The scenario is a file, or the name of one that comes with the program. Nothing is installed and no cluster is touched.
Interrupted, it reports what has happened so far, marked as partial; interrupted again, it ends at once.

It ends with code 1 when an objective is not kept, and with 2 when the scenario or a flag is wrong.`,
		Example: `  # What there is to play
  seatrial simulate --list

  # The loss of a zone, as text and as a page to look at
  seatrial simulate zone-loss
  seatrial simulate zone-loss -o html --output-file zone-loss.html

  # Side by side: how long silent nodes count as ready
  seatrial simulate zone-loss --vary settings.members.nodeGracePeriod=20s,50s,2m

  # Means with confidence intervals over 20 seeds, of one setting and of two
  seatrial simulate my-scenario.yaml --replications 20
  seatrial simulate my-scenario.yaml --replications 20 --vary settings.eviction.rate=0.5,50

  # Objectives as tests of a CI job
  seatrial simulate my-scenario.yaml -o junit --output-file report.xml`,
		Args:              func(_ *cobra.Command, args []string) error { return badInput(options.checkArgs(args)) },
		ValidArgsFunction: scenarioNames,
		RunE: func(command *cobra.Command, args []string) error {
			options.progress = command.ErrOrStderr()
			if options.list {
				return listScenarios(command.OutOrStdout())
			}
			return options.run(command, args[0])
		},
	}
	command.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return badInput(err) })
	options.addFlags(command)
	return command
}

func (o *simulateOptions) addFlags(command *cobra.Command) {
	flags := command.Flags()
	flags.Uint64Var(&o.seed, "seed", 0, "What chance is drawn from; that of the scenario unless given")
	flags.DurationVar(&o.duration, "duration", 0, "Virtual time to play; that of the scenario unless given")
	flags.VarP(&o.form, "output", "o", "Output format: "+strings.Join(reportForms(), ", "))
	flags.StringVar(&o.file, "output-file", "", "Write the report to this file instead of the standard output")
	flags.StringSliceVar(&o.compare, "compare", nil, "Another scenario to play beside this one")
	flags.StringArrayVar(&o.vary, "vary", nil, "Play once for each value of a field: FIELD=VALUE,VALUE...")
	flags.IntVar(&o.replications, "replications", 1, "Play so many times, each with a seed of its own, and report means with their confidence intervals")
	flags.BoolVar(&o.list, "list", false, "List the scenarios that come with the program")
	flags.BoolVar(&o.validate, "validate", false, "Check the scenario, and play nothing")
	flags.BoolVar(&o.force, "force", false, "Play a scenario also when something that it requires is missing")
	// These fail only for flags that do not exist.
	_ = command.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(reportForms(), cobra.ShellCompDirectiveNoFileComp))
	_ = command.RegisterFlagCompletionFunc("compare", scenarioNames)
}

func (o *simulateOptions) checkArgs(args []string) error {
	switch {
	case o.list && len(args) > 0:
		return fmt.Errorf("--list takes no scenario")
	case !o.list && len(args) != 1:
		return fmt.Errorf("give one scenario: a file, or a name that seatrial simulate --list shows")
	case o.replications < 1:
		return fmt.Errorf("--replications: play at least once, not %d times", o.replications)
	case o.duration < 0:
		return fmt.Errorf("--duration: %s is below 0", o.duration)
	}
	return nil
}

// scenarioNames completes names of the library beside files.
func scenarioNames(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return scenario.Library(), cobra.ShellCompDirectiveDefault
}

// listScenarios tells what the library has and what each scenario waits for.
func listScenarios(out io.Writer) error {
	table := newTable(out, "NAME", "DURATION", "STATUS")
	for _, name := range scenario.Library() {
		read, _, err := scenario.FromLibrary(name)
		if err != nil {
			return err
		}
		plan, err := read.Plan(read.Seed)
		if err != nil {
			return err
		}
		status := "ready"
		if missing := run.Missing(plan); len(missing) > 0 {
			status = "skipped: needs " + strings.Join(missing, ", ")
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", name, plan.Duration, status)
	}
	return table.Flush()
}

// readScenario reads a file, or a scenario of the library where there is no such file.
func readScenario(name string) (*scenario.Scenario, error) {
	content, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) && !strings.ContainsAny(name, `/\.`) {
		read, _, err := scenario.FromLibrary(name)
		return read, err
	}
	if err != nil {
		return nil, fmt.Errorf("reading the scenario: %w", err)
	}
	return scenario.Load(name, content, os.DirFS(filepath.Dir(name)))
}

// run plays one scenario, or several side by side, and reports.
func (o *simulateOptions) run(command *cobra.Command, name string) error {
	plays, err := o.plays(command, name)
	if err != nil {
		return badInput(err)
	}
	if o.validate {
		for _, p := range plays {
			if p.plan != nil {
				fmt.Fprintf(command.OutOrStdout(), "%s is valid: %d clusters, %d objects, %d actions in %s\n",
					p.name, len(p.plan.Clusters), len(p.plan.Objects), len(p.plan.Actions), p.plan.Duration)
			}
		}
		return nil
	}
	if !o.force {
		for _, p := range plays {
			if p.plan == nil {
				continue
			}
			if missing := run.Missing(p.plan); len(missing) > 0 {
				fmt.Fprintf(command.OutOrStdout(), "%s is skipped: it needs %s, which there is not yet. --force plays it all the same.\n",
					p.name, strings.Join(missing, ", "))
				return nil
			}
		}
	}
	tended, done := context.WithCancel(command.Context())
	defer done()
	go tendHeap(tended)
	played, err := o.playAll(command.Context(), plays)
	if err != nil {
		return err
	}
	if err := o.report(command.OutOrStdout(), played); err != nil {
		return err
	}
	return verdict(plays, played)
}

// verdict is an error unless every run has kept its objectives to its end.
func verdict(plays []*play, played []*play) error {
	for _, p := range played {
		switch r := p.report; {
		case !r.Passed:
			return fmt.Errorf("%s: %s", p.name, r.Verdict())
		case r.Partial:
			return fmt.Errorf("%s: ended before its time", p.name)
		}
	}
	if len(played) < len(plays) {
		return fmt.Errorf("ended before its time, with %d of %d runs", len(played), len(plays))
	}
	return nil
}
