package rebalance_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// stage is a fleet with what runs on it. Replicas take whole CPUs.
type stage struct {
	cpus     map[string]int64
	bindings []binding.Binding
	prices   map[string]string
	taints   map[string][]corev1.Taint
}

func (s *stage) fleet() *placement.Snapshot {
	used := map[string]int64{}
	for _, bound := range s.bindings {
		for _, target := range bound.Spec.Clusters {
			used[target.Name] += int64(target.Replicas) * cpuOf(bound)
		}
	}
	var clusters []*clusterv1alpha1.Cluster
	for name, cpus := range s.cpus {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{Taints: s.taints[name]}}
		if price := s.prices[name]; price != "" {
			cluster.Labels = map[string]string{names.ClusterPrice: price}
		}
		cluster.Status = clusterv1alpha1.ClusterStatus{
			APIEnablements: []clusterv1alpha1.APIEnablement{
				{GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}}},
				{GroupVersion: "batch/v1", Resources: []clusterv1alpha1.APIResource{{Name: "jobs", Kind: "Job"}}},
			},
			ResourceSummary: &clusterv1alpha1.ResourceSummary{
				Allocatable: corev1.ResourceList{
					corev1.ResourceCPU: *resource.NewQuantity(cpus, resource.DecimalSI), corev1.ResourcePods: resource.MustParse("1000"),
				},
				Allocated: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(used[name], resource.DecimalSI)},
			},
		}
		clusters = append(clusters, cluster)
	}
	return placement.NewSnapshot(clusters)
}

func cpuOf(bound binding.Binding) int64 {
	return bound.Spec.ReplicaRequirements.ResourceRequest.Cpu().Value()
}

// run adds a workload that has so many replicas in each cluster.
func (s *stage) run(name string, cpu int64, shares map[string]int32, change func(*policyv1alpha1.ReplicaSchedulingStrategy)) binding.Binding {
	bound := binding.New("default", name+"-deployment")
	bound.SetAnnotations(map[string]string{names.AnnotationPropagationPolicyNamespace: "default", names.AnnotationPropagationPolicyName: name})
	strategy := &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
		WeightPreference: &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
	}
	if change != nil {
		change(strategy)
	}
	*bound.Spec = workv1alpha2.ResourceBindingSpec{
		Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name, UID: types.UID(name)},
		ReplicaRequirements: &workv1alpha2.ReplicaRequirements{
			ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: *resource.NewQuantity(cpu, resource.DecimalSI)},
		},
		Placement: &policyv1alpha1.Placement{ReplicaScheduling: strategy},
	}
	for cluster, replicas := range shares {
		bound.Spec.Replicas += replicas
		bound.Spec.Clusters = append(bound.Spec.Clusters, workv1alpha2.TargetCluster{Name: cluster, Replicas: replicas})
	}
	slices.SortFunc(bound.Spec.Clusters, func(a, b workv1alpha2.TargetCluster) int { return strings.Compare(a.Name, b.Name) })
	bound.Status.LastScheduledTime = &metav1.Time{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}
	bound.Status.Conditions = []metav1.Condition{{Type: names.ConditionScheduled, Status: metav1.ConditionTrue}}
	s.bindings = append(s.bindings, bound)
	return bound
}

func byWeight(weights map[string]int64) func(*policyv1alpha1.ReplicaSchedulingStrategy) {
	return func(strategy *policyv1alpha1.ReplicaSchedulingStrategy) {
		strategy.WeightPreference = &policyv1alpha1.ClusterPreferences{}
		for cluster, weight := range weights {
			strategy.WeightPreference.StaticWeightList = append(strategy.WeightPreference.StaticWeightList, policyv1alpha1.StaticClusterWeight{
				TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{cluster}}, Weight: weight,
			})
		}
		slices.SortFunc(strategy.WeightPreference.StaticWeightList, func(a, b policyv1alpha1.StaticClusterWeight) int {
			return strings.Compare(a.TargetCluster.ClusterNames[0], b.TargetCluster.ClusterNames[0])
		})
	}
}

// grouped adds a workload that goes to m1 if it fits, and to m2 otherwise, where it is, in a group that it was placed by.
func (s *stage) grouped(name string, replicas int32, in string) binding.Binding {
	bound := s.run(name, 1, map[string]int32{"m2": replicas}, nil)
	for group, cluster := range []string{"m1", "m2"} {
		bound.Spec.Placement.ClusterAffinities = append(bound.Spec.Placement.ClusterAffinities, policyv1alpha1.ClusterAffinityTerm{
			AffinityName: []string{"home", "away"}[group], ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{cluster}},
		})
	}
	bound.Status.SchedulerObservedAffinityName = in
	return bound
}

func (s *stage) plan(t *testing.T, options rebalance.Options) rebalance.Plan {
	t.Helper()
	plan, err := rebalance.New(t.Context(), s.fleet(), s.bindings, scheduler.Options{Name: "default-scheduler"}.Decide, options)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestPlans holds plans for single workloads against what they should be.
func TestPlans(t *testing.T) {
	equal := map[string]int64{"m1": 1, "m2": 1, "m3": 1}
	for name, c := range map[string]struct {
		stage   stage
		fill    func(*stage)
		options rebalance.Options
		want    string
	}{
		"weights that a failover left behind": {
			fill: func(s *stage) { s.run("web", 1, map[string]int32{"m2": 3, "m3": 3}, byWeight(equal)) },
			want: "wave of 2: Deployment default/web m1 0>2 m2 3>2 m3 3>2",
		},
		"in place already": {
			fill: func(s *stage) { s.run("web", 1, map[string]int32{"m1": 2, "m2": 2, "m3": 2}, byWeight(equal)) },
		},
		"load to where there is room": {
			fill: func(s *stage) { s.run("web", 1, map[string]int32{"m1": 6}, nil) },
			want: "wave of 4: Deployment default/web m1 6>2 m2 0>2 m3 0>2",
		},
		"too little to be worth it": {
			fill:    func(s *stage) { s.run("web", 1, map[string]int32{"m1": 3, "m2": 2, "m3": 1}, byWeight(equal)) },
			options: rebalance.Options{Threshold: 0.5},
		},
		"one after the other": {
			fill: func(s *stage) {
				s.run("a", 1, map[string]int32{"m1": 6}, byWeight(equal))
				s.run("b", 1, map[string]int32{"m1": 3}, byWeight(equal))
			},
			options: rebalance.Options{Moves: 1},
			want:    "wave of 4: Deployment default/a m1 6>2 m2 0>2 m3 0>2; wave of 2: Deployment default/b m1 3>1 m2 0>1 m3 0>1",
		},
		"within the surge": {
			fill: func(s *stage) {
				s.run("a", 1, map[string]int32{"m1": 6}, byWeight(equal))
				s.run("b", 1, map[string]int32{"m1": 3}, byWeight(equal))
			},
			options: rebalance.Options{Surge: 3},
			want:    "wave of 2: Deployment default/b m1 3>1 m2 0>1 m3 0>1; Deployment default/a stays: it needs a surge of 4 replicas, and no more than 3 are allowed",
		},
		"new replicas need room beside the old": {
			fill: func(s *stage) {
				s.run("a", 1, map[string]int32{"m1": 6, "m2": 7}, byWeight(map[string]int64{"m2": 7, "m3": 6}))
				s.run("b", 1, map[string]int32{"m3": 5}, nil)
			},
			want: "Deployment default/a stays: m3 has no room for its new replicas beside the old ones elsewhere; Deployment default/b stays: a move would not make the fleet more even",
		},
		"suspended": {
			fill: func(s *stage) {
				on := true
				s.run("web", 1, map[string]int32{"m1": 6}, byWeight(equal)).Spec.Suspension = &workv1alpha2.Suspension{Scheduling: &on}
			},
			want: "Deployment default/web stays: its scheduling is suspended",
		},
		"an earlier affinity group that fits again": {
			fill: func(s *stage) { s.grouped("web", 4, "away") },
			want: "wave of 4: Deployment default/web m1 0>4 m2 4>0",
		},
		"an earlier affinity group that is still full": {
			fill: func(s *stage) {
				s.run("full", 1, map[string]int32{"m1": 8}, byWeight(map[string]int64{"m1": 1}))
				s.grouped("web", 4, "away")
			},
		},
		"the first affinity group": {
			fill: func(s *stage) {
				s.grouped("web", 4, "home").Spec.Clusters[0].Name = "m1"
			},
		},
		"a Job": {
			fill: func(s *stage) {
				resource := &s.run("web", 1, map[string]int32{"m1": 6}, byWeight(equal)).Spec.Resource
				resource.APIVersion, resource.Kind = "batch/v1", "Job"
			},
			want: "Job default/web stays: a Job would begin anew elsewhere",
		},
	} {
		t.Run(name, func(t *testing.T) {
			c.stage.cpus = map[string]int64{"m1": 10, "m2": 10, "m3": 10}
			c.fill(&c.stage)
			if got := text(c.stage.plan(t, c.options)); got != c.want {
				t.Errorf("the plan is\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}

func text(plan rebalance.Plan) string {
	var parts []string
	for _, wave := range plan.Waves {
		part := fmt.Sprintf("wave of %d:", wave.Surge)
		for _, move := range wave.Moves {
			part += " " + move.String()
			for _, shift := range move.Shifts {
				part += fmt.Sprintf(" %s %d>%d", shift.Cluster, shift.From, shift.To)
			}
		}
		parts = append(parts, part)
	}
	for _, skip := range plan.Skipped {
		parts = append(parts, skip.String()+" stays: "+skip.Reason)
	}
	return strings.Join(parts, "; ")
}

// TestCost adds up what replicas cost more where they go.
func TestCost(t *testing.T) {
	s := stage{cpus: map[string]int64{"m1": 10, "m2": 10}, prices: map[string]string{"m1": "1.5", "m2": "2"}}
	s.run("web", 1, map[string]int32{"m1": 4}, byWeight(map[string]int64{"m1": 1, "m2": 1}))
	if plan := s.plan(t, rebalance.Options{}); plan.Cost == nil || *plan.Cost != 1 || plan.Replicas != 2 || plan.Surge != 2 {
		t.Errorf("the plan costs %v for %d replicas with a surge of %d", plan.Cost, plan.Replicas, plan.Surge)
	}
	delete(s.prices, "m2")
	if plan := s.plan(t, rebalance.Options{}); plan.Cost != nil {
		t.Errorf("the plan costs %v, though m2 has no price", *plan.Cost)
	}
}

// TestPlansHold makes plans for random fleets, and plays them: no cluster runs more than it has at any moment, no workload moves
// twice or changes its size, waves stay within their limits, and where only room counts the fleet becomes more even.
func TestPlansHold(t *testing.T) {
	moved := 0
	for seed := range uint64(300) {
		random := rand.New(rand.NewPCG(seed, 1))
		s, even := randomStage(random)
		options := rebalance.Options{Moves: random.IntN(4), Surge: int64(random.IntN(3) * 8)}
		plan := s.plan(t, options)
		if broken := s.play(plan, options); broken != "" {
			t.Fatalf("seed %d: %s; the plan is %s", seed, broken, text(plan))
		}
		if even && plan.After.Spread > plan.Before.Spread {
			t.Errorf("seed %d: the spread grew from %.2f to %.2f", seed, plan.Before.Spread, plan.After.Spread)
		}
		if again := text(s.plan(t, options)); again != text(plan) {
			t.Fatalf("seed %d: a second plan for the same fleet is another one", seed)
		}
		moved += len(plan.Waves)
	}
	if moved < 200 {
		t.Errorf("%d waves in all: too few to prove anything", moved)
	}
}

// randomStage fills clusters at random; even says that all workloads go by room alone.
func randomStage(random *rand.Rand) (s stage, even bool) {
	s.cpus = map[string]int64{}
	left := map[string]int64{}
	var clusters []string
	for i := range 2 + random.IntN(5) {
		name := fmt.Sprintf("m%d", i)
		clusters = append(clusters, name)
		s.cpus[name] = int64(8 + random.IntN(60))
		left[name] = s.cpus[name]
	}
	even = random.IntN(2) == 0
	for i := range 1 + random.IntN(8) {
		cpu := int64(1 + random.IntN(3))
		shares, weights := map[string]int32{}, map[string]int64{}
		for _, name := range clusters {
			weights[name] = int64(random.IntN(3))
			if fits := left[name] / cpu; fits > 0 && random.IntN(2) == 0 {
				shares[name] = int32(1 + random.Int64N(fits))
				left[name] -= int64(shares[name]) * cpu
			}
		}
		if len(shares) == 0 {
			continue
		}
		change := byWeight(weights)
		if even || random.IntN(2) == 0 {
			change = nil
		}
		s.run(fmt.Sprintf("w%d", i), cpu, shares, change)
	}
	return s, even
}

// play makes the moves of a plan as a fleet does: in each wave all come up before any go. It tells what is broken first.
func (s *stage) play(plan rebalance.Plan, options rebalance.Options) string {
	used, cpu, done := map[string]int64{}, map[string]int64{}, map[string]bool{}
	for _, bound := range s.bindings {
		cpu[bound.Spec.Resource.Name] = cpuOf(bound)
		for _, target := range bound.Spec.Clusters {
			used[target.Name] += int64(target.Replicas) * cpuOf(bound)
		}
	}
	for n, wave := range plan.Waves {
		surge := int64(0)
		for _, grow := range []bool{true, false} {
			for _, move := range wave.Moves {
				size := int32(0)
				for _, shift := range move.Shifts {
					size += shift.To - shift.From
					if grow == (shift.To > shift.From) {
						used[shift.Cluster] += int64(shift.To-shift.From) * cpu[move.Name]
						surge += int64(max(shift.To-shift.From, 0))
					}
					if used[shift.Cluster] > s.cpus[shift.Cluster] {
						return fmt.Sprintf("wave %d: %s runs %d CPUs of %d", n, shift.Cluster, used[shift.Cluster], s.cpus[shift.Cluster])
					}
				}
				if size != 0 {
					return fmt.Sprintf("%s changes its size by %d", move.Name, size)
				}
				if grow && done[move.Name] {
					return move.Name + " moves twice"
				}
				done[move.Name] = true
			}
		}
		if surge != wave.Surge || options.Surge > 0 && surge > options.Surge || options.Moves > 0 && len(wave.Moves) > options.Moves {
			return fmt.Sprintf("wave %d has a surge of %d, says %d, and moves %d workloads", n, surge, wave.Surge, len(wave.Moves))
		}
	}
	return ""
}

// TestEvacuate empties a cluster on paper: one workload after the other takes the room that is left.
func TestEvacuate(t *testing.T) {
	s := stage{
		cpus:   map[string]int64{"m1": 10, "m2": 5, "m3": 10},
		taints: map[string][]corev1.Taint{"m1": {{Key: names.TaintUnschedulable, Effect: corev1.TaintEffectNoSchedule}}},
	}
	s.run("a", 1, map[string]int32{"m1": 6}, nil)
	s.run("b", 1, map[string]int32{"m1": 4, "m2": 2}, nil)
	s.run("c", 1, map[string]int32{"m3": 5}, nil)
	job := &s.run("d", 1, map[string]int32{"m1": 1}, nil).Spec.Resource
	job.APIVersion, job.Kind = "batch/v1", "Job"
	plan, err := rebalance.Evacuate(t.Context(), s.fleet(), s.bindings, "m1", scheduler.Options{Name: "default-scheduler"}.Decide, rebalance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := text(plan); !strings.HasPrefix(got, "wave of 6: Deployment default/a m1 6>0 m2 0>2 m3 0>4; Deployment default/b stays: ") ||
		!strings.HasSuffix(got, "; Job default/d stays: a Job would begin anew elsewhere") {
		t.Errorf("the plan is %s", got)
	}
}

// BenchmarkPlan plans for a thousand workloads on a hundred clusters, half of which have just joined.
func BenchmarkPlan(b *testing.B) {
	random := rand.New(rand.NewPCG(1, 1))
	s := stage{cpus: map[string]int64{}}
	for i := range 100 {
		s.cpus[fmt.Sprintf("m%03d", i)] = 1000
	}
	for i := range 1000 {
		shares := map[string]int32{}
		for range 5 {
			shares[fmt.Sprintf("m%03d", random.IntN(50))] = int32(1 + random.IntN(10))
		}
		s.run(fmt.Sprintf("w%04d", i), 1, shares, nil)
	}
	fleet := s.fleet()
	decide := scheduler.Options{Name: "default-scheduler"}.Decide
	for b.Loop() {
		plan, err := rebalance.New(b.Context(), fleet, s.bindings, decide, rebalance.Options{Moves: 10, Threshold: 0.1})
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(plan.Waves)), "waves")
	}
}
