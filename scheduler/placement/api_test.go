package placement_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// deployment asks for the placement of a Deployment with three replicas.
func deployment(wanted policyv1alpha1.Placement) placement.Request {
	return placement.Request{
		Binding: types.NamespacedName{Namespace: "shop", Name: "web-deployment"},
		Spec: &workv1alpha2.ResourceBindingSpec{
			Resource:  workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
			Replicas:  3,
			Placement: &wanted,
		},
	}
}

func decide(request placement.Request, snapshot *placement.Snapshot) placement.Decision {
	return placement.Assign(placement.Candidates(request, snapshot), nil)
}

func TestAttempts(t *testing.T) {
	terms := func(names ...string) policyv1alpha1.Placement {
		var wanted policyv1alpha1.Placement
		for _, name := range names {
			wanted.ClusterAffinities = append(wanted.ClusterAffinities, policyv1alpha1.ClusterAffinityTerm{AffinityName: name})
		}
		return wanted
	}
	for name, c := range map[string]struct {
		placement policyv1alpha1.Placement
		term      string
		want      []string
	}{
		"no terms":            {terms(), "", []string{""}},
		"first decision":      {terms("a", "b"), "", []string{"a", "b"}},
		"from the term tried": {terms("a", "b", "c"), "b", []string{"b", "c"}},
		"term is gone":        {terms("a", "b"), "x", []string{"a", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			request := deployment(c.placement)
			request.Term = c.term
			var got []string
			for _, attempt := range request.Attempts() {
				got = append(got, attempt.Term)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("terms (-want +got):\n%s", diff)
			}
		})
	}
}

func TestForeignVerdicts(t *testing.T) {
	snapshot := placement.NewSnapshot(fleet(3))
	candidates := placement.Candidates(deployment(policyv1alpha1.Placement{}), snapshot).Apply(
		placement.Foreign{Cluster: "member-00000", Plugin: "Licences", Reason: "no licence left"},
		placement.Foreign{Cluster: "member-00002", Plugin: "Cost", Score: 7},
		placement.Foreign{Cluster: "unknown", Plugin: "Cost", Score: 9},
	)
	decision := placement.Assign(candidates, nil)
	want := []workv1alpha2.TargetCluster{{Name: "member-00002", Replicas: 3}, {Name: "member-00001", Replicas: 3}}
	if diff := cmp.Diff(want, decision.Clusters); diff != "" {
		t.Errorf("targets (-want +got):\n%s", diff)
	}
	verdicts := decision.Verdicts()
	if diff := cmp.Diff([]placement.Rejection{{Plugin: "Licences", Reason: "no licence left"}}, verdicts[0].Rejections); diff != "" {
		t.Errorf("rejections (-want +got):\n%s", diff)
	}
	scores := []placement.Score{{Plugin: "ClusterAffinity"}, {Plugin: "ClusterLocality"}, {Plugin: "Cost", Score: 7}}
	if diff := cmp.Diff(scores, verdicts[2].Scores); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
}

func TestDisabledPluginsDoNotReject(t *testing.T) {
	clusters := fleet(1)
	clusters[0].Spec.Taints = []corev1.Taint{{Key: "closed", Effect: corev1.TaintEffectNoSchedule}}
	other := &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"other"}}
	request := deployment(policyv1alpha1.Placement{ClusterAffinity: other})
	var fit *placement.FitError
	if err := decide(request, placement.NewSnapshot(clusters)).Err; !errors.As(err, &fit) || len(fit.Rejections[0].Rejections) != 2 {
		t.Fatalf("with all plugins: %v, want a fit error with two reasons", err)
	}
	request.Options.Disabled = placement.NewPluginSet(placement.TaintToleration, placement.ClusterAffinity)
	if decision := decide(request, placement.NewSnapshot(clusters)); decision.Err != nil || len(decision.Clusters) != 1 {
		t.Errorf("without them: %v, %v", decision.Clusters, decision.Err)
	}
}

func TestInFlightDecisionOfAPeerCounts(t *testing.T) {
	peer := placement.Peer{
		Binding:           types.NamespacedName{Namespace: "shop", Name: "db-deployment"},
		ResourceVersion:   10,
		AntiAffinityGroup: "spread",
		Clusters:          []string{"member-00000"},
	}
	inFlight := peer
	inFlight.InFlight, inFlight.ResourceVersion, inFlight.Clusters = true, 11, []string{"member-00001"}
	own := peer
	own.Binding.Name, own.Clusters = "web-deployment", []string{"member-00002"}

	request := deployment(policyv1alpha1.Placement{})
	request.Options.WorkloadAffinity = true
	request.Spec.WorkloadAffinityGroups = &workv1alpha2.WorkloadAffinityGroups{AntiAffinityGroup: "spread"}
	none := &placement.Peers{}
	for name, c := range map[string]struct {
		peers *placement.Peers
		want  []string
	}{
		"no peers":           {none, []string{"member-00000", "member-00001", "member-00002"}},
		"stored":             {none.Put(peer, own), []string{"member-00001", "member-00002"}},
		"in flight":          {none.Put(peer, own).Put(inFlight), []string{"member-00000", "member-00002"}},
		"written":            {none.Put(peer, own, inFlight).Drop(peer.Binding, true), []string{"member-00001", "member-00002"}},
		"only in flight":     {none.Put(inFlight), []string{"member-00000", "member-00001", "member-00002"}},
		"deleted":            {none.Put(peer).Drop(peer.Binding, false), []string{"member-00000", "member-00001", "member-00002"}},
		"drop of a stranger": {none.Drop(peer.Binding, false), []string{"member-00000", "member-00001", "member-00002"}},
	} {
		t.Run(name, func(t *testing.T) {
			snapshot := placement.NewSnapshot(fleet(3)).WithPeers(c.peers)
			if diff := cmp.Diff(c.want, placement.Candidates(request, snapshot).Names()); diff != "" {
				t.Errorf("candidates (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAffinityGroupNeedsClustersOfAllPeers(t *testing.T) {
	member := func(name string, clusters ...string) placement.Peer {
		return placement.Peer{Binding: types.NamespacedName{Namespace: "shop", Name: name}, AffinityGroup: "near", Clusters: clusters}
	}
	peers := (&placement.Peers{}).Put(
		member("a", "member-00000", "member-00001"), member("b", "member-00001", "member-00002"), member("c"))
	request := deployment(policyv1alpha1.Placement{})
	request.Options.WorkloadAffinity = true
	request.Spec.WorkloadAffinityGroups = &workv1alpha2.WorkloadAffinityGroups{AffinityGroup: "near"}
	got := placement.Candidates(request, placement.NewSnapshot(fleet(3)).WithPeers(peers)).Names()
	if diff := cmp.Diff([]string{"member-00001"}, got); diff != "" {
		t.Errorf("candidates (-want +got):\n%s", diff)
	}
}

func TestLabelsWithoutColumn(t *testing.T) {
	clusters := make([]*clusterv1alpha1.Cluster, 400)
	for i := range clusters {
		clusters[i] = fleet(1)[0]
		clusters[i].Name = fmt.Sprintf("m%03d", i)
		clusters[i].Labels = map[string]string{fmt.Sprintf("key%03d", i): "set"}
	}
	snapshot := placement.NewSnapshot(clusters)
	for i, cluster := range clusters {
		selector := &metav1.LabelSelector{MatchLabels: cluster.Labels}
		request := deployment(policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{LabelSelector: selector}})
		if diff := cmp.Diff([]string{cluster.Name}, placement.Candidates(request, snapshot).Names()); diff != "" {
			t.Errorf("label key %d (-want +got):\n%s", i, diff)
		}
	}
}

func TestErrors(t *testing.T) {
	snapshot := placement.NewSnapshot(fleet(3))
	request := deployment(policyv1alpha1.Placement{})
	if err := placement.Assign(placement.Candidates(request, snapshot), []int32{1}).Err; err == nil {
		t.Error("one capacity for three candidates is accepted")
	}
	noGroups := deployment(policyv1alpha1.Placement{SpreadConstraints: []policyv1alpha1.SpreadConstraint{
		{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1},
	}})
	if decision := decide(noGroups, snapshot); decision.Err == nil {
		t.Errorf("a spread over at most no cluster is placed on %v", decision.Clusters)
	}
	want := "0/0 clusters are available: no cluster exists."
	if err := decide(request, placement.NewSnapshot(nil)).Err; err == nil || err.Error() != want {
		t.Errorf("without clusters: %v, want %s", err, want)
	}
}

func TestMoves(t *testing.T) {
	request := deployment(policyv1alpha1.Placement{})
	request.Spec.Clusters = []workv1alpha2.TargetCluster{
		{Name: "gone", Replicas: 2}, {Name: "member-00001", Replicas: 3}, {Name: "member-00000", Replicas: 1},
	}
	decision := decide(request, placement.NewSnapshot(fleet(3)))
	want := []placement.Move{
		{Cluster: "gone", From: 2, Leaves: true},
		{Cluster: "member-00000", From: 1, To: 3},
		{Cluster: "member-00002", To: 3, Enters: true},
	}
	if diff := cmp.Diff(want, decision.Moves()); diff != "" {
		t.Errorf("moves (-want +got):\n%s", diff)
	}
}

func TestTighten(t *testing.T) {
	capacity := placement.NoCapacity(4)
	placement.Tighten(capacity, []int32{5, placement.Unknown, placement.Unlimited, 0})
	placement.Tighten(capacity, []int32{7, placement.Unknown, 3})
	if diff := cmp.Diff([]int32{5, placement.Unknown, 3, 0}, capacity); diff != "" {
		t.Errorf("capacity (-want +got):\n%s", diff)
	}
}
