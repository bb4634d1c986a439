package report

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Text writes the report for a terminal: the verdict, the objectives, and the measures of the whole fleet.
func (r *Report) Text(w io.Writer) error {
	var out strings.Builder
	fmt.Fprintf(&out, "%s  seed %d  %s of virtual time\n%s\n", r.Scenario, r.Seed, span(r.Duration), r.Verdict())
	table := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	if len(r.Objectives) > 0 {
		fmt.Fprintf(table, "\n\tOBJECTIVE\tBOUND\tVALUE\tBROKEN\n")
	}
	for i := range r.Objectives {
		o := &r.Objectives[i]
		mark, why := "ok", ""
		if o.Breach != nil {
			mark, why = "FAIL", o.Breach.Why()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", mark, o.Name, o.Bound(), o.Measured(), why)
	}
	_ = table.Flush() // of a strings.Builder, which takes everything
	for _, v := range r.Violations {
		fmt.Fprintf(&out, "invariant %s violated at %s: %s\n", v.Invariant, span(v.At), v.Text)
	}
	out.WriteString("\n")
	for _, line := range r.facts() {
		fmt.Fprintf(table, "%s\t%s\n", line.name, line.text)
	}
	_ = table.Flush()
	return write(w, trimmed(out.String()))
}

// trimmed has no spaces at the ends of lines.
func trimmed(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

type fact struct{ name, text string }

// facts are the measures of the whole fleet in a few lines.
func (r *Report) facts() []fact {
	t, plane := &r.Total, &r.ControlPlane
	facts := []fact{
		{"workloads", fmt.Sprintf("%d with %d of %d replicas ready, %d pending", t.Workloads, t.Ready, t.Desired, t.Pending)},
		{"availability", fmt.Sprintf("%s, lowest of a workload %s", Ratio.Format(t.Availability), Ratio.Format(t.LowestAvailability))},
		{"below floor", fmt.Sprintf("%s, %s unavailable replica-seconds", span(t.SecondsBelowFloor), number(t.UnavailableReplicaSeconds))},
		{"recovery", quantileText(t.Recovery)},
		{"start-up", quantileText(t.Startup)},
		{"moves", fmt.Sprintf("%d, surge up to %d, %d evictions, %d pods lost", t.Moves, t.PeakSurge, t.Evictions, t.PodsLost)},
		{"over-commit", fmt.Sprintf("%s pod-seconds, up to %d replicas pending", number(t.OverCommitPodSeconds), t.PeakPending)},
		{"clusters", fmt.Sprintf("%d, utilisation %s, cost %s", len(r.Clusters), Ratio.Format(t.Utilisation), Money.Format(t.Cost))},
		{"control plane", fmt.Sprintf("%d decisions (%d without result), %d writes, queue P50 %s P99 %s", plane.Decisions, plane.FailedDecisions, plane.Writes, span(plane.QueueTime.P50), span(plane.QueueTime.P99))},
		{"work done", fmt.Sprintf("%d pod starts, %d reconciles%s", plane.PodStarts, plane.turns(), plane.byController())},
	}
	if t.Unrecovered > 0 {
		facts[3].text += fmt.Sprintf(", %d not over", t.Unrecovered)
	}
	return facts
}

// byController tells the turns of each controller, the busiest first.
func (c *ControlPlaneState) byController() string {
	busiest := slices.SortedFunc(slices.Values(c.Reconciles), func(a, b Turns) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Controller, b.Controller))
	})
	texts := make([]string, len(busiest))
	for i, of := range busiest {
		texts[i] = fmt.Sprintf("%s %d", of.Controller, of.Count)
	}
	if len(texts) == 0 {
		return ""
	}
	return ": " + strings.Join(texts, ", ")
}

func quantileText(q Quantiles) string {
	if q.Count == 0 {
		return "none"
	}
	return fmt.Sprintf("P50 %s  P90 %s  P99 %s  max %s  (%d)", span(q.P50), span(q.P90), span(q.P99), span(q.Max), q.Count)
}
