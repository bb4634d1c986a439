package framework_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	status "k8s.io/kube-scheduler/framework"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Plugins of functions, one for each extension point.
type (
	filterFunc func(cluster string) *status.Status
	scoreFunc  func(cluster string) (int64, *status.Status)
	normalizer struct {
		scoreFunc
		normalize func(scores []framework.ClusterScore) *status.Status
	}
	selectFunc func(candidates []framework.Candidate) ([]string, *status.Status)
	assignFunc func(selected []string, targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status)
	idle       struct{}
)

func (filterFunc) Name() string { return "Test" }
func (scoreFunc) Name() string  { return "Test" }
func (selectFunc) Name() string { return "Test" }
func (assignFunc) Name() string { return "Test" }
func (idle) Name() string       { return "Test" }

func (f filterFunc) Filter(_ *placement.Request, cluster *clusterv1alpha1.Cluster) *status.Status {
	return f(cluster.Name)
}

func (f scoreFunc) Score(_ *placement.Request, cluster *clusterv1alpha1.Cluster) (int64, *status.Status) {
	return f(cluster.Name)
}

func (n normalizer) NormalizeScores(_ *placement.Request, scores []framework.ClusterScore) *status.Status {
	return n.normalize(scores)
}

func (f selectFunc) Select(_ *placement.Request, candidates []framework.Candidate) ([]string, *status.Status) {
	return f(candidates)
}

func (f assignFunc) Assign(_ *placement.Request, selected []string, targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
	return f(selected, targets)
}

// registry has the plugin under the name Test.
func registry(plugin framework.Plugin) framework.Registry {
	return framework.Registry{"Test": func(framework.Arguments) (framework.Plugin, error) { return plugin, nil }}
}

const header = "apiVersion: scheduler.seatrial.io/v1alpha1\nkind: SchedulerConfiguration\n"

// profile enables the plugins listed, in YAML flow style, of which Test is the one given.
func profile(t *testing.T, enabled string, plugin framework.Plugin) *framework.Profile {
	t.Helper()
	content := header + "profiles: [{schedulerName: s, plugins: {enabled: [" + enabled + "]}}]"
	configuration, err := framework.Load("scheduler.yaml", []byte(content), registry(plugin))
	if err != nil {
		t.Fatal(err)
	}
	return &configuration.Profiles[0]
}

// candidates are m1 to m4 for a Deployment of six replicas, of which m2 has some, divided by weight.
func candidates(profile *framework.Profile) *placement.CandidateSet {
	var clusters []*clusterv1alpha1.Cluster
	for i := range 4 {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("m%d", i+1)}}
		cluster.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{
			GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
		}}
		clusters = append(clusters, cluster)
	}
	two := policyv1alpha1.SpreadConstraint{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 2, MaxGroups: 2}
	request := placement.Request{
		Spec: &workv1alpha2.ResourceBindingSpec{
			Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
			Replicas: 6,
			Clusters: []workv1alpha2.TargetCluster{{Name: "m2", Replicas: 1}},
			Placement: &policyv1alpha1.Placement{
				SpreadConstraints: []policyv1alpha1.SpreadConstraint{two},
				ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
					ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
					ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
					WeightPreference:          &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
				},
			},
		},
		Options: profile.Options(placement.Options{}),
	}
	return placement.Candidates(request, placement.NewSnapshot(clusters))
}
