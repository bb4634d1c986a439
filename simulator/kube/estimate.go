package kube

import (
	"fmt"
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
)

// Replicas estimates how many replicas with the requirements fit, as an estimator beside the cluster does: the room on every
// node that the claim selects, without a look at pods around. It walks the columns and makes no objects.
func (c *Cluster) Replicas(requirements *workv1alpha2.ReplicaRequirements) (int32, error) {
	var claim workv1alpha2.NodeClaim
	var request []amount
	if requirements != nil {
		for name, quantity := range requirements.ResourceRequest {
			if quantity.Sign() < 0 {
				return 0, fmt.Errorf("estimating replicas: the request for %s is negative", name)
			}
		}
		if requirements.NodeClaim != nil {
			claim = *requirements.NodeClaim
		}
		request = c.resources.amounts(requirements.ResourceRequest)
		if len(c.resources.names) > c.stride {
			c.widen()
		}
	}
	t := &template{profile: c.nobody, tolerations: claim.Tolerations, requests: request}
	affinity := &corev1.Affinity{NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: claim.HardNodeAffinity}}
	t.required = nodeaffinity.NewRequiredNodeAffinity(claim.NodeSelector, affinity)
	_, t.picky = claim.NodeSelector[corev1.LabelHostname]
	if claim.HardNodeAffinity != nil {
		for i := range claim.HardNodeAffinity.NodeSelectorTerms {
			t.picky = t.picky || namesNodes(&claim.HardNodeAffinity.NodeSelectorTerms[i])
		}
	}
	var sum int64
	for row := range c.nodes {
		if c.nodes[row].is(nodeKnown) && c.verdict(t, int32(row)).reject == 0 {
			sum += c.room(request, int32(row))
		}
	}
	return int32(min(sum, int64(estimator.Unbounded), math.MaxInt32)), nil
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
