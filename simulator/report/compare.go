package report

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Run is a report with what it is called beside others.
type Run struct {
	Name    string `json:"name"`
	*Report `json:"report"`
}

// Compare writes runs side by side: a line for each number, and how it differs from the first run.
func Compare(w io.Writer, runs []Run) error {
	var out strings.Builder
	var partial []string
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprint(table, "MEASURE")
	for _, run := range runs {
		fmt.Fprintf(table, "\t%s", run.Name)
		if run.Partial {
			partial = append(partial, run.Name)
		}
	}
	if len(partial) > 0 {
		fmt.Fprintf(&out, "partial: ended before their time: %s\n\n", strings.Join(partial, ", "))
	}
	fmt.Fprintln(table)
	for _, m := range metrics() {
		fmt.Fprint(table, m.name)
		for i, run := range runs {
			value := m.value(run.Report)
			text := m.unit.Format(value)
			if i > 0 {
				text += m.difference(m.value(runs[0].Report), value)
			}
			fmt.Fprintf(table, "\t%s", text)
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush() // of a strings.Builder, which takes everything
	return write(w, trimmed(out.String()))
}

// difference tells how a value differs from that of the first run; nothing when it does not.
func (m *metric) difference(first, value float64) string {
	switch change := value - first; {
	case round(change) == 0:
		return ""
	case change > 0:
		return " (+" + m.unit.Format(change) + ")"
	default:
		return " (-" + m.unit.Format(-change) + ")"
	}
}

// Interval is a mean over replications with its confidence interval.
type Interval struct {
	Measure string  `json:"measure"`
	Unit    Unit    `json:"unit"`
	Mean    float64 `json:"mean"`
	// Low and High bound the mean with the confidence that was asked for, by Student's t. They are the mean itself when all runs agree.
	Low  float64 `json:"low"`
	High float64 `json:"high"`
	// Min and Max over the runs.
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Replications are runs of one scenario with several seeds.
type Replications struct {
	// Name is what the runs are called.
	Name       string     `json:"name"`
	Scenario   string     `json:"scenario"`
	Runs       int        `json:"runs"`
	Confidence float64    `json:"confidence"`
	Intervals  []Interval `json:"intervals"`
	// Passed counts the runs that kept every objective, and Partial those that were ended before their time.
	Passed  int `json:"passed"`
	Partial int `json:"partial"`
	// Missing counts the runs that were asked for and are not among these: they had not ended when everything was.
	Missing int `json:"missing,omitempty"`
}

// Replicate sums up runs of one scenario, at least one. Confidence is that of the intervals, between 0 and 1, such as 0.95.
func Replicate(runs []Run, confidence float64) (*Replications, error) {
	if len(runs) == 0 {
		return nil, fmt.Errorf("summing up replications: there is no run")
	}
	if !(confidence > 0 && confidence < 1) {
		return nil, fmt.Errorf("summing up replications: confidence %v is not between 0 and 1; write one such as 0.95", confidence)
	}
	sum := &Replications{Name: runs[0].Name, Scenario: runs[0].Scenario, Runs: len(runs), Confidence: confidence}
	for _, r := range runs {
		if r.Passed {
			sum.Passed++
		}
		if r.Partial {
			sum.Partial++
		}
	}
	for _, m := range metrics() {
		values := make([]float64, len(runs))
		for i, r := range runs {
			values[i] = m.value(r.Report)
		}
		sum.Intervals = append(sum.Intervals, m.interval(values, confidence))
	}
	return sum, nil
}

func (m *metric) interval(values []float64, confidence float64) Interval {
	mean := stat.Mean(values, nil)
	lowest, highest := values[0], values[0]
	for _, value := range values {
		lowest, highest = min(lowest, value), max(highest, value)
	}
	margin := 0.0
	if len(values) > 1 {
		student := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: float64(len(values) - 1)}
		margin = float64(student.Quantile(0.5+confidence/2) * stat.StdErr(stat.StdDev(values, nil), float64(len(values))))
	}
	if math.IsNaN(margin) {
		margin = 0
	}
	return Interval{
		Measure: m.name, Unit: m.unit, Mean: round(mean), Low: round(mean - margin), High: round(mean + margin), Min: lowest, Max: highest,
	}
}

// Text writes replications for a terminal.
func (s *Replications) Text(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s\n\n", s.title())
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "MEASURE\tMEAN\t%s CONFIDENCE\tMIN\tMAX\n", Ratio.Format(s.Confidence))
	for _, i := range s.Intervals {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", i.Measure, i.Unit.Format(i.Mean), i.span(), i.Unit.Format(i.Min), i.Unit.Format(i.Max))
	}
	_ = table.Flush() // of a strings.Builder, which takes everything
	return write(w, trimmed(out.String()))
}

func (s *Replications) title() string {
	text := fmt.Sprintf("%s  %d runs, %d kept every objective", s.Name, s.Runs, s.Passed)
	if s.Partial > 0 {
		text += fmt.Sprintf(", partial: %d ended before their time", s.Partial)
	}
	if s.Missing > 0 {
		text += fmt.Sprintf(", partial: %d more had not ended", s.Missing)
	}
	return text
}

func (i *Interval) span() string { return i.Unit.Format(i.Low) + " .. " + i.Unit.Format(i.High) }

// CompareReplications writes replications side by side: a line for each measure, with the mean and its confidence interval.
func CompareReplications(w io.Writer, all []*Replications) error {
	var out strings.Builder
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(&out, "%s\n", s.title())
	}
	fmt.Fprint(table, "\nMEASURE")
	for _, s := range all {
		fmt.Fprintf(table, "\t%s\t%s", s.Name, Ratio.Format(s.Confidence))
	}
	fmt.Fprintln(table)
	for at, m := range metrics() {
		fmt.Fprint(table, m.name)
		for _, s := range all {
			interval := &s.Intervals[at]
			fmt.Fprintf(table, "\t%s\t%s", interval.Unit.Format(interval.Mean), interval.span())
		}
		fmt.Fprintln(table)
	}
	_ = table.Flush() // of a strings.Builder, which takes everything
	return write(w, trimmed(out.String()))
}
