package estimator

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Sets estimates how many whole sets of the components fit beside the assumed workloads: the free pods, the summary and,
// where the cluster reports resource models, a packing of the sets onto nodes of the smallest size of their model all bound
// the number.
func (g General) Sets(cluster *clusterv1alpha1.Cluster, components []workv1alpha2.Component, assumed []AssumedWorkload) int32 {
	summary := cluster.Status.ResourceSummary
	if summary == nil {
		return 0
	}
	free := newFreeResources(summary, assumed)
	pods := free.pods()
	podsPerSet := podsOf(components)
	if pods == 0 || podsPerSet == 0 {
		return clamp(pods)
	}
	bound := pods / podsPerSet
	perSet := corev1.ResourceList{}
	addDemand(perSet, components)
	bound = min(bound, free.sets(perSet))
	if g.UseModels {
		if nodes, ok := newModelNodes(cluster); ok {
			bound = nodes.sets(components, bound, assumed)
		}
	}
	return clamp(bound)
}

// sets packs whole sets onto the nodes beside the assumed workloads, which are placed first.
func (m modelNodes) sets(components []workv1alpha2.Component, bound int64, assumed []AssumedWorkload) int64 {
	requests, occupied := demandsOf(assumed)
	perSet := corev1.ResourceList{}
	addDemand(perSet, components)
	p := newPacking(resourcesOf(append(requests, perSet)...))
	p.addNodes(m, addBounded(timesBounded(bound, podsOf(components)), occupied))
	p.occupy(assumed)
	return p.sets(p.kinds(components), bound)
}

// sets divides what is left of each resource by the request of one set.
func (f freeResources) sets(perSet corev1.ResourceList) int64 {
	fit := int64(math.MaxInt64)
	for name, wanted := range perSet {
		if wanted.Sign() <= 0 {
			continue
		}
		left, ok := f.quantity(name)
		if !ok || left.Sign() <= 0 {
			return 0
		}
		fit = min(fit, amount(left)/amount(wanted))
	}
	return fit
}

// amount makes quantities comparable as integers: thousandths for decimal notation, units for binary. It is exact only
// among quantities written in the same family of suffixes; installed control planes count this way.
func amount(q resource.Quantity) int64 {
	if q.Format == resource.BinarySI {
		return units(q)
	}
	return thousandths(q)
}
