package estimator_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// modelled is a cluster with nodes of three models, that has more of everything than its nodes can take.
func modelled(counts ...int) *clusterv1alpha1.Cluster {
	cluster := &clusterv1alpha1.Cluster{}
	cluster.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
		"cpu": resource.MustParse("10M"), "memory": resource.MustParse("100Pi"), "pods": resource.MustParse("1M")}}
	for grade, count := range counts {
		cluster.Spec.ResourceModels = append(cluster.Spec.ResourceModels, clusterv1alpha1.ResourceModel{Grade: uint(grade), Ranges: []clusterv1alpha1.ResourceModelRange{
			{Name: "cpu", Min: *resource.NewQuantity(int64(4<<grade), resource.DecimalSI)},
			{Name: "memory", Min: *resource.NewQuantity(int64(16<<grade)<<30, resource.BinarySI)}}})
		cluster.Status.ResourceSummary.AllocatableModelings = append(cluster.Status.ResourceSummary.AllocatableModelings,
			clusterv1alpha1.AllocatableModeling{Grade: uint(grade), Count: count})
	}
	return cluster
}

func component(name string, replicas int32, milliCPU, memoryGi int64) workv1alpha2.Component {
	return workv1alpha2.Component{Name: name, Replicas: replicas, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: corev1.ResourceList{
		"cpu": *resource.NewMilliQuantity(milliCPU, resource.DecimalSI), "memory": *resource.NewQuantity(memoryGi<<30, resource.BinarySI)}}}
}

// oneByOne puts every replica of every set onto the first node with room, largest components first.
func oneByOne(counts []int, components []workv1alpha2.Component) int32 {
	type node struct{ cpu, memory, pods int64 }
	var nodes []node
	for grade, count := range counts {
		for range count {
			nodes = append(nodes, node{cpu: int64(4000 << grade), memory: int64(16<<grade) << 30, pods: 110})
		}
	}
	size := func(c workv1alpha2.Component) (cpu, memory int64) {
		request := c.ReplicaRequirements.ResourceRequest
		return request.Cpu().MilliValue(), request.Memory().Value()
	}
	components = slices.SortedStableFunc(slices.Values(components), func(a, b workv1alpha2.Component) int {
		cpuA, memoryA := size(a)
		cpuB, memoryB := size(b)
		return cmp.Or(cmp.Compare(cpuB, cpuA), cmp.Compare(memoryB, memoryA), cmp.Compare(a.Name, b.Name))
	})
	for sets := int32(0); ; sets++ {
		for _, c := range components {
			cpu, memory := size(c)
			for range c.Replicas {
				at := slices.IndexFunc(nodes, func(n node) bool { return n.cpu >= cpu && n.memory >= memory && n.pods > 0 })
				if at < 0 {
					return sets
				}
				nodes[at].cpu, nodes[at].memory, nodes[at].pods = nodes[at].cpu-cpu, nodes[at].memory-memory, nodes[at].pods-1
			}
		}
	}
}

func TestSetsEqualOneByOne(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	positive := 0
	for trial := range 300 {
		counts := []int{random.IntN(5), random.IntN(4), random.IntN(3)}
		var components []workv1alpha2.Component
		for i := range 1 + random.IntN(4) {
			components = append(components, component(fmt.Sprint("c", i), int32(1+random.IntN(3)), int64(50+50*random.IntN(40)), int64(1+random.IntN(12))))
		}
		want := oneByOne(counts, components)
		if got := (estimator.General{UseModels: true}).Sets(modelled(counts...), components, nil); got != want {
			t.Fatalf("trial %d: room for %d sets of %v on %v, want %d", trial, got, components, counts, want)
		}
		if want > 0 {
			positive++
		}
	}
	if positive < 100 {
		t.Errorf("only %d of the answers are above zero", positive)
	}
}

// BenchmarkSets asks for whole sets of a small, a middle and a large component, by resource models.
func BenchmarkSets(b *testing.B) {
	components := []workv1alpha2.Component{component("small", 3, 250, 1), component("middle", 2, 1000, 4), component("large", 1, 3500, 8)}
	for _, size := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			cluster := modelled(size/2, size/4, size/4)
			b.ReportAllocs()
			for b.Loop() {
				if (estimator.General{UseModels: true}).Sets(cluster, components, nil) == 0 {
					b.Fatal("no room")
				}
			}
		})
	}
}
