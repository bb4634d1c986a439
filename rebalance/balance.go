package rebalance

import (
	"math"

	corev1 "k8s.io/api/core/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Balance is how evenly the clusters of a fleet are used.
type Balance struct {
	// Clusters are those that report what they have, in ascending order of name.
	Clusters []Load `json:"clusters"`
	// Spread is the distance between the most and the least used of them, as a part; 0 where none reports.
	Spread float64 `json:"spread"`

	// unevenness falls when load moves from a cluster that is used more to one that is used less, whatever their sizes: the mean
	// square of the used parts, weighted by size, summed over the resources.
	unevenness float64
}

// Load is how far a cluster is used.
type Load struct {
	Cluster string `json:"cluster"`
	// Used is the part of CPU or memory that is requested, of whichever it is more.
	Used float64 `json:"used"`
}

// leastGain keeps moves away that change the balance by no more than rounding does.
const leastGain = 1e-9

// moreEven tells whether a move is a gain: the extremes do not move apart, and load as a whole goes to where there is less.
func moreEven(before, after Balance) bool {
	return after.Spread <= before.Spread && after.unevenness < before.unevenness-leastGain
}

// balanceOf measures the clusters that stay in the fleet.
func balanceOf(fleet *placement.Snapshot) Balance {
	balance := Balance{Clusters: []Load{}}
	least, most := math.Inf(1), math.Inf(-1)
	for _, cluster := range fleet.Clusters() {
		if !cluster.DeletionTimestamp.IsZero() {
			continue
		}
		used, known := 0.0, false
		for _, name := range resources() {
			if part, _, has := usage(cluster, name); has {
				used, known = max(used, part), true
			}
		}
		if known {
			balance.Clusters = append(balance.Clusters, Load{cluster.Name, used})
			least, most = min(least, used), max(most, used)
		}
	}
	balance.Spread = max(most-least, 0)
	for _, name := range resources() {
		balance.unevenness += unevennessOf(fleet, name)
	}
	return balance
}

func resources() []corev1.ResourceName {
	return []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory}
}

func unevennessOf(fleet *placement.Snapshot, name corev1.ResourceName) float64 {
	squares, sizes := 0.0, 0.0
	for _, cluster := range fleet.Clusters() {
		if part, size, has := usage(cluster, name); has && cluster.DeletionTimestamp.IsZero() {
			squares, sizes = squares+size*part*part, sizes+size
		}
	}
	if sizes == 0 {
		return 0
	}
	return squares / sizes
}

// usage is the part of a resource that is requested in a cluster, and how much it has of it; has is false for none.
func usage(cluster *clusterv1alpha1.Cluster, name corev1.ResourceName) (part, size float64, has bool) {
	summary := cluster.Status.ResourceSummary
	if summary == nil {
		return 0, 0, false
	}
	all, taken, coming := summary.Allocatable[name], summary.Allocated[name], summary.Allocating[name]
	if all.Sign() <= 0 {
		return 0, 0, false
	}
	size = all.AsApproximateFloat64()
	return (taken.AsApproximateFloat64() + coming.AsApproximateFloat64()) / size, size, true
}
