package placement_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

func TestParsePreferences(t *testing.T) {
	got, err := placement.ParsePreferences(map[string]string{
		names.AnnotationSpread:            "Every",
		names.AnnotationSpreadConstraints: `[{"spreadByField":"zone","minGroups":3,"maxGroups":4,"whenUnsatisfiable":"ScheduleAnyway"},{"spreadByLabel":"rack"}]`,
		names.AnnotationStaticWeights:     "WithinCapacity",
		names.AnnotationPrefer:            "Cheap",
		"unrelated":                       "x",
	})
	want := placement.Preferences{
		EverySpread: true, StaticWeightsWithinCapacity: true, Cheap: true,
		Spread: []placement.SpreadPreference{
			{
				SpreadConstraint:  policyv1alpha1.SpreadConstraint{SpreadByField: "zone", MinGroups: 3, MaxGroups: 4},
				WhenUnsatisfiable: placement.ScheduleAnyway,
			},
			{SpreadConstraint: policyv1alpha1.SpreadConstraint{SpreadByLabel: "rack"}},
		},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("error %v, preferences (-want +got):\n%s", err, diff)
	}
	if got, err := placement.ParsePreferences(nil); err != nil || got.EverySpread || got.Spread != nil {
		t.Errorf("without annotations: %+v, %v", got, err)
	}
}

func TestParsePreferencesNamesTheFix(t *testing.T) {
	for name, c := range map[string]struct{ key, value, fix string }{
		"mode":           {names.AnnotationSpread, "every", `write "Every" or remove it`},
		"weights":        {names.AnnotationStaticWeights, "yes", `write "WithinCapacity"`},
		"prefer":         {names.AnnotationPrefer, "fast", `write "Cheap"`},
		"not JSON":       {names.AnnotationSpreadConstraints, "zone", "write a JSON list such as"},
		"unknown key":    {names.AnnotationSpreadConstraints, `[{"field":"zone"}]`, "write a JSON list such as"},
		"more text":      {names.AnnotationSpreadConstraints, `[] []`, "remove it"},
		"both":           {names.AnnotationSpreadConstraints, `[{"spreadByField":"zone","spreadByLabel":"rack"}]`, "give one of"},
		"neither":        {names.AnnotationSpreadConstraints, `[{"minGroups":1}]`, "give one of"},
		"unknown field":  {names.AnnotationSpreadConstraints, `[{"spreadByField":"country"}]`, "use spreadByLabel"},
		"below zero":     {names.AnnotationSpreadConstraints, `[{"spreadByField":"zone","minGroups":-1}]`, "give a number of groups"},
		"most below":     {names.AnnotationSpreadConstraints, `[{"spreadByField":"zone","maxGroups":-1}]`, "give a number of groups"},
		"most too small": {names.AnnotationSpreadConstraints, `[{"spreadByField":"zone","minGroups":3,"maxGroups":2}]`, "raise it or remove it"},
		"twice":          {names.AnnotationSpreadConstraints, `[{"spreadByField":"zone"},{"spreadByField":"zone"}]`, "join the two"},
		"no such answer": {names.AnnotationSpreadConstraints, `[{"spreadByField":"zone","whenUnsatisfiable":"Never"}]`, "write DoNotSchedule or ScheduleAnyway"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := placement.ParsePreferences(map[string]string{c.key: c.value})
			if err == nil || !strings.Contains(err.Error(), c.key) || !strings.Contains(err.Error(), c.fix) {
				t.Errorf("got %v, want an error that names %s and says %q", err, c.key, c.fix)
			}
		})
	}
}

// preferring is a Deployment with the preferences of an annotation.
func preferring(t *testing.T, key, value string, wanted policyv1alpha1.Placement) placement.Request {
	t.Helper()
	request := deployment(wanted)
	preferences, err := placement.ParsePreferences(map[string]string{key: value})
	if err != nil {
		t.Fatal(err)
	}
	request.Preferences = preferences
	return request
}

func TestSoftSpreadGivesWayGroupByGroup(t *testing.T) {
	snapshot := placement.NewSnapshot(fleet(4))
	for name, c := range map[string]struct {
		spread      string
		clusters    int
		concessions []string
		fails       bool
	}{
		"met":            {`[{"spreadByField":"provider","minGroups":2,"maxGroups":2,"whenUnsatisfiable":"ScheduleAnyway"}]`, 3, nil, false},
		"hard":           {`[{"spreadByField":"provider","minGroups":5}]`, 0, nil, true},
		"fewer groups":   {`[{"spreadByField":"provider","minGroups":5,"whenUnsatisfiable":"ScheduleAnyway"}]`, 4, []string{"at least 3 of provider instead of at least 5 of provider"}, false},
		"no such label":  {`[{"spreadByLabel":"rack","minGroups":2,"whenUnsatisfiable":"ScheduleAnyway"}]`, 4, []string{"no spread over label rack instead of at least 2 of label rack"}, false},
		"hard stays":     {`[{"spreadByField":"provider","minGroups":2,"maxGroups":2},{"spreadByLabel":"rack","minGroups":1,"whenUnsatisfiable":"ScheduleAnyway"}]`, 3, []string{"no spread over label rack instead of at least 1 of label rack"}, false},
		"soft and lost":  {`[{"spreadByField":"provider","minGroups":9},{"spreadByField":"region","whenUnsatisfiable":"ScheduleAnyway"}]`, 0, nil, true},
		"fewer clusters": {`[{"spreadByField":"cluster","minGroups":9,"maxGroups":9,"whenUnsatisfiable":"ScheduleAnyway"}]`, 4, []string{"4 to 9 of cluster instead of 9 to 9 of cluster"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			decision := decide(preferring(t, names.AnnotationSpreadConstraints, c.spread, policyv1alpha1.Placement{}), snapshot)
			if (decision.Err != nil) != c.fails || len(decision.Clusters) != c.clusters {
				t.Errorf("%d clusters, error %v; want %d", len(decision.Clusters), decision.Err, c.clusters)
			}
			if diff := cmp.Diff(c.concessions, decision.Concessions); diff != "" {
				t.Errorf("concessions (-want +got):\n%s", diff)
			}
		})
	}
}

func TestPreferenceReplacesTheConstraintOfThePolicy(t *testing.T) {
	strict := policyv1alpha1.Placement{SpreadConstraints: []policyv1alpha1.SpreadConstraint{
		{SpreadByField: policyv1alpha1.SpreadByFieldRegion, MinGroups: 3, MaxGroups: 3},
		{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 9},
	}}
	snapshot := placement.NewSnapshot(fleet(2))
	if decision := decide(deployment(strict), snapshot); decision.Err == nil {
		t.Fatalf("two regions count as three: %v", decision.Clusters)
	}
	soft := preferring(t, names.AnnotationSpreadConstraints,
		`[{"spreadByField":"region","minGroups":3,"whenUnsatisfiable":"ScheduleAnyway"}]`, strict)
	if decision := decide(soft, snapshot); decision.Err != nil || len(decision.Clusters) != 2 {
		t.Errorf("%v, %v", decision.Clusters, decision.Err)
	}
}

func TestEverySpreadCountsBesideClusters(t *testing.T) {
	wanted := policyv1alpha1.Placement{SpreadConstraints: []policyv1alpha1.SpreadConstraint{
		{SpreadByField: policyv1alpha1.SpreadByFieldProvider, MinGroups: 2, MaxGroups: 2},
		{SpreadByLabel: "tier", MinGroups: 2, MaxGroups: 2},
		{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 2, MaxGroups: 2},
	}}
	snapshot := placement.NewSnapshot(fleet(6))
	wanted.SpreadConstraints[2].MaxGroups = 6
	every := decide(preferring(t, names.AnnotationSpread, names.SpreadEvery, wanted), snapshot)
	if every.Err != nil || len(every.Clusters) != 4 {
		t.Errorf("every constraint counts: %v, %v, want the four clusters of two providers", every.Clusters, every.Err)
	}
	if plain := decide(deployment(wanted), snapshot); plain.Err != nil || len(plain.Clusters) != 6 {
		t.Errorf("by default the provider counts: %v, %v", plain.Clusters, plain.Err)
	}
}

func TestStaticWeightsWithinCapacity(t *testing.T) {
	weights := &policyv1alpha1.ClusterPreferences{StaticWeightList: []policyv1alpha1.StaticClusterWeight{
		{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member-00000"}}, Weight: 6},
		{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member-00001"}}, Weight: 2},
		{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member-00002"}}, Weight: 1},
	}}
	wanted := policyv1alpha1.Placement{ReplicaScheduling: divided(policyv1alpha1.ReplicaDivisionPreferenceWeighted, weights)}
	request := preferring(t, names.AnnotationStaticWeights, names.StaticWeightsWithinCapacity, wanted)
	request.Spec.Replicas = 9
	snapshot := placement.NewSnapshot(fleet(3))
	got := placement.Assign(placement.Candidates(request, snapshot), []int32{3, 100, 100})
	want := []workv1alpha2.TargetCluster{
		{Name: "member-00000", Replicas: 3}, {Name: "member-00001", Replicas: 4}, {Name: "member-00002", Replicas: 2},
	}
	if diff := cmp.Diff(want, got.Clusters); diff != "" {
		t.Errorf("%v, targets (-want +got):\n%s", got.Err, diff)
	}
	var shortage *placement.UnschedulableError
	if got := placement.Assign(placement.Candidates(request, snapshot), []int32{3, 2, 1}); !errors.As(got.Err, &shortage) {
		t.Errorf("room for 6 of 9: %v", got.Err)
	}
}

func TestPriceScores(t *testing.T) {
	clusters := fleet(6)
	for i, price := range []string{"0.40", "0.10", "0.25", "", "cheap", "0.10"} {
		clusters[i].Annotations = map[string]string{names.ClusterPrice: price}
	}
	clusters[5].Annotations, clusters[5].Labels[names.ClusterPrice] = nil, "0.10"
	wanted := policyv1alpha1.Placement{SpreadConstraints: []policyv1alpha1.SpreadConstraint{
		{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 3},
	}}
	snapshot := placement.NewSnapshot(clusters)
	decision := decide(preferring(t, names.AnnotationPrefer, names.PreferCheap, wanted), snapshot)
	want := []workv1alpha2.TargetCluster{
		{Name: "member-00001", Replicas: 3}, {Name: "member-00005", Replicas: 3}, {Name: "member-00002", Replicas: 3},
	}
	if diff := cmp.Diff(want, decision.Clusters); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	scores := map[string]int64{}
	for _, verdict := range decision.Verdicts() {
		for _, score := range verdict.Scores {
			if score.Plugin == "ClusterPrice" {
				scores[verdict.Cluster] = score.Score
			}
		}
	}
	wantScores := map[string]int64{
		"member-00000": 0, "member-00001": 100, "member-00002": 50, "member-00003": 0, "member-00004": 0, "member-00005": 100,
	}
	if diff := cmp.Diff(wantScores, scores); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
	if _, _, err := placement.Price(clusters[4]); err == nil || !strings.Contains(err.Error(), "write a decimal number") {
		t.Errorf("a malformed price: %v", err)
	}
	byDefault := decide(deployment(wanted), snapshot)
	if byDefault.Clusters[0].Name != "member-00000" {
		t.Errorf("the price counts by default: %v", byDefault.Clusters)
	}
}

func TestSummary(t *testing.T) {
	gold := policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member-00006", "member-00009"}}}
	for name, c := range map[string]struct {
		clusters int
		wanted   policyv1alpha1.Placement
		want     string
	}{
		"none":   {10, gold, "0/10 clusters fit: 8 do not match the affinity, 1 is tainted, 1 does not serve the API; nothing is placed"},
		"empty":  {0, gold, "0/0 clusters fit; nothing is placed"},
		"placed": {10, policyv1alpha1.Placement{}, "8/10 clusters fit: 1 is tainted, 1 does not serve the API; 8 selected, 8 get the workload with 24 replicas in total"},
	} {
		t.Run(name, func(t *testing.T) {
			decision := decide(deployment(c.wanted), placement.NewSnapshot(fleet(c.clusters)))
			if got := decision.Summary(); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
	rejected := placement.Candidates(deployment(policyv1alpha1.Placement{}), placement.NewSnapshot(fleet(1))).
		Apply(placement.Foreign{Cluster: "member-00000", Plugin: "Licences", Reason: "no licence left"})
	decision := placement.Assign(rejected, nil)
	if got, want := decision.Summary(), "0/1 clusters fit: 1 is rejected by Licences; nothing is placed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestSoftSpreadGivesWayToCapacity(t *testing.T) {
	wanted := policyv1alpha1.Placement{ReplicaScheduling: divided(policyv1alpha1.ReplicaDivisionPreferenceAggregated, nil)}
	request := preferring(t, names.AnnotationSpreadConstraints,
		`[{"spreadByField":"provider","minGroups":2,"maxGroups":2,"whenUnsatisfiable":"ScheduleAnyway"}]`, wanted)
	decision := placement.Assign(placement.Candidates(request, placement.NewSnapshot(fleet(3))), []int32{1, 1, 1})
	concession := "no spread over provider instead of 2 to 2 of provider"
	if decision.Err != nil || len(decision.Clusters) != 3 || !strings.Contains(decision.Summary(), concession) {
		t.Errorf("%v, %v, %s", decision.Clusters, decision.Err, decision.Summary())
	}
}

func TestMissingLabelIsAReason(t *testing.T) {
	clusters := fleet(3)
	delete(clusters[1].Labels, "tier")
	wanted := policyv1alpha1.Placement{SpreadConstraints: []policyv1alpha1.SpreadConstraint{{SpreadByLabel: "tier", MinGroups: 2}}}
	decision := decide(preferring(t, names.AnnotationSpread, names.SpreadEvery, wanted), placement.NewSnapshot(clusters))
	want := []placement.Rejection{{Plugin: "SpreadConstraint", Reason: "cluster(s) did not have label tier"}}
	if diff := cmp.Diff(want, decision.Verdicts()[1].Rejections); decision.Err != nil || diff != "" {
		t.Errorf("%v, reasons (-want +got):\n%s", decision.Err, diff)
	}
}

func TestPriceList(t *testing.T) {
	priced := func(name, price string) *clusterv1alpha1.Cluster {
		return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, Annotations: map[string]string{names.ClusterPrice: price}}}
	}
	base := placement.NewSnapshot([]*clusterv1alpha1.Cluster{priced("a", "1"), priced("b", "2"), priced("c", "")})
	for name, c := range map[string]struct {
		snapshot *placement.Snapshot
		same     bool
	}{
		"built in another order":        {placement.NewSnapshot([]*clusterv1alpha1.Cluster{priced("c", "junk"), priced("b", "2.0"), priced("a", "1")}), true},
		"without a cluster of no price": {base.Without("c"), true},
		"without one with a price":      {base.Without("b"), false},
		"another price":                 {base.With(priced("a", "1.000001")), false},
		"prices swapped":                {base.With(priced("a", "2"), priced("b", "1")), false},
		"a first price":                 {base.With(priced("c", "0")), false},
		"and back":                      {base.With(priced("a", "9")).With(priced("a", "1")), true},
	} {
		if same := c.snapshot.PriceList() == base.PriceList(); same != c.same {
			t.Errorf("%s: the same list: %t", name, same)
		}
	}
}

func TestDecisionWithoutCandidates(t *testing.T) {
	failed := placement.Decision{Err: errors.New("no plugin answered")}
	if failed.Verdicts() != nil || failed.Moves() != nil || failed.PriceList() != 0 || failed.Summary() != "no cluster was judged; nothing is placed" {
		t.Errorf("%v, %v, %d, %s", failed.Verdicts(), failed.Moves(), failed.PriceList(), failed.Summary())
	}
	if none := (&placement.Decision{}).Moves(); none != nil {
		t.Errorf("moves %v", none)
	}
}
