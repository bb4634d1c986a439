package kube

// growSoon plans a look of the cluster autoscaler at the pods that wait.
func (c *Cluster) growSoon() {
	if c.growing {
		return
	}
	for i := range c.pools {
		if c.pools[i].spec.Max > 0 {
			c.growing = true
			interval := max(int64(c.timing.AutoscalerInterval), 1)
			c.timers.push(timer{at: (c.now/interval + 1) * interval, kind: kindGrow})
			return
		}
	}
}

// grow asks for as many nodes as the pods that wait would fill, of the first pool with room to grow that suits them. Nodes
// that are on their way count.
func (c *Cluster) grow() {
	c.growing = false
	room := make([]int, len(c.pools))
	for i := range c.pools {
		room[i] = c.pools[i].coming
	}
	coming := append([]int(nil), room...)
	for _, park := range c.parking {
		t := c.sets[park.set].template
		waiting := 0
		for _, e := range park.pods {
			if c.pods[e.id].gen == e.gen && c.pods[e.id].node == none {
				waiting++
			}
		}
		for i := range c.pools {
			p := &c.pools[i]
			if p.spec.Max == 0 || waiting == 0 || t.pinned {
				continue
			}
			fit := c.fitEmpty(t, p)
			if fit == 0 {
				continue
			}
			// Nodes that are on their way take their share first.
			taken := min(coming[i], (waiting+fit-1)/fit)
			coming[i] -= taken
			waiting = max(waiting-taken*fit, 0)
			more := min((waiting+fit-1)/fit, p.spec.Max-p.alive-p.coming)
			for range max(more, 0) {
				p.coming++
				c.due(kindArrive, int32(i), 0, 0, c.timing.Provision.draw(c.startups))
			}
			waiting = max(waiting-more*fit, 0)
		}
	}
}

// fitEmpty is how many pods of a template an empty node of a pool takes.
func (c *Cluster) fitEmpty(t *template, p *pool) int {
	if v := c.judge(t, &c.shapes.rows[c.shapes.take(p.spec.Labels, p.spec.Taints)], ""); v.reject != 0 {
		return 0
	}
	fit := p.pods
	for _, a := range t.requests {
		if int(a.column) >= len(p.capacity) {
			return 0
		}
		fit = min(fit, p.capacity[a.column]/a.value)
	}
	if len(t.ports) > 0 {
		fit = min(fit, 1)
	}
	return int(fit)
}

// arrive is when a node that was asked for joins.
func (c *Cluster) arrive(id int32) {
	p := &c.pools[id]
	p.coming--
	if p.alive >= p.spec.Max {
		return
	}
	c.addNode(id)
	c.stats.NodesAdded++
	c.shrinkSoon()
}

// shrinkSoon plans a look for nodes that nobody needs.
func (c *Cluster) shrinkSoon() {
	if !c.shrinking {
		c.shrinking = true
		c.due(kindShrink, 0, 0, 0, max(c.timing.AutoscalerInterval, c.timing.UnneededTime/10))
	}
}

// shrink removes nodes of pools above their least size which have held nothing but DaemonSets for long enough, and goes on
// looking while there is such a node. A node that becomes empty later asks for a look of its own.
func (c *Cluster) shrink() {
	c.shrinking = false
	for i := range c.pools {
		p := &c.pools[i]
		if p.alone || p.spec.Max == 0 {
			continue
		}
		for serial := len(p.nodes) - 1; serial >= 0 && p.alive > p.spec.Min; serial-- {
			row := p.nodes[serial]
			if row == none || !c.nodes[row].is(nodeKnown) {
				continue
			}
			n := &c.nodes[row]
			switch {
			case !c.idle(row):
				n.idleSince = -1
				continue
			case n.idleSince < 0:
				n.idleSince = c.now
			case c.now-n.idleSince >= int64(c.timing.UnneededTime):
				c.removeNode(row)
				continue
			}
			c.shrinkSoon()
		}
	}
}

func (c *Cluster) idle(row int32) bool {
	for id := c.nodes[row].first; id != none; id = c.pods[id].next {
		if p := &c.pods[id]; !p.finished() && c.works[c.sets[p.set].work].key.Kind != KindDaemonSet {
			return false
		}
	}
	return true
}
