package scenario

import (
	"fmt"
	"strings"

	"github.com/seatrial/seatrial/simulator/report"
)

// setObjectives turns what is expected into what a report evaluates.
func (p *planner) setObjectives() {
	for i := range p.scenario.Expect {
		o := &p.scenario.Expect[i]
		made := report.Objective{
			Name: o.Name, Measure: report.Measure(o.Measure), From: o.From.Duration, Until: o.By.Duration,
			AtLeast: o.AtLeast.bound(), AtMost: o.AtMost.bound(), Quantile: o.Quantile.Value,
		}
		if o.Invariant != "" {
			none := 0.0
			made.Measure, made.AtMost = report.Invariant, &none
			if o.Invariant != "*" {
				made.Subject = o.Invariant
			}
		}
		if !o.At.empty() {
			made.From, made.Until = o.At.Duration, o.At.Duration
		}
		if s := o.Workloads; s != nil {
			made.Select = func(w report.Workload) bool { return s.matches(w.Namespace, w.Name, w.Labels) }
		}
		if made.Name == "" {
			made.Name = o.title()
		}
		p.plan.Objectives = append(p.plan.Objectives, made)
	}
}

func (a *Amount) bound() *float64 {
	if a.empty() {
		return nil
	}
	value := a.Value
	return &value
}

// title names an objective by what it says.
func (o *Objective) title() string {
	if o.Invariant == "*" {
		return "every invariant holds"
	}
	if o.Invariant != "" {
		return "invariant " + o.Invariant
	}
	parts := []string{string(o.Measure)}
	if !o.Quantile.empty() {
		parts = append(parts, o.Quantile.text)
	}
	if s := o.Workloads; s != nil {
		var of []string
		of = append(append(of, s.Names...), s.Namespaces...)
		for _, key := range sortedKeys(s.Labels) {
			of = append(of, key+"="+s.Labels[key])
		}
		parts = append(parts, "of "+strings.Join(of, ","))
	}
	for _, part := range []struct {
		word string
		text string
	}{{">=", o.AtLeast.text}, {"<=", o.AtMost.text}, {"from", o.From.text}, {"by", o.By.text}, {"at", o.At.text}} {
		if part.text != "" {
			parts = append(parts, fmt.Sprintf("%s %s", part.word, part.text))
		}
	}
	return strings.Join(parts, " ")
}
