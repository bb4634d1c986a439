package autoscale

import (
	"math/rand/v2"
	"testing"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	"k8s.io/utils/ptr"
)

// play lets a workload follow a load: each step is one round after a time, in which the load keeps so many replicas at their target.
// It returns the replicas after each round.
func play(t *testing.T, in Input, steps ...step) []int32 {
	t.Helper()
	var got []int32
	for _, s := range steps {
		in.Now = in.Now.Add(s.after)
		if s.restart > 0 {
			in.History = Begin(in.Workload.Replicas, in.Now.Add(-s.restart), in.Now)
		}
		in.Workload.Desired, in.Workload.Observed = in.Workload.Replicas, in.Workload.Replicas
		in.Readings = []Reading{{Total: Total{Value: int64(s.load) * 1000}}}
		d := Defaults().Decide(in)
		in.History = d.History
		if d.Replicas != in.Workload.Replicas {
			in.History = in.History.Scaled(in.Workload.Replicas, d.Replicas, in.Now)
		}
		in.Workload.Replicas = d.Replicas
		got = append(got, d.Replicas)
	}
	return got
}

type step struct {
	after time.Duration
	load  int32
	// restart is how long ago the workload was scaled last when another process takes over, which remembers nothing.
	restart time.Duration
}

// following is an autoscaler whose load is told in replicas at their target.
func following(replicas int32, behavior *autoscalingv2.HorizontalPodAutoscalerBehavior) Input {
	in := input(replicas, nil, external("", "1"))
	in.Spec.MaxReplicas, in.Spec.Behavior = 100, behavior
	return in
}

func TestRounds(t *testing.T) {
	percent := func(value, period int32) *autoscalingv2.HPAScalingRules {
		rules := policy(value, period)
		rules.Policies[0].Type = autoscalingv2.PercentScalingPolicy
		return rules
	}
	selects := func(rules *autoscalingv2.HPAScalingRules, how autoscalingv2.ScalingPolicySelect) *autoscalingv2.HPAScalingRules {
		chosen := *rules
		chosen.SelectPolicy = &how
		return &chosen
	}
	windowed := func(rules *autoscalingv2.HPAScalingRules, window int32) *autoscalingv2.HPAScalingRules {
		rules.StabilizationWindowSeconds = ptr.To(window)
		return rules
	}
	either := policy(2, 60)
	either.Policies = append(either.Policies, percent(50, 60).Policies...)
	const round = 15 * time.Second
	for _, c := range []struct {
		name  string
		in    Input
		steps []step
		want  []int32
	}{
		{"goes down after the window", following(10, nil),
			[]step{{round, 10, 0}, {time.Minute, 3, 0}, {3 * time.Minute, 4, 0}, {time.Minute, 3, 0}, {2 * time.Minute, 3, 0}, {2 * time.Minute, 3, 0}},
			[]int32{10, 10, 10, 4, 4, 3}},
		{"goes up at once", following(3, nil), []step{{round, 20, 0}, {round, 20, 0}, {round, 20, 0}}, []int32{6, 12, 20}},
		{"a peak does not come back", following(3, nil), []step{{round, 20, 0}, {round, 4, 0}, {round, 4, 0}}, []int32{6, 6, 6}},
		{"goes up by what may be added in a minute", following(3, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: policy(2, 60)}),
			[]step{{round, 20, 0}, {round, 20, 0}, {time.Minute, 20, 0}}, []int32{5, 5, 7}},
		{"the larger of two", following(10, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: either}), []step{{round, 90, 0}}, []int32{15}},
		{"the smaller of two", following(10, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: selects(either, autoscalingv2.MinChangePolicySelect)}), []step{{round, 90, 0}}, []int32{12}},
		{"waits before it goes up", following(3, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: windowed(policy(50, 15), 60)}),
			[]step{{round, 3, 0}, {round, 20, 0}, {30 * time.Second, 20, 0}, {30 * time.Second, 18, 0}}, []int32{3, 3, 3, 18}},
		{"never goes down", following(10, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: selects(policy(1, 60), autoscalingv2.DisabledPolicySelect)}),
			[]step{{time.Hour, 1, 0}, {time.Hour, 1, 0}}, []int32{10, 10}},
		{"goes down by parts", following(10, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: windowed(percent(20, 60), 0)}),
			[]step{{round, 1, 0}, {round, 1, 0}, {time.Minute, 1, 0}}, []int32{8, 8, 6}},
		{"what was added may be taken back beyond the policy", following(10, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: windowed(policy(1, 60), 0)}),
			[]step{{round, 12, 0}, {round, 1, 0}}, []int32{12, 9}},
		{"a restart keeps the replicas for a window", following(10, nil),
			[]step{{0, 3, time.Hour}, {4 * time.Minute, 3, 0}, {59 * time.Second, 3, 0}, {2 * time.Second, 3, 0}}, []int32{10, 10, 10, 3}},
		{"a restart lets nothing go that may have gone", following(10, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: windowed(policy(2, 60), 0)}),
			[]step{{0, 3, 50 * time.Second}, {5 * time.Second, 3, 0}, {6 * time.Second, 3, 0}}, []int32{10, 10, 8}},
		{"a restart does not hold up what is added", following(3, &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleUp: policy(2, 60)}),
			[]step{{0, 20, 10 * time.Second}}, []int32{5}},
	} {
		got := play(t, c.in, c.steps...)
		for i := range got {
			if got[i] != c.want[i] {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

// TestProperties holds for any load, behaviour and history, restarts included:
// replicas stay within the bounds once they are; they are added only by a load above the target, and go only by one below; none go that
// were needed within the window; no period sees more taken away than all policies allow together; the same input decides alike.
func TestProperties(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		window := random.Int32N(400)
		rules := policy(1+random.Int32N(4), 15+random.Int32N(200))
		rules.StabilizationWindowSeconds = &window
		in := following(1+random.Int32N(40), &autoscalingv2.HorizontalPodAutoscalerBehavior{ScaleDown: rules, ScaleUp: policy(1+random.Int32N(50), 15)})
		in.Spec.MinReplicas, in.Spec.MaxReplicas = ptr.To(1+random.Int32N(5)), 30+random.Int32N(20)
		type moment struct {
			at       time.Time
			load     int32
			replicas int32
		}
		past := []moment{{noon.Add(-time.Hour), 0, in.Workload.Replicas}}
		lastScale := time.Time{}
		for range 120 {
			in.Now = in.Now.Add(time.Duration(1+random.Int32N(40)) * time.Second)
			before, load := in.Workload.Replicas, random.Int32N(60)
			if random.IntN(20) == 0 {
				in.History = Begin(before, lastScale, in.Now)
			}
			in.Workload.Desired, in.Workload.Observed, in.Readings = before, before, []Reading{{Total: Total{Value: int64(load) * 1000}}}
			d, again := Defaults().Decide(in), Defaults().Decide(in)
			if d.Replicas != again.Replicas || d.Reason != again.Reason {
				t.Fatalf("decided %d and %d", d.Replicas, again.Replicas)
			}
			inside := before >= *in.Spec.MinReplicas && before <= in.Spec.MaxReplicas
			switch after := d.Replicas; {
			case after < *in.Spec.MinReplicas || after > in.Spec.MaxReplicas:
				t.Fatalf("%d replicas, not within %d and %d", after, *in.Spec.MinReplicas, in.Spec.MaxReplicas)
			case inside && after > before && load <= before, inside && after < before && load >= before:
				t.Fatalf("from %d to %d replicas by a load of %d", before, after, load)
			case inside && after < before:
				removed := before - after
				for _, m := range past {
					if in.Now.Sub(m.at) < seconds(window) && min(m.load, m.replicas) > after && m.load > after {
						t.Fatalf("%d replicas were needed %s ago, %d are left", m.load, in.Now.Sub(m.at), after)
					}
				}
				for i, m := range past {
					if in.Now.Sub(m.at) < seconds(rules.Policies[0].PeriodSeconds) && i > 0 {
						removed += past[i-1].replicas - m.replicas
					}
				}
				if removed > rules.Policies[0].Value {
					t.Fatalf("%d replicas went in %d s, %d may", removed, rules.Policies[0].PeriodSeconds, rules.Policies[0].Value)
				}
			}
			in.History = d.History
			if d.Replicas != before {
				in.History, lastScale = in.History.Scaled(before, d.Replicas, in.Now), in.Now
			}
			in.Workload.Replicas = d.Replicas
			past = append(past, moment{in.Now, load, d.Replicas})
		}
	}
}

// TestHistoryStaysSmall: an autoscaler remembers an hour, however long it runs.
func TestHistoryStaysSmall(t *testing.T) {
	history := Begin(1, time.Time{}, noon)
	for i := range 10_000 {
		now := noon.Add(time.Duration(i) * 15 * time.Second)
		history = history.recommend(int32(i%7), now).Scaled(int32(i%7), int32((i+1)%7), now)
	}
	if len(history.recommended) > 300 || len(history.changes) > 300 {
		t.Errorf("remembers %d recommendations and %d changes of an hour with 240 rounds", len(history.recommended), len(history.changes))
	}
}
