package nodes

import (
	"maps"
	"math"
	"slices"

	corev1 "k8s.io/api/core/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// Replicas estimates how many replicas of a demand fit beside the pods and the assumed workloads, from 0 to
// estimator.Unbounded.
func (x *Index) Replicas(demand *Demand, assumed []estimator.AssumedWorkload) (int32, error) {
	answers := make([]int32, 1)
	if err := x.ReplicasOfAll([]*Demand{demand}, assumed, answers); err != nil {
		return 0, err
	}
	return answers[0], nil
}

// ReplicasOfAll estimates each of many demands for itself, as if the others were not there, in one pass over the nodes.
// answers has the length of demands. The first bad demand fails the call.
func (x *Index) ReplicasOfAll(demands []*Demand, assumed []estimator.AssumedWorkload, answers []int32) error {
	if !x.options.Assumed {
		assumed = nil
	}
	compiled := make([]query, len(demands))
	for i, demand := range demands {
		if err := demand.validate(); err != nil {
			return err
		}
		x.compile(&compiled[i], demand)
	}
	if len(assumed) > 0 {
		x.sumBeside(compiled, assumed)
	} else {
		x.sum(compiled)
	}
	for i := range compiled {
		answers[i] = int32(min(compiled[i].sum, x.quota(demands[i], assumed), math.MaxInt32))
	}
	return nil
}

func (x *Index) quota(demand *Demand, assumed []estimator.AssumedWorkload) int64 {
	if !x.options.Quotas || demand.Requirements == nil {
		return math.MaxInt32
	}
	who := estimator.Claimant{Namespace: demand.Requirements.Namespace, PriorityClassName: demand.Requirements.PriorityClassName}
	return int64(estimator.QuotaReplicas(x.quotasIn(who.Namespace), who, demand.Requirements.ResourceRequest, assumed))
}

func (x *Index) quotasIn(namespace string) []*corev1.ResourceQuota {
	return slices.Collect(maps.Values(x.quotas[namespace]))
}

// query is a demand in the terms of the index.
type query struct {
	filter  filter
	request []divisor
	demand  *Demand
	// impossible is set when the demand asks for a resource that no node has.
	impossible bool
	// special is set when more than the classes and the free resources matter.
	special bool
	sum     int64
	// missing is the resource that makes the demand impossible.
	missing corev1.ResourceName
}

func (x *Index) compile(q *query, demand *Demand) {
	q.demand = demand
	var claim workv1alpha2.NodeClaim
	if requirements := demand.Requirements; requirements != nil {
		if requirements.NodeClaim != nil {
			claim = *requirements.NodeClaim
		}
		q.request, q.missing = x.divisors(requirements.ResourceRequest)
		q.impossible = q.missing != ""
	}
	q.special = !demand.PodDemand.IsZero()
	if q.impossible {
		return
	}
	q.filter = x.filterFor(claim.NodeSelector, claim.HardNodeAffinity, claim.Tolerations, demand.Volumes)
}

// divisors compiles a request in the order of the columns. missing is a resource that no node has.
func (x *Index) divisors(list corev1.ResourceList) (request []divisor, missing corev1.ResourceName) {
	request = make([]divisor, 0, len(list))
	for name, quantity := range list {
		if !counted(name) {
			continue
		}
		value := estimator.Integer(name, quantity)
		if value == 0 {
			continue
		}
		column, ok := x.columns.byName[name]
		if !ok {
			if missing == "" || name < missing {
				missing = name
			}
			continue
		}
		request = append(request, newDivisor(amount{column, value}))
	}
	slices.SortFunc(request, func(a, b divisor) int { return int(a.column - b.column) })
	return request, missing
}

// sum counts the room for each query. Plain ones share one pass over the classes.
func (x *Index) sum(queries []query) {
	for i := range queries {
		if queries[i].special && !queries[i].impossible {
			queries[i].sum = x.special(&queries[i])
		}
	}
	stride := x.stride()
	for id := range x.classes {
		c := &x.classes[id]
		if len(c.slots) == 0 {
			continue
		}
		for i := range queries {
			q := &queries[i]
			if q.special || q.impossible || !q.filter.class(c.key) {
				continue
			}
			if !q.filter.single {
				q.sum = addBounded(q.sum, roomSum(c.left, stride, q.request))
				continue
			}
			for position, slot := range c.slots {
				if x.passes(&q.filter, slot) {
					q.sum = addBounded(q.sum, room(c.left[position*stride:][:stride], q.request))
				}
			}
		}
	}
}
