package estimator

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// AssumedWorkload is an assignment to a cluster that the status of the cluster does not show yet.
type AssumedWorkload struct {
	Namespace  string
	Components []workv1alpha2.Component
}

// General estimates from what the status of a Cluster says about its resources as a whole. Every input has an answer: what is
// requested below zero counts as nothing, and amounts beyond 64 bits as the largest that fits, so that answers are rather too
// low.
type General struct {
	// UseModels counts nodes by resource model where the cluster reports such (gate CustomizedClusterResourceModeling).
	UseModels bool
}

// Replicas estimates how many replicas with the requirements (nil for none) fit beside the assumed workloads. Resource
// models, where they cover the request, replace the summary; the free pods bound both.
func (g General) Replicas(
	cluster *clusterv1alpha1.Cluster, requirements *workv1alpha2.ReplicaRequirements, assumed []AssumedWorkload,
) int32 {
	summary := cluster.Status.ResourceSummary
	if summary == nil {
		return 0
	}
	free := newFreeResources(summary, assumed)
	pods := free.pods()
	if pods == 0 || requirements == nil {
		return clamp(pods)
	}
	if g.UseModels {
		if nodes, ok := newModelNodes(cluster); ok {
			return clamp(min(nodes.replicas(requirements.ResourceRequest, pods, assumed), pods))
		}
	}
	return clamp(min(free.replicas(requirements.ResourceRequest), pods))
}

// replicas sums over the nodes how many replicas fit beside the assumed workloads, which are placed first.
func (m modelNodes) replicas(request corev1.ResourceList, pods int64, assumed []AssumedWorkload) int64 {
	requests, occupied := demandsOf(assumed)
	p := newPacking(resourcesOf(append(requests, request)...))
	demand := p.demand(request)
	if len(assumed) == 0 {
		var sum int64
		for i := range m.models {
			sum = addBounded(sum, timesBounded(m.counts[i], roomFor(p.smallest(&m.models[i]), demand)))
		}
		return sum
	}
	p.addNodes(m, addBounded(pods, occupied))
	p.occupy(assumed)
	return p.room(demand)
}

// demandsOf lists what the workloads request and counts their pods.
func demandsOf(assumed []AssumedWorkload) (requests []corev1.ResourceList, pods int64) {
	for i := range assumed {
		demand := corev1.ResourceList{}
		addDemand(demand, assumed[i].Components)
		requests = append(requests, demand)
		pods += podsOf(assumed[i].Components)
	}
	return requests, pods
}

// occupy places the assumed workloads. Of a workload that does not fit whole, nothing is placed after the component that
// found no room.
func (p *packing) occupy(assumed []AssumedWorkload) {
	for i := range assumed {
		p.sets(p.kinds(assumed[i].Components), 1)
	}
}

// freeResources is what a cluster has left.
type freeResources struct {
	summary *clusterv1alpha1.ResourceSummary
	assumed corev1.ResourceList
}

func newFreeResources(summary *clusterv1alpha1.ResourceSummary, assumed []AssumedWorkload) freeResources {
	free := freeResources{summary: summary}
	if len(assumed) == 0 {
		return free
	}
	free.assumed = corev1.ResourceList{}
	var pods int64
	for i := range assumed {
		addDemand(free.assumed, assumed[i].Components)
		pods += podsOf(assumed[i].Components)
	}
	free.assumed[corev1.ResourcePods] = *resource.NewQuantity(pods, resource.DecimalSI)
	return free
}

// addDemand adds what one set of components requests.
func addDemand(total corev1.ResourceList, components []workv1alpha2.Component) {
	for i := range components {
		if components[i].ReplicaRequirements == nil || components[i].Replicas <= 0 {
			continue
		}
		for name, request := range components[i].ReplicaRequirements.ResourceRequest {
			if request.Sign() < 0 {
				continue
			}
			part := request.DeepCopy()
			part.Mul(int64(components[i].Replicas))
			sum := total[name]
			sum.Add(part)
			total[name] = sum
		}
	}
}

func podsOf(components []workv1alpha2.Component) int64 {
	var pods int64
	for i := range components {
		pods += int64(max(components[i].Replicas, 0))
	}
	return pods
}

// quantity is what is left of one resource; ok is false when the cluster does not have it.
func (f freeResources) quantity(name corev1.ResourceName) (left resource.Quantity, ok bool) {
	left, ok = f.summary.Allocatable[name]
	if !ok {
		return left, false
	}
	left = left.DeepCopy()
	for _, used := range []corev1.ResourceList{f.summary.Allocated, f.summary.Allocating, f.assumed} {
		if part, found := used[name]; found {
			left.Sub(part)
		}
	}
	return left, true
}

func (f freeResources) pods() int64 {
	left, _ := f.quantity(corev1.ResourcePods)
	return units(left)
}

// replicas divides what is left of each resource by the request for it.
func (f freeResources) replicas(request corev1.ResourceList) int64 {
	fit := int64(math.MaxInt64)
	for name, wanted := range request {
		if wanted.Sign() <= 0 {
			continue
		}
		left, ok := f.quantity(name)
		if !ok || left.Sign() <= 0 {
			return 0
		}
		fit = min(fit, Integer(name, left)/Integer(name, wanted))
	}
	return fit
}
