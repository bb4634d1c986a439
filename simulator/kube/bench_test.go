package kube

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"runtime"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
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

// BenchmarkDay lets 20,000 pods on 5,000 nodes live a day, in which 5 nodes fail for an hour each and 1% of the workloads
// scale up or down every hour.
func BenchmarkDay(b *testing.B) {
	b.ReportAllocs()
	var turns, pods, memory uint64
	for b.Loop() {
		b.StopTimer()
		before := heapInUse()
		b.StartTimer()
		w, made := benchCluster(b, 5000)
		for _, d := range made {
			w.must(w.Apply(d))
		}
		random := rand.New(rand.NewPCG(2, 2))
		for hour := range 24 {
			for range len(made) / 100 {
				d := made[random.IntN(len(made))].DeepCopy()
				*d.Spec.Replicas = int32(36 + random.IntN(9))
				d.Generation = int64(hour + 2)
				w.must(w.Apply(d))
			}
			switch hour % 5 {
			case 0:
				w.must(w.FailNode(fmt.Sprintf("pool-a-%d", hour), true))
			case 1:
				w.must(w.HealNode(fmt.Sprintf("pool-a-%d", hour-1)))
			}
			w.loop.run(time.Hour)
		}
		turns, pods = w.Stats().Turns, w.Stats().Started
		b.StopTimer()
		memory = heapInUse() - before
		runtime.KeepAlive(w)
		runtime.KeepAlive(made)
		b.StartTimer()
	}
	b.ReportMetric(float64(memory), "B/cluster")
	b.ReportMetric(float64(turns), "turns/day")
	b.ReportMetric(float64(pods), "starts/day")
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
	w.boards, w.log, w.queue = nil, nil, queue{}
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
