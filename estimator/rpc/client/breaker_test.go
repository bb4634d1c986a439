package client

import (
	"math/rand/v2"
	"testing"
	"time"
)

var epoch = time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)

// call asks a breaker and settles at once.
func call(b *breaker, outcome outcome, now time.Time) (asked bool) {
	era, ok := b.admit(now)
	if ok {
		b.settle(era, outcome, now)
	}
	return ok
}

// TestBreaker follows a breaker step by step: seconds since the begin, how the call ends, whether it is made, and the state
// it leaves.
func TestBreaker(t *testing.T) {
	type step struct {
		at      float64
		outcome outcome
		asked   bool
		state   State
	}
	for _, c := range []struct {
		name  string
		steps []step
	}{
		{"successes between failures keep it closed", []step{
			{0, failed, true, Closed}, {0, failed, true, Closed}, {0, answered, true, Closed},
			{0, failed, true, Closed}, {0, failed, true, Closed}, {0, failed, true, Open},
		}},
		{"what was not heard counts neither way", []step{
			{0, failed, true, Closed}, {0, failed, true, Closed}, {0, unheard, true, Closed}, {0, failed, true, Open},
		}},
		{"a deadline opens at once", []step{{0, timedOut, true, Open}, {0.999, answered, false, Open}, {1, answered, true, Closed}}},
		{"the back-off doubles up to a minute", []step{
			{0, timedOut, true, Open}, {1, failed, true, Open}, {2.9, failed, false, Open}, {3, failed, true, Open}, {7, timedOut, true, Open},
			{15, failed, true, Open}, {31, failed, true, Open}, {63, failed, true, Open}, {122.9, failed, false, Open}, {123, failed, true, Open},
			{182.9, failed, false, Open}, {183, answered, true, Closed},
		}},
		{"closing forgets the back-off", []step{
			{0, timedOut, true, Open}, {1, failed, true, Open}, {3, answered, true, Closed}, {3, timedOut, true, Open}, {4, answered, true, Closed},
		}},
		{"a probe that was not heard is made again", []step{{0, timedOut, true, Open}, {1, unheard, true, HalfOpen}, {1, answered, true, Closed}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b breaker
			for i, step := range c.steps {
				now := epoch.Add(time.Duration(step.at * float64(time.Second)))
				if asked := call(&b, step.outcome, now); asked != step.asked || b.state(now) != step.state {
					t.Fatalf("step %d: asked %t and is %s, want %t and %s", i, asked, b.state(now), step.asked, step.state)
				}
			}
		})
	}
}

// TestBreakerLetsOneThrough has many callers wait for a breaker to open up, and calls from before that end late.
func TestBreakerLetsOneThrough(t *testing.T) {
	var b breaker
	early, _ := b.admit(epoch)
	call(&b, timedOut, epoch)
	now := epoch.Add(firstBackoff)
	probe, ok := b.admit(now)
	if !ok {
		t.Fatal("no probe after the back-off")
	}
	if _, ok := b.admit(now); ok {
		t.Error("a second call while one probes")
	}
	for _, late := range []outcome{answered, failed, timedOut, unheard} {
		b.settle(early, late, now)
		if _, ok := b.admit(now); ok || b.state(now) != HalfOpen {
			t.Errorf("a call from before the opening that ended with %d left the breaker %s", late, b.state(now))
		}
	}
	b.settle(probe, answered, now)
	if b.state(now) != Closed {
		t.Errorf("the breaker is %s after a probe that was answered", b.state(now))
	}
}

// TestBreakerNeverHammers asks at random of an estimator that never answers: calls while it is broken keep the distance that
// the back-off sets.
func TestBreakerNeverHammers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var b breaker
	now, last, distance := epoch, epoch, firstBackoff
	call(&b, timedOut, now)
	for range 10000 {
		now = now.Add(time.Duration(random.Int64N(int64(2 * time.Second))))
		if !call(&b, failed, now) {
			continue
		}
		if now.Sub(last) < distance {
			t.Fatalf("asked again after %s, want %s or more", now.Sub(last), distance)
		}
		last, distance = now, min(2*distance, maxBackoff)
	}
	if distance != maxBackoff {
		t.Errorf("the back-off grew to %s only", distance)
	}
}
