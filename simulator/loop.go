// Package simulator runs the controllers of the control plane against an in-memory fleet in virtual time.
//
// Everything that happens is an event in one heap, ordered by time and then by the order in which it was planned: deliveries
// of watches, turns of controllers, what member clusters do. The loop takes one event, sets the clock, runs it to completion
// and goes on. Nothing runs beside it, so the same inputs give the same history.
package simulator

import "time"

// Loop is the heap of events and the clock they set. It implements clock.PassiveClock.
type Loop struct {
	start    time.Time
	now      time.Time
	passed   time.Duration
	sequence uint64
	events   eventHeap
	// soon are the events planned for the time of their planning, of which most are: they come in order by themselves. Those
	// before next have run.
	soon []event
	next int
}

// NewLoop starts at the given time with nothing to do.
func NewLoop(start time.Time) *Loop { return &Loop{start: start, now: start} }

// Now is the virtual time.
func (l *Loop) Now() time.Time { return l.now }

// Since is the virtual time that has passed since then.
func (l *Loop) Since(then time.Time) time.Duration { return l.now.Sub(then) }

// After plans an event; events planned for the same time run in the order of planning.
func (l *Loop) After(delay time.Duration, run func()) {
	l.sequence++
	planned := event{at: l.passed + max(delay, 0), sequence: l.sequence, run: run}
	if delay <= 0 {
		l.soon = append(l.soon, planned)
		return
	}
	l.events.push(planned)
}

// Step runs the next event, unless it lies after the limit. It reports whether one ran.
func (l *Loop) Step(limit time.Time) bool {
	last := limit.Sub(l.start)
	var due event
	switch {
	case l.next < len(l.soon) && (len(l.events) == 0 || l.soon[l.next].before(l.events[0])):
		if l.soon[l.next].at > last {
			return false
		}
		due, l.soon[l.next] = l.soon[l.next], event{}
		if l.next++; l.next == len(l.soon) {
			l.soon, l.next = l.soon[:0], 0
		}
	case len(l.events) == 0 || l.events[0].at > last:
		return false
	default:
		due = l.events.pop()
	}
	l.to(due.at)
	due.run()
	return true
}

// to sets the clock.
func (l *Loop) to(passed time.Duration) {
	if passed != l.passed {
		l.passed, l.now = passed, l.start.Add(passed)
	}
}

// RunUntil runs every event up to a time, and leaves the clock there.
func (l *Loop) RunUntil(limit time.Time) {
	for l.Step(limit) {
	}
	if l.now.Before(limit) {
		l.to(limit.Sub(l.start))
	}
}

// event is planned for a time since the start.
type event struct {
	at       time.Duration
	sequence uint64
	run      func()
}

// eventHeap is a binary heap, the next event first. That of the standard library boxes every event twice, which is felt when
// there are tens of millions.
type eventHeap []event

func (e event) before(other event) bool {
	if e.at != other.at {
		return e.at < other.at
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
