package nodes

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// Constraint is what stands in the way of one more replica on some nodes.
type Constraint struct {
	// Reason names a resource that is used up first, or one of the reasons below.
	Reason string `json:"reason"`
	// Nodes is the number of nodes that it binds. Every node counts once.
	Nodes int `json:"nodes"`
	// Replicas is the number of replicas for which there is room on these nodes.
	Replicas int64 `json:"replicas"`
}

// Reasons other than resources.
const (
	ReasonClaim       = "node selector or affinity"
	ReasonTaint       = "taint"
	ReasonHostPort    = "host port"
	ReasonVolumeLimit = "attached volumes"
	ReasonPods        = "pods around"
	ReasonQuota       = "resource quota"
)

// Explanation tells why no more replicas of a demand fit.
type Explanation struct {
	// Replicas is the answer that is explained.
	Replicas int32
	// Nodes is the number of nodes in the cluster.
	Nodes int
	// Constraints add up to all nodes, the ones that bind most nodes first.
	Constraints []Constraint
	// Quota says that a resource quota, and no node, sets the answer.
	Quota bool
}

// String tells it in one line, such as "7 replicas: cpu on 14 of 20 nodes, taint on 6".
func (e Explanation) String() string { return fmt.Sprintf("%d replicas: %s", e.Replicas, e.Why()) }

// Why tells what binds, such as "cpu on 14 of 20 nodes, taint on 6".
func (e Explanation) Why() string {
	var text strings.Builder
	if e.Quota {
		text.WriteString(ReasonQuota + "; without it ")
	}
	if e.Nodes == 0 {
		text.WriteString("no nodes")
	}
	for i, constraint := range e.Constraints {
		if i == 0 {
			fmt.Fprintf(&text, "%s on %d of %d nodes", constraint.Reason, constraint.Nodes, e.Nodes)
		} else {
			fmt.Fprintf(&text, ", %s on %d", constraint.Reason, constraint.Nodes)
		}
	}
	return text.String()
}

// Explain estimates a demand without assumed workloads and says for each node what binds there. It costs more than the
// estimate alone.
func (x *Index) Explain(demand *Demand) (Explanation, error) {
	replicas, err := x.Replicas(demand, nil)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Replicas: replicas, Nodes: x.nodes.known}
	var q query
	x.compile(&q, demand)
	reasons := x.reasons(&q)
	if q.special {
		reasons = x.specialReasons(&q, reasons)
	}
	byReason := map[string]*Constraint{}
	var fit int64
	for _, slot := range x.nodes.order {
		if slot == unknown {
			continue
		}
		found := reasons[slot]
		if byReason[found.text] == nil {
			byReason[found.text] = &Constraint{Reason: found.text}
		}
		byReason[found.text].Nodes++
		byReason[found.text].Replicas = addBounded(byReason[found.text].Replicas, found.room)
		fit = addBounded(fit, found.room)
	}
	for _, constraint := range byReason {
		e.Constraints = append(e.Constraints, *constraint)
	}
	slices.SortFunc(e.Constraints, func(a, b Constraint) int {
		return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), strings.Compare(a.Reason, b.Reason))
	})
	quota := x.quota(demand, nil)
	e.Quota = quota == int64(replicas) && quota < fit
	return e, nil
}

// reason is what binds on one node, and the room there is until then.
type reason struct {
	text string
	room int64
}

// reasons finds what binds on each known node, but for what special demands wish.
func (x *Index) reasons(q *query) map[int32]reason {
	found := make(map[int32]reason, x.nodes.known)
	if q.missing != "" {
		for _, slot := range x.nodes.order {
			if slot != unknown {
				found[slot] = reason{text: string(q.missing)}
			}
		}
		return found
	}
	for _, slot := range x.nodes.order {
		if slot == unknown {
			continue
		}
		switch {
		case !x.claims(&q.filter, slot):
			found[slot] = reason{text: ReasonClaim}
		case !x.passes(&q.filter, slot):
			found[slot] = reason{text: ReasonTaint}
		default:
			found[slot] = x.scarcest(x.left(slot), q.request)
		}
	}
	return found
}

// scarcest finds the resource that is used up first; among equals the one that was asked for rather than the pods.
func (x *Index) scarcest(left []int64, request []divisor) reason {
	fit := room(left, request)
	for i := range request {
		if request[i].divide(left[request[i].column]) == fit {
			return reason{text: string(x.columns.names[request[i].column]), room: fit}
		}
	}
	return reason{text: string(corev1.ResourcePods), room: fit}
}

// specialReasons replaces reasons where a wish of the demand binds before resources do.
func (x *Index) specialReasons(q *query, found map[int32]reason) map[int32]reason {
	if q.impossible {
		return found
	}
	p := x.packing(nil)
	taken := x.portsTaken(q.demand)
	spots := x.spots(q, p)
	roomy := map[int32]int64{}
	for _, s := range spots {
		roomy[s.slot] = s.room
	}
	w := x.wishes(q)
	alone := map[int32]bool{}
	for _, s := range w.allowed(x, spots) {
		alone[s.slot] = true
	}
	crowded := len(w.exclusive) > 0 || len(q.demand.Spread) > 0
	for slot, known := range found {
		switch {
		case known.text == ReasonClaim || known.text == ReasonTaint:
		case taken[slot] || len(q.demand.HostPorts) > 0 && known.room > 1:
			found[slot] = reason{text: ReasonHostPort, room: roomy[slot]}
		case roomy[slot] < known.room:
			found[slot] = reason{text: ReasonVolumeLimit, room: roomy[slot]}
		case roomy[slot] > 0 && !alone[slot]:
			found[slot] = reason{text: ReasonPods}
		case roomy[slot] > 0 && crowded:
			found[slot] = reason{text: ReasonPods, room: roomy[slot]}
		default:
			found[slot] = reason{text: known.text, room: roomy[slot]}
		}
	}
	return found
}
