package placement_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// TestBatchDecidesLikeSingleRequests puts every fourth recorded request, and variants that share its placement, in one batch.
func TestBatchDecidesLikeSingleRequests(t *testing.T) {
	count := 0
	forEachInput(t, func(t *testing.T, id string, in *recordedInput) {
		if count++; count%4 > 0 {
			return
		}
		snapshot := in.snapshot()
		batch := placement.NewBatch(snapshot)
		plain, moved := in.Spec.DeepCopy(), in.Spec.DeepCopy()
		plain.Clusters, plain.GracefulEvictionTasks, plain.WorkloadAffinityGroups = nil, nil, nil
		for i, cluster := range in.Clusters {
			if i%2 == 0 && cluster != nil {
				moved.Clusters = append(moved.Clusters, workv1alpha2.TargetCluster{Name: cluster.Name, Replicas: 1})
			}
		}
		for i, spec := range []*workv1alpha2.ResourceBindingSpec{moved, &in.Spec, plain, moved, plain} {
			request := in.request()
			request.Spec = spec
			if count%8 == 0 {
				request.Fingerprint = fmt.Sprintf("%s %+v", encoded(t, spec.Placement), request.Preferences)
			}
			want := placement.Assign(placement.Candidates(request, snapshot), nil)
			got := batch.Assign(batch.Candidates(request), nil)
			if diff := cmp.Diff(outcomeOf(want), outcomeOf(got)); diff != "" {
				t.Fatalf("%s: request %d (-single +batch)\n%s", id, i, diff)
			}
			for j := range got.Clusters {
				got.Clusters[j].Replicas = -1
			}
			candidates := batch.Candidates(request)
			want, got = placement.Assign(candidates, in.capacity(candidates)), batch.Assign(candidates, in.capacity(candidates))
			if diff := cmp.Diff(outcomeOf(want), outcomeOf(got)); diff != "" {
				t.Fatalf("%s: request %d with capacities (-single +batch)\n%s", id, i, diff)
			}
		}
	})
}

// TestBatchForgets: a batch that meets more placements than it keeps still tells them apart.
func TestBatchForgets(t *testing.T) {
	snapshot := placement.NewSnapshot(fleet(20))
	batch := placement.NewBatch(snapshot)
	for round := range 2 {
		for i := range 300 {
			name := fmt.Sprintf("member-%05d", i%20)
			request := benchmarkRequest(&policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{name}}})
			request.Fingerprint = fmt.Sprint(i)
			request.Spec.Clusters = nil
			want, got := decide(request, snapshot), batch.Assign(batch.Candidates(request), nil)
			if diff := cmp.Diff(outcomeOf(want), outcomeOf(got)); diff != "" {
				t.Fatalf("round %d, placement %d (-single +batch)\n%s", round, i, diff)
			}
		}
	}
}

func encoded(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// BenchmarkPlacementBatch places 100 workloads of one policy, a third of which are placed already. An op is the whole batch.
func BenchmarkPlacementBatch(b *testing.B) {
	for _, size := range []int{100, 1000, 5000} {
		snapshot := placement.NewSnapshot(fleet(size))
		requests := make([]placement.Request, 100)
		for i := range requests {
			requests[i] = benchmarkRequest(benchmarkPlacements()["region"])
			requests[i].Spec.Resource.Name = fmt.Sprintf("web-%d", i)
			if i%3 > 0 {
				requests[i].Spec.Clusters = nil
			}
		}
		capacity := randomCapacity(placement.Candidates(requests[0], snapshot).Len())
		run := func(b *testing.B, newDecide func() func(placement.Request) placement.Decision) {
			b.ReportAllocs()
			start := cpuTime(b)
			for b.Loop() {
				decide := newDecide()
				for i := range requests {
					if decision := decide(requests[i]); decision.Err != nil {
						b.Fatal(decision.Err)
					}
				}
			}
			b.ReportMetric(float64((cpuTime(b)-start).Nanoseconds())/float64(b.N*len(requests)), "cpu-ns/decision")
		}
		b.Run(fmt.Sprintf("batch/%d", size), func(b *testing.B) {
			run(b, func() func(placement.Request) placement.Decision {
				batch := placement.NewBatch(snapshot)
				return func(r placement.Request) placement.Decision { return batch.Assign(batch.Candidates(r), capacity) }
			})
		})
		b.Run(fmt.Sprintf("single/%d", size), func(b *testing.B) {
			run(b, func() func(placement.Request) placement.Decision {
				return func(r placement.Request) placement.Decision {
					return placement.Assign(placement.Candidates(r, snapshot), capacity)
				}
			})
		})
	}
}

func randomCapacity(clusters int) []int32 {
	random := rand.New(rand.NewPCG(1, 1))
	capacity := make([]int32, clusters)
	for i := range capacity {
		capacity[i] = random.Int32N(200)
	}
	return capacity
}
