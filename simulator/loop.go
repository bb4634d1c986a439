// Package simulator runs the controllers of the control plane against an in-memory fleet in virtual time.
//
// Everything that happens is an event in one heap, ordered by time and then by the order in which it was planned: deliveries
// of watches, turns of controllers, what member clusters do. The loop takes one event, sets the clock, runs it to completion
// and goes on. Nothing runs beside it, so the same inputs give the same history.
package simulator

import (
	"container/heap"
	"time"
)

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
	heap.Push(&l.events, event{at: l.now.Add(max(delay, 0)), sequence: l.sequence, run: run})
}

// Step runs the next event, unless it lies after the limit. It reports whether one ran.
func (l *Loop) Step(limit time.Time) bool {
	if len(l.events) == 0 || l.events[0].at.After(limit) {
		return false
	}
	next := heap.Pop(&l.events).(event)
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

type eventHeap []event

func (h eventHeap) Len() int { return len(h) }
func (h eventHeap) Less(i, j int) bool {
	if !h[i].at.Equal(h[j].at) {
		return h[i].at.Before(h[j].at)
	}
	return h[i].sequence < h[j].sequence
}
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *eventHeap) Push(x any)   { *h = append(*h, x.(event)) }
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	popped := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return popped
}
