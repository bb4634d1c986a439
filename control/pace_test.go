package control

import (
	"fmt"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	pace, key := NewPace(time.Second, 5*time.Second), Key{Name: "a"}
	at := time.Unix(1000, 0)
	// Each step is how long to wait at a time, and whether a write goes then.
	for i, step := range []struct {
		after, wait time.Duration
		write       bool
	}{
		{0, 0, true},
		{300 * time.Millisecond, 700 * time.Millisecond, false},
		{700 * time.Millisecond, 0, true}, // rests 2 s
		{time.Second, time.Second, false},
		{time.Second, 0, true},     // rests 4 s
		{4 * time.Second, 0, true}, // rests 5 s
		{5 * time.Second, 0, true},
		{time.Second, 4 * time.Second, true}, // who cannot wait goes, and counts
		{10 * time.Second, 0, true},          // first again
		{time.Second, 0, false},
	} {
		at = at.Add(step.after)
		if got := pace.Wait(key, at); got != step.wait {
			t.Errorf("step %d: waits %s, want %s", i, got, step.wait)
		}
		if step.write {
			pace.Wrote(key, at)
		}
	}
	if got := pace.Wait(Key{Name: "b"}, at); got != 0 {
		t.Errorf("another key waits %s", got)
	}
}

func TestPaceGathers(t *testing.T) {
	pace, key := NewPace(time.Second, 5*time.Second), Key{Name: "a"}
	at := time.Unix(1000, 0)
	for i, step := range []struct {
		after, wait time.Duration
		write       bool
	}{
		{0, time.Second, false},
		{300 * time.Millisecond, 700 * time.Millisecond, false},
		{10 * time.Second, 0, true}, // a turn that comes late waits no more; rests 1 s
		{300 * time.Millisecond, 700 * time.Millisecond, false},
		{700 * time.Millisecond, 0, true},                      // rests 2 s
		{4 * time.Second, time.Second, false},                  // at rest again, so it gathers
		{100 * time.Millisecond, 900 * time.Millisecond, true}, // who cannot wait goes
		{0, time.Second, false},
	} {
		at = at.Add(step.after)
		if got := pace.Gather(key, at); got != step.wait {
			t.Errorf("step %d: waits %s, want %s", i, got, step.wait)
		}
		if step.write {
			pace.Wrote(key, at)
		}
	}
}

// TestPaceOutlivesItsClock: a clock that was ahead and is set right keeps nobody waiting for the time between.
func TestPaceOutlivesItsClock(t *testing.T) {
	pace, key := NewPace(time.Second, 5*time.Second), Key{Name: "a"}
	ahead := time.Unix(5000, 0)
	pace.Wrote(key, ahead)
	pace.Wrote(key, ahead)
	right := ahead.Add(-time.Hour)
	if wait, gather := pace.Wait(key, right), pace.Gather(key, right); wait != 0 || gather != time.Second {
		t.Errorf("waits %s, gathers for %s", wait, gather)
	}
	if gather := pace.Gather(key, right.Add(time.Second)); gather != 0 {
		t.Errorf("gathers for another %s", gather)
	}
}

func TestPaceForgets(t *testing.T) {
	pace, at := NewPace(time.Second, time.Second), time.Unix(1000, 0)
	for i := range 100_000 {
		pace.Wrote(Key{Name: fmt.Sprint(i)}, at)
		at = at.Add(10 * time.Millisecond)
	}
	if len(pace.beats) > 4096 {
		t.Errorf("remembers %d keys, of which 200 can matter", len(pace.beats))
	}
}
