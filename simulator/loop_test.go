package simulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// TestLoopOrder plans events at random, some of them from within others: they run by time, those of one time in the order in
// which they were planned, and each sees its own time.
func TestLoopOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 1))
	for range 50 {
		loop := NewLoop(start)
		type planned struct {
			at    time.Time
			order int
		}
		var ran, all []planned
		var plan func(delay time.Duration, depth int)
		plan = func(delay time.Duration, depth int) {
			one := planned{loop.Now().Add(max(delay, 0)), len(all)}
			all = append(all, one)
			loop.After(delay, func() {
				if !loop.Now().Equal(one.at) {
					t.Errorf("an event planned for %s ran at %s", one.at, loop.Now())
				}
				ran = append(ran, one)
				for range depth {
					plan(time.Duration(random.IntN(3)-1)*time.Second, depth-1)
				}
			})
		}
		for range 10 {
			plan(time.Duration(random.IntN(5))*time.Second, random.IntN(3))
		}
		loop.RunUntil(start.Add(time.Hour))
		inOrder := slices.IsSortedFunc(ran, func(a, b planned) int {
			if c := a.at.Compare(b.at); c != 0 {
				return c
			}
			return a.order - b.order
		})
		if !inOrder || len(ran) != len(all) {
			t.Fatalf("%d of %d events ran, in order: %t: %v", len(ran), len(all), inOrder, ran)
		}
	}
}

func TestLoopLimits(t *testing.T) {
	loop := NewLoop(start)
	var ran []string
	note := func(name string) func() {
		return func() { ran = append(ran, fmt.Sprintf("%s@%s", name, loop.Since(start))) }
	}
	loop.After(2*time.Second, note("late"))
	loop.After(-time.Second, note("now"))
	loop.After(time.Second, note("soon"))
	if loop.RunUntil(start.Add(time.Second)); loop.Since(start) != time.Second {
		t.Errorf("after running a second it is %s", loop.Now())
	}
	if loop.Step(start.Add(1500 * time.Millisecond)) {
		t.Error("an event after the limit ran")
	}
	loop.RunUntil(start.Add(time.Minute))
	if loop.RunUntil(start); loop.Since(start) != time.Minute {
		t.Errorf("time went back to %s", loop.Now())
	}
	if got := strings.Join(ran, " "); got != "now@0s soon@1s late@2s" {
		t.Errorf("ran %s", got)
	}
}
