package kube

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/labels"
	resourcehelper "k8s.io/component-helpers/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator/nodes"
)

func models() []clusterv1alpha1.ResourceModel {
	model := func(grade uint, cpu, memory string) clusterv1alpha1.ResourceModel {
		return clusterv1alpha1.ResourceModel{Grade: grade, Ranges: []clusterv1alpha1.ResourceModelRange{
			{Name: "cpu", Min: resource.MustParse(cpu)}, {Name: "memory", Min: resource.MustParse(memory)}}}
	}
	return []clusterv1alpha1.ResourceModel{model(0, "0", "0"), model(1, "1", "4Gi"), model(2, "3", "12Gi")}
}

// TestSummaries compares what the cluster adds up with what its objects add up to, over random histories.
func TestSummaries(t *testing.T) {
	for seed := range uint64(10) {
		c := newChaos(t, seed)
		for range 60 {
			c.step()
			c.loop.run(time.Duration(c.random.IntN(30000)) * time.Millisecond)
			c.compareSummary()
		}
	}
}

func (c *chaos) compareSummary() {
	c.t.Helper()
	want := map[string]int64{}
	left := map[string][3]int64{}
	grown := 0
	for _, node := range c.Nodes() {
		cpu, memory, pods := node.Status.Allocatable.Cpu(), node.Status.Allocatable.Memory(), node.Status.Allocatable.Pods()
		want["cpu"] += cpu.MilliValue()
		want["pods"] += pods.Value()
		left[node.Name] = [3]int64{cpu.MilliValue(), memory.Value(), pods.Value()}
		if node.Status.Conditions[0].Status == corev1.ConditionTrue {
			grown++
		}
	}
	for _, pod := range c.Pods("", nil) {
		requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
		switch {
		case pod.Spec.NodeName == "":
			if pod.Status.Phase == corev1.PodPending {
				want["waiting"]++
			}
		case pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed:
			want["held"] += requests.Cpu().MilliValue()
			l := left[pod.Spec.NodeName]
			left[pod.Spec.NodeName] = [3]int64{l[0] - requests.Cpu().MilliValue(), l[1] - requests.Memory().Value(), l[2] - 1}
		}
	}
	summary := c.ResourceSummary(models())
	got := map[string]int64{"cpu": summary.Allocatable.Cpu().MilliValue(), "pods": summary.Allocatable.Pods().Value(),
		"held": summary.Allocated.Cpu().MilliValue(), "waiting": summary.Allocating.Pods().Value()}
	for _, name := range []string{"cpu", "pods", "held", "waiting"} {
		if got[name] != want[name] && c.gone() == 0 {
			c.t.Fatalf("%s: %d in the summary, %d in the objects", name, got[name], want[name])
		}
	}
	counts := make([]int, 3)
	for _, node := range c.Nodes() {
		l := left[node.Name]
		if l[2] <= 0 {
			continue
		}
		grade := 0
		if l[0] >= 1000 && l[1] >= 4<<30 {
			grade = 1
		}
		if l[0] >= 3000 && l[1] >= 12<<30 {
			grade = 2
		}
		counts[grade]++
	}
	for i, m := range summary.AllocatableModelings {
		if m.Count != counts[i] {
			c.t.Fatalf("grade %d has %d nodes in the summary, %d in the objects", i, m.Count, counts[i])
		}
	}
	if s := c.NodeSummary(); int(s.TotalNum) != len(c.Nodes()) || int(s.ReadyNum) != grown {
		c.t.Fatalf("%+v, but %d of %d nodes are ready", s, grown, len(c.Nodes()))
	}
}

// gone counts the pods whose node has been deleted: the cluster still counts them, their objects name no node.
func (c *chaos) gone() int {
	gone := 0
	for id := range c.pods {
		if p := &c.pods[id]; p.node != none && !c.nodes[p.node].is(nodeKnown) {
			gone++
		}
	}
	return gone
}

// TestEstimates compares estimates from the columns with those of an index filled from the objects.
func TestEstimates(t *testing.T) {
	demands := []*workv1alpha2.ReplicaRequirements{
		nil,
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("300m")}},
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}},
		{ResourceRequest: corev1.ResourceList{"example.com/gpu": resource.MustParse("1")}},
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("1")}, NodeClaim: &workv1alpha2.NodeClaim{NodeSelector: map[string]string{corev1.LabelTopologyZone: "b"}}},
		{NodeClaim: &workv1alpha2.NodeClaim{NodeSelector: map[string]string{corev1.LabelHostname: "main-a-1"}}},
		{NodeClaim: &workv1alpha2.NodeClaim{Tolerations: []corev1.Toleration{{Operator: corev1.TolerationOpExists}}}},
	}
	for seed := range uint64(10) {
		c := newChaos(t, seed)
		for range 60 {
			c.step()
			c.loop.run(time.Duration(c.random.IntN(30000)) * time.Millisecond)
			if c.gone() > 0 {
				continue
			}
			index := nodes.NewIndex(nodes.Options{})
			c.must(c.Fill(index))
			for i, demand := range demands {
				want, err := index.Replicas(&nodes.Demand{Requirements: demand}, nil)
				c.must(err)
				if got, err := c.Replicas(demand); err != nil || got != want {
					t.Errorf("seed %d, demand %d: room for %d, %v, the index finds %d", seed, i, got, err, want)
				}
			}
		}
	}
	c := newChaos(t, 1)
	if _, err := c.Replicas(&workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("-1")}}); err == nil {
		t.Error("a negative request was not refused")
	}
}

func TestObjects(t *testing.T) {
	w := newWorld(t, Options{})
	w.must(w.AddPool(NodePool{Name: "pool", Count: 3, Zones: []string{"a", "b"}, Labels: map[string]string{"disk": "fast"}, Allocatable: list("4", "16Gi", "110")}))
	w.must(w.Apply(deployment("app", 2, "1")))
	w.must(w.Apply(deployment("other", 1, "64")))
	w.loop.run(time.Minute)
	var names []string
	for _, node := range w.Nodes() {
		names = append(names, fmt.Sprint(node.Name, node.Labels))
	}
	want := "[pool-a-0map[disk:fast kubernetes.io/hostname:pool-a-0 topology.kubernetes.io/zone:a] " +
		"pool-a-1map[disk:fast kubernetes.io/hostname:pool-a-1 topology.kubernetes.io/zone:a] " +
		"pool-b-0map[disk:fast kubernetes.io/hostname:pool-b-0 topology.kubernetes.io/zone:b]]"
	if fmt.Sprint(names) != want {
		t.Errorf("nodes %v", names)
	}
	seen := map[string]bool{}
	for _, pod := range w.Pods("ns", labels.SelectorFromSet(labels.Set{"app": "app"})) {
		seen[pod.Name] = true
		if pod.Spec.NodeName == "" || pod.Status.Phase != corev1.PodRunning || pod.OwnerReferences[0].Kind != "ReplicaSet" {
			t.Errorf("pod %s on %q is %s", pod.Name, pod.Spec.NodeName, pod.Status.Phase)
		}
	}
	if len(seen) != 2 || len(w.Pods("elsewhere", nil)) != 0 || len(w.Pods("", nil)) != 3 {
		t.Errorf("found pods %v", seen)
	}
	node := w.Nodes()[0].DeepCopy()
	node.Name = "own"
	node.Labels = map[string]string{"disk": "slow"}
	w.must(w.AddNode(node))
	if err := w.AddNode(node); err == nil {
		t.Error("a node was added twice")
	}
	w.must(w.RemoveNode("own"))
	w.must(w.AddNode(node))
	if own := w.Node("own"); own == nil || own.Labels["disk"] != "slow" || w.NodeSummary().TotalNum != 4 {
		t.Errorf("the node of its own is %v", own)
	}
	if w.AddPool(NodePool{Name: "pool-a"}) == nil || w.AddPool(NodePool{}) == nil || w.Resize("none", 1) == nil || w.FailNode("none", true) == nil {
		t.Error("something impossible was done")
	}
	if err := w.Apply(&corev1.Service{}); err == nil {
		t.Error("a kind without a model was applied")
	}
}
