package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/seatrial/seatrial/simulator/report"
)

func index(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// verbs are the fields of an event that say what happens, by name, in the order of the type.
func (e *Event) verbs() (names []string, given []string) {
	v := reflect.ValueOf(e).Elem()
	for _, field := range fieldsOf(v.Type()) {
		if field.Type.Kind() != reflect.Pointer || field.Type == reflect.TypeFor[*Distribution]() {
			continue
		}
		names = append(names, nameOf(field))
		if !v.FieldByIndex(field.Index).IsNil() {
			given = append(given, nameOf(field))
		}
	}
	return names, given
}

// undone are the verbs that something can undo, by which verb.
func undone() map[string]Verb {
	return map[string]Verb{
		"fail": Heal, "pause": Heal, "partition": Heal, "taint": Untaint, "failNodes": HealNodes, "cordon": Uncordon, "drain": Uncordon,
		"taintNodes": UntaintNodes, "slowAPI": SlowAPIEnd, "disturb": DisturbEnd, "estimator": EstimatorEnd, "crash": Restart,
	}
}

func (p *problems) event(s *Scenario, field string, e *Event) {
	names, given := e.verbs()
	switch {
	case len(given) == 0:
		p.add(field, "add one of "+strings.Join(names, ", "), "nothing happens")
		return
	case len(given) > 1:
		p.add(field, "write an event for each", "%s happen at once", strings.Join(given, " and "))
		return
	}
	p.repetition(s, field, e)
	if _, ok := undone()[given[0]]; !ok && !e.For.empty() {
		p.add(field+".for", "remove it", "%s lasts for good", given[0])
	}
	p.picks(reflect.ValueOf(e).Elem(), field)
	switch {
	case e.AddCluster != nil:
		p.clusterGroup(field+".addCluster", e.AddCluster)
	case e.Apply != nil:
		p.manifest(s, field+".apply", e.Apply)
		if !e.Apply.At.empty() {
			p.add(field+".apply.at", "write at beside apply", "the time is that of the event")
		}
	case e.Scale != nil:
		p.scale(field+".scale", e.Scale)
	case e.Disturb != nil:
		p.disturbance(field+".disturb", e.Disturb)
	case e.Estimator != nil && s.Settings.Estimator.Source != byNodes:
		p.add(field+".estimator", "add settings.estimator.source: Nodes", "nobody is asked for estimates")
	case e.Estimator != nil && (e.Estimator.Fault == EstimateWrong) != (e.Estimator.Factor != 0):
		p.add(field+".estimator.factor", "write a factor with fault: Wrong, and only there", "factor and fault do not fit")
	}
}

func (p *problems) repetition(s *Scenario, field string, e *Event) {
	p.span(field+".between", e.Between)
	p.span(field+".jitter", e.Jitter)
	repeated := !e.Every.empty() || e.Between != nil
	switch {
	case !e.Every.empty() && e.Between != nil:
		p.add(field, "keep one of every and between", "it has both every and between")
	case !e.Every.empty() && e.Every.err == nil && e.Every.Duration < second:
		p.add(field+".every", "write at least 1s", "%s is too often", e.Every.text)
	case !repeated && (e.Times > 0 || !e.Until.empty()):
		p.add(field, "add every or between", "times and until repeat nothing")
	}
	if s.Duration.err == nil && e.At.Duration > s.Duration.Duration {
		p.add(field+".at", "write a time within the duration of "+s.Duration.text, "%s is after the end", e.At.text)
	}
}

// picks checks every selection by chance in an event.
func (p *problems) picks(v reflect.Value, field string) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p.picks(v.Elem(), field)
		}
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			if f.Name == "Pick" {
				p.pick(field+".pick", v.FieldByIndex(f.Index).Addr().Interface().(*Amount))
				continue
			}
			p.picks(v.FieldByIndex(f.Index), join(field, nameOf(f)))
		}
	}
}

func (p *problems) scale(field string, s *Scale) {
	ways := 0
	for _, given := range []bool{s.To != nil, s.By != 0, s.Factor != 0} {
		if given {
			ways++
		}
	}
	if ways != 1 {
		p.add(field, "write one of to, by and factor", "it has %d of to, by and factor", ways)
	}
}

func (p *problems) disturbance(field string, d *Disturbance) {
	if !d.Rate.empty() && (d.Rate.Unit == Span || d.Rate.Value > 1) {
		p.add(field+".rate", "write a part such as 1%", "%s is no rate", d.Rate.text)
	}
	delayed := d.Fault == DelayWatch || d.Fault == StaleReads || d.Fault == ClockSkew
	if delayed == d.Delay.empty() {
		p.add(field+".delay", "write a delay with DelayWatch, StaleReads and ClockSkew, and only there", "delay and fault do not fit")
	}
}

func (p *problems) objective(s *Scenario, field string, o *Objective) {
	measure := report.Measure(o.Measure)
	switch {
	case o.Measure == "" && o.Invariant == "":
		p.add(field, "add a measure, or an invariant", "it expects nothing")
		return
	case o.Invariant != "":
		if o.Measure != "" || !o.AtLeast.empty() || !o.AtMost.empty() {
			p.add(field, "keep the invariant alone: it must never be violated", "an invariant has no measure and no bounds")
		}
		return
	case measure.Unit() == "":
		return // told as an unknown word
	}
	if o.AtLeast.empty() && o.AtMost.empty() {
		p.add(field, "add atLeast or atMost", "%s has no bound", o.Measure)
	}
	p.bound(field+".atLeast", measure, &o.AtLeast)
	p.bound(field+".atMost", measure, &o.AtMost)
	windowed := !o.From.empty() || !o.By.empty() || !o.At.empty()
	if !measure.OfWorkloads() && (windowed || o.Workloads != nil) {
		p.add(field, "remove workloads, from, by and at", "%s is taken of the whole run", o.Measure)
	}
	if !o.At.empty() && (!o.From.empty() || !o.By.empty()) {
		p.add(field+".at", "keep at, or from and by", "one moment has no window")
	}
	if !o.At.empty() && !slices.Contains(momentary(), measure) {
		p.add(field+".at", "write from and by", "%s is not taken at one moment", o.Measure)
	}
	if o.By.Duration > 0 && o.By.Duration < o.From.Duration {
		p.add(field+".by", "write a time after from", "it ends before it begins")
	}
	for _, time := range []struct {
		name  string
		value *Duration
	}{{"from", &o.From}, {"by", &o.By}, {"at", &o.At}} {
		if s.Duration.err == nil && time.value.Duration > s.Duration.Duration {
			p.add(join(field, time.name), "write a time within the duration of "+s.Duration.text, "%s is after the end", time.value.text)
		}
	}
	if !o.Quantile.empty() && (!measure.Quantile() || o.Quantile.Unit == Span || o.Quantile.Value > 1 || o.Quantile.Value == 0) {
		p.add(field+".quantile", "write a part such as 99% with "+quantiled(), "%s is no quantile of %s", o.Quantile.text, o.Measure)
	}
	if o.Workloads != nil && !o.Workloads.Pick.empty() {
		p.add(field+".workloads.pick", "remove it", "objectives hold for all that they select")
	}
}

// momentary are the measures that exist at one moment.
func momentary() []report.Measure {
	return []report.Measure{report.LowestAvailability, report.Pending, report.Surge, report.Lost}
}

func quantiled() string {
	var names []string
	for _, measure := range report.Measures() {
		if measure.Quantile() {
			names = append(names, string(measure))
		}
	}
	return strings.Join(names, ", ")
}

func (p *problems) bound(field string, measure report.Measure, bound *Amount) {
	if bound.empty() || bound.err != nil {
		return
	}
	unit := measure.Unit()
	switch {
	case unit == report.Ratio && (bound.Unit == Span || bound.Value > 1):
		p.add(field, "write a part such as 99.9%", "%s is no part", bound.text)
	case unit == report.Seconds && bound.Unit == Percent, unit == report.Seconds && bound.Unit == Plain && bound.Value != 0:
		p.add(field, "write a duration such as 2m", "%s is no duration", bound.text)
	case unit != report.Ratio && unit != report.Seconds && bound.Unit != Plain:
		p.add(field, "write a number", "%s is no number", bound.text)
	}
}
