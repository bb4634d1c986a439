package live

import (
	"errors"
	"sync"
	"time"

	"github.com/seatrial/seatrial/control"
)

var errNoOutcome = errors.New("the turn ended without an outcome")

// orderedQueue lets a controller of controller-runtime take its turns in the order of a control.Queue. The outcome of a
// turn comes from the runner; what controller-runtime makes of it is left aside.
type orderedQueue struct {
	mu       sync.Mutex
	changed  *sync.Cond
	order    control.Queue
	running  map[control.Key]bool
	outcomes map[control.Key]control.Outcome
	timer    *time.Timer
	closed   bool
}

var _ keyQueue = (*orderedQueue)(nil)

func newOrderedQueue(order control.Queue) *orderedQueue {
	q := &orderedQueue{order: order, running: map[control.Key]bool{}, outcomes: map[control.Key]control.Outcome{}}
	q.changed = sync.NewCond(&q.mu)
	return q
}

// addFor adds a key for an event.
func (q *orderedQueue) addFor(key control.Key, event control.Event) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return
	}
	q.order.Add(key, event, time.Now())
	q.changed.Signal()
}

// Add adds a key that another turn asked for.
func (q *orderedQueue) Add(key control.Key) { q.addFor(key, control.Event{}) }

// report tells how the turn of a key ended, before Done says that it did.
func (q *orderedQueue) report(key control.Key, outcome control.Outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.outcomes[key] = outcome
}

// Get waits for the next key.
func (q *orderedQueue) Get() (control.Key, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		if q.closed {
			return control.Key{}, true
		}
		now := time.Now()
		if key, ok := q.order.Next(now); ok {
			q.running[key] = true
			return key, false
		}
		q.arm(now)
		q.changed.Wait()
	}
}

// arm makes those who wait look again when the next key becomes due.
func (q *orderedQueue) arm(now time.Time) {
	if q.timer != nil {
		q.timer.Stop()
	}
	if at, ok := q.order.Due(); ok {
		q.timer = time.AfterFunc(at.Sub(now), func() {
			// Without the lock this could fall between the look and the wait.
			q.mu.Lock()
			defer q.mu.Unlock()
			q.changed.Broadcast()
		})
	}
}

// Done ends the turn of a key. A turn that reported nothing panicked.
func (q *orderedQueue) Done(key control.Key) {
	q.mu.Lock()
	defer q.mu.Unlock()
	outcome, reported := q.outcomes[key]
	if !reported {
		outcome = control.Outcome{Err: errNoOutcome}
	}
	delete(q.outcomes, key)
	delete(q.running, key)
	q.order.Done(key, outcome, time.Now())
	q.changed.Broadcast()
}

// Len implements workqueue.TypedInterface.
func (q *orderedQueue) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.order.Len()
}

// ShutDown lets Get return at once.
func (q *orderedQueue) ShutDown() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	if q.timer != nil {
		q.timer.Stop()
	}
	q.changed.Broadcast()
}

// ShutDownWithDrain waits for the turns that have begun.
func (q *orderedQueue) ShutDownWithDrain() {
	q.ShutDown()
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.running) > 0 {
		q.changed.Wait()
	}
}

// ShuttingDown implements workqueue.TypedInterface.
func (q *orderedQueue) ShuttingDown() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}

// AddAfter has nothing to do: the outcome of the turn holds the time.
func (q *orderedQueue) AddAfter(control.Key, time.Duration) {}

// AddRateLimited has nothing to do: the outcome of the turn holds the failure.
func (q *orderedQueue) AddRateLimited(control.Key) {}

// Forget has nothing to do: the outcome of the turn tells success.
func (q *orderedQueue) Forget(control.Key) {}

// NumRequeues implements workqueue.TypedRateLimitingInterface; failures are counted in the order.
func (q *orderedQueue) NumRequeues(control.Key) int { return 0 }
