package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// Format writes a value in its unit for people.
func (u Unit) Format(value float64) string {
	switch u {
	case Ratio:
		return strconv.FormatFloat(math.Round(value*1e5)/1e3, 'f', -1, 64) + "%"
	case Seconds:
		return span(value)
	case ReplicaSeconds, Money:
		return number(math.Round(value*100) / 100)
	}
	return number(value)
}

// span is a duration in seconds, as long ones are told.
func span(seconds float64) string {
	d := time.Duration(math.Round(seconds*1000)) * time.Millisecond
	if d >= time.Minute {
		d = d.Round(time.Second)
	}
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

func number(value float64) string { return strconv.FormatFloat(value, 'f', -1, 64) }

// Bound tells what the objective asks for, such as ">= 99%".
func (o *Outcome) Bound() string {
	var parts []string
	if o.AtLeast != nil {
		parts = append(parts, ">= "+o.Unit.Format(*o.AtLeast))
	}
	if o.AtMost != nil {
		parts = append(parts, "<= "+o.Unit.Format(*o.AtMost))
	}
	return strings.Join(parts, ", ")
}

// Measured tells the value, such as "98.5%".
func (o *Outcome) Measured() string {
	if o.Unmeasured {
		return "none"
	}
	return o.Unit.Format(o.Value)
}

// Why tells when an objective was broken and what had been done before.
func (b *Breach) Why() string {
	text := "at " + span(b.At)
	if b.Cause == nil {
		return text + ", with nothing done to the fleet before"
	}
	return fmt.Sprintf("%s, after %s (%s)", text, b.Cause.Text, span(b.Cause.At))
}

// Verdict sums a report up in one line.
func (r *Report) Verdict() string {
	var parts []string
	broken := 0
	for i := range r.Objectives {
		if !r.Objectives[i].Passed {
			broken++
		}
	}
	switch {
	case broken > 0:
		parts = append(parts, fmt.Sprintf("%d of %d objectives broken", broken, len(r.Objectives)))
	case len(r.Objectives) == 0:
		parts = append(parts, "no objectives")
	default:
		parts = append(parts, fmt.Sprintf("all %d objectives kept", len(r.Objectives)))
	}
	if len(r.Violations) > 0 {
		parts = append(parts, "invariants violated: "+strconv.Itoa(len(r.Violations)))
	}
	if r.Partial {
		parts = append(parts, "partial: ended before its time")
	}
	return strings.Join(parts, ", ")
}

// JSON writes the report as indented JSON.
func (r *Report) JSON(w io.Writer) error {
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the report of %s: %w", r.Scenario, err)
	}
	return write(w, string(content)+"\n")
}

func write(w io.Writer, text string) error {
	if _, err := io.WriteString(w, text); err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	return nil
}
