package report

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// change is one event of a random history of one cluster pair and some workloads.
type change struct {
	at       int64 // seconds
	workload int
	desired  int64 // -1: unchanged
	cluster  int
	ready    int64
}

// history draws changes at whole seconds, several of them at the same.
func history(chance *rand.Rand, workloads, changes int) []change {
	var list []change
	at := int64(0)
	for range changes {
		at += chance.Int64N(4) * chance.Int64N(6)
		c := change{at: at, workload: chance.IntN(workloads), desired: -1, cluster: chance.IntN(2), ready: chance.Int64N(7)}
		if chance.IntN(6) == 0 {
			c.desired = chance.Int64N(10)
		}
		list = append(list, c)
	}
	return list
}

const testFloor = 0.8

// expected are the measures of a history by brute force: the state of every second, one after the other.
type expected struct {
	promised, missing, below, pending, surge, pendingPeak, surgePeak, lostPeak int64
	lowest                                                                     float64
	recoveries                                                                 []float64
}

func integrate(list []change, workloads int, end, from, until int64) expected {
	type load struct{ desired, promised, began int64 }
	loads := make([]load, workloads)
	ready := make([][2]int64, workloads)
	for i := range loads {
		loads[i] = load{desired: 4, began: never}
	}
	want := expected{lowest: 1}
	next := 0
	for second := range end + 1 {
		for next < len(list) && list[next].at == second {
			c := list[next]
			l := &loads[c.workload]
			if c.desired >= 0 {
				l.desired = c.desired
				l.promised = min(l.desired, max(l.promised, ready[c.workload][0]+ready[c.workload][1]))
			} else {
				ready[c.workload][c.cluster] = c.ready
				l.promised = min(l.desired, max(l.promised, ready[c.workload][0]+ready[c.workload][1]))
			}
			next++
		}
		inside := second >= from && second < until
		seen := second >= from && second <= until
		var pending, surge, lost int64
		for i := range loads {
			l, has := &loads[i], ready[i][0]+ready[i][1]
			missing := max(0, l.promised-has)
			if missing > 0 && l.began == never {
				l.began = second
			}
			if l.began != never && (missing == 0 || second == end) && second > l.began {
				if l.began >= from && l.began <= until {
					want.recoveries = append(want.recoveries, float64(second-l.began))
				}
				l.began = never
			}
			pending += max(0, l.desired-has)
			surge += max(0, has-l.desired)
			if l.promised > 0 && has == 0 {
				lost++
			}
			if seen && l.promised > 0 {
				want.lowest = min(want.lowest, float64(l.promised-missing)/float64(l.promised))
			}
			if inside && second < end {
				want.promised += l.promised
				want.missing += missing
				if float64(l.promised-missing) < math.Ceil(testFloor*float64(l.promised)-1e-9) {
					want.below++
				}
			}
		}
		if inside && second < end {
			want.pending += pending
			want.surge += surge
		}
		if seen {
			want.pendingPeak, want.surgePeak, want.lostPeak = max(want.pendingPeak, pending), max(want.surgePeak, surge), max(want.lostPeak, lost)
		}
	}
	slices.Sort(want.recoveries)
	return want
}

// TestMeasures holds the running sums of random histories, within a window and without, against brute force.
func TestMeasures(t *testing.T) {
	measures := []Measure{Availability, LowestAvailability, BelowFloor, Unavailable, Pending, Surge, Lost, Recovery}
	incidents, missing := 0, int64(0)
	for seed := range uint64(300) {
		chance := rand.New(rand.NewPCG(seed, 7))
		const workloads = 3
		list := history(chance, workloads, 40)
		end := list[len(list)-1].at + chance.Int64N(20) + 1
		from, until := int64(0), end
		var window Objective
		if seed%2 == 1 {
			from = chance.Int64N(end)
			until = from + chance.Int64N(end-from) + 1
			window.From, window.Until = time.Duration(from)*time.Second, time.Duration(until)*time.Second
		}
		options := Options{Duration: time.Duration(end) * time.Second, Points: 8}
		for _, measure := range measures {
			options.Objectives = append(options.Objectives, Objective{Measure: measure, From: window.From, Until: window.Until, AtMost: limit(0)})
		}
		r := New(options)
		clusters := []ClusterID{r.AddCluster(0, Cluster{Name: "a"}), r.AddCluster(0, Cluster{Name: "b"})}
		for range workloads {
			r.AddWorkload(0, Workload{Floor: testFloor}, 4)
		}
		for _, c := range list {
			at := time.Duration(c.at) * time.Second
			if c.desired >= 0 {
				r.Desired(at, WorkloadID(c.workload), c.desired)
			} else {
				r.Replicas(at, WorkloadID(c.workload), clusters[c.cluster], c.ready, c.ready)
			}
		}
		report := r.Finish(time.Duration(end)*time.Second, false)
		want := integrate(list, workloads, end, from, until)
		availability := 1.0
		if want.promised > 0 {
			availability = float64(want.promised-want.missing) / float64(want.promised)
		}
		longest := 0.0
		if len(want.recoveries) > 0 {
			longest = want.recoveries[len(want.recoveries)-1]
		}
		values := []float64{availability, want.lowest, float64(want.below), float64(want.missing), float64(want.pendingPeak), float64(want.surgePeak), float64(want.lostPeak), longest}
		for i, outcome := range report.Objectives {
			if math.Abs(outcome.Value-values[i]) > 1e-6 {
				t.Errorf("seed %d, window %d to %d of %d: %s is %v, brute force finds %v", seed, from, until, end, measures[i], outcome.Value, values[i])
			}
		}
		if seed%2 == 0 {
			total := report.Total
			if int(total.Recovery.Count) != len(want.recoveries) || total.PendingReplicaSeconds != float64(want.pending) || total.SurgeReplicaSeconds != float64(want.surge) {
				t.Errorf("seed %d: %d recoveries, %v pending, %v surge; brute force finds %d, %d, %d", seed, total.Recovery.Count, total.PendingReplicaSeconds, total.SurgeReplicaSeconds, len(want.recoveries), want.pending, want.surge)
			}
		}
		incidents += len(want.recoveries)
		missing += want.missing
	}
	if incidents < 500 || missing == 0 {
		t.Errorf("the histories have %d incidents: they show nothing", incidents)
	}
}

// TestBreaches holds when and why objectives are broken.
func TestBreaches(t *testing.T) {
	for name, c := range map[string]struct {
		objective Objective
		at        float64
		cause     string
	}{
		"sum passes its bound between events":        {Objective{Measure: Unavailable, AtMost: limit(50)}, 125, "first"},
		"time below the floor":                       {Objective{Measure: BelowFloor, AtMost: limit(20)}, 120, "first"},
		"an incident takes too long":                 {Objective{Measure: Recovery, AtMost: limit(30)}, 130, "first"},
		"a moment":                                   {Objective{Measure: LowestAvailability, AtLeast: limit(0.6)}, 100, "first"},
		"a moment within the window":                 {Objective{Measure: LowestAvailability, AtLeast: limit(0.6), From: 110 * time.Second}, 110, "first"},
		"what is judged at the end":                  {Objective{Measure: Availability, AtLeast: limit(0.99)}, 100, "first"},
		"a count":                                    {Objective{Measure: PodsLost, AtMost: limit(1)}, 100, "first"},
		"pending at the end began with another mark": {Objective{Measure: Pending, AtMost: limit(0), From: 400 * time.Second, Until: 400 * time.Second}, 400, "second"},
	} {
		t.Run(name, func(t *testing.T) {
			r := New(Options{Duration: 400 * time.Second, Objectives: []Objective{c.objective}})
			a := r.AddCluster(0, Cluster{Name: "a"})
			w := r.AddWorkload(0, Workload{Floor: 0.8}, 4)
			r.Replicas(10*time.Second, w, a, 4, 4)
			r.Mark(100*time.Second, "fail", "first")
			r.Replicas(100*time.Second, w, a, 2, 2)
			r.PodsLost(100*time.Second, a, 2)
			r.Replicas(150*time.Second, w, a, 4, 4)
			r.Mark(300*time.Second, "scale", "second")
			r.Desired(300*time.Second, w, 5)
			r.Mark(390*time.Second, "heal", "third")
			outcome := r.Finish(400*time.Second, false).Objectives[0]
			if outcome.Passed || outcome.Breach == nil || outcome.Breach.Cause == nil {
				t.Fatalf("it is not broken: %+v", outcome)
			}
			if outcome.Breach.At != c.at || outcome.Breach.Cause.Text != c.cause {
				t.Errorf("broken at %v after %s, want %v after %s", outcome.Breach.At, outcome.Breach.Cause.Text, c.at, c.cause)
			}
		})
	}
}

// TestSeries compares the buckets with a step function that is looked at point by point.
func TestSeries(t *testing.T) {
	for seed := range uint64(200) {
		chance := rand.New(rand.NewPCG(seed, 3))
		s := newSeries(8, 1+chance.Int64N(5))
		var points []int64
		for range 1 + chance.IntN(30) {
			value, length := chance.Int64N(100), chance.Int64N(12)
			s.add(int64(len(points)), int64(len(points))+length, value)
			for range length {
				points = append(points, value)
			}
		}
		if len(s.buckets) > 8 || int64(len(points)) > s.width*8 {
			t.Fatalf("seed %d: %d buckets of %d for %d points", seed, len(s.buckets), s.width, len(points))
		}
		for i, b := range s.buckets {
			part := points[int64(i)*s.width : min(int64(i+1)*s.width, int64(len(points)))]
			var sum int64
			for _, value := range part {
				sum += value
			}
			if b.integral != float64(sum) || b.covered != int64(len(part)) || b.low != slices.Min(part) || b.high != slices.Max(part) {
				t.Errorf("seed %d, bucket %d is %+v, want the sum %d of %d from %d to %d", seed, i, b, sum, len(part), slices.Min(part), slices.Max(part))
			}
		}
	}
}

// TestSamples holds that quantiles of more than can be kept are close, and the longest exact.
func TestSamples(t *testing.T) {
	var s samples
	const count = 3*maxSamples + 17
	for i := range int64(count) {
		s.add((i * 7919) % count * second)
	}
	q := s.quantiles()
	if q.Count != count || q.Max != count-1 || len(s.kept) > maxSamples {
		t.Errorf("%d of %d kept, the longest %v", len(s.kept), q.Count, q.Max)
	}
	for p, got := range map[float64]float64{0.5: q.P50, 0.9: q.P90, 0.99: q.P99} {
		if math.Abs(got/count-p) > 0.005 {
			t.Errorf("quantile %v of %d is %v", p, count, got)
		}
	}
}

func BenchmarkReplicas(b *testing.B) {
	r := New(Options{Duration: 24 * time.Hour, Objectives: []Objective{{Measure: Availability, AtLeast: limit(0.9)}, {Measure: BelowFloor, AtMost: limit(60), From: time.Minute}}})
	var clusters []ClusterID
	for range 100 {
		clusters = append(clusters, r.AddCluster(0, Cluster{}))
	}
	for range 10_000 {
		r.AddWorkload(0, Workload{Floor: 0.8}, 20)
	}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		id := WorkloadID(i * 7 % 10_000)
		r.Replicas(time.Duration(i)*time.Millisecond, id, clusters[(int(id)+i%5)%100], 4, int64(i%5))
		i++
	}
}
