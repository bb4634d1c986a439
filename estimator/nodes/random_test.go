package nodes_test

import (
	"fmt"
	"math/rand/v2"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// maker makes random objects of a cluster, from few names, so that they meet.
type maker struct{ *rand.Rand }

func newMaker(seed uint64) maker { return maker{rand.New(rand.NewPCG(seed, 7))} }

func pick[T any](m maker, from ...T) T { return from[m.IntN(len(from))] }

func (m maker) one(in int) bool { return m.IntN(in) == 0 }

func (m maker) quantities(names ...corev1.ResourceName) corev1.ResourceList {
	list := corev1.ResourceList{}
	for _, name := range names {
		if m.one(5) {
			continue
		}
		texts := []string{"1", "2", "500m", "4", "3", "0"}
		if name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage {
			texts = []string{"1Gi", "300Mi", "2G", "7900Mi", "0", "123456789"}
		}
		if m.one(40) {
			texts = []string{"9223372036854775807", "-5", "8Ei", "1e30", "4611686018427387904"}
		}
		list[name] = resource.MustParse(pick(m, texts...))
	}
	return list
}

func (m maker) nodeLabels(name string) map[string]string {
	set := map[string]string{}
	for _, label := range [][]string{{"zone", "a", "b", "c"}, {"disk", "ssd", "hdd"}, {"rank", "1", "5", "10", "x"}} {
		if !m.one(4) {
			set[label[0]] = pick(m, label[1:]...)
		}
	}
	if !m.one(8) {
		set[corev1.LabelHostname] = name
	}
	return set
}

func (m maker) node(name string) *corev1.Node {
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: m.nodeLabels(name)}}
	node.Spec.Unschedulable = m.one(8)
	for m.one(3) {
		node.Spec.Taints = append(node.Spec.Taints, corev1.Taint{Key: pick(m, "dedicated", "maint"), Value: pick(m, "a", "b"),
			Effect: pick(m, corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute, corev1.TaintEffectPreferNoSchedule)})
	}
	node.Status.Allocatable = m.quantities("cpu", "memory", "ephemeral-storage", "example.com/gpu", "cpu")
	for name, quantity := range node.Status.Allocatable {
		if quantity.Value() < 1<<40 && quantity.Value() > 0 {
			quantity.Mul(6)
			node.Status.Allocatable[name] = quantity
		}
	}
	if m.one(12) {
		node.Status.Allocatable["hugepages-2Mi"] = resource.MustParse("64Mi")
	}
	if !m.one(12) {
		node.Status.Allocatable[corev1.ResourcePods] = resource.MustParse(pick(m, "3", "6", "12"))
	}
	return node
}

func (m maker) podLabels() map[string]string {
	return map[string]string{"app": pick(m, "web", "db", "job"), "track": pick(m, "red", "blue")}
}

func (m maker) pod(name, node string) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: pick(m, "ns1", "ns2"), Labels: m.podLabels()}}
	pod.Spec.NodeName = node
	pod.Spec.Priority = ptr.To(pick[int32](m, 0, 10, 1000))
	pod.Spec.Containers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: m.quantities("cpu", "memory", "example.com/gpu")}}}
	if m.one(3) {
		pod.Spec.Containers = append(pod.Spec.Containers, corev1.Container{Resources: corev1.ResourceRequirements{Requests: m.quantities("cpu", "memory")}})
	}
	if m.one(4) {
		pod.Spec.InitContainers = []corev1.Container{{Resources: corev1.ResourceRequirements{Requests: m.quantities("cpu", "ephemeral-storage")}}}
	}
	if m.one(4) {
		pod.Spec.Overhead = m.quantities("cpu", "memory")
	}
	if m.one(6) {
		pod.Status.Phase = pick(m, corev1.PodSucceeded, corev1.PodFailed, corev1.PodRunning)
	}
	if m.one(6) {
		pod.Spec.Containers[0].Ports = []corev1.ContainerPort{{HostPort: pick[int32](m, 80, 443), HostIP: pick(m, "", "10.0.0.1")}}
	}
	if m.one(8) {
		pod.Spec.Affinity = &corev1.Affinity{PodAntiAffinity: &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{m.term()}}}
	}
	return pod
}

func (m maker) term() corev1.PodAffinityTerm {
	return corev1.PodAffinityTerm{TopologyKey: pick(m, "zone", "disk", corev1.LabelHostname), LabelSelector: m.selector()}
}

func (m maker) selector() *metav1.LabelSelector {
	if m.one(4) {
		return &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{
			{Key: "app", Operator: metav1.LabelSelectorOpNotIn, Values: []string{pick(m, "web", "db")}}}}
	}
	return &metav1.LabelSelector{MatchLabels: map[string]string{"app": pick(m, "web", "db", "job")}}
}

func (m maker) requirement() corev1.NodeSelectorRequirement {
	requirement := corev1.NodeSelectorRequirement{Key: pick(m, "zone", "disk", "rank", "none", corev1.LabelHostname),
		Operator: pick(m, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists,
			corev1.NodeSelectorOpDoesNotExist, corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt, "Like")}
	switch requirement.Operator {
	case corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn:
		requirement.Values = []string{pick(m, "a", "b", "ssd", "5", "node1"), pick(m, "c", "hdd", "10", "node2")}
	case corev1.NodeSelectorOpGt, corev1.NodeSelectorOpLt:
		requirement.Values = []string{pick(m, "4", "9", "x")}
	}
	return requirement
}

func (m maker) nodeSelector() *corev1.NodeSelector {
	selector := &corev1.NodeSelector{}
	for range m.IntN(3) {
		var term corev1.NodeSelectorTerm
		for range m.IntN(3) {
			term.MatchExpressions = append(term.MatchExpressions, m.requirement())
		}
		if m.one(5) {
			term.MatchFields = []corev1.NodeSelectorRequirement{{Key: "metadata.name",
				Operator: pick(m, corev1.NodeSelectorOpIn, corev1.NodeSelectorOpNotIn, corev1.NodeSelectorOpExists), Values: []string{"node1"}}}
		}
		selector.NodeSelectorTerms = append(selector.NodeSelectorTerms, term)
	}
	return selector
}

func (m maker) claim() *workv1alpha2.NodeClaim {
	if m.one(3) {
		return nil
	}
	claim := &workv1alpha2.NodeClaim{}
	if m.one(4) {
		claim.NodeSelector = map[string]string{pick(m, "disk", "zone", corev1.LabelHostname): pick(m, "ssd", "a", "node1")}
	}
	if m.one(3) {
		claim.HardNodeAffinity = m.nodeSelector()
	}
	for m.one(2) {
		claim.Tolerations = append(claim.Tolerations, corev1.Toleration{
			Key: pick(m, "dedicated", "maint", "", corev1.TaintNodeUnschedulable), Value: pick(m, "a", ""),
			Operator: pick(m, corev1.TolerationOpExists, corev1.TolerationOpEqual, ""), Effect: pick(m, corev1.TaintEffectNoSchedule, "")})
	}
	return claim
}

// nonNegative takes out what estimates refuse.
func nonNegative(list corev1.ResourceList) corev1.ResourceList {
	for name, quantity := range list {
		if quantity.Sign() < 0 {
			delete(list, name)
		}
	}
	return list
}

func (m maker) requirements() *workv1alpha2.ReplicaRequirements {
	if m.one(12) {
		return nil
	}
	names := []corev1.ResourceName{"cpu", "memory"}
	if m.one(3) {
		names = append(names, pick[corev1.ResourceName](m, "example.com/gpu", "ephemeral-storage", "hugepages-2Mi", "unheard"))
	}
	return &workv1alpha2.ReplicaRequirements{Namespace: pick(m, "ns1", "ns2"), NodeClaim: m.claim(), ResourceRequest: nonNegative(m.quantities(names...))}
}

func (m maker) components() []workv1alpha2.Component {
	var components []workv1alpha2.Component
	for i := range 1 + m.IntN(3) {
		component := workv1alpha2.Component{Name: fmt.Sprint("c", i), Replicas: int32(1 + m.IntN(3))}
		if requirements := m.requirements(); requirements != nil {
			component.ReplicaRequirements = &workv1alpha2.ComponentReplicaRequirements{
				NodeClaim: requirements.NodeClaim, ResourceRequest: requirements.ResourceRequest}
		}
		components = append(components, component)
	}
	return components
}

// special makes a demand with wishes of every kind, few at a time.
func (m maker) special() *nodes.Demand {
	demand := &nodes.Demand{Requirements: m.requirements(), PodDemand: estimator.PodDemand{Labels: m.podLabels()}}
	if m.one(4) {
		demand.Priority = ptr.To(pick[int32](m, 0, 10, 500, 2000))
	}
	if m.one(5) {
		demand.HostPorts = []estimator.HostPort{{Port: pick[int32](m, 80, 443), IP: pick(m, "", "10.0.0.1", "10.0.0.2")}}
	}
	for m.one(4) {
		demand.Volumes = append(demand.Volumes, estimator.Volume{Driver: pick(m, "disk.example.com", "nfs.example.com"), Shared: m.one(2)})
		if m.one(3) {
			demand.Volumes[0].NodeAffinity = &corev1.VolumeNodeAffinity{Required: m.nodeSelector()}
		}
	}
	for m.one(3) {
		demand.AntiAffinity = append(demand.AntiAffinity, m.term())
	}
	for m.one(3) {
		demand.Affinity = append(demand.Affinity, m.term())
	}
	for range m.IntN(3) {
		spread := corev1.TopologySpreadConstraint{TopologyKey: pick(m, "zone", "disk", corev1.LabelHostname), MaxSkew: int32(1 + m.IntN(3)),
			WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: m.selector()}
		if m.one(4) {
			spread.MinDomains = ptr.To[int32](3)
		}
		demand.Spread = append(demand.Spread, spread)
	}
	return demand
}
