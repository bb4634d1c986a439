package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/run"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// play is one run that is to be, and its report when it has been.
type play struct {
	name string
	// variant counts the scenarios that stand side by side; the replications of one share it.
	variant  int
	read     *scenario.Scenario
	seed     uint64
	duration time.Duration
	// plan of the first replication, which is made to check it. The others are made when they are played: a hundred plans of a
	// large fleet are more than fits.
	plan   *scenario.Plan
	report *report.Report
}

// plays are the runs that the flags ask for.
func (o *simulateOptions) plays(command *cobra.Command, name string) ([]*play, error) {
	var plays []*play
	variant := 0
	for _, name := range append([]string{name}, o.compare...) {
		read, err := readScenario(name)
		if err != nil {
			return nil, err
		}
		varied, err := o.variations(read)
		if err != nil {
			return nil, err
		}
		for _, v := range varied {
			title := strings.TrimSpace(read.Metadata.Name + " " + v.title)
			if len(o.vary) > 0 && len(o.compare) == 0 {
				title = v.title
			}
			seed := v.read.Seed
			if command.Flags().Changed("seed") {
				seed = o.seed
			}
			made, err := o.replicate(title, variant, v.read, seed)
			if err != nil {
				return nil, err
			}
			plays = append(plays, made...)
			variant++
		}
	}
	return plays, nil
}

// replicate makes the runs of one scenario, each with a seed of its own.
func (o *simulateOptions) replicate(title string, variant int, read *scenario.Scenario, seed uint64) ([]*play, error) {
	if o.duration > read.Duration.Duration {
		longer, err := read.Set("duration", o.duration.String())
		if err != nil {
			return nil, fmt.Errorf("--duration: %w", err)
		}
		read = longer
	}
	plays := make([]*play, o.replications)
	for n := range plays {
		plays[n] = &play{name: title, variant: variant, read: read, seed: seed + uint64(n), duration: read.Duration.Duration}
		if o.duration > 0 {
			plays[n].duration = o.duration
		}
	}
	var err error
	plays[0].plan, err = plays[0].prepare()
	return plays, err
}

// prepare makes the plan of a run.
func (p *play) prepare() (*scenario.Plan, error) {
	if p.plan != nil {
		return p.plan, nil
	}
	plan, err := p.read.Plan(p.seed)
	if err == nil {
		plan.Duration = min(plan.Duration, p.duration)
	}
	return plan, err
}

// variation is a scenario with some fields changed.
type variation struct {
	title string
	read  *scenario.Scenario
}

// variations are all combinations of what --vary gives.
func (o *simulateOptions) variations(read *scenario.Scenario) ([]variation, error) {
	all := []variation{{read: read}}
	for _, text := range o.vary {
		by, err := scenario.ParseVariation(text)
		if err != nil {
			return nil, fmt.Errorf("--vary: %w", err)
		}
		var next []variation
		for _, v := range all {
			for _, value := range by.Values {
				changed, err := v.read.Set(by.Path, value)
				if err != nil {
					return nil, fmt.Errorf("--vary: %w", err)
				}
				next = append(next, variation{strings.TrimSpace(v.title + " " + by.Path + "=" + value), changed})
			}
		}
		all = next
	}
	return all, nil
}

// playAll plays as many at once as there are processors, and returns those that have been played. When the context ends, those under
// way have partial reports, and those that have not begun have none. Of replications only whole ones are taken then, where a variant
// has any: a mean over runs of different lengths would be none.
func (o *simulateOptions) playAll(ctx context.Context, plays []*play) ([]*play, error) {
	teller := newTeller(o.progress, plays)
	defer teller.end()
	err := concurrently(plays, func(i int) error {
		if ctx.Err() != nil {
			return nil
		}
		plan, err := plays[i].prepare()
		if err != nil {
			return err
		}
		plays[i].plan = nil
		beside, end := func(work func()) { work() }, func() {}
		if len(plays) == 1 {
			beside, end = helper()
		}
		defer end()
		result, err := run.Run(ctx, plan, run.Options{Beside: beside, Progress: func(passed time.Duration) { teller.tell(i, passed) }})
		if err != nil {
			if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
				return nil // before any time had passed
			}
			return err
		}
		plays[i].report = result.Report
		return nil
	})
	if err != nil {
		return nil, err
	}
	whole := map[int]bool{}
	for _, p := range plays {
		if p.report != nil && !p.report.Partial {
			whole[p.variant] = true
		}
	}
	return slices.DeleteFunc(slices.Clone(plays), func(p *play) bool {
		return p.report == nil || o.replications > 1 && whole[p.variant] && p.report.Partial && ctx.Err() != nil
	}), nil
}
