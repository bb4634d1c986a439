package nodes

import (
	"slices"

	"k8s.io/apimachinery/pkg/labels"

	"github.com/seatrial/seatrial/estimator"
)

// spot is a node that a demand with special wishes can use, and for how many replicas.
type spot struct {
	slot  int32
	order int32
	room  int64
}

// special counts the room for a demand that looks at more than labels, taints and resources.
func (x *Index) special(q *query) int64 { return x.specialOn(q, x.packing(nil)) }

// specialOn does so on what a packing left. Where several topology constraints meet, replicas are placed one after another
// onto the emptiest domain that is allowed, as the scheduler of a cluster would; the number is one that can be reached.
func (x *Index) specialOn(q *query, p *packing) int64 {
	spots := x.spots(q, p)
	wishes := x.wishes(q)
	spots = wishes.allowed(x, spots)
	best := int64(0)
	for _, together := range wishes.neighbours(x, spots) {
		best = max(best, newSpreading(x, q, wishes, together).place())
	}
	return best
}

// spots lists, in the order of the nodes, those with room for one replica or more, but for the wishes about other pods.
func (x *Index) spots(q *query, p *packing) []spot {
	taken := x.portsTaken(q.demand)
	perReplica, shared := x.volumeDemand(q.demand.Volumes)
	request := slices.Clone(q.request)
	for _, a := range perReplica {
		request = append(request, newDivisor(a))
	}
	var spots []spot
	left := make([]int64, x.stride())
	for position, slot := range p.slots {
		if taken[slot] || !x.passes(&q.filter, slot) {
			continue
		}
		copy(left, p.left[position*p.stride:][:p.stride])
		if q.demand.Priority != nil {
			x.preempt(left, slot, *q.demand.Priority)
		}
		fits := true
		for _, a := range shared {
			fits = fits && left[a.column] >= a.value
			left[a.column] -= min(a.value, left[a.column])
		}
		fit := room(left, request)
		if len(q.demand.HostPorts) > 0 {
			fit = min(fit, 1)
		}
		if fits && fit > 0 {
			spots = append(spots, spot{slot: slot, order: int32(position), room: fit})
		}
	}
	return spots
}

// volumeDemand counts volumes by the column of their driver, those of each replica and those that all share. A driver that
// no node limits has no column, and needs none.
func (x *Index) volumeDemand(volumes []estimator.Volume) (perReplica, shared []amount) {
	for _, volume := range volumes {
		column, ok := x.drivers[volume.Driver]
		if !ok {
			continue
		}
		list := &perReplica
		if volume.Shared {
			list = &shared
		}
		at := slices.IndexFunc(*list, func(a amount) bool { return a.column == column })
		if at < 0 {
			at, *list = len(*list), append(*list, amount{column: column})
		}
		(*list)[at].value++
	}
	return perReplica, shared
}

// preempt adds to what is left on a node what pods below a priority hold there. What assumed workloads took of it stays
// taken.
func (x *Index) preempt(left []int64, slot int32, priority int32) {
	n := &x.nodes.rows[slot]
	lower := usage{used: make([]total, len(n.used))}
	for value, t := range x.tiers {
		if value >= priority {
			continue
		}
		if u := t.usage[slot]; u != nil {
			lower.pods += u.pods
			for column := range u.used {
				lower.used[column].merge(u.used[column])
			}
		}
	}
	for column := range left {
		assumed := n.free(column) - left[column]
		higher := n.freeWithout(column, &lower)
		left[column] = max(higher-assumed, 0)
	}
}

// freeWithout is what would be free without some of the pods.
func (n *node) freeWithout(column int, some *usage) int64 {
	var allocatable int64
	if column < len(n.allocatable) {
		allocatable = n.allocatable[column]
	}
	if column == columnPods {
		return max(allocatable-int64(n.pods-some.pods), 0)
	}
	if column < len(n.used) {
		return n.used[column].without(some.used[column]).left(allocatable)
	}
	return allocatable
}

// portsTaken are the nodes where a pod that stays has one of the ports.
func (x *Index) portsTaken(demand *Demand) map[int32]bool {
	if len(demand.HostPorts) == 0 {
		return nil
	}
	taken := map[int32]bool{}
	x.eachShape(func(id int32, s shape, _ string, _ groupLabels) {
		e := *x.pods.extras.at(s.extra)
		if e == nil || demand.Priority != nil && s.priority < *demand.Priority || !conflict(e.ports, demand.HostPorts) {
			return
		}
		x.eachCell(id, func(slot int32, _ int64) { taken[slot] = true })
	})
	return taken
}

func conflict(a, b []estimator.HostPort) bool {
	for i := range a {
		if slices.ContainsFunc(b, a[i].Conflicts) {
			return true
		}
	}
	return false
}

// wishes are what a demand wants of the pods around it.
type wishes struct {
	affinity []podTerm
	// near are, by affinity term, the domains that have pods all terms mean; nil when there are none anywhere.
	near []map[string]bool
	// founding says that no pod meets the affinity but the replicas meet it themselves: the first one founds the domain.
	founding bool
	// avoided are domains that anti-affinity forbids, by topology key.
	avoided map[string]map[string]bool
	// exclusive are the topology keys of whose domains each holds one replica at most.
	exclusive []string
}

// wishes reads the terms of a demand, which are valid, against the pods there are.
func (x *Index) wishes(q *query) *wishes {
	demand, namespace := q.demand, q.demand.namespace()
	own := labels.Set(demand.Labels)
	w := &wishes{affinity: demand.terms(demand.Affinity), avoided: map[string]map[string]bool{}}
	avoid := demand.terms(demand.AntiAffinity)
	for i := range avoid {
		if avoid[i].means(namespace, x.namespaces[namespace], own) && !slices.Contains(w.exclusive, avoid[i].topologyKey) {
			w.exclusive = append(w.exclusive, avoid[i].topologyKey)
		}
	}
	w.near = make([]map[string]bool, len(w.affinity))
	met := false
	x.eachShape(func(id int32, s shape, other string, pod groupLabels) {
		for i := range avoid {
			if avoid[i].means(other, x.namespaces[other], pod) {
				w.avoid(x, id, avoid[i].topologyKey)
			}
		}
		w.avoidRepelling(x, id, s, other, pod, demand)
		for i := range w.affinity {
			if !w.affinity[i].means(other, x.namespaces[other], pod) {
				return
			}
		}
		for i := range w.affinity {
			x.eachCell(id, func(slot int32, _ int64) {
				met = w.mark(&w.near[i], x, slot, w.affinity[i].topologyKey) || met
			})
		}
	})
	if w.founding = len(w.affinity) > 0 && !met; w.founding {
		for i := range w.affinity {
			w.founding = w.founding && w.affinity[i].means(namespace, x.namespaces[namespace], own)
		}
	}
	return w
}

// avoidRepelling avoids the neighbours of pods whose own anti-affinity means the demand.
func (w *wishes) avoidRepelling(x *Index, id int32, s shape, namespace string, pod groupLabels, demand *Demand) {
	e := *x.pods.extras.at(s.extra)
	if e == nil || len(demand.Labels) == 0 {
		return
	}
	for i := range e.antiAffinity {
		term, err := readTerm(&e.antiAffinity[i], namespace, pod)
		if err == nil && term.means(demand.namespace(), x.namespaces[demand.namespace()], labels.Set(demand.Labels)) {
			w.avoid(x, id, term.topologyKey)
		}
	}
}

func (w *wishes) avoid(x *Index, id int32, key string) {
	domains := w.avoided[key]
	x.eachCell(id, func(slot int32, _ int64) { w.mark(&domains, x, slot, key) })
	if domains != nil {
		w.avoided[key] = domains
	}
}

func (w *wishes) mark(domains *map[string]bool, x *Index, slot int32, key string) bool {
	value, ok := x.domain(slot, key)
	if !ok {
		return false
	}
	if *domains == nil {
		*domains = map[string]bool{}
	}
	(*domains)[value] = true
	return true
}

// allowed keeps the spots that the pods there are leave to the demand.
func (w *wishes) allowed(x *Index, spots []spot) []spot {
	return slices.DeleteFunc(spots, func(s spot) bool {
		for key, domains := range w.avoided {
			if value, ok := x.domain(s.slot, key); ok && domains[value] {
				return true
			}
		}
		for i := range w.affinity {
			value, ok := x.domain(s.slot, w.affinity[i].topologyKey)
			if !ok || !w.founding && !w.near[i][value] {
				return true
			}
		}
		return false
	})
}

// neighbours splits spots into those that replicas which found their own domain can share; otherwise all are one.
func (w *wishes) neighbours(x *Index, spots []spot) [][]spot {
	if !w.founding {
		return [][]spot{spots}
	}
	var together [][]spot
	byDomains := map[string]int{}
	for _, s := range spots {
		var text []byte
		for i := range w.affinity {
			value, _ := x.domain(s.slot, w.affinity[i].topologyKey)
			text = appendText(text, value)
		}
		at, ok := byDomains[string(text)]
		if !ok {
			at = len(together)
			byDomains[string(text)] = at
			together = append(together, nil)
		}
		together[at] = append(together[at], s)
	}
	return together
}
