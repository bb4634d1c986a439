package eviction

import (
	"slices"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// TestLimiterKeepsItsRate lets as many through as a rate allows, whatever the steps in which time passes.
func TestLimiterKeepsItsRate(t *testing.T) {
	for _, rate := range []float64{0.1, 0.5, 1, 3, 50} {
		for _, step := range []time.Duration{time.Millisecond, 70 * time.Millisecond, time.Second} {
			var limiter Limiter
			const span = 100 * time.Second
			allowed := 0
			for now := began; now.Before(began.Add(span)); now = now.Add(step) {
				for {
					ok, wait := limiter.Take(now, rate)
					if !ok && wait <= 0 {
						t.Fatalf("rate %g: refused, to wait %s", rate, wait)
					}
					if !ok {
						break
					}
					allowed++
				}
			}
			most := rate*span.Seconds() + max(1, rate)
			if float64(allowed) > most || float64(allowed) < most*0.9-1 {
				t.Errorf("rate %g in steps of %s: %d in %s, want up to %g", rate, step, allowed, span, most)
			}
		}
	}
}

func TestLimiterTellsWhen(t *testing.T) {
	var limiter Limiter
	now := began
	for i := range 20 {
		ok, wait := limiter.Take(now, 0.5)
		if !ok {
			now = now.Add(wait)
			if ok, wait = limiter.Take(now, 0.5); !ok {
				t.Fatalf("%d: not after the time it told, but %s later", i, wait)
			}
		}
	}
	if passed := now.Sub(began); passed < 38*time.Second || passed > 39*time.Second {
		t.Errorf("20 at 0.5 a second took %s", passed)
	}
	if ok, wait := limiter.Take(now.Add(time.Hour), 0); ok || wait != Never {
		t.Errorf("at rate 0: %t, %s", ok, wait)
	}
	// What was saved up at a high rate does not come on top of a low one.
	var idle Limiter
	count := 0
	for ok := true; ok; count++ {
		ok, _ = idle.Take(began.Add(time.Hour), 0.1)
	}
	if count > 2 {
		t.Errorf("%d at once at 0.1 a second", count-1)
	}
}

func TestLostRate(t *testing.T) {
	options := Defaults()
	for _, c := range []struct {
		lost, all int
		want      float64
	}{
		{0, 0, 50}, {0, 3, 50}, {1, 3, 50}, {2, 3, 0.1}, {3, 3, 0}, {1, 2, 50}, {2, 2, 0}, {1, 1, 50},
		{11, 20, 50}, {12, 20, 0.1}, {15, 20, 0.1}, {16, 20, 0}, {20, 20, 0},
	} {
		if got := options.LostRate(c.lost, c.all); got != c.want {
			t.Errorf("%d of %d lost: %g a second, want %g", c.lost, c.all, got, c.want)
		}
	}
	options.Reference, options.Rate = true, ReferenceRate
	if got := options.LostRate(3, 3); got != ReferenceRate {
		t.Errorf("the reference: %g a second", got)
	}
	slow := Defaults()
	slow.Rate = 0.01
	if got := slow.LostRate(2, 3); got != 0.01 {
		t.Errorf("a rate below the secondary one: %g a second", got)
	}
}

func TestQueueOrder(t *testing.T) {
	var queue Queue
	departure := func(name string) Departure {
		return Departure{Binding: types.NamespacedName{Name: name}, Cluster: "m1"}
	}
	for i, name := range []string{"a", "b", "c", "d", "e"} {
		queue.Add(departure(name), map[string]int64{"c": 5, "e": 5}[name], began.Add(time.Duration(i)))
	}
	queue.Add(departure("a"), 0, began.Add(time.Hour))
	queue.Add(departure("b"), 9, began)
	queue.Drop(departure("d"))
	queue.Drop(departure("never"))
	var order []string
	for queue.Len() > 0 {
		first, since, _ := queue.First()
		if since.After(began.Add(time.Minute)) {
			t.Errorf("%s lost its place", first.Binding.Name)
		}
		order = append(order, first.Binding.Name)
		queue.Drop(first)
	}
	if want := []string{"b", "c", "e", "a"}; !slices.Equal(order, want) {
		t.Errorf("order %v, want %v", order, want)
	}
	if _, _, ok := queue.First(); ok {
		t.Error("an empty queue has a first")
	}
}
