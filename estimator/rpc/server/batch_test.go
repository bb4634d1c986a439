package server_test

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

func newNode(name, cpu string) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{corev1.LabelHostname: name}},
		Status:     corev1.NodeStatus{Allocatable: corev1.ResourceList{"cpu": resource.MustParse(cpu), "pods": resource.MustParse("110")}},
	}
}

func newIndex(t *testing.T, of ...*corev1.Node) *nodes.Index {
	t.Helper()
	index := nodes.NewIndex(nodes.Options{Assumed: true})
	for _, node := range of {
		if err := index.UpsertNode(node); err != nil {
			t.Fatal(err)
		}
	}
	return index
}

func asking(cpu string) *estimator.Question {
	return &estimator.Question{Namespace: "shop", Requirements: &workv1alpha2.ReplicaRequirements{
		ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}
}

func demandOf(t testing.TB, question *estimator.Question) *wire.Demand {
	t.Helper()
	demand, err := wire.EncodeDemand(question)
	if err != nil {
		t.Fatal(err)
	}
	return demand
}

func batchOf(t testing.TB, questions ...*estimator.Question) *wire.EstimateRequest {
	t.Helper()
	request := &wire.EstimateRequest{Cluster: member}
	for _, question := range questions {
		request.Demands = append(request.Demands, demandOf(t, question))
	}
	return request
}

// TestBatch asks for replicas, for replicas that keep apart, for sets and for nonsense in one call.
func TestBatch(t *testing.T) {
	cluster := &fixed{index: newIndex(t, newNode("a", "4"), newNode("b", "6"), newNode("c", "1")), stale: true}
	client := wire.NewBatchEstimatorClient(dial(t, serve(t, cluster, nil, 0), nil))
	apart, sets, wrong := asking("2"), asking("2"), asking("1")
	apart.Pod = &estimator.PodDemand{Labels: map[string]string{"app": "web"}, AntiAffinity: []corev1.PodAffinityTerm{{
		TopologyKey: corev1.LabelHostname, LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}}}}
	sets.Components = []workv1alpha2.Component{{Name: "pair", Replicas: 2, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
		ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("2")}}}}
	wrong.Pod = &estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 70000}}}
	request := batchOf(t, asking("2"), wrong, apart, sets)
	request.Explain = true
	response, err := client.Estimate(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	answers, err := wire.Answers(response, 4)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []int32{5, 0, 2, 2} {
		if answers[i].Count != want || !answers[i].Stale {
			t.Errorf("answer %d is %+v, want %d and stale", i, answers[i], want)
		}
	}
	if err := answers[1].Err; err == nil || !strings.Contains(err.Error(), "demands[1]: ") || !strings.Contains(err.Error(), "hostPorts[0].port") {
		t.Errorf("the bad demand is answered with %v", err)
	}
	explanation := wire.DecodeExplanation(answers[0].Count, response.GetEstimates()[0].GetExplanation())
	if got, want := explanation.String(), "5 replicas: cpu on 3 of 3 nodes"; got != want {
		t.Errorf("explained as %q, want %q", got, want)
	}
	if response.GetEstimates()[3].GetExplanation() != nil {
		t.Error("sets are explained")
	}
}

func TestBatchBesideAssumed(t *testing.T) {
	cluster := &fixed{index: newIndex(t, newNode("a", "4"))}
	client := wire.NewBatchEstimatorClient(dial(t, serve(t, cluster, nil, 0), nil))
	request := batchOf(t, asking("1"))
	var err error
	request.AssumedWorkloads, err = wire.EncodeAssumed([]estimator.AssumedWorkload{{Namespace: "shop", Components: []workv1alpha2.Component{
		{Replicas: 3, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("1")}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	response, err := client.Estimate(t.Context(), request)
	if err != nil || response.GetEstimates()[0].GetCount() != 1 || response.GetStale() {
		t.Errorf("got %v (%v), want room for 1", response, err)
	}
}

func TestBatchTooLarge(t *testing.T) {
	client := wire.NewBatchEstimatorClient(dial(t, serve(t, &fixed{index: newIndex(t)}, nil, 0), nil))
	demands := make([]*wire.Demand, wire.MaxDemands+1)
	for i := range demands {
		demands[i] = &wire.Demand{}
	}
	_, err := client.Estimate(t.Context(), &wire.EstimateRequest{Cluster: member, Demands: demands})
	refused(t, err, codes.InvalidArgument, "demands: has 4097, more than 4096")
}
