package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/component"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

func load(t *testing.T) *framework.Configuration {
	t.Helper()
	content, err := os.ReadFile("scheduler.yaml")
	if err != nil {
		t.Fatal(err)
	}
	registry := framework.Registry{}
	Register(registry)
	configuration, err := framework.Load("scheduler.yaml", content, registry)
	if err != nil {
		t.Fatal(err)
	}
	return configuration
}

// fleet has four clusters that serve Deployments; the greenest is in maintenance.
func fleet() []*clusterv1alpha1.Cluster {
	var clusters []*clusterv1alpha1.Cluster
	for i, intensity := range []string{"580", "", "90", "20"} {
		cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("member%d", i+1)}}
		if intensity != "" {
			cluster.Labels = map[string]string{"example.com/carbon-intensity": intensity}
		}
		cluster.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{
			GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
		}}
		clusters = append(clusters, cluster)
	}
	clusters[3].Annotations = map[string]string{"example.com/maintenance": "true"}
	return clusters
}

// decide places a Deployment on one cluster.
func decide(t *testing.T, profile *framework.Profile, clusters []*clusterv1alpha1.Cluster, current ...workv1alpha2.TargetCluster) (placement.Decision, error) {
	t.Helper()
	one := policyv1alpha1.SpreadConstraint{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 1}
	request := placement.Request{
		Spec: &workv1alpha2.ResourceBindingSpec{
			Resource:  workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "shop", Name: "web"},
			Replicas:  2,
			Clusters:  current,
			Placement: &policyv1alpha1.Placement{SpreadConstraints: []policyv1alpha1.SpreadConstraint{one}},
		},
		Options: profile.Options(placement.Options{}),
	}
	candidates, err := profile.Judge(placement.Candidates(request, placement.NewSnapshot(clusters)))
	if err != nil {
		return placement.Decision{}, err
	}
	return profile.Assign(candidates, placement.NoCapacity(candidates.Len())), nil
}

func TestGreenClustersInPlacement(t *testing.T) {
	configuration := load(t)
	for name, c := range map[string]struct {
		scheduler string
		current   []workv1alpha2.TargetCluster
		want      string
	}{
		"without the plugin":          {"default-scheduler", nil, "member1"},
		"greenest not in maintenance": {"green", nil, "member3"},
		"may stay in maintenance":     {"green", []workv1alpha2.TargetCluster{{Name: "member4", Replicas: 2}}, "member4"},
	} {
		t.Run(name, func(t *testing.T) {
			profile, ok := configuration.Profile(c.scheduler)
			if !ok {
				t.Fatalf("no profile %s", c.scheduler)
			}
			decision, err := decide(t, profile, fleet(), c.current...)
			if err != nil || decision.Err != nil {
				t.Fatalf("deciding: %v, %v", err, decision.Err)
			}
			if diff := cmp.Diff([]workv1alpha2.TargetCluster{{Name: c.want, Replicas: 2}}, decision.Clusters); diff != "" {
				t.Errorf("targets (-want +got):\n%s", diff)
			}
		})
	}
}

func TestGreenClustersExplained(t *testing.T) {
	profile, _ := load(t).Profile("green")
	decision, err := decide(t, profile, fleet())
	if err != nil {
		t.Fatal(err)
	}
	verdicts := decision.Verdicts()
	reason := []placement.Rejection{{Plugin: Name, Reason: "cluster(s) were in maintenance"}}
	if diff := cmp.Diff(reason, verdicts[3].Rejections); diff != "" {
		t.Errorf("rejections (-want +got):\n%s", diff)
	}
	scores := []placement.Score{{Plugin: "ClusterAffinity"}, {Plugin: "ClusterLocality"}, {Plugin: Name, Score: 3 * 85}}
	if diff := cmp.Diff(scores, verdicts[2].Scores); diff != "" {
		t.Errorf("scores (-want +got):\n%s", diff)
	}
}

func TestUnreadableLabelFailsTheDecision(t *testing.T) {
	profile, _ := load(t).Profile("green")
	clusters := fleet()
	clusters[1].Labels = map[string]string{"example.com/carbon-intensity": "low"}
	_, err := decide(t, profile, clusters)
	if err == nil || !strings.Contains(err.Error(), "scoring cluster member2 by plugin GreenClusters") {
		t.Errorf("error %v", err)
	}
}

// The page about plugins shows a file, and the error that a misspelt plugin in it gives.
func TestDocumentedConfiguration(t *testing.T) {
	page, err := os.ReadFile("../../docs/scheduler-plugins.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```yaml\n")
	content, rest, _ := strings.Cut(rest, "```\n")
	_, rest, _ = strings.Cut(rest, "```\n")
	message, _, _ := strings.Cut(rest, "...\n")
	registry := framework.Registry{}
	Register(registry)
	if loaded, err := framework.Load("scheduler.yaml", []byte(content), registry); err != nil || len(loaded.Profiles) != 2 {
		t.Errorf("loaded %v, error %v", loaded, err)
	}
	misspelt := strings.Replace(content, "name: GreenClusters  ", "name: GreenCluster  ", 1)
	_, err = framework.Load("scheduler.yaml", []byte(misspelt), registry)
	if message == "" || err == nil || !strings.HasPrefix(err.Error(), message) {
		t.Errorf("error %v\nis not as documented: %s", err, message)
	}
}

func TestSchedulerKnowsThePlugin(t *testing.T) {
	known := framework.Registry{}
	Register(known)
	for name, c := range map[string]struct {
		registry  framework.Registry
		arguments []string
		profiles  int
		want      string
	}{
		"by file":         {known, []string{"--config=scheduler.yaml"}, 2, ""},
		"by name":         {known, []string{"--plugins=*,-ClusterLocality,GreenClusters"}, 1, ""},
		"not compiled in": {nil, []string{"--config=scheduler.yaml"}, 0, `scheduler.yaml:8: profiles[1].plugins.enabled[0].name: unknown plugin "GreenClusters"`},
		"unknown by name": {known, []string{"--plugins=GreenCluster"}, 0, `reading --plugins: unknown plugin "GreenCluster"`},
		"no such file":    {known, []string{"--config=missing.yaml"}, 0, "reading --config: open missing.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			decisions := component.NewDecisions(c.registry)
			command := &cobra.Command{}
			decisions.AddTo(command)
			if err := command.ParseFlags(c.arguments); err != nil {
				t.Fatal(err)
			}
			options, err := decisions.Options()
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v lacks %s", err, c.want)
			}
			if len(options.Profiles) != c.profiles {
				t.Errorf("%d profiles, want %d", len(options.Profiles), c.profiles)
			}
		})
	}
}

// TestSchedulerRefusesToStart runs the command as it stands in main.
func TestSchedulerRefusesToStart(t *testing.T) {
	for arguments, want := range map[string]string{
		"--config=missing.yaml":                          "reading --config: open missing.yaml",
		"--config=scheduler.yaml --scheduler-name=green": "[config scheduler-name] were all set",
		"--config=scheduler.yaml --plugins=*":            "[config plugins] were all set",
	} {
		command := component.NewScheduler(nil)
		command.SetArgs(strings.Fields(arguments))
		if err := command.ExecuteContext(t.Context()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v lacks %s", arguments, err, want)
		}
	}
}
