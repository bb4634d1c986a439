package nodes_test

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// longest is far more than any estimate of a few nodes takes, and far less than one step for each replica would.
const longest = 10 * time.Second

// FuzzEstimate makes a cluster by seed, adds a node and a demand with any numbers, and holds the index against the walk.
func FuzzEstimate(f *testing.F) {
	f.Add(uint64(1), uint8(20), int64(8000), int64(16<<30), int64(110), int64(500), int64(1<<30))
	f.Add(uint64(2), uint8(40), int64(-1), int64(0), int64(-5), int64(0), int64(0))
	f.Add(uint64(3), uint8(9), int64(1<<62), int64(1<<62), int64(1<<31), int64(1), int64(1<<31))
	f.Add(uint64(4), uint8(60), int64(1<<62), int64(1<<62), int64(1<<62), int64(1), int64(0))
	f.Add(uint64(5), uint8(60), int64(7), int64(3), int64(1<<40), int64(-1), int64(3))
	f.Fuzz(func(t *testing.T, seed uint64, events uint8, cpu, memory, pods, wantCPU, wantMemory int64) {
		c := newCluster(seed)
		for range events {
			c.event(t)
		}
		node := c.node("given")
		node.Status.Allocatable = corev1.ResourceList{
			"cpu": *resource.NewMilliQuantity(cpu, resource.DecimalSI), "memory": *resource.NewQuantity(memory, resource.BinarySI),
			"pods": *resource.NewQuantity(pods, resource.DecimalSI)}
		c.nodes = append(c.nodes, node)
		if err := c.index.UpsertNode(node); err != nil {
			t.Fatal(err)
		}
		demand := &nodes.Demand{Requirements: &workv1alpha2.ReplicaRequirements{NodeClaim: c.claim(), ResourceRequest: corev1.ResourceList{
			"cpu": *resource.NewMilliQuantity(wantCPU, resource.DecimalSI), "memory": *resource.NewQuantity(wantMemory, resource.BinarySI)}}}
		start := time.Now()
		got, err := c.index.Replicas(demand, nil)
		if wantCPU < 0 || wantMemory < 0 {
			if err == nil {
				t.Error("a negative request was not refused")
			}
			return
		}
		if want := c.walk().replicas(demand); err != nil || got != want {
			t.Errorf("room for %d, %v; the walk finds %d", got, err, want)
		}
		components := []workv1alpha2.Component{{Name: "a", Replicas: 2, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
			NodeClaim: demand.Requirements.NodeClaim, ResourceRequest: demand.Requirements.ResourceRequest}}}
		sets, err := c.index.Sets("ns1", components, nil)
		if whole := int64(sets) * 2; err != nil || got < estimator.Unbounded && whole != int64(got)/2*2 || got == estimator.Unbounded && whole < int64(got)-1 {
			t.Errorf("room for %d sets of two, %v, with room for %d", sets, err, got)
		}
		if _, err := c.index.Replicas(c.special(), nil); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > longest {
			t.Errorf("the estimates took %s", took)
		}
	})
}
