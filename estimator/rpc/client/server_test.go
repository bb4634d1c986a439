package client_test

import (
	"context"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/client"
	"github.com/seatrial/seatrial/estimator/rpc/server"
)

// member is a cluster of nodes with four cores each.
type member struct{ index *nodes.Index }

func newMember(t testing.TB, count int) member {
	t.Helper()
	m := member{nodes.NewIndex(nodes.Options{Assumed: true})}
	for i := range count {
		err := m.index.UpsertNode(&corev1.Node{
			ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("node-", i)},
			Status: corev1.NodeStatus{Allocatable: corev1.ResourceList{
				corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourcePods: resource.MustParse("110"),
			}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func (m member) Synced() <-chan struct{} {
	synced := make(chan struct{})
	close(synced)
	return synced
}

func (m member) Stale() bool                  { return false }
func (m member) Read(look func(*nodes.Index)) { look(m.index) }
func (m member) Unschedulable(context.Context, string, string, string, string, time.Duration) (int32, error) {
	return 6, nil
}

// estimators run one server on loopback for each count of nodes, m0 first, until the test ends.
func estimators(t testing.TB, counts ...int) (resolve client.Resolver, clusters []string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var serving sync.WaitGroup
	t.Cleanup(func() { cancel(); serving.Wait() })
	addresses := map[string]string{}
	for i, count := range counts {
		name, cluster := fmt.Sprint("m", i), newMember(t, count)
		metrics, err := server.NewMetrics(prometheus.NewRegistry(), cluster)
		if err != nil {
			t.Fatal(err)
		}
		service, err := server.NewService(name, cluster, metrics, 0)
		if err != nil {
			t.Fatal(err)
		}
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		serving.Go(func() {
			if err := server.Serve(ctx, listener, service, nil); err != nil {
				t.Errorf("serving %s: %v", name, err)
			}
		})
		addresses[name], clusters = listener.Addr().String(), append(clusters, name)
	}
	return func(cluster string) (string, bool) {
		address, ok := addresses[cluster]
		return address, ok
	}, clusters
}

func connect(t testing.TB, options client.Options) *client.Client {
	t.Helper()
	c, err := client.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func cpu(cores string) estimator.Question {
	return estimator.Question{
		Workload: "Deployment default/web", Namespace: "default",
		Requirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cores)}},
	}
}

// TestRealEstimators asks the servers of this project over TCP.
func TestRealEstimators(t *testing.T) {
	resolve, clusters := estimators(t, 3, 0, 5)
	lost := func(cluster string) (string, bool) {
		if cluster == "lost" {
			return resolve("m0")
		}
		return resolve(cluster)
	}
	c := connect(t, client.Options{Resolver: lost})
	special := cpu("1")
	special.Pod = &estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 80}}}
	beside := cpu("1")
	beside.Assumed = func(string) []estimator.AssumedWorkload {
		return []estimator.AssumedWorkload{{Namespace: "default", Components: []workv1alpha2.Component{{
			Replicas: 2, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: cpu("3").Requirements.ResourceRequest},
		}}}}
	}
	sets := estimator.Question{Namespace: "default", Components: []workv1alpha2.Component{{
		Name: "pair", Replicas: 2, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: cpu("3").Requirements.ResourceRequest},
	}}}
	for _, step := range []struct {
		what     string
		question estimator.Question
		want     [3]int32
	}{
		{"replicas", cpu("2"), [3]int32{6, 0, 10}},
		{"one replica a node", special, [3]int32{3, 0, 5}},
		{"beside others", beside, [3]int32{6, 0, 14}},
		{"sets", sets, [3]int32{1, 0, 2}},
	} {
		for i, answer := range c.Estimate(t.Context(), step.question, clusters) {
			if answer.Err != nil || answer.Count != step.want[i] || answer.Stale || answer.PodIgnored {
				t.Errorf("%s: %s answered %+v, want %d", step.what, clusters[i], answer, step.want[i])
			}
		}
	}
	for _, answer := range c.Estimate(t.Context(), cpu("-1"), clusters) {
		if answer.Err == nil {
			t.Errorf("a negative request was answered with %d", answer.Count)
		}
	}
	if answer := c.Estimate(t.Context(), cpu("1"), []string{"lost"})[0]; answer.Err == nil {
		t.Errorf("the estimator of another cluster answered %d", answer.Count)
	}
	answer, explanation := c.Explain(t.Context(), "m0", cpu("3"))
	if answer.Err != nil || explanation == nil || explanation.String() != "3 replicas: cpu on 3 of 3 nodes" {
		t.Errorf("got %+v because %v", answer, explanation)
	}
	reference := workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}
	if count, err := c.Unschedulable(t.Context(), "m0", reference, time.Minute); err != nil || count != 6 {
		t.Errorf("got %d unschedulable replicas and error %v, want 6", count, err)
	}
}

// BenchmarkEstimate asks one question of 100 estimators on loopback, servers included.
func BenchmarkEstimate(b *testing.B) {
	counts := make([]int, 100)
	for i := range counts {
		counts[i] = 100
	}
	resolve, clusters := estimators(b, counts...)
	for _, c := range []struct {
		name   string
		maxAge time.Duration
	}{{"called", -1}, {"cached", time.Hour}} {
		b.Run(c.name, func(b *testing.B) {
			asked := connect(b, client.Options{Resolver: resolve, MaxAge: c.maxAge})
			question := cpu("2")
			ask := func() {
				for i, answer := range asked.Estimate(b.Context(), question, clusters) {
					if answer.Err != nil || answer.Count != 200 {
						b.Fatalf("%s answered %+v, want 200", clusters[i], answer)
					}
				}
			}
			ask()
			b.ReportAllocs()
			for b.Loop() {
				ask()
			}
		})
	}
}
