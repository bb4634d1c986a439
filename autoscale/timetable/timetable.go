// Package timetable tells when rules with cron expressions are due, in time zones whose clocks are put forward and back.
package timetable

import (
	"fmt"
	"time"
	_ "time/tzdata" // images without a time zone database know time zones, too

	"github.com/robfig/cron/v3"
)

// Table is when something is due.
type Table struct {
	schedule cron.Schedule
	zone     *time.Location
}

// anyHour is the bit by which a parsed expression tells that its hour is *.
const anyHour = 1 << 63

// Parse reads a cron expression of five fields, or one of the words such as @daily, in a time zone of the IANA database. An empty zone
// is the given one.
func Parse(expression, zone string, otherwise *time.Location) (*Table, error) {
	schedule, err := cron.ParseStandard(expression)
	if err != nil {
		return nil, fmt.Errorf("the schedule %q: %w", expression, err)
	}
	table := &Table{schedule: schedule, zone: otherwise}
	if zone != "" {
		if table.zone, err = time.LoadLocation(zone); err != nil {
			return nil, fmt.Errorf("the time zone %q: %w", zone, err)
		}
	}
	if spec, ok := schedule.(*cron.SpecSchedule); ok && spec.Location != time.Local {
		// The expression names a zone of its own.
		table.zone = spec.Location
	}
	return table, nil
}

// Next is the first time after another at which it is due; the zero time when there is none within years.
//
// What is due at an hour of its own is due once a day, also on days on which clocks change: at the change where they are put forward
// beyond that hour, and the first time where they are put back before it. What is due every hour follows the time that really passes.
func (t *Table) Next(after time.Time) time.Time {
	spec, ok := t.schedule.(*cron.SpecSchedule)
	if !ok {
		return t.schedule.Next(after)
	}
	if spec.Hour&anyHour != 0 {
		own := *spec
		own.Location = t.zone
		return own.Next(after.In(t.zone))
	}
	// Clocks that never change find the time of day; the zone says when that is.
	flat := *spec
	flat.Location = time.UTC
	face := faceOf(after.In(t.zone))
	for {
		if face = flat.Next(face); face.IsZero() {
			return time.Time{}
		}
		if at := t.first(face); at.After(after) {
			return at
		}
	}
}

// faceOf is what a clock shows, as a time of UTC.
func faceOf(at time.Time) time.Time {
	return time.Date(at.Year(), at.Month(), at.Day(), at.Hour(), at.Minute(), at.Second(), 0, time.UTC)
}

// first is the first time at which the clocks of the zone show something, or at which they go beyond it.
func (t *Table) first(face time.Time) time.Time {
	at := time.Date(face.Year(), face.Month(), face.Day(), face.Hour(), face.Minute(), face.Second(), 0, t.zone)
	begin, end := at.ZoneBounds()
	if !faceOf(at).Equal(face) {
		// No clock shows that. The change lies at the end of the time before it, or at the beginning of the time after it.
		if faceOf(at).After(face) {
			return begin
		}
		return end
	}
	if !begin.IsZero() {
		_, now := at.Zone()
		_, before := begin.Add(-time.Second).Zone()
		if earlier := at.Add(time.Duration(now-before) * time.Second); earlier.Before(begin) && earlier.Before(at) {
			return earlier
		}
	}
	return at
}

// Agrees tells whether a time that was once said to be the next one still is, when now is before it, or was one.
func (t *Table) Agrees(said, now time.Time) bool {
	if _, ok := t.schedule.(*cron.SpecSchedule); !ok {
		return !said.After(t.Next(now))
	}
	return t.Next(said.Add(-time.Second)).Equal(said) && !said.After(t.Next(now))
}

// Last is the last time from one on at which it was due, the first included, up to another: how often it was due in between does
// not matter for how long this takes.
func (t *Table) Last(from, until time.Time) time.Time {
	last := from
	for _, back := range []time.Duration{time.Hour, 24 * time.Hour, 31 * 24 * time.Hour, 366 * 24 * time.Hour, until.Sub(from)} {
		begin := until.Add(-back)
		if begin.Before(from) {
			begin = from
		}
		found := false
		for next := t.Next(begin); !next.IsZero() && !next.After(until); next = t.Next(next) {
			last, found = next, true
		}
		if found {
			break
		}
	}
	return last
}
