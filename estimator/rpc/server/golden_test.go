package server_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	clocktesting "k8s.io/utils/clock/testing"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/inventory"
	"github.com/seatrial/seatrial/estimator/rpc/inventory/apitest"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
	"github.com/seatrial/seatrial/internal/golden"
)

type goldenInput struct {
	Op                            string                            `json:"op"`
	Nodes                         []*corev1.Node                    `json:"nodes"`
	Pods                          []*corev1.Pod                     `json:"pods"`
	ResourceQuotas                []*corev1.ResourceQuota           `json:"resourceQuotas"`
	Namespace                     string                            `json:"namespace"`
	ReplicaRequirements           *workv1alpha2.ReplicaRequirements `json:"replicaRequirements"`
	Components                    []workv1alpha2.Component          `json:"components"`
	AssumedWorkloads              []estimator.AssumedWorkload       `json:"assumedWorkloads"`
	FeatureGates                  map[string]bool                   `json:"featureGates"`
	Deployment                    *appsv1.Deployment                `json:"deployment"`
	ReplicaSets                   []*appsv1.ReplicaSet              `json:"replicaSets"`
	UnschedulableThresholdSeconds int64                             `json:"unschedulableThresholdSeconds"`
	Now                           time.Time                         `json:"now"`
}

// fill puts the cluster of a case into an API server.
func (in *goldenInput) fill(api *apitest.Server) {
	for _, node := range in.Nodes {
		api.Set("nodes", node)
	}
	for _, pod := range in.Pods {
		api.Set("pods", pod)
	}
	for _, quota := range in.ResourceQuotas {
		api.Set("resourcequotas", quota)
	}
	for _, set := range in.ReplicaSets {
		api.Set("replicasets", set)
	}
	if in.Deployment != nil {
		api.Set("deployments", in.Deployment)
	}
}

// ask asks the question of a case the way an installed scheduler does.
func (in *goldenInput) ask(ctx context.Context, client wire.EstimatorClient) (int32, error) {
	ctx = metadata.AppendToOutgoingContext(ctx, wire.MetadataObject, "golden")
	demand, err := wire.EncodeDemand(&estimator.Question{Namespace: in.Namespace, Requirements: in.ReplicaRequirements, Components: in.Components})
	if err != nil {
		return 0, err
	}
	assumed, err := wire.EncodeAssumed(in.AssumedWorkloads)
	if err != nil {
		return 0, err
	}
	switch in.Op {
	case "replicas":
		response, err := client.MaxAvailableReplicas(ctx, wire.ReplicasRequest(member, demand, assumed))
		return response.GetMaxReplicas(), err
	case "componentSets":
		response, err := client.MaxAvailableComponentSets(ctx, wire.SetsRequest(member, demand, assumed))
		return response.GetMaxSets(), err
	case "unschedulable":
		response, err := client.GetUnschedulableReplicas(ctx, &wire.UnschedulableReplicasRequest{
			Cluster: proto.String(member), UnschedulableThreshold: proto.Int64(in.UnschedulableThresholdSeconds * int64(time.Second)),
			Resource: &wire.ObjectReference{ApiVersion: proto.String("apps/v1"), Kind: proto.String("Deployment"),
				Namespace: &in.Deployment.Namespace, Name: &in.Deployment.Name}})
		return response.GetUnschedulableReplicas(), err
	default:
		return 0, fmt.Errorf("unknown operation %q", in.Op)
	}
}

// TestGolden takes the recorded cases all the way: the cluster is watched over HTTP and asked over gRPC.
func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "node-estimator") {
		var in goldenInput
		if err := json.Unmarshal(c.In, &in); err != nil {
			t.Fatalf("%s: reading input: %v", c.ID, err)
		}
		outcomes := []json.RawMessage{c.Out}
		if c.Unstable {
			outcomes = c.Outcomes
		}
		t.Run(c.ID, func(t *testing.T) {
			got := answerOf(t, &in)
			if !slices.Contains(allowed(t, outcomes, c.Has("out:negative")), got) {
				t.Errorf("%v: %s = %d, want %s", c.Classes, in.Op, got, outcomes)
			}
		})
	}
}

func answerOf(t *testing.T, in *goldenInput) int32 {
	api := apitest.New(t)
	in.fill(api)
	v := inventory.New(api.Client(t), inventory.Options{
		Clock: clocktesting.NewFakeClock(in.Now),
		Gates: nodes.Options{Quotas: in.FeatureGates["ResourceQuotaEstimate"], Assumed: in.FeatureGates["SchedulingOvercommitProtection"]},
	})
	follow(t, v)
	got, err := in.ask(t.Context(), wire.NewEstimatorClient(dial(t, serve(t, v, nil, 0), nil)))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// follow runs an inventory until the test ends, and returns once it has seen everything.
func follow(t *testing.T, v *inventory.Inventory) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); v.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	select {
	case <-v.Synced():
	case <-time.After(20 * time.Second):
		t.Fatal("the cluster was not seen")
	}
}

// allowed are the recorded answers. Where the reference answers with a negative number, zero is meant.
func allowed(t *testing.T, outcomes []json.RawMessage, negative bool) []int32 {
	var values []int32
	if negative {
		values = append(values, 0)
	}
	for _, raw := range outcomes {
		var want struct {
			Value int32 `json:"value"`
		}
		if err := json.Unmarshal(raw, &want); err != nil {
			t.Fatalf("reading outcome: %v", err)
		}
		values = append(values, want.Value)
	}
	return values
}
