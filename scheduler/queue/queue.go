// Package queue orders the turns of bindings before the scheduler: by priority, and fairly among the namespaces of one
// priority.
//
// A key that waits is in one of three pools. Active keys are due. Keys in the backoff pool failed and are due at a time.
// Keys in the unschedulable pool were refused by the state of the fleet: they wait for an event that changes it, and
// have a turn without one only after a long time.
package queue

import (
	"container/heap"
	"math"
	"time"

	"github.com/seatrial/seatrial/control"
)

// The pools, by the names that metrics know.
const (
	Active        = "active"
	Backoff       = "backoff"
	Unschedulable = "unschedulable"
)

// Events that add keys, by the names that metrics know.
const (
	BindingAdd             = "BindingAdd"
	BindingUpdate          = "BindingUpdate"
	ScheduleAttemptFailure = "ScheduleAttemptFailure"
	PolicyChanged          = "PolicyChanged"
	ClusterChanged         = "ClusterChanged"
)

// First is the priority of keys that go before every binding.
const First = math.MaxInt64

// staleDelay is how long a key waits that acted on an old read: long enough for the cache to see the write that won. A cache that
// lags by more is asked less and less often: the wait doubles up to staleDoublings times.
const (
	staleDelay     = 20 * time.Millisecond
	staleDoublings = 6
)

// Recorder counts what happens in a queue.
type Recorder interface {
	// Incoming counts a key that an event added.
	Incoming(event string)
	// Pending tells how many keys are in each pool.
	Pending(active, backoff, unschedulable int)
	// Waited tells how long a key was due before its turn began.
	Waited(time.Duration)
}

// Options are the settings of a queue.
type Options struct {
	// Priority tells the priority of a key from an event; ok is false for events about something else than the key's own
	// object. Higher ones go first. Nil gives all keys the same.
	Priority func(control.Key, control.Event) (priority int64, ok bool)
	// PolicyChanged tells changes of what a policy says from other changes of a key's own object; nil counts none.
	PolicyChanged func(control.Event) bool
	// FirstBackoff is the pause after the first failure of a key; it doubles with every further one up to MaxBackoff.
	FirstBackoff, MaxBackoff time.Duration
	Recorder                 Recorder
}

// Defaults are the pauses of the reference.
func Defaults() Options {
	return Options{FirstBackoff: time.Second, MaxBackoff: 10 * time.Second}
}

type state int

const (
	idle state = iota
	active
	backoff
	unschedulable
	running
)

// entry is what the queue knows of a key.
type entry struct {
	key      control.Key
	priority int64
	state    state
	// since is when the key became active.
	since time.Time
	// due is when a key of the backoff or unschedulable pool becomes active, and position its place in the heap.
	due      time.Time
	position int
	sequence uint64
	// failures count the turns that did not settle; until when events about the fleet do not make the key active.
	failures int
	until    time.Time
	// stale counts the turns in a row that acted on an old read.
	stale int
	// again is set when a running key was added, and own when that was for a change of its object.
	again, own bool

	line         *line
	before, next *entry
}

// Queue implements control.Queue.
type Queue struct {
	options  Options
	entries  map[control.Key]*entry
	active   bands
	waiting  waiting
	sequence uint64
	parked   int
}

var _ control.Queue = (*Queue)(nil)

// New makes an empty queue.
func New(options Options) *Queue {
	if options.Priority == nil {
		options.Priority = func(control.Key, control.Event) (int64, bool) { return 0, true }
	}
	if options.PolicyChanged == nil {
		options.PolicyChanged = func(control.Event) bool { return false }
	}
	if options.Recorder == nil {
		options.Recorder = silent{}
	}
	return &Queue{options: options, entries: map[control.Key]*entry{}, active: newBands()}
}

// Add implements control.Queue. A change of the key's own object makes it active at once and forgives its failures; any
// other event makes it active when its backoff has passed.
func (q *Queue) Add(key control.Key, event control.Event, now time.Time) {
	defer q.tell()
	e := q.entry(key)
	priority, own := int64(0), false
	if event.Object() != nil {
		priority, own = q.options.Priority(key, event)
	}
	q.options.Recorder.Incoming(q.incoming(event, own && priority != First))
	if own {
		q.setPriority(e, priority)
		e.failures, e.until = 0, time.Time{}
	}
	switch e.state {
	case running:
		e.again, e.own = true, e.own || own
	case idle, unschedulable, backoff:
		q.admit(e, now)
	case active:
	}
}

func (q *Queue) incoming(event control.Event, own bool) string {
	switch {
	case !own:
		return ClusterChanged
	case event.Old == nil:
		return BindingAdd
	case q.options.PolicyChanged(event):
		return PolicyChanged
	default:
		return BindingUpdate
	}
}

// admit makes a key active, or has it wait for the end of its backoff.
func (q *Queue) admit(e *entry, now time.Time) {
	if e.until.After(now) {
		q.wait(e, backoff, e.until)
		return
	}
	q.stopWaiting(e)
	q.activate(e, now)
}

// Next implements control.Queue.
func (q *Queue) Next(now time.Time) (control.Key, bool) {
	for len(q.waiting) > 0 && !q.waiting[0].due.After(now) {
		e := q.waiting[0]
		q.stopWaiting(e)
		q.activate(e, now)
	}
	e := q.active.pop()
	if e == nil {
		q.tell()
		return control.Key{}, false
	}
	e.state = running
	q.options.Recorder.Waited(now.Sub(e.since))
	q.tell()
	return e.key, true
}

// Done implements control.Queue. A key that was added during its turn is due again, unless it failed and only the fleet
// changed: then it is due when its backoff has passed.
func (q *Queue) Done(key control.Key, outcome control.Outcome, now time.Time) {
	defer q.tell()
	e := q.entries[key]
	if e == nil || e.state != running {
		return
	}
	e.state = idle
	again, own := e.again, e.own
	e.again, e.own = false, false
	switch {
	case control.Stale(outcome.Err):
		q.wait(e, backoff, now.Add(staleDelay<<min(e.stale, staleDoublings)))
		e.stale++
	case outcome.Err != nil:
		q.options.Recorder.Incoming(ScheduleAttemptFailure)
		q.fail(e, now)
		q.wait(e, backoff, e.until)
	case outcome.RequeueAfter > 0:
		q.fail(e, now)
		q.wait(e, unschedulable, now.Add(outcome.RequeueAfter))
	default:
		e.failures, e.until = 0, time.Time{}
	}
	if own {
		e.failures, e.until = 0, time.Time{}
	}
	if !control.Stale(outcome.Err) {
		e.stale = 0
	}
	if again {
		q.admit(e, now)
	}
	if e.state == idle && e.priority == 0 {
		delete(q.entries, key)
	}
}

func (q *Queue) fail(e *entry, now time.Time) {
	pause := q.options.FirstBackoff
	for range e.failures {
		if pause *= 2; pause >= q.options.MaxBackoff {
			break
		}
	}
	e.failures++
	e.until = now.Add(min(pause, q.options.MaxBackoff))
}

// Due implements control.Queue.
func (q *Queue) Due() (time.Time, bool) {
	if first := q.active.peek(); first != nil {
		return first.since, true
	}
	if len(q.waiting) == 0 {
		return time.Time{}, false
	}
	return q.waiting[0].due, true
}

// Len implements control.Queue.
func (q *Queue) Len() int { return q.active.length }

// Pools counts the keys in each pool.
func (q *Queue) Pools() (active, backoff, unschedulable int) {
	return q.active.length, len(q.waiting) - q.parked, q.parked
}

func (q *Queue) entry(key control.Key) *entry {
	e := q.entries[key]
	if e == nil {
		e = &entry{key: key, position: -1}
		q.entries[key] = e
	}
	return e
}

func (q *Queue) setPriority(e *entry, priority int64) {
	if e.priority == priority {
		return
	}
	if e.state == active {
		q.active.remove(e)
		e.priority = priority
		q.active.push(e)
		return
	}
	e.priority = priority
}

func (q *Queue) activate(e *entry, now time.Time) {
	e.state, e.since = active, now
	q.active.push(e)
}

// wait puts a key that is not active into one of the pools that wait for time, or moves it there from the other.
func (q *Queue) wait(e *entry, pool state, due time.Time) {
	q.stopWaiting(e)
	q.sequence++
	e.state, e.due, e.sequence = pool, due, q.sequence
	if pool == unschedulable {
		q.parked++
	}
	heap.Push(&q.waiting, e)
}

func (q *Queue) stopWaiting(e *entry) {
	if e.position < 0 {
		return
	}
	if e.state == unschedulable {
		q.parked--
	}
	heap.Remove(&q.waiting, e.position)
	e.state = idle
}

func (q *Queue) tell() { q.options.Recorder.Pending(q.Pools()) }

type silent struct{}

func (silent) Incoming(string)       {}
func (silent) Pending(int, int, int) {}
func (silent) Waited(time.Duration)  {}
