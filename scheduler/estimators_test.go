package scheduler

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/capacity"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// roomy is a cluster whose summary has room for so many replicas of one CPU.
func roomy(name string, replicas int64) *clusterv1alpha1.Cluster {
	made := cluster(name)
	made.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{
		GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
	}}
	made.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(replicas, resource.DecimalSI), corev1.ResourcePods: resource.MustParse("1k"),
	}}
	return made
}

// asking is a binding that wants replicas of one CPU, divided by the room of the clusters.
func asking(replicas int32) binding.Binding {
	bound := placed()
	bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"}
	bound.Spec.Replicas, bound.Spec.Clusters = replicas, nil
	bound.Spec.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
	bound.Spec.Placement.ReplicaScheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceAggregated
	return bound
}

// answers are what a fake estimator says by cluster. Other clusters have none.
type answers map[string]estimator.Answer

func (a answers) Estimate(_ context.Context, _ estimator.Question, clusters []string) []estimator.Answer {
	given := make([]estimator.Answer, len(clusters))
	for i, name := range clusters {
		answer, ok := a[name]
		if !ok {
			answer.Err = errors.New("no estimator")
		}
		given[i] = answer
	}
	return given
}

type estimateFunc func(question estimator.Question, clusters []string) []estimator.Answer

func (f estimateFunc) Estimate(_ context.Context, question estimator.Question, clusters []string) []estimator.Answer {
	return f(question, clusters)
}

func capacities(decision *placement.Decision) map[string]int64 {
	found := map[string]int64{}
	for _, verdict := range decision.Verdicts() {
		found[verdict.Cluster] = verdict.Capacity
	}
	return found
}

func TestEstimatesAreMerged(t *testing.T) {
	fleet := fleetOf(roomy("m1", 10), roomy("m2", 10), roomy("m3", 10), roomy("m4", 10), roomy("m5", 10), roomy("m6", 10))
	options := Options{Name: "default-scheduler", Estimators: answers{
		"m1": {Count: 4}, "m2": {Count: 40}, "m3": {Count: 3, Stale: true}, "m6": {Count: 40, Stale: true}, "m4": {Err: errors.New("connection refused\nby m4")}, "m5": {Count: -1},
	}}
	decision := options.Decide(t.Context(), asking(20), fleet)
	if decision.Err != nil {
		t.Fatal(decision.Err)
	}
	if diff := cmp.Diff(map[string]int64{"m1": 4, "m2": 40, "m3": 3, "m4": 10, "m5": 10, "m6": 10}, capacities(&decision)); diff != "" {
		t.Errorf("capacities (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]placement.Doubt{
		{Cluster: "m3", Kind: placement.DoubtStale, Reason: "its estimator has lost sight of the nodes"},
		{Cluster: "m4", Kind: placement.DoubtSummary, Reason: "connection refused by m4"},
		{Cluster: "m5", Kind: placement.DoubtSummary, Reason: "its estimator counts -1"},
		{Cluster: "m6", Kind: placement.DoubtStale, Reason: "its estimator has lost sight of the nodes"},
	}, decision.Doubts); diff != "" {
		t.Errorf("doubts (-want +got):\n%s", diff)
	}
	told := options.Explain(t.Context(), asking(20), fleet)
	if told.Clusters[0].Doubt != nil || told.Clusters[2].Doubt == nil || told.Clusters[2].Doubt.Kind != "Stale" || !told.InFlightExcluded {
		t.Errorf("the explanation says %+v", told)
	}
}

func TestShortAnswersCountAsUnknown(t *testing.T) {
	options := Options{Name: "default-scheduler", Estimators: estimateFunc(func(estimator.Question, []string) []estimator.Answer {
		return []estimator.Answer{{Count: 2}}
	})}
	decision := options.Decide(t.Context(), asking(12), fleetOf(roomy("m1", 10), roomy("m2", 10)))
	if diff := cmp.Diff(map[string]int64{"m1": 2, "m2": 10}, capacities(&decision)); diff != "" || decision.Err != nil {
		t.Errorf("error %v, capacities (-want +got):\n%s", decision.Err, diff)
	}
	if len(decision.Doubts) != 1 || decision.Doubts[0].Reason != "its estimator was not asked" {
		t.Errorf("doubts %v", decision.Doubts)
	}
}

func TestQuestionToEstimators(t *testing.T) {
	var asked []estimator.Question
	options := Options{Name: "default-scheduler", Estimators: estimateFunc(func(question estimator.Question, clusters []string) []estimator.Answer {
		asked = append(asked, question)
		return make([]estimator.Answer, len(clusters))
	})}
	fleet := fleetOf(roomy("m1", 10))
	bound := asking(1)
	bound.GetAnnotations()[names.AnnotationPodDemand] = `{"hostPorts":[{"port":80}]}`
	options.Decide(t.Context(), bound, fleet)
	config := asking(0)
	config.Spec.ReplicaRequirements = nil
	options.Decide(t.Context(), config, fleet)
	if len(asked) != 1 {
		t.Fatalf("%d questions, want one: an object without replicas asks for no room", len(asked))
	}
	got := asked[0]
	if got.Workload != "shop/web-deployment" || got.Namespace != "shop" || got.Requirements == nil || got.Pod == nil || got.Pod.HostPorts[0].Port != 80 {
		t.Errorf("question %+v", got)
	}
	bound.GetAnnotations()[names.AnnotationPodDemand] = `{"hostPorts":`
	if err := options.Decide(t.Context(), bound, fleet).Err; err == nil || !strings.Contains(err.Error(), names.AnnotationPodDemand) {
		t.Errorf("a malformed demand gives %v", err)
	}
}

// TestTermsAreAskedAboutInTurn: the second term is asked about only when the first does not fit, by what estimators say.
func TestTermsAreAskedAboutInTurn(t *testing.T) {
	var asked []string
	estimate := func(room int32) estimateFunc {
		return func(_ estimator.Question, clusters []string) []estimator.Answer {
			asked = append(asked, strings.Join(clusters, "+"))
			given := make([]estimator.Answer, len(clusters))
			for i := range given {
				given[i].Count = room
			}
			return given
		}
	}
	bound := asking(4)
	term := func(cluster string) policyv1alpha1.ClusterAffinityTerm {
		return policyv1alpha1.ClusterAffinityTerm{AffinityName: cluster, ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{cluster}}}
	}
	bound.Spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{term("m1"), term("m2")}
	fleet := fleetOf(roomy("m1", 10), roomy("m2", 10))
	for room, want := range map[int32]string{4: "m1", 3: "m1 m2"} {
		asked = nil
		decision := Options{Name: "default-scheduler", Estimators: estimate(room)}.Decide(t.Context(), bound, fleet)
		if got := strings.Join(asked, " "); got != want || (decision.Err == nil) != (room == 4) {
			t.Errorf("room for %d: asked about %q, want %q; error %v", room, got, want, decision.Err)
		}
	}
}

// TestExtendersSeeEveryCandidate: a cluster that becomes a candidate while extenders are asked is asked about, too.
func TestExtendersSeeEveryCandidate(t *testing.T) {
	fleets := []*placement.Snapshot{fleetOf(roomy("m1", 10)), fleetOf(roomy("m1", 10), roomy("m2", 10))}
	var asked []string
	options := Options{Name: "default-scheduler", Gather: func(_ context.Context, candidates *placement.CandidateSet) ([]placement.Foreign, error) {
		asked = append(asked, strings.Join(candidates.Names(), "+"))
		return []placement.Foreign{{Cluster: "m2", Plugin: "licences", Reason: "no licence"}, {Cluster: "m9", Plugin: "licences", Score: 7}}, nil
	}}.withDefaults()
	decide := func(next func(round int) *placement.Snapshot) placement.Decision {
		heard := hearings{}
		for round := 0; ; round++ {
			decision, open := options.decide(asking(2), basis{batch: placement.NewBatch(next(round)), memo: capacity.New(options.General), heard: heard})
			if open == nil {
				return decision
			}
			heard.add(open, options.ask(t.Context(), open))
		}
	}
	decision := decide(func(round int) *placement.Snapshot { return fleets[min(round, 1)] })
	if diff := cmp.Diff([]string{"m1", "m1+m2"}, asked); diff != "" || decision.Err != nil || len(decision.Clusters) != 1 || decision.Clusters[0].Name != "m1" {
		t.Errorf("decision %v, %v; asked (-want +got):\n%s", decision.Clusters, decision.Err, diff)
	}
	asked = nil
	restless := decide(func(round int) *placement.Snapshot { return fleetOf(roomy(fmt.Sprint("m", round), 10)) })
	if len(asked) != maxHearings || restless.Err == nil || !strings.Contains(restless.Err.Error(), "became candidates while they were asked") {
		t.Errorf("a fleet that never rests: asked %v, error %v", asked, restless.Err)
	}
}
