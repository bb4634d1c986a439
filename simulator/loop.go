// Package simulator runs the controllers of the control plane against an in-memory fleet in virtual time.
//
// Everything that happens is an event in one heap, ordered by time and then by the order in which it was planned: deliveries
// of watches, turns of controllers, what member clusters do. The loop takes one event, sets the clock, runs it to completion
// and goes on. Nothing runs beside it, so the same inputs give the same history.
package simulator

import "time"

// Loop is the heap of events and the clock they set. It implements clock.PassiveClock.
type Loop struct {
	now      time.Time
	sequence uint64
	events   eventHeap
}

// NewLoop starts at the given time with nothing to do.
func NewLoop(start time.Time) *Loop { return &Loop{now: start} }

// Now is the virtual time.
func (l *Loop) Now() time.Time { return l.now }

// Since is the virtual time that has passed since then.
func (l *Loop) Since(then time.Time) time.Duration { return l.now.Sub(then) }

// After plans an event; events planned for the same time run in the order of planning.
func (l *Loop) After(delay time.Duration, run func()) {
	l.sequence++
	l.events.push(event{at: l.now.Add(max(delay, 0)), sequence: l.sequence, run: run})
}

// Step runs the next event, unless it lies after the limit. It reports whether one ran.
func (l *Loop) Step(limit time.Time) bool {
	if len(l.events) == 0 || l.events[0].at.After(limit) {
		return false
	}
	next := l.events.pop()
	l.now = next.at
	next.run()
	return true
}

// RunUntil runs every event up to a time, and leaves the clock there.
func (l *Loop) RunUntil(limit time.Time) {
	for l.Step(limit) {
	}
	if l.now.Before(limit) {
		l.now = limit
	}
}

type event struct {
	at       time.Time
	sequence uint64
	run      func()
}

// eventHeap is a binary heap, the next event first. That of the standard library boxes every event twice, which is felt when
// there are tens of millions.
type eventHeap []event

func (e event) before(other event) bool {
	if !e.at.Equal(other.at) {
		return e.at.Before(other.at)
	}
	return e.sequence < other.sequence
}

func (h *eventHeap) push(added event) {
	*h = append(*h, added)
	events, at := *h, len(*h)-1
	for at > 0 {
		parent := (at - 1) / 2
		if !events[at].before(events[parent]) {
			break
		}
		events[at], events[parent] = events[parent], events[at]
		at = parent
	}
}

func (h *eventHeap) pop() event {
	events := *h
	next, last := events[0], len(events)-1
	events[0], events[last] = events[last], event{}
	events = events[:last]
	for at := 0; ; {
		least := at
		for child := 2*at + 1; child <= 2*at+2 && child < len(events); child++ {
			if events[child].before(events[least]) {
				least = child
			}
		}
		if least == at {
			break
		}
		events[at], events[least] = events[least], events[at]
		at = least
	}
	*h = events
	return next
}
