package estimator

import (
	"cmp"
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

const (
	// podsPerNode bounds the pods of a node that is known by its resource model only.
	podsPerNode = 110
	// maxModelNodes bounds the nodes of a model onto which replicas are placed one after another. No cluster has as many.
	maxModelNodes = 1 << 17
)

// modelNodes are the nodes of a cluster as its resource models show them: every node is taken for the smallest of its model.
type modelNodes struct {
	models []clusterv1alpha1.ResourceModel
	// counts are the numbers of nodes by model.
	counts []int64
}

// newModelNodes is not ok when the spec has no models or the status has impossible counts. Grades that the spec does not
// know are left out.
func newModelNodes(cluster *clusterv1alpha1.Cluster) (nodes modelNodes, ok bool) {
	models := cluster.Spec.ResourceModels
	if len(models) == 0 || len(cluster.Status.ResourceSummary.AllocatableModelings) == 0 {
		return nodes, false
	}
	byGrade := map[uint]int64{}
	for _, modeling := range cluster.Status.ResourceSummary.AllocatableModelings {
		if modeling.Count < 0 {
			return nodes, false
		}
		byGrade[modeling.Grade] = int64(modeling.Count)
	}
	nodes = modelNodes{models: models, counts: make([]int64, len(models))}
	for i := range models {
		nodes.counts[i] = byGrade[models[i].Grade]
	}
	return nodes, true
}

// packing places replicas onto nodes, first fit. Nodes and demands are vectors over the same resources, pods first.
type packing struct {
	resources []corev1.ResourceName
	runs      []run
	// spare is memory for nodes that are not used yet.
	spare []int64
}

// run is a number of nodes that began as equals. First fit uses them in order, and a demand that does not fit onto the first
// unused one fits onto none of them, so that the used ones are always the first.
type run struct {
	smallest []int64
	count    int64
	used     [][]int64
}

// place is a node of a packing: a run, and a node in it. The place after the last node is at its first run that does not exist.
type place struct{ run, node int }

// replicaKind is a number of equal replicas.
type replicaKind struct {
	name   string
	demand []int64
	count  int64
	// from is the first node that may still have room: a node without room for a kind never has room for it again.
	from place
}

func newPacking(resources []corev1.ResourceName) *packing { return &packing{resources: resources} }

// addNodes adds the nodes of all models, of each no more than usable.
func (p *packing) addNodes(m modelNodes, usable int64) {
	for i := range m.models {
		if count := min(m.counts[i], usable, maxModelNodes); count > 0 {
			p.runs = append(p.runs, run{smallest: p.smallest(&m.models[i]), count: count})
		}
	}
}

// ended tells the place after the last node.
func (p *packing) ended(at place) bool { return at.run >= len(p.runs) }

// left is what a node has left; it must not be changed.
func (p *packing) left(at place) []int64 {
	if r := &p.runs[at.run]; at.node < len(r.used) {
		return r.used[at.node]
	}
	return p.runs[at.run].smallest
}

// after is the next place that can have room for a demand that found none, or no more, at this one.
func (p *packing) after(at place, demand []int64) place {
	r := &p.runs[at.run]
	at.node++
	if int64(at.node) < r.count && (at.node < len(r.used) || roomFor(r.smallest, demand) > 0) {
		return at
	}
	return place{run: at.run + 1}
}

// room sums up how often a demand fits onto all nodes.
func (p *packing) room(demand []int64) int64 {
	var sum int64
	for i := range p.runs {
		r := &p.runs[i]
		for _, node := range r.used {
			sum = addBounded(sum, roomFor(node, demand))
		}
		sum = addBounded(sum, timesBounded(r.count-int64(len(r.used)), roomFor(r.smallest, demand)))
	}
	return sum
}

// smallest is the smallest node of a model.
func (p *packing) smallest(model *clusterv1alpha1.ResourceModel) []int64 {
	node := p.vector(func(name corev1.ResourceName) resource.Quantity { return modelMinimum(model, name) })
	node[0] = podsPerNode
	return node
}

func modelMinimum(model *clusterv1alpha1.ResourceModel, name corev1.ResourceName) resource.Quantity {
	for i := range model.Ranges {
		if model.Ranges[i].Name == name {
			return model.Ranges[i].Min
		}
	}
	return resource.Quantity{}
}

// vector turns quantities into integers, CPU in thousandths.
func (p *packing) vector(of func(corev1.ResourceName) resource.Quantity) []int64 {
	vector := make([]int64, 1+len(p.resources))
	for i, name := range p.resources {
		quantity := of(name)
		vector[1+i] = Integer(name, quantity)
	}
	return vector
}

// demand is the vector of one replica; nothing requested still takes a pod.
func (p *packing) demand(request corev1.ResourceList) []int64 {
	vector := p.vector(func(name corev1.ResourceName) resource.Quantity { return request[name] })
	vector[0] = 1
	return vector
}

// kinds lists the components in the order of placing: largest CPU first, then memory, then name.
func (p *packing) kinds(components []workv1alpha2.Component) []replicaKind {
	var kinds []replicaKind
	for i := range components {
		if components[i].Replicas <= 0 {
			continue
		}
		kind := replicaKind{name: components[i].Name, count: int64(components[i].Replicas)}
		var request corev1.ResourceList
		if components[i].ReplicaRequirements != nil {
			request = components[i].ReplicaRequirements.ResourceRequest
		}
		kind.demand = p.demand(request)
		kinds = append(kinds, kind)
	}
	cpu, memory := p.column(corev1.ResourceCPU), p.column(corev1.ResourceMemory)
	slices.SortStableFunc(kinds, func(a, b replicaKind) int {
		return cmp.Or(
			cmp.Compare(b.demand[cpu], a.demand[cpu]),
			cmp.Compare(b.demand[memory], a.demand[memory]),
			strings.Compare(a.name, b.name))
	})
	return kinds
}

// column is the place of a resource in a vector; that of pods, equal for all replicas, when it is not among the resources.
func (p *packing) column(name corev1.ResourceName) int { return 1 + slices.Index(p.resources, name) }

// fill puts replicas of one kind onto the first nodes with room and returns how many found none.
func (p *packing) fill(kind *replicaKind) (missing int64) {
	for missing = kind.count; missing > 0 && !p.ended(kind.from); {
		fit := min(roomFor(p.left(kind.from), kind.demand), missing)
		p.take(kind, fit)
		if missing -= fit; missing > 0 {
			kind.from = p.after(kind.from, kind.demand)
		}
	}
	return missing
}

// sets counts the whole sets of kinds that can be placed, up to the bound.
func (p *packing) sets(kinds []replicaKind, bound int64) int64 {
	if len(kinds) == 0 {
		return bound
	}
	var sets int64
	for sets < bound {
		if alike := min(p.alike(kinds), bound-sets); alike > 0 {
			for k := range kinds {
				p.take(&kinds[k], alike*kinds[k].count)
			}
			sets += alike
			continue
		}
		for k := range kinds {
			if p.fill(&kinds[k]) > 0 {
				return sets
			}
		}
		sets++
	}
	return bound
}

// alike is how many more sets go exactly where the nodes of the moment are: each kind whole onto its current node. Every
// set that does not takes a kind to a later node, so the number of steps is bounded by kinds times nodes.
func (p *packing) alike(kinds []replicaKind) int64 {
	fit := int64(math.MaxInt64)
	for k := range kinds {
		at := kinds[k].from
		if p.ended(at) {
			return 0
		}
		for column, left := range p.left(at) {
			var needed int64
			for other := range kinds {
				if kinds[other].from == at {
					needed = addBounded(needed, timesBounded(kinds[other].demand[column], kinds[other].count))
				}
			}
			if needed == math.MaxInt64 {
				return 0
			}
			if needed > 0 {
				fit = min(fit, left/needed)
			}
		}
	}
	return fit
}

// take puts replicas of a kind onto its current node, which has room for them.
func (p *packing) take(kind *replicaKind, replicas int64) {
	if replicas == 0 {
		return
	}
	r := &p.runs[kind.from.run]
	if kind.from.node == len(r.used) {
		r.used = append(r.used, p.fresh(r.smallest))
	}
	for column, wanted := range kind.demand {
		r.used[kind.from.node][column] -= replicas * wanted
	}
}

// fresh copies a node into memory that is taken for many at once: most packings begin thousands of them.
func (p *packing) fresh(node []int64) []int64 {
	const many = 64
	if len(p.spare) < len(node) {
		p.spare = make([]int64, many*len(node))
	}
	copied := p.spare[:len(node):len(node)]
	p.spare = p.spare[len(node):]
	copy(copied, node)
	return copied
}

// roomFor is how often a demand fits into what a node has left.
func roomFor(left, demand []int64) int64 {
	fit := int64(math.MaxInt64)
	for i, wanted := range demand {
		if wanted > 0 {
			fit = min(fit, left[i]/wanted)
		}
	}
	return fit
}

// resourcesOf lists the resources that are requested by anyone, in ascending order of name.
func resourcesOf(requests ...corev1.ResourceList) []corev1.ResourceName {
	var names []corev1.ResourceName
	for _, request := range requests {
		for name := range request {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
