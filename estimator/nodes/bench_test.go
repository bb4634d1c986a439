package nodes_test

import (
	"fmt"
	"maps"
	"runtime"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

const (
	podsPerNode = 30
	demandCount = 1000
)

// benchCluster makes nodes in 200 label sets and 5 taint sets with 30 pods each, of a workload for every two nodes. No two
// nodes have the same free resources.
func benchCluster(size int) *walk {
	m := newMaker(uint64(size))
	w := &walk{}
	for i := range size {
		w.nodes = append(w.nodes, benchNode(m, i))
		for k := range podsPerNode {
			w.pods = append(w.pods, benchPod(m, m.IntN(size/2), i*podsPerNode+k, w.nodes[i].Name))
		}
	}
	return w.settle()
}

func benchNode(m maker, i int) *corev1.Node {
	name := fmt.Sprintf("node-%05d.fleet.example.com", i)
	set := i % 200
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
		corev1.LabelHostname: name, corev1.LabelArchStable: pick(m, "amd64"), corev1.LabelTopologyRegion: fmt.Sprint("region-", set%2),
		corev1.LabelTopologyZone: fmt.Sprint("zone-", set%10), corev1.LabelInstanceTypeStable: fmt.Sprint("type-", set/10), "pool": fmt.Sprint("pool-", set),
	}}}
	switch i % 17 {
	case 0:
		node.Spec.Taints = []corev1.Taint{{Key: "dedicated", Value: pick(m, "batch", "gpu"), Effect: corev1.TaintEffectNoSchedule}}
	case 1:
		node.Spec.Unschedulable = i%2 == 0
	}
	node.Status.Allocatable = corev1.ResourceList{
		"cpu": resource.MustParse(fmt.Sprint(32000+16000*m.IntN(3)+i, "m")), "memory": resource.MustParse(fmt.Sprint(131072+65536*m.IntN(3)+i, "Mi")),
		"ephemeral-storage": resource.MustParse("500Gi"), "pods": resource.MustParse("110"),
	}
	return node
}

// benchPod is a pod of a workload; one pod in ten has been resized.
func benchPod(m maker, workload, number int, node string) *corev1.Pod {
	size := workload
	if m.one(10) {
		size = m.IntN(6400)
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: fmt.Sprintf("workload-%d-7d4b9c6f5-%05x", workload, number), Namespace: fmt.Sprint("team-", workload%40),
			Labels: map[string]string{"app": fmt.Sprint("workload-", workload), "tier": []string{"front", "back", "batch"}[workload%3], "pod-template-hash": "7d4b9c6f5"}},
		Spec: corev1.PodSpec{NodeName: node, Priority: ptr.To([]int32{0, 0, 0, 1000}[workload%4]), Containers: []corev1.Container{{
			Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{
				"cpu": *resource.NewMilliQuantity(int64(50+10*(size%100)), resource.DecimalSI), "memory": *resource.NewQuantity(int64(64+size%64*32)<<20, resource.BinarySI)},
			}}}},
	}
}

// benchDemands are different from each other in what they request and where they may run.
func benchDemands() []*nodes.Demand {
	m := newMaker(3)
	demands := make([]*nodes.Demand, demandCount)
	for i := range demands {
		requirements := &workv1alpha2.ReplicaRequirements{Namespace: "team-1", ResourceRequest: corev1.ResourceList{
			"cpu": *resource.NewMilliQuantity(int64(100+i), resource.DecimalSI), "memory": *resource.NewQuantity(int64(128+m.IntN(4096))<<20, resource.BinarySI)}}
		if m.one(3) {
			requirements.ResourceRequest["ephemeral-storage"] = *resource.NewQuantity(int64(1+m.IntN(20))<<30, resource.BinarySI)
		}
		claim := &workv1alpha2.NodeClaim{}
		switch i % 5 {
		case 1:
			claim.NodeSelector = map[string]string{corev1.LabelTopologyRegion: pick(m, "region-0", "region-1")}
		case 2:
			claim.HardNodeAffinity = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{"zone-1", "zone-3", fmt.Sprint("zone-", i%10)}},
				{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpNotIn, Values: []string{fmt.Sprint("type-", i%20)}}}}}}
		case 3:
			claim.Tolerations = []corev1.Toleration{{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "batch"}}
		case 4:
			claim.HardNodeAffinity = &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{MatchExpressions: []corev1.NodeSelectorRequirement{
				{Key: "pool", Operator: corev1.NodeSelectorOpNotIn, Values: []string{fmt.Sprint("pool-", i%200)}}}}}}
		}
		if i%5 > 0 {
			requirements.NodeClaim = claim
		}
		demands[i] = &nodes.Demand{Requirements: requirements}
	}
	return demands
}

func indexOf(b testing.TB, w *walk) *nodes.Index {
	index := nodes.NewIndex(nodes.Options{})
	for _, node := range w.nodes {
		if err := index.UpsertNode(node); err != nil {
			b.Fatal(err)
		}
	}
	for _, pod := range w.pods {
		if err := index.UpsertPod(pod); err != nil {
			b.Fatal(err)
		}
	}
	return index
}

// TestBenchCluster: the benchmarks are worth something as long as neither nodes nor demands repeat each other.
func TestBenchCluster(t *testing.T) {
	w := benchCluster(1000)
	free, sets, asked := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, node := range w.nodes {
		free[fmt.Sprint(w.free(node, "cpu", nil), w.free(node, "memory", nil), w.free(node, "pods", nil))] = true
		others := maps.Clone(node.Labels)
		delete(others, corev1.LabelHostname)
		sets[fmt.Sprint(others)] = true
	}
	for _, demand := range benchDemands() {
		asked[fmt.Sprint(demand.Requirements.ResourceRequest.Cpu(), demand.Requirements.ResourceRequest.Memory())] = true
	}
	if len(free) != len(w.nodes) || len(sets) < 200 || len(asked) != demandCount {
		t.Errorf("%d nodes have %d different free resources and %d label sets, and there are %d different demands", len(w.nodes), len(free), len(sets), len(asked))
	}
}

var sizes = []int{100, 1000, 5000, 15000}

// BenchmarkEstimate asks for 1,000 different demands in turn, with a pod event before each that is not timed. Sampled
// answers are held against the plain walk.
func BenchmarkEstimate(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w, demands := benchCluster(size), benchDemands()
			index := indexOf(b, w)
			changes := newChanges(w)
			b.ReportAllocs()
			b.ResetTimer()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				changes.next(b, index)
				b.StartTimer()
				if _, err := index.Replicas(demands[i%demandCount], nil); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			w.settle()
			for i := 0; i < demandCount; i += 97 {
				if got, _ := index.Replicas(demands[i], nil); got != w.replicas(demands[i]) {
					b.Errorf("demand %d: %d, the walk finds %d", i, got, w.replicas(demands[i]))
				}
			}
		})
	}
}

// BenchmarkEstimateEvents is BenchmarkEstimate with the events timed as well.
func BenchmarkEstimateEvents(b *testing.B) {
	for _, size := range sizes {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w, demands := benchCluster(size), benchDemands()
			index := indexOf(b, w)
			changes := newChanges(w)
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				changes.next(b, index)
				if _, err := index.Replicas(demands[i%demandCount], nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkEstimateBatch asks for 100 demands at once; the time is that of all.
func BenchmarkEstimateBatch(b *testing.B) {
	index, demands := indexOf(b, benchCluster(5000)), benchDemands()
	answers := make([]int32, 100)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		at := i * 100 % demandCount
		if err := index.ReplicasOfAll(demands[at:at+100], nil, answers); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSets asks for whole sets of a small, a middle and a large component, a different large one each time.
func BenchmarkSets(b *testing.B) {
	component := func(name string, replicas int32, milliCPU, memoryMi int64) workv1alpha2.Component {
		return workv1alpha2.Component{Name: name, Replicas: replicas, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: corev1.ResourceList{
			"cpu": *resource.NewMilliQuantity(milliCPU, resource.DecimalSI), "memory": *resource.NewQuantity(memoryMi<<20, resource.BinarySI)}}}
	}
	for _, size := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			index := indexOf(b, benchCluster(size))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				components := []workv1alpha2.Component{component("small", 3, 250, 256), component("middle", 2, 1000, 2048), component("large", 1, int64(3000+i%1000), 8192)}
				if got, err := index.Sets("team-1", components, nil); err != nil || got == 0 {
					b.Fatalf("room for %d sets, %v", got, err)
				}
			}
		})
	}
}

// BenchmarkEstimateSpecial asks for what the plain walk does not know, at 5,000 nodes.
func BenchmarkEstimateSpecial(b *testing.B) {
	index := indexOf(b, benchCluster(5000))
	mine := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "workload-7"}}
	requirements := &workv1alpha2.ReplicaRequirements{Namespace: "team-7", ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("500m")}}
	labels := map[string]string{"app": "workload-7"}
	for name, demand := range map[string]*nodes.Demand{
		"antiaffinity": {PodDemand: estimator.PodDemand{Labels: labels, AntiAffinity: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelHostname, LabelSelector: mine}}}},
		"spread": {PodDemand: estimator.PodDemand{Labels: labels, Spread: []corev1.TopologySpreadConstraint{
			{TopologyKey: corev1.LabelTopologyZone, MaxSkew: 5, WhenUnsatisfiable: corev1.DoNotSchedule, LabelSelector: mine}}}},
		"affinity": {PodDemand: estimator.PodDemand{Labels: labels, Affinity: []corev1.PodAffinityTerm{{TopologyKey: corev1.LabelTopologyZone, LabelSelector: mine}}}},
		"preempt":  {PodDemand: estimator.PodDemand{Priority: ptr.To[int32](500)}},
		"hostname": {Requirements: &workv1alpha2.ReplicaRequirements{NodeClaim: &workv1alpha2.NodeClaim{
			NodeSelector: map[string]string{corev1.LabelHostname: "node-00011.fleet.example.com"}}}},
	} {
		if demand.Requirements == nil {
			demand.Requirements = requirements
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if got, err := index.Replicas(demand, nil); err != nil || got == 0 {
					b.Fatalf("room for %d, %v", got, err)
				}
			}
		})
	}
}

// BenchmarkWalk is the plain walk over the same clusters and demands. What a pod requests is summed up once, beforehand.
func BenchmarkWalk(b *testing.B) {
	for _, size := range sizes[:3] {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			w, demands := benchCluster(size), benchDemands()
			w.replicas(demands[0])
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				w.replicas(demands[i%demandCount])
			}
		})
	}
}

// changes moves pods of a cluster: each leaves its node for the next one, or comes back with another size.
type changes struct {
	w     *walk
	m     maker
	moves int
}

func newChanges(w *walk) *changes { return &changes{w: w, m: newMaker(9)} }

func (c *changes) next(b *testing.B, index *nodes.Index) {
	pod := c.w.pods[c.moves*7919%len(c.w.pods)]
	c.moves++
	cpu := pod.Spec.Containers[0].Resources.Requests
	cpu["cpu"] = *resource.NewMilliQuantity(int64(50+10*c.m.IntN(100)), resource.DecimalSI)
	if err := index.UpsertPod(pod); err != nil {
		b.Fatal(err)
	}
}

// report tells the mean and the median, which does not count what the machine does for others meanwhile.
func report(b *testing.B, took []time.Duration) {
	var sum time.Duration
	for _, one := range took {
		sum += one
	}
	slices.Sort(took)
	b.ReportMetric(float64(sum.Nanoseconds())/float64(len(took)), "ns/op")
	b.ReportMetric(float64(took[len(took)/2].Nanoseconds()), "median-ns")
}

// BenchmarkPodEvent resizes one pod of 150,000 at a time. Objects are made anew before each event, as a decoder would do,
// which is not timed.
func BenchmarkPodEvent(b *testing.B) {
	w := benchCluster(5000)
	index := indexOf(b, w)
	var took []time.Duration
	for b.Loop() {
		events := len(took)
		pod := w.pods[events*7919%len(w.pods)].DeepCopy()
		pod.Spec.Containers[0].Resources.Requests["cpu"] = *resource.NewMilliQuantity(int64(55+10*(events%193)), resource.DecimalSI)
		start := time.Now()
		if err := index.UpsertPod(pod); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// BenchmarkNodeEvent changes the labels and the capacity of one node of 5,000 at a time.
func BenchmarkNodeEvent(b *testing.B) {
	index := indexOf(b, benchCluster(5000))
	m := newMaker(4)
	var took []time.Duration
	for b.Loop() {
		node := benchNode(m, len(took)*5%5000)
		node.Labels["pool"] = fmt.Sprint("pool-", len(took)%211)
		start := time.Now()
		if err := index.UpsertNode(node); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(start))
	}
	report(b, took)
}

// TestIndexMemory holds the index to 300 bytes a pod.
func TestIndexMemory(t *testing.T) {
	w := benchCluster(2000)
	before := heapInUse()
	index := indexOf(t, w)
	after := heapInUse()
	perPod := float64(after-before) / float64(len(w.pods))
	t.Logf("%.0f bytes a pod", perPod)
	if perPod > 300 || after <= before {
		t.Errorf("the index takes %.0f bytes a pod", perPod)
	}
	runtime.KeepAlive(index)
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
