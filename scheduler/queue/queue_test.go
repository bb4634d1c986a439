package queue

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
)

var (
	start     = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	errFailed = errors.New("failed")
)

func options() Options {
	settings := Defaults()
	settings.Priority = func(_ control.Key, event control.Event) (int64, bool) {
		bound, ok := event.Object().(*workv1alpha2.ResourceBinding)
		if !ok || bound.Spec.SchedulePriority == nil {
			return 0, ok
		}
		return int64(bound.Spec.SchedulePriority.Priority), true
	}
	return settings
}

func key(namespace, name string) control.Key { return control.Key{Namespace: namespace, Name: name} }

func changed(priority int32) control.Event {
	bound := &workv1alpha2.ResourceBinding{}
	bound.Spec.SchedulePriority = &workv1alpha2.SchedulePriority{Priority: priority}
	return control.Event{Old: client.Object(bound), New: bound}
}

// next takes the next key, which must be the given one; the empty name expects none.
func next(t *testing.T, q *Queue, now time.Time, name string) control.Key {
	t.Helper()
	got, ok := q.Next(now)
	if ok != (name != "") || got.Name != name {
		t.Fatalf("next is %q (%t), want %q", got.Name, ok, name)
	}
	return got
}

func TestHigherPriorityGoesFirst(t *testing.T) {
	q := New(options())
	q.Add(key("a", "low"), changed(1), start)
	q.Add(key("a", "high"), changed(9), start)
	q.Add(key("a", "raised"), changed(0), start)
	q.Add(key("a", "raised"), changed(5), start)
	for _, name := range []string{"high", "raised", "low", ""} {
		next(t, q, start, name)
	}
}

func TestNamespacesTakeTurns(t *testing.T) {
	q := New(options())
	for i := range 100 {
		q.Add(key("flood", fmt.Sprintf("f%d", i)), changed(0), start)
	}
	q.Add(key("quiet", "q0"), changed(0), start)
	q.Add(key("quiet", "q1"), changed(0), start)
	for _, name := range []string{"f0", "q0", "f1", "q1", "f2", "f3"} {
		next(t, q, start, name)
	}
}

func TestKeyIsNeverTakenTwiceAtOnce(t *testing.T) {
	q := New(options())
	q.Add(key("a", "x"), changed(0), start)
	x := next(t, q, start, "x")
	q.Add(x, changed(0), start)
	q.Add(x, changed(0), start)
	next(t, q, start, "")
	q.Done(x, control.Outcome{}, start)
	next(t, q, start, "x")
	q.Done(x, control.Outcome{}, start)
	next(t, q, start, "")
	if len(q.entries) != 0 {
		t.Errorf("%d keys are remembered that have nothing to do", len(q.entries))
	}
}

func TestFailuresBackOffAndOwnChangesForgive(t *testing.T) {
	q := New(options())
	x := key("a", "x")
	q.Add(x, changed(0), start)
	now := start
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second} {
		next(t, q, now, "x")
		q.Done(x, control.Outcome{Err: errFailed}, now)
		next(t, q, now.Add(pause-1), "")
		// What changes elsewhere does not shorten the pause.
		q.Add(x, control.Event{}, now.Add(pause-1))
		next(t, q, now.Add(pause-1), "")
		now = now.Add(pause)
	}
	next(t, q, now, "x")
	q.Done(x, control.Outcome{Err: errFailed}, now)
	q.Add(x, changed(0), now)
	next(t, q, now, "x")
	q.Done(x, control.Outcome{Err: errFailed}, now)
	next(t, q, now.Add(time.Second), "x")
}

// TestStaleReadsAreRetriedSoon: soon, and less and less often while the cache lags. An event of the object ends the wait, and a
// turn that acted on a fresh read ends the count.
func TestStaleReadsAreRetriedSoon(t *testing.T) {
	q := New(options())
	x := key("a", "x")
	stale := control.Outcome{Err: apierrors.NewConflict(schema.GroupResource{}, "x", errFailed)}
	now := start
	q.Add(x, changed(0), now)
	wait := staleDelay
	for range 9 {
		next(t, q, now, "x")
		q.Done(x, stale, now)
		next(t, q, now, "")
		due := now.Add(wait)
		if at, ok := q.Due(); !ok || !at.Equal(due) {
			t.Fatalf("due at %s (%t), want %s", at, ok, due)
		}
		now, wait = due, min(2*wait, 1280*time.Millisecond)
	}
	next(t, q, now, "x")
	q.Done(x, stale, now)
	q.Add(x, changed(0), now)
	next(t, q, now, "x")
	q.Done(x, control.Outcome{}, now)
	q.Add(x, changed(0), now)
	next(t, q, now, "x")
	q.Done(x, stale, now)
	next(t, q, now.Add(staleDelay), "x")
}

func TestUnschedulableWaitsForEventsNotForTime(t *testing.T) {
	q := New(options())
	x := key("a", "x")
	q.Add(x, changed(0), start)
	next(t, q, start, "x")
	q.Done(x, control.Outcome{RequeueAfter: 5 * time.Minute}, start)
	if active, backoff, unschedulable := q.Pools(); active != 0 || backoff != 0 || unschedulable != 1 {
		t.Fatalf("pools are %d, %d, %d", active, backoff, unschedulable)
	}
	next(t, q, start.Add(4*time.Minute), "")

	// Right after the failure, an event of the fleet counts when the backoff has passed.
	q.Add(x, control.Event{}, start)
	next(t, q, start, "")
	next(t, q, start.Add(time.Second), "x")
	q.Done(x, control.Outcome{RequeueAfter: 5 * time.Minute}, start.Add(time.Second))

	// Long after it, at once.
	q.Add(x, control.Event{}, start.Add(time.Minute))
	next(t, q, start.Add(time.Minute), "x")
	q.Done(x, control.Outcome{RequeueAfter: 5 * time.Minute}, start.Add(time.Minute))

	// And without any event, in the end.
	next(t, q, start.Add(6*time.Minute), "x")
}

func TestEventDuringTheTurnOfAFailure(t *testing.T) {
	q := New(options())
	x := key("a", "x")
	q.Add(x, changed(0), start)
	next(t, q, start, "x")
	q.Add(x, control.Event{}, start)
	q.Done(x, control.Outcome{RequeueAfter: 5 * time.Minute}, start)
	next(t, q, start, "")
	next(t, q, start.Add(time.Second), "x")
}

// TestNothingIsLostAndNobodyStarves drives queues with random calls. Every key that was added has a turn that begins later;
// keys leave in the order of priority; and between two turns of a namespace that waits, no other of the same priority has more
// than one.
func TestNothingIsLostAndNobodyStarves(t *testing.T) {
	for seed := range uint64(200) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { drive(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func drive(t *testing.T, random *rand.Rand) {
	q := New(options())
	now := start
	owed, running, priorities := map[control.Key]bool{}, map[control.Key]bool{}, map[control.Key]int32{}
	served := map[*line]map[string]int{} // by line that waits: turns that other namespaces had since its last one
	take := func() bool {
		_, _, _ = q.Pools()
		got, ok := q.Next(now)
		if !ok {
			return false
		}
		if running[got] {
			t.Fatalf("%s has two turns at once", got)
		}
		for _, e := range q.entries {
			if e.state == active && e.priority > int64(priorities[got]) {
				t.Fatalf("%s of priority %d goes before %s of priority %d", got, priorities[got], e.key, e.priority)
			}
		}
		fair(t, q, served, got)
		running[got] = true
		delete(owed, got)
		return true
	}
	finish := func(outcome control.Outcome) {
		if len(running) == 0 {
			return
		}
		k := slices.SortedFunc(maps.Keys(running), func(a, b control.Key) int { return strings.Compare(a.String(), b.String()) })[0]
		q.Done(k, outcome, now)
		delete(running, k)
		if outcome.Err != nil || outcome.RequeueAfter > 0 {
			owed[k] = true
		}
	}
	for range 400 {
		switch random.IntN(7) {
		case 0, 1:
			k := key(fmt.Sprint("ns", random.IntN(4)), fmt.Sprint("b", random.IntN(6)))
			priorities[k] = int32(random.IntN(3))
			q.Add(k, changed(priorities[k]), now)
			owed[k] = true
		case 2:
			k := key(fmt.Sprint("ns", random.IntN(4)), fmt.Sprint("b", random.IntN(6)))
			if _, known := priorities[k]; known {
				q.Add(k, control.Event{}, now)
				owed[k] = true
			}
		case 3, 4:
			take()
		case 5:
			finish([]control.Outcome{{}, {Err: errFailed}, {RequeueAfter: time.Minute}}[random.IntN(3)])
		case 6:
			now = now.Add(time.Duration(random.IntN(1500)) * time.Millisecond)
		}
	}
	for len(running) > 0 {
		finish(control.Outcome{})
	}
	now = now.Add(time.Hour)
	for take() {
		finish(control.Outcome{})
	}
	for k := range owed {
		t.Errorf("%s was added and had no turn", k)
	}
	if active, backoff, unschedulable := q.Pools(); active+backoff+unschedulable != 0 {
		t.Errorf("an empty queue counts %d, %d, %d", active, backoff, unschedulable)
	}
}

// fair counts, for each line that waits in the band of the key, the turns of other namespaces, and fails at the second of one. A
// namespace that left the band and came back waits in another line.
func fair(t *testing.T, q *Queue, served map[*line]map[string]int, got control.Key) {
	t.Helper()
	priority := q.entries[got].priority
	band := q.active.byPriority[priority]
	if band == nil {
		return
	}
	for _, waits := range band.turns {
		if waits.namespace == got.Namespace {
			delete(served, waits)
			continue
		}
		if served[waits] == nil {
			served[waits] = map[string]int{}
		}
		if served[waits][got.Namespace]++; served[waits][got.Namespace] > 1 {
			t.Fatalf("%s of priority %d had two turns while %s waited", got.Namespace, priority, waits.namespace)
		}
	}
}

// counting is a Recorder of the events that added keys.
type counting struct {
	silent
	events []string
}

func (c *counting) Incoming(event string) { c.events = append(c.events, event) }

func TestIncomingEventsHaveTheNamesOfTheReference(t *testing.T) {
	counted := &counting{}
	settings := options()
	settings.Recorder = counted
	settings.PolicyChanged = func(event control.Event) bool { return event.New.GetName() == "claimed" }
	q := New(settings)
	claimed := &workv1alpha2.ResourceBinding{}
	claimed.Name = "claimed"
	for _, event := range []control.Event{
		{New: claimed}, {Old: claimed, New: claimed}, changed(0), {},
	} {
		q.Add(key("a", "x"), event, start)
	}
	q.Next(start)
	q.Done(key("a", "x"), control.Outcome{Err: errFailed}, start)
	if got, want := fmt.Sprint(counted.events), "[BindingAdd PolicyChanged BindingUpdate ClusterChanged ScheduleAttemptFailure]"; got != want {
		t.Errorf("events %s, want %s", got, want)
	}
}
