package rebalance

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// books are the resources of a fleet as they will be after some moves. The objects they were opened with stay as they are.
type books struct {
	fleet   *placement.Snapshot
	general estimator.General
}

// entry adds replicas of one shape to a cluster, or takes them away.
type entry struct {
	cluster  string
	replicas int64
}

// post enters replicas of one workload into the summaries of clusters. Resource models count nodes by what they have left at least,
// which a few replicas seldom change: they stay as they are reported, for the scheduler will see the same.
func (b *books) post(requirements *workv1alpha2.ReplicaRequirements, entries ...entry) {
	var changed []*clusterv1alpha1.Cluster
	for _, posted := range entries {
		cluster := b.fleet.Cluster(posted.cluster)
		if cluster == nil || cluster.Status.ResourceSummary == nil || posted.replicas == 0 {
			continue
		}
		cluster = cluster.DeepCopy()
		summary := cluster.Status.ResourceSummary
		if summary.Allocated == nil {
			summary.Allocated = corev1.ResourceList{}
		}
		if requirements != nil {
			for name, request := range requirements.ResourceRequest {
				if name != corev1.ResourcePods {
					charge(summary.Allocated, name, request, posted.replicas)
				}
			}
		}
		charge(summary.Allocated, corev1.ResourcePods, *resource.NewQuantity(1, resource.DecimalSI), posted.replicas)
		changed = append(changed, cluster)
	}
	if len(changed) > 0 {
		b.fleet = b.fleet.With(changed...)
	}
}

func charge(allocated corev1.ResourceList, name corev1.ResourceName, request resource.Quantity, replicas int64) {
	part := request.DeepCopy()
	part.Mul(replicas)
	sum := allocated[name]
	sum.Add(part)
	if sum.Sign() < 0 {
		sum = resource.Quantity{}
	}
	allocated[name] = sum
}

// room tells how many more replicas a cluster can take, by its summary too where resource models say how many the scheduler gives it.
func (b *books) room(cluster string, requirements *workv1alpha2.ReplicaRequirements) int64 {
	found := b.fleet.Cluster(cluster)
	if found == nil {
		return 0
	}
	return int64(min(b.general.Replicas(found, requirements, nil), estimator.General{}.Replicas(found, requirements, nil)))
}
