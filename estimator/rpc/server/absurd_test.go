package server_test

import (
	"math"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// TestAbsurdNumbers: what no cluster holds has an answer or an error, and soon.
func TestAbsurdNumbers(t *testing.T) {
	client := wire.NewEstimatorClient(dial(t, serve(t, &fixed{index: newIndex(t, newNode("a", "4"), newNode("b", "1e15"))}, nil, 0), nil))
	component := func(replicas int32, cpu string) workv1alpha2.Component {
		return workv1alpha2.Component{Name: "c", Replicas: replicas, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
			ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}
	}
	for _, cpu := range []string{"0", "1n", "1", "2147483648", "9223372036854775807", "1e60", "9E"} {
		for _, replicas := range []int32{0, 1, math.MaxInt32} {
			question := &estimator.Question{
				Requirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse(cpu)}},
				Components:   []workv1alpha2.Component{component(replicas, cpu), component(math.MaxInt32, cpu)},
			}
			assumed, err := wire.EncodeAssumed([]estimator.AssumedWorkload{{Components: []workv1alpha2.Component{component(replicas, cpu)}}})
			if err != nil {
				t.Fatal(err)
			}
			fit, err := client.MaxAvailableReplicas(t.Context(), wire.ReplicasRequest(member, demandOf(t, question), assumed))
			judge(t, cpu, replicas, fit.GetMaxReplicas(), err)
			sets, err := client.MaxAvailableComponentSets(t.Context(), wire.SetsRequest(member, demandOf(t, question), assumed))
			judge(t, cpu, replicas, sets.GetMaxSets(), err)
		}
	}
	negative := &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member), ReplicaRequirements: &wire.ReplicaRequirements{
		ResourceRequestBytes: map[string][]byte{"cpu": {0x0a, 0x02, '-', '1'}}}}
	_, err := client.MaxAvailableReplicas(t.Context(), negative)
	refused(t, err, codes.InvalidArgument, "resourceRequestBytes[cpu]: is negative: -1")
}

func judge(t *testing.T, cpu string, replicas, got int32, err error) {
	t.Helper()
	if err != nil && status.Code(err) != codes.InvalidArgument || got < 0 || got > 220 {
		t.Errorf("cpu %s and %d replicas: %d (%v)", cpu, replicas, got, err)
	}
}
