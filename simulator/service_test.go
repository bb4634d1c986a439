package simulator

import (
	"slices"
	"testing"
	"time"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/kube"
)

// serving is a fleet whose control plane answers like that.
func serving(t testing.TB, seed uint64, how Service) *server {
	t.Helper()
	f, err := New(t.Context(), Options{Seed: seed})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Serve(fleet.ControlPlaneName, how); err != nil {
		t.Fatal(err)
	}
	return f.plane.server
}

// TestServiceTimes draws the times of requests that never wait, and compares them with what they are drawn from.
func TestServiceTimes(t *testing.T) {
	const requests = 100_000
	draw := func(seed uint64, latency kube.Latency) []time.Duration {
		s := serving(t, seed, Service{Write: latency, Concurrency: 1})
		took := make([]time.Duration, requests)
		var at time.Time
		for i := range took {
			at = at.Add(time.Hour)
			took[i] = s.take(at, true).Sub(at)
		}
		return took
	}
	for name, c := range map[string]struct {
		latency            kube.Latency
		least, middle, p99 time.Duration
	}{
		"log-normal": {kube.Latency{Median: 2 * time.Millisecond, P99: 8 * time.Millisecond}, 0, 2 * time.Millisecond, 8 * time.Millisecond},
		"constant":   {kube.Latency{Delay: 5 * time.Millisecond}, 5 * time.Millisecond, 5 * time.Millisecond, 5 * time.Millisecond},
		"uniform":    {kube.Latency{Delay: time.Millisecond, Jitter: 2 * time.Millisecond}, time.Millisecond, 2 * time.Millisecond, 2980 * time.Microsecond},
		"none":       {kube.Latency{Delay: kube.Never}, 0, 0, 0},
	} {
		took := draw(1, c.latency)
		if again := draw(1, c.latency); !slices.Equal(took, again) {
			t.Errorf("%s: the same seed gives other times", name)
		}
		if other := draw(2, c.latency); slices.Equal(took, other) == (c.middle != c.p99) {
			t.Errorf("%s: another seed gives the same times, or constant ones differ", name)
		}
		slices.Sort(took)
		near := func(what string, at float64, want time.Duration) {
			if got := took[int(at*(requests-1))]; got < want*97/100 || got > want*103/100 {
				t.Errorf("%s: %s is %s, want %s", name, what, got, want)
			}
		}
		near("the median", 0.5, c.middle)
		near("the 99th percentile", 0.99, c.p99)
		if took[0] < c.least {
			t.Errorf("%s: the shortest is %s, want %s", name, took[0], c.least)
		}
	}
}

// TestHands lets requests come together: as many are served at once as there are hands, and the others wait.
func TestHands(t *testing.T) {
	s := serving(t, 1, Service{Read: kube.Latency{Delay: time.Millisecond}, Concurrency: 2})
	var at time.Time
	var ends []int64
	for range 5 {
		ends = append(ends, s.take(at, false).Sub(at).Milliseconds())
	}
	if !slices.Equal(ends, []int64{1, 1, 2, 2, 3}) {
		t.Errorf("five requests end after %v ms", ends)
	}
	s.factor = 10
	if end := s.take(at.Add(time.Hour), false).Sub(at.Add(time.Hour)); end != 10*time.Millisecond {
		t.Errorf("slowed down, a request takes %s", end)
	}
}

// TestLists lets a list take the time of one read and of its further objects, and keep a hand for so long.
func TestLists(t *testing.T) {
	s := serving(t, 1, Service{Read: kube.Latency{Delay: time.Millisecond}, Object: 10 * time.Microsecond, Concurrency: 1})
	var at time.Time
	for objects, want := range map[int]time.Duration{0: time.Millisecond, 1: time.Millisecond, 101: 2 * time.Millisecond} {
		at = at.Add(time.Hour)
		if took := s.lengthen(s.take(at, false), objects).Sub(at); took != want {
			t.Errorf("a list of %d objects takes %s, want %s", objects, took, want)
		}
		if next := s.take(at, false).Sub(at); next != want+time.Millisecond {
			t.Errorf("what comes with a list of %d objects is done after %s", objects, next)
		}
	}
}

func TestServeRefuses(t *testing.T) {
	f, err := New(t.Context(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range []Service{{Concurrency: -1}, {Read: kube.Latency{Median: -1}}, {Write: kube.Latency{Jitter: -1}}, {Object: -1}} {
		if err := f.Serve(fleet.ControlPlaneName, how); err == nil {
			t.Errorf("%+v is taken", how)
		}
	}
}

func BenchmarkTake(b *testing.B) {
	s := serving(b, 1, DefaultService())
	var at time.Time
	b.ReportAllocs()
	for b.Loop() {
		at = at.Add(time.Millisecond)
		s.take(at, true)
	}
}
