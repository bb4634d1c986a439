package capacity

import (
	"fmt"
	"math/rand/v2"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

func clusterWith(name string, cpu int64) *clusterv1alpha1.Cluster {
	cluster := &clusterv1alpha1.Cluster{}
	cluster.Name = name
	cluster.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(cpu, resource.DecimalSI), corev1.ResourcePods: *resource.NewQuantity(1000, resource.DecimalSI),
	}}
	return cluster
}

func request(milli int64) *workv1alpha2.ReplicaRequirements {
	return &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewMilliQuantity(milli, resource.DecimalSI),
	}}
}

// TestAnswersOfTheEstimator plays random changes of clusters and of what is assumed: the memory never tells something else
// than the estimator would.
func TestAnswersOfTheEstimator(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	general := estimator.General{UseModels: true}
	memo := New(general)
	clusters := make([]*clusterv1alpha1.Cluster, 5)
	assumed := make([][]estimator.AssumedWorkload, len(clusters))
	for i := range clusters {
		clusters[i] = clusterWith(fmt.Sprint(i), 50)
	}
	for step := range 5000 {
		at := random.IntN(len(clusters))
		switch random.IntN(4) {
		case 0:
			clusters[at] = clusterWith(clusters[at].Name, 1+random.Int64N(100))
		case 1:
			one := workv1alpha2.Component{Replicas: 1 + random.Int32N(5), ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{
				ResourceRequest: request(500).ResourceRequest,
			}}
			assumed[at] = append(assumed[at][:len(assumed[at]):len(assumed[at])], estimator.AssumedWorkload{Components: []workv1alpha2.Component{one}})
		case 2:
			assumed[at] = nil
		}
		requirements := request(100 * (1 + random.Int64N(300)))
		if random.IntN(10) == 0 {
			requirements = nil
		}
		replicas := memo.Replicas(requirements)
		for i := range clusters {
			if got, want := replicas(clusters[i], assumed[i]), general.Replicas(clusters[i], requirements, assumed[i]); got != want {
				t.Fatalf("step %d: %d replicas in cluster %d, the estimator says %d", step, got, i, want)
			}
		}
		if len(memo.known) > demands {
			t.Fatalf("step %d: %d demands are remembered", step, len(memo.known))
		}
	}
}

func TestUnchangedClustersAreNotEstimatedAnew(t *testing.T) {
	memo := New(estimator.General{})
	cluster := clusterWith("m1", 8)
	if got := memo.Replicas(request(1000))(cluster, nil); got != 8 {
		t.Fatalf("%d replicas of one core in eight", got)
	}
	// What the memory was made from must not change in place; here it does, to see that it is not looked at.
	cluster.Status.ResourceSummary.Allocatable[corev1.ResourceCPU] = resource.MustParse("2")
	if got := memo.Replicas(request(1000))(cluster, nil); got != 8 {
		t.Errorf("the cluster was estimated anew: %d", got)
	}
	if got := memo.Replicas(request(500))(cluster, nil); got != 4 {
		t.Errorf("%d replicas of another size, want 4", got)
	}
}

func BenchmarkReplicas(b *testing.B) {
	clusters := make([]*clusterv1alpha1.Cluster, 100)
	for i := range clusters {
		clusters[i] = clusterWith(fmt.Sprint(i), 50)
	}
	one := workv1alpha2.Component{Replicas: 3, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: request(500).ResourceRequest}}
	assumed := []estimator.AssumedWorkload{{Components: []workv1alpha2.Component{one}}}
	general := estimator.General{UseModels: true}
	b.Run("anew", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for _, cluster := range clusters {
				general.Replicas(cluster, request(500), assumed)
			}
		}
	})
	b.Run("remembered", func(b *testing.B) {
		b.ReportAllocs()
		memo := New(general)
		for b.Loop() {
			replicas := memo.Replicas(request(500))
			for _, cluster := range clusters {
				replicas(cluster, assumed)
			}
		}
	})
}
