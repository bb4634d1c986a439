package server_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// TestMetrics holds the names that dashboards of the reference look for.
func TestMetrics(t *testing.T) {
	r := serve(t, &fixed{index: newIndex(t, newNode("a", "4"))}, nil, 0)
	client := wire.NewEstimatorClient(dial(t, r, nil))
	request := &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)}
	if _, err := client.MaxAvailableReplicas(t.Context(), request); err != nil {
		t.Fatal(err)
	}
	if _, err := client.MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{}); err == nil {
		t.Fatal("a request for no cluster was answered")
	}
	if _, err := client.GetUnschedulableReplicas(t.Context(), unschedulable("Deployment", "web")); err != nil {
		t.Fatal(err)
	}
	type labels = map[string]string
	for _, want := range []struct {
		name   string
		labels labels
		value  float64
	}{
		{"karmada_scheduler_estimator_estimating_request_total", labels{"result": "success", "type": "MaxAvailableReplicas"}, 1},
		{"karmada_scheduler_estimator_estimating_request_total", labels{"result": "error", "type": "MaxAvailableReplicas"}, 1},
		{"karmada_scheduler_estimator_estimating_request_total", labels{"result": "success", "type": "GetUnschedulableReplicas"}, 1},
		{"karmada_scheduler_estimator_estimating_algorithm_duration_seconds", labels{"result": "success", "type": "MaxAvailableReplicas", "step": "Total"}, 1},
		{"karmada_scheduler_estimator_estimating_algorithm_duration_seconds", labels{"result": "success", "type": "MaxAvailableReplicas", "step": "MaxAvailableReplicas"}, 1},
		{"karmada_scheduler_estimator_estimating_plugin_extension_point_duration_seconds", labels{"estimating_plugin_extension_point": "Estimator"}, 1},
		{"karmada_scheduler_estimator_estimating_plugin_execution_duration_seconds",
			labels{"estimating_plugin": "NodeResourceEstimator", "estimating_plugin_extension_point": "Estimator"}, 1},
		{"seatrial_estimator_stale", nil, 0},
		{"seatrial_estimator_ready", nil, 1},
	} {
		if got := value(t, r.registry, want.name, want.labels); got != want.value {
			t.Errorf("%s%v is %v, want %v", want.name, want.labels, got, want.value)
		}
	}
}
