package wire_test

import (
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// The fields below are written by number, as an installed scheduler or estimator writes them.

type message []byte

func (m message) bytes(number protowire.Number, value []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, number, protowire.BytesType), value)
}

func (m message) text(number protowire.Number, value string) message {
	return m.bytes(number, []byte(value))
}

func (m message) varint(number protowire.Number, value int64) message {
	return protowire.AppendVarint(protowire.AppendTag(m, number, protowire.VarintType), uint64(value))
}

// entry is that of a map.
func entry(key string, value []byte) message { return message{}.text(1, key).bytes(2, value) }

func marshal(t *testing.T, object interface{ Marshal() ([]byte, error) }) []byte {
	t.Helper()
	encoded, err := object.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// fixture is a message by number, and the same by name.
type fixture struct {
	name string
	wire message
	want proto.Message
}

func fixtures(t *testing.T) []fixture {
	quantity := resource.MustParse("500m")
	cpu := marshal(t, &quantity)
	affinity := marshal(t, &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
		MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "zone", Operator: corev1.NodeSelectorOpIn, Values: []string{"a"}}},
	}}})
	toleration := marshal(t, &corev1.Toleration{Key: "gpu", Operator: corev1.TolerationOpExists})

	claim := message{}.bytes(2, entry("disk", []byte("ssd"))).bytes(4, affinity).bytes(5, toleration)
	wantClaim := &wire.NodeClaim{NodeSelector: map[string]string{"disk": "ssd"}, NodeAffinityBytes: affinity, TolerationsBytes: [][]byte{toleration}}
	component := message{}.text(1, "worker").varint(3, 4).
		bytes(2, message{}.bytes(1, claim).text(3, "high").bytes(4, entry("cpu", cpu)))
	wantComponent := &wire.Component{Name: proto.String("worker"), Replicas: proto.Int32(4), ReplicaRequirements: &wire.ComponentReplicaRequirements{
		NodeClaim: wantClaim, PriorityClassName: proto.String("high"), ResourceRequestBytes: map[string][]byte{"cpu": cpu},
	}}
	assumed := message{}.text(1, "batch").bytes(2, component)
	wantAssumed := &wire.AssumedWorkload{Namespace: proto.String("batch"), Components: []*wire.Component{wantComponent}}
	requirements := message{}.bytes(1, claim).text(3, "shop").text(4, "low").bytes(5, entry("cpu", cpu))
	return []fixture{
		{"MaxAvailableReplicasRequest", message{}.text(1, "member1").bytes(2, requirements).bytes(3, assumed), &wire.MaxAvailableReplicasRequest{
			Cluster: proto.String("member1"), AssumedWorkloads: []*wire.AssumedWorkload{wantAssumed}, ReplicaRequirements: &wire.ReplicaRequirements{
				NodeClaim: wantClaim, Namespace: proto.String("shop"), PriorityClassName: proto.String("low"), ResourceRequestBytes: map[string][]byte{"cpu": cpu},
			}}},
		{"MaxAvailableReplicasResponse", message{}.varint(1, -1), &wire.MaxAvailableReplicasResponse{MaxReplicas: proto.Int32(-1)}},
		{"MaxAvailableComponentSetsRequest", message{}.text(1, "member1").bytes(2, component).text(3, "shop").bytes(4, assumed), &wire.MaxAvailableComponentSetsRequest{
			Cluster: proto.String("member1"), Components: []*wire.Component{wantComponent}, Namespace: proto.String("shop"), AssumedWorkloads: []*wire.AssumedWorkload{wantAssumed}}},
		{"MaxAvailableComponentSetsResponse", message{}.varint(1, 7), &wire.MaxAvailableComponentSetsResponse{MaxSets: proto.Int32(7)}},
		{"UnschedulableReplicasRequest",
			message{}.text(1, "member1").bytes(2, message{}.text(1, "apps/v1").text(2, "Deployment").text(3, "shop").text(4, "web")).varint(3, 60_000_000_000),
			&wire.UnschedulableReplicasRequest{Cluster: proto.String("member1"), UnschedulableThreshold: proto.Int64(60_000_000_000), Resource: &wire.ObjectReference{
				ApiVersion: proto.String("apps/v1"), Kind: proto.String("Deployment"), Namespace: proto.String("shop"), Name: proto.String("web")}}},
		{"UnschedulableReplicasResponse", message{}.varint(1, 2), &wire.UnschedulableReplicasResponse{UnschedulableReplicas: proto.Int32(2)}},
	}
}

// TestFieldNumbers reads and writes every message of installed estimators by number.
func TestFieldNumbers(t *testing.T) {
	for _, f := range fixtures(t) {
		t.Run(f.name, func(t *testing.T) {
			got := f.want.ProtoReflect().New().Interface()
			if err := proto.Unmarshal(f.wire, got); err != nil {
				t.Fatal(err)
			}
			if !proto.Equal(got, f.want) {
				t.Errorf("read %v, want %v", got, f.want)
			}
			if unknown := len(got.ProtoReflect().GetUnknown()); unknown > 0 {
				t.Errorf("%d bytes were not understood", unknown)
			}
			// Fields may be written in another order, but all of them are.
			encoded, err := proto.Marshal(f.want)
			if err != nil || len(encoded) != len(f.wire) {
				t.Errorf("wrote %d bytes, want %d (%v)", len(encoded), len(f.wire), err)
			}
		})
	}
}

// TestReserved reads what early versions sent under numbers that are retired now: it is not taken for something else.
func TestReserved(t *testing.T) {
	old := message{}.bytes(2, entry("cpu", []byte("500m")))
	var requirements wire.ReplicaRequirements
	if err := proto.Unmarshal(old, &requirements); err != nil {
		t.Fatal(err)
	}
	if len(requirements.GetResourceRequestBytes()) != 0 || len(requirements.ProtoReflect().GetUnknown()) == 0 {
		t.Errorf("field 2 was read as %v", &requirements)
	}
}

func TestServiceNames(t *testing.T) {
	got := []string{
		wire.Estimator_MaxAvailableReplicas_FullMethodName, wire.Estimator_MaxAvailableComponentSets_FullMethodName,
		wire.Estimator_GetUnschedulableReplicas_FullMethodName, wire.BatchEstimator_Estimate_FullMethodName,
	}
	want := []string{
		"/github.com.karmada_io.karmada.pkg.estimator.service.Estimator/MaxAvailableReplicas",
		"/github.com.karmada_io.karmada.pkg.estimator.service.Estimator/MaxAvailableComponentSets",
		"/github.com.karmada_io.karmada.pkg.estimator.service.Estimator/GetUnschedulableReplicas",
		"/seatrial.io.estimator.v1.BatchEstimator/Estimate",
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("the method is %s, want %s", got[i], want[i])
		}
	}
}
