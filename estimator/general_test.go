package estimator_test

import (
	"encoding/json"
	"testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/internal/golden"
)

func TestGeneralGolden(t *testing.T) {
	for _, c := range golden.Load(t, "general-estimator") {
		var in struct {
			Op                  string                            `json:"op"`
			Cluster             clusterv1alpha1.Cluster           `json:"cluster"`
			ReplicaRequirements *workv1alpha2.ReplicaRequirements `json:"replicaRequirements"`
			Components          []workv1alpha2.Component          `json:"components"`
			AssumedWorkloads    []estimator.AssumedWorkload       `json:"assumedWorkloads"`
			FeatureGates        map[string]bool                   `json:"featureGates"`
		}
		var want struct {
			Value int32 `json:"value"`
		}
		if err := json.Unmarshal(c.In, &in); err != nil {
			t.Fatalf("%s: reading input: %v", c.ID, err)
		}
		if err := json.Unmarshal(c.Out, &want); err != nil {
			t.Fatalf("%s: reading outcome: %v", c.ID, err)
		}
		enabled, given := in.FeatureGates["CustomizedClusterResourceModeling"]
		general := estimator.General{UseModels: enabled || !given}
		if !in.FeatureGates["SchedulingOvercommitProtection"] {
			in.AssumedWorkloads = nil
		}
		var got int32
		switch in.Op {
		case "replicas":
			got = general.Replicas(&in.Cluster, in.ReplicaRequirements, in.AssumedWorkloads)
		case "componentSets":
			got = general.Sets(&in.Cluster, in.Components, in.AssumedWorkloads)
		default:
			t.Fatalf("%s: unknown operation %q", c.ID, in.Op)
		}
		if got != want.Value {
			t.Errorf("%s %v: %s = %d, want %d", c.ID, c.Classes, in.Op, got, want.Value)
		}
	}
}
