package nodes

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// Sets estimates how many whole sets of the components fit beside the pods and the assumed workloads. Replicas go to the
// first node with room, in the order in which nodes became known; without components nothing bounds the number.
func (x *Index) Sets(namespace string, components []workv1alpha2.Component, assumed []estimator.AssumedWorkload) (int32, error) {
	for i := range components {
		if requirements := components[i].ReplicaRequirements; requirements != nil {
			if err := validateRequest(requirements.ResourceRequest); err != nil {
				return 0, fmt.Errorf("estimating sets: component %s: %w", components[i].Name, err)
			}
		}
	}
	if !x.options.Assumed {
		assumed = nil
	}
	bound := int64(math.MaxInt32)
	if x.options.Quotas {
		bound = int64(estimator.QuotaSets(x.quotasIn(namespace), namespace, components, assumed))
	}
	if x.nodes.known == 0 {
		return 0, nil
	}
	p := x.packing(assumed)
	return int32(p.sets(p.kinds(components), bound)), nil
}

// packing places replicas onto copies of the nodes, first fit.
type packing struct {
	index *Index
	// slots and left are the known nodes in their order.
	slots  []int32
	left   []int64
	stride int
}

// kind is a number of equal replicas.
type kind struct {
	request    []divisor
	filter     filter
	impossible bool
	count      int64
	// from is the first node that may still have room: one without room for a kind never has room for it again.
	from int
}

// packing copies the nodes and places the assumed workloads. Of a workload that does not fit whole, nothing is placed
// after the component that found no room.
func (x *Index) packing(assumed []estimator.AssumedWorkload) *packing {
	p := &packing{index: x, stride: x.stride(), slots: make([]int32, 0, x.nodes.known), left: make([]int64, 0, x.nodes.known*x.stride())}
	for _, slot := range x.nodes.order {
		if slot != unknown {
			p.slots = append(p.slots, slot)
			p.left = append(p.left, x.left(slot)...)
		}
	}
	for i := range assumed {
		p.sets(p.kinds(assumed[i].Components), 1)
	}
	return p
}

// kinds are the components that have replicas, in the order of placing, which is the order listed.
func (p *packing) kinds(components []workv1alpha2.Component) []kind {
	var kinds []kind
	for i := range components {
		if components[i].Replicas > 0 {
			kinds = append(kinds, p.kind(&components[i]))
		}
	}
	return kinds
}

func (p *packing) kind(component *workv1alpha2.Component) kind {
	k := kind{count: int64(component.Replicas)}
	var claim workv1alpha2.NodeClaim
	if requirements := component.ReplicaRequirements; requirements != nil {
		if requirements.NodeClaim != nil {
			claim = *requirements.NodeClaim
		}
		var missing corev1.ResourceName
		k.request, missing = p.index.divisors(requirements.ResourceRequest)
		k.impossible = missing != ""
	}
	k.filter = p.index.filterFor(claim.NodeSelector, claim.HardNodeAffinity, claim.Tolerations, nil)
	return k
}

func (k *kind) requested(column int32) int64 {
	for i := range k.request {
		if k.request[i].column == column {
			return k.request[i].value
		}
	}
	return 0
}

// sets counts the whole sets of kinds that can be placed, up to the bound.
func (p *packing) sets(kinds []kind, bound int64) int64 {
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
			if p.place(&kinds[k]) > 0 {
				return sets
			}
		}
		sets++
	}
	return bound
}

// alike is how many more sets go exactly where the nodes of the moment are: each kind whole onto its current node. Every
// set that does not takes a kind to a later node, so the number of steps is bounded by kinds times nodes.
func (p *packing) alike(kinds []kind) int64 {
	fit := int64(math.MaxInt64)
	for k := range kinds {
		at := kinds[k].from
		if at >= len(p.slots) || kinds[k].impossible || !p.index.passes(&kinds[k].filter, p.slots[at]) {
			return 0
		}
		left := p.left[at*p.stride:][:p.stride]
		for column := range left {
			var needed total
			for other := range kinds {
				if kinds[other].from == at {
					needed.addTimes(kinds[other].perReplica(int32(column)), kinds[other].count)
				}
			}
			if needed.high > 0 || needed.low > math.MaxInt64 {
				return 0
			}
			if needed.low > 0 {
				fit = min(fit, left[column]/int64(needed.low))
			}
		}
	}
	return fit
}

func (k *kind) perReplica(column int32) int64 {
	if column == columnPods {
		return 1
	}
	return k.requested(column)
}

// take puts replicas of a kind onto its current node, which has room for them.
func (p *packing) take(k *kind, replicas int64) {
	left := p.left[k.from*p.stride:][:p.stride]
	left[columnPods] -= replicas
	for i := range k.request {
		left[k.request[i].column] -= replicas * k.request[i].value
	}
}

// place puts replicas of one kind onto the first nodes with room and returns how many found none.
func (p *packing) place(k *kind) (missing int64) {
	if k.impossible {
		return k.count
	}
	for missing = k.count; missing > 0 && k.from < len(p.slots); {
		left := p.left[k.from*p.stride:][:p.stride]
		if fit := min(room(left, k.request), missing); fit > 0 && p.index.passes(&k.filter, p.slots[k.from]) {
			p.take(k, fit)
			missing -= fit
		}
		if missing > 0 {
			k.from++
		}
	}
	return missing
}

// sumBeside counts the room for each query on what the assumed workloads leave.
func (x *Index) sumBeside(queries []query, assumed []estimator.AssumedWorkload) {
	p := x.packing(assumed)
	for i := range queries {
		q := &queries[i]
		if q.impossible {
			continue
		}
		if q.special {
			q.sum = x.specialOn(q, p)
			continue
		}
		for position, slot := range p.slots {
			if x.passes(&q.filter, slot) {
				q.sum = addBounded(q.sum, room(p.left[position*p.stride:][:p.stride], q.request))
			}
		}
	}
}
