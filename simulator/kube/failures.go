package kube

import (
	"fmt"
	"slices"
	"time"
)

// FailNode makes the kubelet of a node silent. After a crash its containers are gone; otherwise only the network to the
// control plane is, and users still reach its pods. Failing a node that has failed changes nothing, but a crash may follow on
// a cut.
func (c *Cluster) FailNode(name string, crash bool) error {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return fmt.Errorf("failing node %s: there is none of that name", name)
	}
	n := &c.nodes[row]
	if crash && !n.is(nodeCrashed) {
		n.flags |= nodeCrashed
		c.crash(row)
	}
	if !n.is(nodeDown) {
		n.flags |= nodeDown
		n.gen++
		n.failed = c.now
		c.timers.push(timer{at: c.detection(row), kind: kindDetect, id: row, gen: n.gen})
	}
	c.poke()
	return nil
}

// detection is when the control plane notices that a node is silent: at the first round of the node lifecycle controller
// after the grace period has passed since the last heartbeat.
func (c *Cluster) detection(row int32) int64 {
	last := c.now
	if beat := int64(c.timing.Heartbeat); beat > 0 {
		phase := int64(uint64(row)*2654435761%997) * beat / 997
		last = (c.now-phase)/beat*beat + phase
		if last > c.now {
			last -= beat
		}
	}
	at := last + int64(c.timing.Grace)
	if round := int64(c.timing.Monitor); round > 0 {
		at = roundUp(at, round)
	}
	return max(at, c.now)
}

// HealNode lets the kubelet of a node answer again.
func (c *Cluster) HealNode(name string) error {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return fmt.Errorf("healing node %s: there is none of that name", name)
	}
	if n := &c.nodes[row]; n.is(nodeDown) {
		n.flags &^= nodeDown | nodeCrashed
		n.gen++
		if n.is(nodeLost) {
			c.forget(row)
			c.healthy++
			c.version++
			c.setFlags(row, nodeLost|nodeEvicting, false)
		}
		if !c.dead {
			c.restart(row)
		}
	}
	c.poke()
	return nil
}

// detect is when the control plane marks a node unreachable: new pods keep away, and those there count as not ready.
func (c *Cluster) detect(row int32) {
	c.healthy--
	c.version++
	c.stats.NodesLost++
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		c.change(id, func(p *pod) { p.flags |= podLost })
	}
	c.setFlags(row, nodeLost, true)
	z := c.zone(row)
	z.lost = append(z.lost, row)
	c.planTaint(z)
}

// zone is what the node lifecycle controller keeps for each: nodes that are lost, of which those not tainted yet wait.
type zone struct {
	name string
	lost []int32
	// next is when the next node may lose its pods.
	next    int64
	planned bool
}

func (c *Cluster) zone(row int32) *zone {
	name := c.shapes.rows[c.nodes[row].shape].zone
	for _, z := range c.zones {
		if z.name == name {
			return z
		}
	}
	c.zones = append(c.zones, &zone{name: name})
	return c.zones[len(c.zones)-1]
}

// forget ends what was planned for a lost node that is back or gone.
func (c *Cluster) forget(row int32) {
	z := c.zone(row)
	z.lost = slices.DeleteFunc(z.lost, func(other int32) bool { return other == row })
	for _, z := range c.zones {
		c.planTaint(z)
	}
}

// interval is the time between two nodes of a zone that lose their pods, by how much of the zone is lost; below zero for
// never: when every node is lost, it is more likely that the control plane sees nothing, and in a small zone that is mostly
// lost evictions would find no room.
func (c *Cluster) interval(z *zone) time.Duration {
	const large, unhealthy = 50, 0.55
	size := 0
	for i := range c.shapes.rows {
		if c.shapes.rows[i].zone == z.name {
			size += int(c.shapes.rows[i].nodes)
		}
	}
	switch lost := len(z.lost); {
	case c.healthy == 0 && c.known > 0:
		return Never
	case lost > 2 && float64(lost) >= float64(unhealthy*float64(size)):
		if lost == size {
			return c.timing.EvictionInterval
		}
		if size > large {
			return c.timing.SecondaryEvictionInterval
		}
		return Never
	}
	return c.timing.EvictionInterval
}

func (c *Cluster) planTaint(z *zone) {
	waiting := slices.ContainsFunc(z.lost, func(row int32) bool { return !c.nodes[row].is(nodeEvicting) })
	if z.planned || !waiting || c.interval(z) < 0 {
		return
	}
	z.planned = true
	c.timers.push(timer{at: max(c.now, z.next), kind: kindTaint, id: int32(slices.Index(c.zones, z))})
}

// taint lets the next lost node of a zone lose its pods.
func (c *Cluster) taint(z *zone) {
	z.planned = false
	interval := c.interval(z)
	if interval < 0 {
		return
	}
	for _, row := range z.lost {
		if !c.nodes[row].is(nodeEvicting) {
			c.setFlags(row, nodeEvicting, true)
			c.evictUntolerant(row)
			z.next = c.now + int64(interval)
			break
		}
	}
	c.planTaint(z)
}

// evictUntolerant plans the evictions that the NoExecute taints of a node mean for its pods.
func (c *Cluster) evictUntolerant(row int32) {
	s := &c.shapes.rows[c.nodes[row].shape]
	var delays []time.Duration
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		patience := c.sets[c.pods[id].set].template.patience(s)
		if patience >= 0 && !slices.Contains(delays, patience) {
			delays = append(delays, patience)
		}
	}
	slices.Sort(delays)
	for _, delay := range delays {
		c.due(kindEvict, row, c.nodes[row].gen, int32(delay/time.Second), delay)
	}
}

// tolerateFor plans the eviction of a pod that comes to a node with taints it tolerates for a time.
func (c *Cluster) tolerateFor(id int32) {
	p := &c.pods[id]
	s := &c.shapes.rows[c.nodes[p.node].shape]
	if len(s.taints) == 0 {
		return
	}
	if patience := c.sets[p.set].template.patience(s); patience >= 0 {
		c.due(kindEvict, p.node, c.nodes[p.node].gen, int32(patience/time.Second), patience)
	}
}

// evictAfter evicts the pods of a node that tolerate its taints no longer than some seconds, if it still has them.
func (c *Cluster) evictAfter(row, seconds int32) {
	s := &c.shapes.rows[c.nodes[row].shape]
	for id := c.nodes[row].first; id != none; {
		next := c.pods[id].next
		p := &c.pods[id]
		patience := c.sets[p.set].template.patience(s)
		if patience >= 0 && patience <= time.Duration(seconds)*time.Second && p.active() {
			c.stats.Evicted++
			c.evict(id)
		}
		id = next
	}
}

// DrainNode cordons a node and evicts its pods as far as their disruption budgets allow, again and again until it is empty of
// all but DaemonSets. Cordon(name, false) ends it.
func (c *Cluster) DrainNode(name string) error {
	c.advance()
	row := c.findNode(name)
	if row == none {
		return fmt.Errorf("draining node %s: there is none of that name", name)
	}
	c.setFlags(row, nodeCordoned|nodeDraining, true)
	c.due(kindDrain, row, c.nodes[row].gen, 0, 0)
	c.poke()
	return nil
}

func (c *Cluster) drain(row int32) {
	if !c.nodes[row].is(nodeDraining) {
		return
	}
	refused := false
	for id := c.nodes[row].first; id != none; {
		next := c.pods[id].next
		p := &c.pods[id]
		switch {
		case c.works[c.sets[p.set].work].key.Kind == KindDaemonSet || p.is(podTerminating):
		case p.finished() || c.mayEvict(id):
			c.stats.Evicted++
			c.evict(id)
		default:
			refused = true
		}
		id = next
	}
	if refused {
		c.due(kindDrain, row, c.nodes[row].gen, 0, c.timing.DrainRetry)
	}
}

// Pause stops the control plane of the cluster: nothing is decided and nobody is answered, but pods go on.
func (c *Cluster) Pause() { c.advance(); c.paused = true }

// Kill stops the whole cluster at once, as a power cut does.
func (c *Cluster) Kill() {
	c.advance()
	if c.dead {
		return
	}
	c.dead = true
	for row := range c.nodes {
		if c.nodes[row].is(nodeKnown) && !c.nodes[row].is(nodeCrashed) {
			c.crash(int32(row))
		}
	}
}

// Resume ends a pause, and Revive a kill: the containers of all nodes that had not failed start again. The node lifecycle
// controller gives every node its full grace anew.
func (c *Cluster) Resume() {
	c.advance()
	c.paused = false
	c.recover()
}

// Revive undoes Kill.
func (c *Cluster) Revive() {
	c.advance()
	if c.dead {
		c.dead = false
		for row := range c.nodes {
			if c.nodes[row].is(nodeKnown) && !c.nodes[row].is(nodeDown) {
				c.restart(int32(row))
			}
		}
	}
	c.recover()
}

// recover plans what came due while nobody decided.
func (c *Cluster) recover() {
	if c.down() {
		return
	}
	for _, due := range c.late {
		due.at = c.now
		if due.kind == kindDetect {
			due.at = c.now + int64(c.timing.Grace)
		}
		c.timers.push(due)
	}
	c.late = c.late[:0]
	c.poke()
}
