package wire_test

import (
	"reflect"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

func fullClaim() *workv1alpha2.NodeClaim {
	return &workv1alpha2.NodeClaim{
		NodeSelector: map[string]string{"disk": "ssd"},
		Tolerations:  []corev1.Toleration{{Key: "gpu", Operator: corev1.TolerationOpExists, TolerationSeconds: ptr.To[int64](5)}, {}},
		HardNodeAffinity: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"node-1"}}},
		}}},
	}
}

func fullQuestion() *estimator.Question {
	request := corev1.ResourceList{"cpu": resource.MustParse("1500m"), "memory": resource.MustParse("3Gi"), "example.com/gpu": resource.MustParse("2147483648")}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	return &estimator.Question{
		Workload: "Deployment/web", Namespace: "shop",
		Requirements: &workv1alpha2.ReplicaRequirements{NodeClaim: fullClaim(), ResourceRequest: request, Namespace: "shop", PriorityClassName: "high"},
		Components: []workv1alpha2.Component{
			{Name: "master", Replicas: 1},
			{Name: "worker", Replicas: 3, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
				NodeClaim: fullClaim(), ResourceRequest: request, PriorityClassName: "low"}},
		},
		Pod: &estimator.PodDemand{
			Labels:       map[string]string{"app": "web"},
			Affinity:     []corev1.PodAffinityTerm{{TopologyKey: "zone", LabelSelector: selector}},
			AntiAffinity: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: selector, Namespaces: []string{"shop"}}},
			Spread:       []corev1.TopologySpreadConstraint{{MaxSkew: 1, TopologyKey: "zone", WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: selector}},
			HostPorts:    []estimator.HostPort{{IP: "10.0.0.1", Protocol: corev1.ProtocolUDP, Port: 53}},
			Volumes: []estimator.Volume{{Driver: "ebs", Shared: true}, {NodeAffinity: &corev1.VolumeNodeAffinity{
				Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{}}}}}},
			Priority: ptr.To[int32](0),
		},
	}
}

// TestDemandRoundTrip sends a question through bytes and back.
func TestDemandRoundTrip(t *testing.T) {
	for name, question := range map[string]*estimator.Question{
		"full": fullQuestion(), "empty": {}, "zero pod": {Pod: &estimator.PodDemand{}},
		"empty claim": {Requirements: &workv1alpha2.ReplicaRequirements{NodeClaim: &workv1alpha2.NodeClaim{HardNodeAffinity: &corev1.NodeSelector{}}}},
	} {
		demand, err := wire.EncodeDemand(question)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		encoded, err := proto.Marshal(demand)
		if err != nil {
			t.Fatal(err)
		}
		var read wire.Demand
		if err := proto.Unmarshal(encoded, &read); err != nil {
			t.Fatal(err)
		}
		got, err := wire.DecodeDemand(&read)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want := *question
		want.Workload = ""
		if !apiequality.Semantic.DeepEqual(*got, want) {
			t.Errorf("%s: got %+v, want %+v", name, *got, want)
		}
	}
}

func TestAssumedRoundTrip(t *testing.T) {
	question := fullQuestion()
	want := []estimator.AssumedWorkload{{Namespace: "a", Components: question.Components}, {Namespace: "b"}}
	demand, err := wire.EncodeDemand(question)
	if err != nil {
		t.Fatal(err)
	}
	assumed, err := wire.EncodeAssumed(want)
	if err != nil {
		t.Fatal(err)
	}
	replicas, sets := wire.ReplicasRequest("member1", demand, assumed), wire.SetsRequest("member1", demand, assumed)
	for _, from := range [][]*wire.AssumedWorkload{replicas.GetAssumedWorkloads(), sets.GetAssumedWorkloads()} {
		got, err := wire.DecodeAssumed(from)
		if err != nil || !apiequality.Semantic.DeepEqual(got, want) {
			t.Errorf("got %+v (%v), want %+v", got, err, want)
		}
	}
	if sets.GetNamespace() != "shop" || sets.GetCluster() != "member1" || replicas.GetCluster() != "member1" {
		t.Errorf("the requests are for %s/%s and %s", sets.GetCluster(), sets.GetNamespace(), replicas.GetCluster())
	}
}

// TestRequirementsInheritNamespace: quotas are found by the namespace of the question where requirements have none.
func TestRequirementsInheritNamespace(t *testing.T) {
	question := &estimator.Question{Namespace: "shop", Requirements: &workv1alpha2.ReplicaRequirements{}}
	request, err := wire.EncodeDemand(question)
	if err != nil || request.GetReplicaRequirements().GetNamespace() != "shop" {
		t.Errorf("the namespace is %q (%v)", request.GetReplicaRequirements().GetNamespace(), err)
	}
	if question.Requirements.Namespace != "" {
		t.Error("the question was changed")
	}
}

func TestExplanationRoundTrip(t *testing.T) {
	want := nodes.Explanation{Replicas: 7, Nodes: 20, Quota: true, Constraints: []nodes.Constraint{{Reason: "cpu", Nodes: 14, Replicas: 7}, {Reason: nodes.ReasonTaint, Nodes: 6}}}
	if got := wire.DecodeExplanation(7, wire.EncodeExplanation(want)); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestAnswers(t *testing.T) {
	response := &wire.EstimateResponse{Stale: true, Estimates: []*wire.Estimate{{Count: 3}, {Error: "bad"}, {Count: -1}}}
	answers, err := wire.Answers(response, 3)
	if err != nil {
		t.Fatal(err)
	}
	if answers[0] != (estimator.Answer{Count: 3, Stale: true}) || answers[1].Err == nil || answers[2].Err == nil || answers[2].Count != 0 {
		t.Errorf("got %+v", answers)
	}
	if _, err := wire.Answers(response, 2); err == nil {
		t.Error("three answers to two questions were accepted")
	}
}

func request(values map[string]string) map[string][]byte {
	encoded := map[string][]byte{}
	for name, text := range values {
		encoded[name] = message{}.text(1, text)
	}
	return encoded
}

// TestBadRequirements looks for the field in the error.
func TestBadRequirements(t *testing.T) {
	for name, c := range map[string]struct {
		from *wire.ReplicaRequirements
		want string
	}{
		"quantity": {&wire.ReplicaRequirements{ResourceRequestBytes: map[string][]byte{"cpu": {0xff}}}, "resourceRequestBytes[cpu]: is not the protobuf of a quantity"},
		"text":     {&wire.ReplicaRequirements{ResourceRequestBytes: request(map[string]string{"cpu": "lots"})}, `resourceRequestBytes[cpu]: "lots" is not a quantity`},
		"negative": {&wire.ReplicaRequirements{ResourceRequestBytes: request(map[string]string{"cpu": "-1"})}, "resourceRequestBytes[cpu]: is negative: -1"},
		"first of two": {&wire.ReplicaRequirements{ResourceRequestBytes: request(map[string]string{"b": "x", "a": "y"})},
			`resourceRequestBytes[a]: "y" is not a quantity`},
		"tiny exponent": {&wire.ReplicaRequirements{ResourceRequestBytes: request(map[string]string{"cpu": "1e-2000000000"})}, "resourceRequestBytes[cpu]: the exponent"},
		"huge exponent": {&wire.ReplicaRequirements{ResourceRequestBytes: request(map[string]string{"cpu": "1e99999999999999999999"})}, "resourceRequestBytes[cpu]: the exponent"},
		"long": {&wire.ReplicaRequirements{ResourceRequestBytes: request(map[string]string{"cpu": strings.Repeat("9", 100)})},
			"resourceRequestBytes[cpu]: a quantity of 100 characters"},
		"affinity":   {&wire.ReplicaRequirements{NodeClaim: &wire.NodeClaim{NodeAffinityBytes: []byte{0xff}}}, "nodeClaim.nodeAffinityBytes: is not the protobuf of a v1.NodeSelector"},
		"toleration": {&wire.ReplicaRequirements{NodeClaim: &wire.NodeClaim{TolerationsBytes: [][]byte{{}, {0x0a}}}}, "nodeClaim.tolerationsBytes[1]: is not the protobuf of a v1.Toleration"},
		"giant":      {&wire.ReplicaRequirements{NodeClaim: &wire.NodeClaim{NodeAffinityBytes: make([]byte, 1<<20)}}, "nodeClaim.nodeAffinityBytes: has 1048576 bytes"},
	} {
		_, err := wire.DecodeRequirements(c.from)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, want %s", name, err, c.want)
		}
	}
}

func TestBadElsewhere(t *testing.T) {
	bad := &wire.ComponentReplicaRequirements{ResourceRequestBytes: request(map[string]string{"cpu": "lots"})}
	_, err := wire.DecodeAssumed([]*wire.AssumedWorkload{{}, {Components: []*wire.Component{{ReplicaRequirements: bad}}}})
	want := `assumedWorkloads[1].components[0].replicaRequirements.resourceRequestBytes[cpu]: "lots"`
	if err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = wire.DecodeComponents([]*wire.Component{{Replicas: proto.Int32(-4)}})
	if want := "components[0].replicas: is negative: -4"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = wire.DecodeComponents(make([]*wire.Component, 2000))
	if want := "components: has 2000, more than 1024"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	_, err = wire.DecodeDemand(&wire.Demand{Pod: &wire.PodDemand{Volumes: []*wire.Volume{{NodeAffinity: []byte{0xff}}}}})
	if want := "pod.volumes[0].nodeAffinity: is not"; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("%v, want %s", err, want)
	}
}

// FuzzDecode reads anything as any request. What is read can be asked of an index, written and read again.
func FuzzDecode(f *testing.F) {
	question := fullQuestion()
	demand, err := wire.EncodeDemand(question)
	if err != nil {
		f.Fatal(err)
	}
	batch, err := proto.Marshal(&wire.EstimateRequest{Cluster: "m", Demands: []*wire.Demand{demand}})
	if err != nil {
		f.Fatal(err)
	}
	single, err := proto.Marshal(wire.ReplicasRequest("m", demand, nil))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(batch)
	f.Add(single)
	f.Add([]byte(message{}.text(1, "m").bytes(2, message{}.bytes(5, entry("cpu", message{}.text(1, "1e-9"))))))
	index := nodes.NewIndex(nodes.Options{Assumed: true})
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n"}, Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
		"cpu": resource.MustParse("4"), "pods": resource.MustParse("10")}}}
	if err := index.UpsertNode(node); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var asked []*estimator.Question
		var many wire.EstimateRequest
		if proto.Unmarshal(data, &many) == nil {
			for _, demand := range many.GetDemands() {
				if question, err := wire.DecodeDemand(demand); err == nil {
					asked = append(asked, question)
				}
			}
		}
		var one wire.MaxAvailableReplicasRequest
		if proto.Unmarshal(data, &one) == nil {
			if requirements, err := wire.DecodeRequirements(one.GetReplicaRequirements()); err == nil {
				asked = append(asked, &estimator.Question{Requirements: requirements})
			}
		}
		for _, question := range asked {
			ask(t, index, question)
		}
	})
}

func ask(t *testing.T, index *nodes.Index, question *estimator.Question) {
	demand := &nodes.Demand{Requirements: question.Requirements}
	if question.Pod != nil {
		demand.PodDemand = *question.Pod
	}
	if replicas, err := index.Replicas(demand, nil); err == nil && replicas < 0 {
		t.Errorf("room for %d", replicas)
	}
	encoded, err := wire.EncodeDemand(question)
	if err != nil {
		t.Fatalf("writing what was read: %v", err)
	}
	if _, err := wire.DecodeDemand(encoded); err != nil {
		t.Fatalf("reading it again: %v", err)
	}
}
