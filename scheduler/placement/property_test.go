package placement_test

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/internal/golden"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// forEachInput runs a check on the inputs of all recorded cases.
func forEachInput(t *testing.T, check func(t *testing.T, id string, in *recordedInput)) {
	t.Helper()
	for _, c := range golden.Load(t, "placement") {
		var in recordedInput
		decode(t, c.ID, c.In, &in)
		check(t, c.ID, &in)
	}
}

// forEachVariant runs a check on the recorded inputs, then on the same inputs with all preferences in use.
func forEachVariant(t *testing.T, check func(t *testing.T, id string, in *recordedInput)) {
	t.Helper()
	forEachInput(t, check)
	forEachInput(t, func(t *testing.T, id string, in *recordedInput) {
		in.addPreferences()
		check(t, id+" with preferences", in)
	})
}

// addPreferences asks for everything the recorded cases do not: a soft spread over zones beside the constraints of the case,
// all of which count, static weights within the capacity, and cheap clusters.
func (in *recordedInput) addPreferences() {
	in.Annotations = map[string]string{
		names.AnnotationSpread:            names.SpreadEvery,
		names.AnnotationSpreadConstraints: `[{"spreadByField":"zone","minGroups":2,"maxGroups":3,"whenUnsatisfiable":"ScheduleAnyway"}]`,
		names.AnnotationStaticWeights:     names.StaticWeightsWithinCapacity,
		names.AnnotationPrefer:            names.PreferCheap,
	}
	for i, cluster := range in.Clusters {
		if i%3 > 0 {
			cluster.Annotations = map[string]string{names.ClusterPrice: strconv.Itoa(i % 5)}
		}
	}
}

func TestTotalsAreRight(t *testing.T) {
	forEachVariant(t, func(t *testing.T, id string, in *recordedInput) {
		decision := in.decide()
		if broken := brokenTotals(in, decision); broken != "" {
			t.Errorf("%s: %s: %v", id, broken, decision.Clusters)
		}
	})
}

// brokenTotals says which rule about replica numbers a decision breaks, if any.
func brokenTotals(in *recordedInput, decision placement.Decision) string {
	spec := &in.Spec
	if decision.Err != nil {
		if len(decision.Clusters) > 0 {
			return "targets beside an error"
		}
		return ""
	}
	var sum int64
	for _, cluster := range decision.Clusters {
		if cluster.Replicas < 0 {
			return "a negative number of replicas"
		}
		sum += int64(cluster.Replicas)
	}
	takesReplicas := (spec.Replicas > 0 || spec.ReplicaRequirements != nil) && len(spec.Components) < 2
	divided := spec.Placement != nil && spec.Placement.ReplicaScheduling != nil &&
		spec.Placement.ReplicaScheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
	switch {
	case !takesReplicas && sum != 0:
		return "replicas of an object that has none"
	case takesReplicas && divided && sum != int64(max(spec.Replicas, 0)):
		return "the sum of the shares is not the number of replicas"
	}
	return ""
}

func TestOnlyCandidatesGetReplicas(t *testing.T) {
	forEachVariant(t, func(t *testing.T, id string, in *recordedInput) {
		decision := in.decide()
		verdicts := map[string]placement.Verdict{}
		for _, verdict := range decision.Verdicts() {
			verdicts[verdict.Cluster] = verdict
		}
		if len(verdicts) != in.snapshot().Len() {
			t.Errorf("%s: %d verdicts for %d clusters", id, len(verdicts), in.snapshot().Len())
		}
		for _, cluster := range decision.Clusters {
			verdict, ok := verdicts[cluster.Name]
			if !ok || verdict.Terminating || len(verdict.Rejections) > 0 || !verdict.Selected || verdict.Share != cluster.Replicas {
				t.Errorf("%s: %s got %d replicas, its verdict is %+v", id, cluster.Name, cluster.Replicas, verdict)
			}
		}
	})
}

func TestInputStaysUnmodified(t *testing.T) {
	forEachVariant(t, func(t *testing.T, id string, in *recordedInput) {
		before, err := json.Marshal(in)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		in.decide()
		after, err := json.Marshal(in)
		if err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		if string(before) != string(after) {
			t.Errorf("%s: the input changed", id)
		}
	})
}

func TestOrderOfClustersDoesNotMatter(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	forEachVariant(t, func(t *testing.T, id string, in *recordedInput) {
		want := in.decide()
		random.Shuffle(len(in.Clusters), func(i, j int) { in.Clusters[i], in.Clusters[j] = in.Clusters[j], in.Clusters[i] })
		if diff := cmp.Diff(outcomeOf(want), outcomeOf(in.decide())); diff != "" {
			t.Errorf("%s: other order of clusters, other decision:\n%s", id, diff)
		}
	})
}

func TestSnapshotsBuiltInStepsDecideEqually(t *testing.T) {
	forEachVariant(t, func(t *testing.T, id string, in *recordedInput) {
		want := in.decide()
		stale := make([]*clusterv1alpha1.Cluster, len(in.Clusters))
		for i, cluster := range in.Clusters {
			stale[i] = cluster.DeepCopy()
			stale[i].Labels = map[string]string{"stale": cluster.Name, "env": "stale"}
			stale[i].Spec.Region, stale[i].Spec.Taints = "stale-"+cluster.Name, nil
		}
		gone := &clusterv1alpha1.Cluster{}
		gone.Name = "m-gone"
		old := placement.NewSnapshot(slices.Concat(stale, []*clusterv1alpha1.Cluster{gone}))
		half := len(in.Clusters) / 2
		grown := old.With(in.Clusters[:half]...).With(in.Clusters[half:]...).Without("m-gone", "unknown")
		grown = grown.WithPeers(in.snapshot().Peers())
		candidates := placement.Candidates(in.request(), grown)
		got := placement.Assign(candidates, in.capacity(candidates))
		if diff := cmp.Diff(outcomeOf(want), outcomeOf(got)); diff != "" {
			t.Errorf("%s: built in steps, other decision:\n%s", id, diff)
		}
		if old.Len() != len(in.Clusters)+1 || old.Cluster("m-gone") == nil {
			t.Errorf("%s: the first snapshot changed: %d clusters", id, old.Len())
		}
	})
}

// outcome is what a caller sees of a decision.
type outcome struct {
	Clusters []workv1alpha2.TargetCluster
	Error    string
	Verdicts []placement.Verdict
}

func outcomeOf(decision placement.Decision) outcome {
	o := outcome{Clusters: decision.Clusters, Verdicts: decision.Verdicts()}
	if decision.Err != nil {
		o.Error = decision.Err.Error()
	}
	return o
}

// FuzzDecide feeds any request and fleet: it must end with a Decision or an error that keeps the rules.
func FuzzDecide(f *testing.F) {
	for i, c := range golden.Load(f, "placement") {
		switch i % 40 {
		case 0:
			f.Add([]byte(c.In))
		case 20:
			var in recordedInput
			decode(f, c.ID, c.In, &in)
			in.addPreferences()
			raw, err := json.Marshal(in)
			if err != nil {
				f.Fatalf("%s: %v", c.ID, err)
			}
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var in recordedInput
		if json.Unmarshal(raw, &in) != nil || slices.Contains(in.Clusters, nil) {
			t.Skip("not a fleet and a request")
		}
		decision := in.decide()
		if broken := brokenTotals(&in, decision); broken != "" {
			t.Errorf("%s: %v", broken, decision.Clusters)
		}
		if len(decision.Verdicts()) != in.snapshot().Len() {
			t.Error("a cluster has no verdict")
		}
		if !strings.Contains(decision.Summary(), "clusters fit") {
			t.Errorf("summary %q", decision.Summary())
		}
		for _, attempt := range in.request().Attempts() {
			placement.Assign(placement.Candidates(attempt, in.snapshot()), nil)
		}
	})
}
