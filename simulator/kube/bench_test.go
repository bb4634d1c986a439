package kube

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// benchCluster has nodes in three zones and four pods for each, of workloads with 40 replicas in 25 sizes.
func benchCluster(t testing.TB, nodes int) (*world, []*appsv1.Deployment) {
	w := newWorld(t, Options{Seed: 1, Timing: Timing{Heartbeat: 10 * time.Second}})
	w.must(w.AddPool(NodePool{Name: "pool", Count: nodes, Zones: []string{"a", "b", "c"}, Allocatable: list("16", "64Gi", "110")}))
	random := rand.New(rand.NewPCG(1, 1))
	var made []*appsv1.Deployment
	for i := range nodes / 10 {
		made = append(made, deployment(fmt.Sprint("app-", i), 40, fmt.Sprintf("%dm", 500+100*random.IntN(25))))
	}
	return w, made
}

// BenchmarkPlacePods places four pods a node on an empty cluster, until all are ready.
func BenchmarkPlacePods(b *testing.B) {
	for _, size := range []int{100, 1000, 5000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			b.ReportAllocs()
			pods := 0
			for b.Loop() {
				b.StopTimer()
				w, made := benchCluster(b, size)
				b.StartTimer()
				for _, d := range made {
					w.must(w.Apply(d))
				}
				w.loop.step(epoch)
				b.StopTimer()
				if got := int(w.Stats().Bound); got != size*4 {
					b.Fatalf("%d pods were placed", got)
				}
				pods += size * 4
				b.StartTimer()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(pods), "ns/pod")
		})
	}
}

// member is what a fleet asks of one cluster in a day: 500 workloads of 40 pods on 5,000 nodes, 5 of which fail for half an
// hour each; 1% of the workloads scaled every hour; a survey every 10 s.
type member struct {
	*world
	made    []*appsv1.Deployment
	random  *rand.Rand
	surveys int
	// surveyed is the version at the last one.
	surveyed uint64
	models   []clusterv1alpha1.ResourceModel
	// dies: the cluster is lost for an hour.
	dies bool
}

func newMember(t testing.TB, dies bool) *member {
	w := &world{t: t, loop: &testLoop{now: epoch}}
	m := &member{world: w, random: rand.New(rand.NewPCG(2, 2)), models: gradedModels(), dies: dies}
	c, err := New(w.loop, Options{Seed: 1, Events: Events{Status: func(key Key) {
		if _, ok := w.Status(key); !ok {
			t.Errorf("%s has changed and is unknown", key)
		}
	}}})
	w.must(err)
	w.Cluster = c
	w.must(w.AddPool(NodePool{Name: "pool", Count: 5000, Zones: []string{"a", "b", "c"}, Allocatable: list("16", "64Gi", "110")}))
	random := rand.New(rand.NewPCG(1, 1))
	for i := range 500 {
		m.made = append(m.made, deployment(fmt.Sprint("app-", i), 40, fmt.Sprintf("%dm", 500+100*random.IntN(25))))
	}
	return m
}

// gradedModels are eight grades of free cpu and memory.
func gradedModels() []clusterv1alpha1.ResourceModel {
	var models []clusterv1alpha1.ResourceModel
	for grade := range 8 {
		models = append(models, clusterv1alpha1.ResourceModel{Grade: uint(grade), Ranges: []clusterv1alpha1.ResourceModelRange{
			{Name: "cpu", Min: *resource.NewQuantity(int64(grade*2), resource.DecimalSI), Max: *resource.NewQuantity(int64(grade*2+2), resource.DecimalSI)},
			{Name: "memory", Min: *resource.NewQuantity(int64(grade)<<33, resource.BinarySI), Max: *resource.NewQuantity(int64(grade+1)<<33, resource.BinarySI)},
		}})
	}
	return models
}

// begin places all pods and waits until they are ready.
func (m *member) begin() {
	for _, d := range m.made {
		m.must(m.Apply(d))
	}
	m.loop.run(5 * time.Minute)
	if started := m.Stats().Started; started != 20000 {
		m.t.Fatalf("%d pods have started", started)
	}
}

func (m *member) hour(hour int) {
	for range len(m.made) / 100 {
		d := m.made[m.random.IntN(len(m.made))].DeepCopy()
		*d.Spec.Replicas = int32(36 + m.random.IntN(9))
		d.Generation = int64(hour + 2)
		m.must(m.Apply(d))
	}
	node := fmt.Sprintf("pool-a-%d", hour)
	fails := hour%5 == 0
	for second := 0; second < 3600; second += 10 {
		switch {
		case fails && second == 60:
			m.must(m.FailNode(node, true))
		case fails && second == 1860:
			m.must(m.HealNode(node))
		case m.dies && hour == 12 && second == 0:
			m.Kill()
		case m.dies && hour == 13 && second == 0:
			m.Revive()
		}
		m.loop.run(10 * time.Second)
		if version := m.Version(); version != m.surveyed {
			m.surveyed = version
			m.NodeSummary()
			m.ResourceSummary(m.models)
			m.surveys++
		}
	}
}

// BenchmarkMemberDay is a day of a member with everything in it, and of one that is lost for an hour.
func BenchmarkMemberDay(b *testing.B) {
	for _, dies := range []bool{false, true} {
		b.Run(fmt.Sprintf("dies=%v", dies), func(b *testing.B) {
			b.ReportAllocs()
			var m *member
			memory := heapInUse()
			for b.Loop() {
				m = newMember(b, dies)
				m.begin()
				for hour := range 24 {
					m.hour(hour)
				}
			}
			memory = heapInUse() - memory
			b.ReportMetric(float64(memory), "B/cluster")
			b.ReportMetric(float64(m.Stats().Turns), "turns/day")
			b.ReportMetric(float64(m.Stats().Started), "starts/day")
			b.ReportMetric(float64(m.surveys), "surveys/day")
		})
	}
}

// BenchmarkSurvey asks a cluster in which nothing has happened since for its sums.
func BenchmarkSurvey(b *testing.B) {
	m := newMember(b, false)
	m.begin()
	b.ReportAllocs()
	for b.Loop() {
		if m.NodeSummary().ReadyNum != 5000 || len(m.ResourceSummary(m.models).AllocatableModelings) != 8 {
			b.Fatal("nodes are missing")
		}
	}
}

// BenchmarkReplicas asks how many replicas fit, in a cluster in which nothing has happened since.
func BenchmarkReplicas(b *testing.B) {
	m := newMember(b, false)
	m.begin()
	b.ReportAllocs()
	demand := &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("2Gi")}}
	for b.Loop() {
		if room, err := m.Replicas(demand); err != nil || room < 1000 {
			b.Fatal(room, err)
		}
	}
}

// TestMemory holds rows to what they are promised to take: 64 bytes a pod and 128 a node, with all columns and lists. What
// slices have to spare comes on top.
func TestMemory(t *testing.T) {
	const count = 20000
	empty, _ := benchCluster(t, 3)
	runtime.KeepAlive(empty)
	before := heapInUse()
	w := newWorld(t, Options{Timing: quick()})
	w.must(w.AddPool(NodePool{Name: "pool", Count: count, Zones: []string{"a", "b", "c"}, Allocatable: list("16", "64Gi", "110")}))
	w.loop.run(time.Second)
	nodes := heapInUse()
	for i := range 50 {
		w.must(w.Apply(deployment(fmt.Sprint("app-", i), count/10, "100m")))
	}
	w.loop.run(time.Hour)
	w.boards, w.outlooks, w.log, w.queue = nil, nil, nil, queue{}
	after := heapInUse()
	perNode, perPod := float64(nodes-before)/count, float64(after-nodes)/(5*count)
	t.Logf("%.0f bytes a node, %.0f bytes a pod", perNode, perPod)
	if row := reflect.TypeFor[pod]().Size(); row > 64 {
		t.Errorf("the row of a pod has %d bytes", row)
	}
	if perNode > 160 || perPod > 100 {
		t.Errorf("a node takes %.0f bytes and a pod %.0f", perNode, perPod)
	}
	if w.NodeSummary().ReadyNum != count || w.Stats().Started != 5*count {
		t.Errorf("%d nodes, %d pods", w.NodeSummary().ReadyNum, w.Stats().Started)
	}
}

func heapInUse() uint64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}
