package kube

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// Replicas estimates how many replicas with the requirements fit, as an estimator beside the cluster does: the room on every
// node that the claim selects, without a look at pods around. It makes no objects, and asked again it looks only at nodes that
// have changed since.
func (c *Cluster) Replicas(requirements *workv1alpha2.ReplicaRequirements) (int32, error) {
	c.join()
	asked, amounts, err := c.readDemand(requirements)
	if err != nil {
		return 0, err
	}
	v := c.vacancyOf(asked)
	if v.demand != asked || v.structure != c.structure || c.position-v.position > logSize {
		v.demand, v.requests = asked, amounts
		c.survey(v, requirements)
	}
	for ; v.position < c.position; v.position++ {
		if row := c.log[v.position%logSize].node; v.room[row] != excluded {
			v.count(c, row)
		}
	}
	return int32(min(v.sum, int64(estimator.Unbounded), math.MaxInt32)), nil
}

// Unschedulable counts the pods of the present revision of a workload that have found no node since before a time.
func (c *Cluster) Unschedulable(key Key, before time.Time) int32 {
	c.join()
	id, ok := c.workOf[key]
	if !ok {
		return 0
	}
	count := int32(0)
	for _, of := range c.sets[c.works[id].current].pods {
		if p := &c.pods[of]; p.phase == pending && p.active() && c.time(p.since).Before(before) {
			count++
		}
	}
	return count
}

// demand tells what replicas ask of nodes from what others do: by a few amounts, and a digest of all else, zero for nothing.
type demand struct {
	amounts [4]amount
	rest    likeness
}

// vacancy is the room on the nodes for replicas of a demand, and follows the log.
type vacancy struct {
	demand
	structure, position, turn uint64
	requests                  []amount
	// room is by row, and sum what it comes to.
	room []int32
	sum  int64
}

// excluded is the room on nodes that a claim does not select.
const excluded int32 = -1

// vacanciesKept bounds the memory of vacancies.
const vacanciesKept = 16

func (c *Cluster) readDemand(requirements *workv1alpha2.ReplicaRequirements) (demand, []amount, error) {
	var asked demand
	if requirements == nil {
		return asked, nil, nil
	}
	for name, quantity := range requirements.ResourceRequest {
		if quantity.Sign() < 0 {
			return asked, nil, fmt.Errorf("estimating replicas: the request for %s is negative", name)
		}
	}
	amounts := c.resources.amounts(requirements.ResourceRequest)
	if len(c.resources.names) > c.stride {
		c.widen()
	}
	claim := requirements.NodeClaim
	plain := claim == nil || claim.HardNodeAffinity == nil && len(claim.NodeSelector)+len(claim.Tolerations) == 0
	if copy(asked.amounts[:], amounts) == len(amounts) && plain {
		return asked, amounts, nil
	}
	encoded, err := json.Marshal(requirements)
	if err != nil {
		return asked, nil, fmt.Errorf("estimating replicas: reading the requirements: %w", err)
	}
	asked.rest = summed(encoded)
	return asked, amounts, nil
}

// vacancyOf returns that of a demand, or the one to give up for it.
func (c *Cluster) vacancyOf(asked demand) *vacancy {
	at := slices.IndexFunc(c.vacancies, func(v *vacancy) bool { return v.demand == asked })
	if at < 0 && len(c.vacancies) < vacanciesKept {
		at = len(c.vacancies)
		c.vacancies = append(c.vacancies, &vacancy{})
	} else if at < 0 {
		at = 0
		for i, v := range c.vacancies {
			if v.turn < c.vacancies[at].turn {
				at = i
			}
		}
	}
	c.boardTurn++
	c.vacancies[at].turn = c.boardTurn
	return c.vacancies[at]
}

// survey looks at all nodes.
func (c *Cluster) survey(v *vacancy, requirements *workv1alpha2.ReplicaRequirements) {
	v.structure, v.position, v.sum = c.structure, c.position, 0
	v.room = slices.Grow(v.room[:0], len(c.nodes))[:len(c.nodes)]
	t := c.claiming(requirements)
	for row := range v.room {
		v.room[row] = excluded
		if c.nodes[row].is(nodeKnown) && c.verdict(t, int32(row)).reject == 0 {
			v.room[row] = 0
			v.count(c, int32(row))
		}
	}
}

// count looks at one node again.
func (v *vacancy) count(c *Cluster, row int32) {
	room := int32(min(c.room(v.requests, row), math.MaxInt32))
	v.sum += int64(room) - int64(v.room[row])
	v.room[row] = room
}

// claiming is a template that finds nodes as a claim does.
func (c *Cluster) claiming(requirements *workv1alpha2.ReplicaRequirements) *template {
	var claim workv1alpha2.NodeClaim
	if requirements != nil && requirements.NodeClaim != nil {
		claim = *requirements.NodeClaim
	}
	t := &template{profile: c.nobody, tolerations: claim.Tolerations}
	affinity := &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: claim.HardNodeAffinity}}
	t.required = nodeaffinity.NewRequiredNodeAffinity(claim.NodeSelector, affinity)
	_, t.picky = claim.NodeSelector[corev1.LabelHostname]
	if claim.HardNodeAffinity != nil {
		for i := range claim.HardNodeAffinity.NodeSelectorTerms {
			t.picky = t.picky || namesNodes(&claim.HardNodeAffinity.NodeSelectorTerms[i])
		}
	}
	return t
}

// room is how often a request fits on a node.
func (c *Cluster) room(request []amount, row int32) int64 {
	p := &c.pools[c.nodes[row].pool]
	room := max(p.pods-int64(c.nodes[row].pods), 0)
	used := c.used[int(row)*c.stride:][:c.stride]
	for _, a := range request {
		room = min(room, max(c.capacityOf(row, int(a.column))-used[a.column], 0)/a.value)
	}
	return room
}

// Fill gives an index the nodes and pods of the cluster, for estimates that look at pods around.
func (c *Cluster) Fill(index *nodes.Index) error {
	c.join()
	for _, node := range c.Nodes() {
		if err := index.UpsertNode(node); err != nil {
			return err
		}
	}
	for _, pod := range c.Pods("", nil) {
		if err := index.UpsertPod(pod); err != nil {
			return err
		}
	}
	return nil
}
