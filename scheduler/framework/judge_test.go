package framework_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	status "k8s.io/kube-scheduler/framework"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

func TestFilter(t *testing.T) {
	for name, c := range map[string]struct {
		result *status.Status
		want   []string
		reason string
		err    string
	}{
		"success":       {nil, []string{"m1", "m2", "m3", "m4"}, "", ""},
		"skip":          {status.NewStatus(status.Skip), []string{"m1", "m2", "m3", "m4"}, "", ""},
		"unschedulable": {status.NewStatus(status.Unschedulable, "no licence", "no room"), []string{"m1", "m2", "m4"}, "no licence, no room", ""},
		"unresolvable":  {status.NewStatus(status.UnschedulableAndUnresolvable), []string{"m1", "m2", "m4"}, "rejected by plugin Test", ""},
		"pending":       {status.NewStatus(status.Pending, "later"), []string{"m1", "m2", "m4"}, "later", ""},
		"error":         {status.AsStatus(errors.New("boom")), nil, "", "filtering cluster m3 by plugin Test: boom"},
		"empty error":   {status.NewStatus(status.Error), nil, "", "the plugin failed without a reason"},
		"wait":          {status.NewStatus(status.Wait), nil, "", "code 4 has no meaning here"},
		"unknown code":  {status.NewStatus(99), nil, "", "code 99 has no meaning here"},
	} {
		t.Run(name, func(t *testing.T) {
			own := profile(t, "{name: Test}", filterFunc(func(cluster string) *status.Status {
				if cluster == "m3" {
					return c.result
				}
				return nil
			}))
			judged, err := own.Judge(candidates(own))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error %v lacks %s", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, judged.Names()); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
			decision := own.Assign(judged, nil)
			if got := decision.Verdicts()[2].Rejections; c.reason != "" && (len(got) != 1 || got[0] != placement.Rejection{Plugin: "Test", Reason: c.reason}) {
				t.Errorf("rejections %v, want %q", got, c.reason)
			}
		})
	}
}

func TestFilterOfAllClustersIsAFitError(t *testing.T) {
	own := profile(t, "{name: Test}", filterFunc(func(string) *status.Status { return status.NewStatus(status.Unschedulable, "closed") }))
	judged, err := own.Judge(candidates(own))
	if err != nil {
		t.Fatal(err)
	}
	var fit *placement.FitError
	if err := own.Assign(judged, nil).Err; !errors.As(err, &fit) || err.Error() != "0/4 clusters are available: 4 closed." {
		t.Errorf("error %v", err)
	}
}

// scoresOf explains what one cluster got from the plugin.
func scoresOf(decision placement.Decision, row int, plugin string) []int64 {
	var scores []int64
	for _, score := range decision.Verdicts()[row].Scores {
		if score.Plugin == plugin {
			scores = append(scores, score.Score)
		}
	}
	return scores
}

func TestScoresAreWeighed(t *testing.T) {
	own := profile(t, "{name: Test, weight: 3}, {name: ClusterLocality, weight: 2}", scoreFunc(func(cluster string) (int64, *status.Status) {
		return map[string]int64{"m1": 100, "m2": 1, "m4": 70}[cluster], nil
	}))
	judged, err := own.Judge(candidates(own))
	if err != nil {
		t.Fatal(err)
	}
	decision := own.Assign(judged, nil)
	for row, want := range []int64{300, 3, 0, 210} {
		if diff := cmp.Diff([]int64{want}, scoresOf(decision, row, "Test")); diff != "" {
			t.Errorf("scores of m%d (-want +got):\n%s", row+1, diff)
		}
	}
	if diff := cmp.Diff([]int64{100, 100}, scoresOf(decision, 1, "ClusterLocality")); diff != "" {
		t.Errorf("weighed locality (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int64{0}, scoresOf(decision, 0, "ClusterLocality")); diff != "" {
		t.Errorf("locality of another cluster (-want +got):\n%s", diff)
	}
}

func TestWeightChangesTheDecision(t *testing.T) {
	elsewhere := scoreFunc(func(cluster string) (int64, *status.Status) {
		return map[string]int64{"m1": 100, "m4": 100}[cluster], nil
	})
	for enabled, want := range map[string]string{
		"{name: Test, weight: 2}":                          "m1 m4",
		"{name: Test}, {name: ClusterLocality, weight: 3}": "m1 m2",
	} {
		own := profile(t, enabled, elsewhere)
		judged, err := own.Judge(candidates(own))
		if err != nil {
			t.Fatal(err)
		}
		var chosen []string
		for _, verdict := range decided(t, own, judged).Verdicts() {
			if verdict.Selected {
				chosen = append(chosen, verdict.Cluster)
			}
		}
		if got := strings.Join(chosen, " "); got != want {
			t.Errorf("%s selects %s, want %s", enabled, got, want)
		}
	}
}

func decided(t *testing.T, own *framework.Profile, judged *placement.CandidateSet) *placement.Decision {
	t.Helper()
	decision := own.Assign(judged, nil)
	if decision.Err != nil {
		t.Fatal(decision.Err)
	}
	return &decision
}

func TestScoresGoneWrong(t *testing.T) {
	fifty := scoreFunc(func(string) (int64, *status.Status) { return 50, nil })
	huge := scoreFunc(func(string) (int64, *status.Status) { return 101, nil })
	for name, c := range map[string]struct {
		plugin framework.Plugin
		want   string
	}{
		"too high": {huge, "scoring cluster m1 by plugin Test: 101 is not between 0 and 100"},
		"negative": {scoreFunc(func(string) (int64, *status.Status) { return -1, nil }), "-1 is not between"},
		"error":    {scoreFunc(func(string) (int64, *status.Status) { return 0, status.NewStatus(status.Error, "boom") }), "scoring cluster m1 by plugin Test: boom"},
		"rejects":  {scoreFunc(func(string) (int64, *status.Status) { return 0, status.NewStatus(status.Unschedulable, "no") }), "only filters reject clusters: no"},
		"normalizing fails": {normalizer{huge, func([]framework.ClusterScore) *status.Status { return status.NewStatus(status.Error, "flat") }},
			"normalizing scores of plugin Test: flat"},
		"renamed": {normalizer{fifty, func(scores []framework.ClusterScore) *status.Status { scores[1].Cluster = "x"; return nil }},
			"it changed the clusters"},
	} {
		t.Run(name, func(t *testing.T) {
			own := profile(t, "{name: Test}", c.plugin)
			if _, err := own.Judge(candidates(own)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v lacks %s", err, c.want)
			}
		})
	}
}

func TestNormalizedScores(t *testing.T) {
	own := profile(t, "{name: Test}", normalizer{
		func(cluster string) (int64, *status.Status) { return int64(len(cluster)) * 1000, nil },
		func(scores []framework.ClusterScore) *status.Status {
			for i := range scores {
				scores[i].Score = int64(i)
			}
			return nil
		},
	})
	judged, err := own.Judge(candidates(own))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]int64{3}, scoresOf(own.Assign(judged, nil), 3, "Test")); diff != "" {
		t.Errorf("score of m4 (-want +got):\n%s", diff)
	}
}

func TestSkippedScoresSayNothing(t *testing.T) {
	own := profile(t, "{name: Test}", scoreFunc(func(string) (int64, *status.Status) { return 5, status.NewStatus(status.Skip) }))
	given := candidates(own)
	if judged, err := own.Judge(given); err != nil || judged != given {
		t.Errorf("candidates changed, error %v", err)
	}
}

func TestZeroProfileIsTheCore(t *testing.T) {
	own := &framework.Profile{}
	given := candidates(own)
	judged, err := own.Judge(given)
	if err != nil {
		t.Fatal(err)
	}
	want, got := placement.Assign(given, nil), own.Assign(judged, nil)
	if diff := cmp.Diff(want.Clusters, got.Clusters); diff != "" || want.Err != nil || len(want.Clusters) == 0 {
		t.Errorf("core gives %v, %v (-core +profile):\n%s", want.Clusters, want.Err, diff)
	}
}

func TestSelect(t *testing.T) {
	names := func(keep ...string) selectFunc {
		return func([]framework.Candidate) ([]string, *status.Status) { return keep, nil }
	}
	for name, c := range map[string]struct {
		plugin selectFunc
		want   string
		err    string
	}{
		"by capacity": {func(list []framework.Candidate) (keep []string, _ *status.Status) {
			for _, candidate := range list {
				if candidate.Capacity >= 30 {
					keep = append(keep, candidate.Cluster.Name)
				}
			}
			return keep, nil
		}, "m3 m4", ""},
		"skip":    {func([]framework.Candidate) ([]string, *status.Status) { return nil, status.NewStatus(status.Skip) }, "m2 m4", ""},
		"too few": {names("m1"), "", "the number of feasible clusters is less than spreadConstraint.MinGroups"},
		"none":    {names(), "", "4 not selected by plugin Test."},
		"rejects": {func([]framework.Candidate) ([]string, *status.Status) {
			return nil, status.NewStatus(status.Unschedulable, "full moon")
		}, "", "4 full moon."},
		"a liar": {names("m1", "m9"), "", `selecting clusters by plugin Test: cluster "m9" is not a candidate`},
		"an error": {func([]framework.Candidate) ([]string, *status.Status) {
			return nil, status.AsStatus(errors.New("boom"))
		}, "", "selecting clusters by plugin Test: boom"},
		"repeating": {names("m1", "m1", "m2"), "m1 m2", ""},
	} {
		t.Run(name, func(t *testing.T) {
			own := profile(t, "{name: Test}", c.plugin)
			decision := own.Assign(candidates(own), []int32{10, 20, 30, 40})
			var chosen []string
			for _, verdict := range decision.Verdicts() {
				if verdict.Selected && decision.Err == nil {
					chosen = append(chosen, verdict.Cluster)
				}
			}
			if got := strings.Join(chosen, " "); got != c.want {
				t.Errorf("selects %q, want %q (error %v)", got, c.want, decision.Err)
			}
			if c.err != "" && (decision.Err == nil || !strings.Contains(decision.Err.Error(), c.err) || decision.Clusters != nil) {
				t.Errorf("clusters %v, error %v lacks %s", decision.Clusters, decision.Err, c.err)
			}
		})
	}
}

func TestCapacitiesOfOtherLengthAreAnError(t *testing.T) {
	own := profile(t, "{name: Test}", selectFunc(func([]framework.Candidate) ([]string, *status.Status) { return []string{"m1"}, nil }))
	if err := own.Assign(candidates(own), []int32{1}).Err; err == nil || !strings.Contains(err.Error(), "1 capacities for 4 candidates") {
		t.Errorf("error %v", err)
	}
}

func TestAssign(t *testing.T) {
	gives := func(targets ...workv1alpha2.TargetCluster) assignFunc {
		return func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
			return targets, nil
		}
	}
	for name, c := range map[string]struct {
		plugin assignFunc
		want   []workv1alpha2.TargetCluster
		err    string
	}{
		"moves":   {gives(workv1alpha2.TargetCluster{Name: "m2", Replicas: 1}, workv1alpha2.TargetCluster{Name: "m1", Replicas: 5}), []workv1alpha2.TargetCluster{{Name: "m2", Replicas: 1}, {Name: "m1", Replicas: 5}}, ""},
		"empties": {gives(workv1alpha2.TargetCluster{Name: "m1", Replicas: 6}), []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 6}}, ""},
		"loses":   {gives(workv1alpha2.TargetCluster{Name: "m1", Replicas: 5}), nil, "assigning replicas by plugin Test: 5 replicas are assigned, not 6"},
		"strays":  {gives(workv1alpha2.TargetCluster{Name: "m3", Replicas: 6}), nil, `cluster "m3" was not selected`},
		"repeats": {gives(workv1alpha2.TargetCluster{Name: "m1", Replicas: 3}, workv1alpha2.TargetCluster{Name: "m1", Replicas: 3}), nil, "cluster m1 is listed twice"},
		"negates": {gives(workv1alpha2.TargetCluster{Name: "m1", Replicas: -1}, workv1alpha2.TargetCluster{Name: "m2", Replicas: 7}), nil, "cluster m1 gets -1 replicas"},
		"fails": {func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
			return nil, status.AsStatus(errors.New("boom"))
		}, nil, "assigning replicas by plugin Test: boom"},
		"refuses": {func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
			return nil, status.NewStatus(status.Unschedulable, "not today")
		}, nil, "not today"},
	} {
		t.Run(name, func(t *testing.T) {
			own := profile(t, "{name: Test}", c.plugin)
			decision := own.Assign(candidates(own), []int32{40, 20, 10, 10})
			if diff := cmp.Diff(c.want, decision.Clusters); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
			if (c.err == "") != (decision.Err == nil) || c.err != "" && !strings.Contains(decision.Err.Error(), c.err) {
				t.Errorf("error %v, want %q", decision.Err, c.err)
			}
		})
	}
}

func TestAssignStandsAside(t *testing.T) {
	skips := assignFunc(func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
		return nil, status.NewStatus(status.Skip)
	})
	own := profile(t, "{name: Test}", skips)
	given := candidates(own)
	if diff := cmp.Diff(placement.Assign(given, nil).Clusters, own.Assign(given, nil).Clusters); diff != "" {
		t.Errorf("after a skip (-core +profile):\n%s", diff)
	}
	asked := false
	own = profile(t, "{name: Test}", assignFunc(func([]string, []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
		asked = true
		return nil, nil
	}))
	duplicated := candidates(own)
	duplicated.Request().Spec.Placement.ReplicaScheduling = nil
	if decision := own.Assign(duplicated, nil); asked || decision.Err != nil || len(decision.Clusters) != 2 {
		t.Errorf("asked about duplicated replicas: %v; %v, %v", asked, decision.Clusters, decision.Err)
	}
}
