package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/seatrial/seatrial/simulator/report"
)

// confidence of the intervals of replications.
const confidence = 0.95

// report writes the runs in the chosen form.
func (o *simulateOptions) report(out io.Writer, played []*play) error {
	var content bytes.Buffer
	if err := o.render(&content, played); err != nil {
		return err
	}
	if o.file == "" {
		_, err := out.Write(content.Bytes())
		return err
	}
	if err := os.WriteFile(o.file, content.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}

func (o *simulateOptions) render(out io.Writer, played []*play) error {
	if len(played) == 0 {
		return fmt.Errorf("there is nothing to report: it was ended before anything was played")
	}
	runs := make([]report.Run, len(played))
	for i, p := range played {
		runs[i] = report.Run{Name: p.name, Report: p.report}
	}
	switch o.form {
	case formJUnit:
		return report.JUnit(out, runs)
	case formOpenMetrics:
		return report.OpenMetrics(out, runs)
	case formCSV:
		return report.CSV(out, runs)
	}
	if o.replications > 1 {
		return o.renderReplications(out, played, runs)
	}
	switch {
	case o.form == formHTML:
		return report.HTML(out, runs, nil)
	case o.form == formJSON && o.beside():
		return printJSON(out, runs)
	case o.form == formJSON:
		return runs[0].JSON(out)
	case o.beside():
		return report.Compare(out, runs)
	}
	return runs[0].Text(out)
}

// beside tells whether variants stand side by side, be it that only one of them was played in the end.
func (o *simulateOptions) beside() bool { return len(o.vary) > 0 || len(o.compare) > 0 }

// renderReplications sums up the runs of each variant.
func (o *simulateOptions) renderReplications(out io.Writer, played []*play, runs []report.Run) error {
	var all []*report.Replications
	for from := 0; from < len(played); {
		to := from
		for to < len(played) && played[to].variant == played[from].variant {
			to++
		}
		sum, err := report.Replicate(runs[from:to], confidence)
		if err != nil {
			return err
		}
		sum.Missing = o.replications - sum.Runs
		all, from = append(all, sum), to
	}
	switch {
	case o.form == formHTML && o.beside():
		return report.HTML(out, seeded(runs), nil)
	case o.form == formHTML:
		return report.HTML(out, runs, all[0])
	case o.form == formJSON && o.beside():
		return printJSON(out, all)
	case o.form == formJSON:
		return printJSON(out, all[0])
	case o.beside():
		return report.CompareReplications(out, all)
	}
	return all[0].Text(out)
}

// seeded names runs by their seeds too.
func seeded(runs []report.Run) []report.Run {
	named := slices.Clone(runs)
	for i := range named {
		named[i].Name = fmt.Sprintf("%s seed %d", runs[i].Name, runs[i].Seed)
	}
	return named
}
