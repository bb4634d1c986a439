package live

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seatrial/seatrial/control"
)

// fifo is the plainest order: keys in order of arrival, failures after a pause.
type fifo struct {
	keys     []control.Key
	at       map[control.Key]time.Time
	events   []control.Event
	outcomes []control.Outcome
}

func (f *fifo) Add(key control.Key, event control.Event, _ time.Time) {
	f.keys, f.events = append(f.keys, key), append(f.events, event)
}

func (f *fifo) Next(now time.Time) (control.Key, bool) {
	for key, at := range f.at {
		if !at.After(now) {
			delete(f.at, key)
			return key, true
		}
	}
	if len(f.keys) == 0 {
		return control.Key{}, false
	}
	key := f.keys[0]
	f.keys = f.keys[1:]
	return key, true
}

func (f *fifo) Done(key control.Key, outcome control.Outcome, now time.Time) {
	f.outcomes = append(f.outcomes, outcome)
	if outcome.Err != nil {
		f.at[key] = now.Add(20 * time.Millisecond)
	}
}

func (f *fifo) Due() (time.Time, bool) {
	for _, at := range f.at {
		return at, true
	}
	return time.Time{}, false
}

func (f *fifo) Len() int { return len(f.keys) }

func TestOrderedQueueWaitsForKeysForTimeAndForItsEnd(t *testing.T) {
	order := &fifo{at: map[control.Key]time.Time{}}
	q := newOrderedQueue(order)
	taken, ended := make(chan control.Key), make(chan struct{})
	var workers sync.WaitGroup
	for range 3 {
		workers.Go(func() {
			for {
				key, closed := q.Get()
				if closed {
					return
				}
				taken <- key
			}
		})
	}
	key := control.Key{Name: "x"}
	q.addFor(key, control.Event{Cluster: "marked"})
	if got := <-taken; got != key || order.events[0].Cluster != "marked" {
		t.Fatalf("took %v for %v", got, order.events)
	}
	failed := errors.New("failed")
	q.report(key, control.Outcome{Err: failed})
	q.AddRateLimited(key)
	q.Done(key)
	if got := <-taken; got != key || !errors.Is(order.outcomes[0].Err, failed) {
		t.Fatalf("took %v after %v", got, order.outcomes)
	}
	// A turn that panicked reports nothing, and counts as failed.
	q.Done(key)
	if got := <-taken; got != key || !errors.Is(order.outcomes[1].Err, errNoOutcome) {
		t.Fatalf("took %v after %v", got, order.outcomes)
	}
	go func() {
		q.ShutDownWithDrain()
		close(ended)
	}()
	workers.Wait()
	select {
	case <-ended:
		t.Fatal("drained while a turn ran")
	default:
	}
	q.report(key, control.Outcome{})
	q.Done(key)
	<-ended
	q.Add(key)
	if q.Len() != 0 || !q.ShuttingDown() {
		t.Error("a closed queue takes keys")
	}
}
