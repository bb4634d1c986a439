package nodes_test

import (
	"math"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// oddNodes are one node for everything that keeps replicas away, and two where they can go: "ok" with 8 CPUs and "gpu" with 2.
func oddNodes(t *testing.T) *nodes.Index {
	t.Helper()
	amounts := func(cpu, memory, disk, pods, gpu string) corev1.ResourceList {
		return corev1.ResourceList{"cpu": resource.MustParse(cpu), "memory": resource.MustParse(memory), "ephemeral-storage": resource.MustParse(disk),
			"pods": resource.MustParse(pods), "example.com/gpu": resource.MustParse(gpu)}
	}
	eight := amounts("8", "16Gi", "100Gi", "10", "0")
	taint := func(key string, effect corev1.TaintEffect) corev1.NodeSpec {
		return corev1.NodeSpec{Taints: []corev1.Taint{{Key: key, Effect: effect}}}
	}
	index := nodes.NewIndex(nodes.Options{})
	for _, node := range []corev1.Node{
		{ObjectMeta: metav1.ObjectMeta{Name: "ok"}, Status: corev1.NodeStatus{Allocatable: eight}},
		{ObjectMeta: metav1.ObjectMeta{Name: "gpu", Labels: map[string]string{"disk": "ssd"}}, Status: corev1.NodeStatus{Allocatable: amounts("2", "4Gi", "10Gi", "5", "4")}},
		{ObjectMeta: metav1.ObjectMeta{Name: "cordoned"}, Spec: corev1.NodeSpec{Unschedulable: true}, Status: corev1.NodeStatus{Allocatable: eight}},
		{ObjectMeta: metav1.ObjectMeta{Name: "not-ready"}, Spec: taint(corev1.TaintNodeNotReady, corev1.TaintEffectNoExecute), Status: corev1.NodeStatus{Allocatable: eight}},
		{ObjectMeta: metav1.ObjectMeta{Name: "tainted"}, Spec: taint("dedicated", corev1.TaintEffectNoSchedule), Status: corev1.NodeStatus{Allocatable: eight}},
		{ObjectMeta: metav1.ObjectMeta{Name: "no capacity"}},
		{ObjectMeta: metav1.ObjectMeta{Name: "negative"}, Status: corev1.NodeStatus{Allocatable: amounts("-8", "-1", "-1", "-1", "-1")}},
	} {
		if err := index.UpsertNode(&node); err != nil {
			t.Fatal(err)
		}
	}
	return index
}

func TestPlainDemands(t *testing.T) {
	in := func(operator corev1.NodeSelectorOperator, values ...string) *workv1alpha2.NodeClaim {
		return &workv1alpha2.NodeClaim{HardNodeAffinity: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: operator, Values: values}}}}}}
	}
	tolerate := func(key string) *workv1alpha2.NodeClaim {
		return &workv1alpha2.NodeClaim{Tolerations: []corev1.Toleration{{Key: key, Operator: corev1.TolerationOpExists}}}
	}
	for name, c := range map[string]struct {
		resource corev1.ResourceName
		amount   string
		claim    *workv1alpha2.NodeClaim
		want     int32
	}{
		"nothing, up to the pods":     {"", "0", nil, 15},
		"cpu":                         {"cpu", "1", nil, 10},
		"cpu in thousandths":          {"cpu", "1001m", nil, 7 + 1},
		"memory":                      {"memory", "2Gi", nil, 8 + 2},
		"ephemeral storage":           {"ephemeral-storage", "30Gi", nil, 3},
		"extended resource":           {"example.com/gpu", "2", nil, 2},
		"resource nobody has":         {"example.com/fpga", "1", nil, 0},
		"nothing of what nobody has":  {"example.com/fpga", "0", nil, 15},
		"too much for any node":       {"cpu", "9", nil, 0},
		"2^31":                        {"memory", "2147483648", nil, 8 + 2},
		"2^31 cpus":                   {"cpu", "2147483648", nil, 0},
		"2^63":                        {"memory", "9223372036854775808", nil, 0},
		"2^63 cpus":                   {"cpu", "9223372036854775808", nil, 0},
		"more than 64 bits":           {"cpu", "1e30", nil, 0},
		"selector":                    {"cpu", "1", &workv1alpha2.NodeClaim{NodeSelector: map[string]string{"disk": "ssd"}}, 2},
		"selector that nobody meets":  {"cpu", "1", &workv1alpha2.NodeClaim{NodeSelector: map[string]string{"disk": "hdd"}}, 0},
		"affinity":                    {"cpu", "1", in(corev1.NodeSelectorOpNotIn, "ssd"), 8},
		"affinity that cannot be met": {"cpu", "1", in("Like", "ssd"), 0},
		"tolerates a taint":           {"cpu", "1", tolerate("dedicated"), 18},
		"tolerates cordoned":          {"cpu", "1", tolerate(corev1.TaintNodeUnschedulable), 18},
		"tolerates not ready":         {"cpu", "1", tolerate(corev1.TaintNodeNotReady), 18},
		"tolerates everything":        {"cpu", "1", tolerate(""), 8 + 2 + 3*8},
	} {
		requirements := &workv1alpha2.ReplicaRequirements{NodeClaim: c.claim, ResourceRequest: corev1.ResourceList{}}
		if c.resource != "" {
			requirements.ResourceRequest[c.resource] = resource.MustParse(c.amount)
		}
		if got, err := oddNodes(t).Replicas(&nodes.Demand{Requirements: requirements}, nil); got != c.want || err != nil {
			t.Errorf("%s: room for %d, %v, want %d", name, got, err, c.want)
		}
	}
}

// TestSetsAreWhole: a set goes as a whole or not at all, and absurd numbers of replicas end.
func TestSetsAreWhole(t *testing.T) {
	component := func(name, cpu string, replicas int32) workv1alpha2.Component {
		return workv1alpha2.Component{Name: name, Replicas: replicas, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
			ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse(cpu)}}}
	}
	for name, c := range map[string]struct {
		components []workv1alpha2.Component
		want       int32
	}{
		"two of three":      {[]workv1alpha2.Component{component("a", "3", 1), component("b", "1", 1)}, 2},
		"one does not fit":  {[]workv1alpha2.Component{component("a", "1", 1), component("b", "9", 1)}, 0},
		"too many replicas": {[]workv1alpha2.Component{component("a", "1m", math.MaxInt32)}, 0},
		"no replicas":       {[]workv1alpha2.Component{component("a", "1", 0), component("b", "1", 1)}, 10},
		"fewer than none":   {[]workv1alpha2.Component{component("a", "1", -1), component("b", "1", 1)}, 10},
	} {
		if got, err := oddNodes(t).Sets("ns", c.components, nil); got != c.want || err != nil {
			t.Errorf("%s: room for %d sets, %v, want %d", name, got, err, c.want)
		}
	}
}
