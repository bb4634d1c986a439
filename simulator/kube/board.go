package kube

import "slices"

// logSize is how far back a board may lag. 12 bytes each.
const logSize = 8192

// happened is one change of what a node holds: of the pods that spread constraints count, and of all pods.
type happened struct {
	node, set   int32
	spread, all int8
}

// note logs a change for the boards.
func (c *Cluster) note(row, set int32, spread, all int8) {
	if c.log == nil {
		c.log = make([]happened, logSize)
	}
	c.log[c.position%logSize] = happened{row, set, spread, all}
	c.position++
	if all > 0 {
		c.added++
	}
}

// Values of a board for a node that are no score: below unknown, the reason why the node is not feasible.
const unknown int16 = -1

func rejected(why reason) int16 { return -1 - int16(why) }

// board is what the pods of a set find on each node: a score of its own, apart from what is normalised over the nodes in
// question, or why it is not feasible. It follows the log, so that only nodes that changed are looked at again.
type board struct {
	set                 int32
	gen                 uint32
	structure, position uint64
	loud                int
	turn                uint64 // of its last use
	scores              []int16

	// hard and soft spread constraints in the order of the template's; need, avoid and pull terms.
	hard, soft, need, avoid, pull []counter
}

// counter counts pods by the domains of a topology key.
type counter struct {
	key     int32
	weight  int32
	spread  *spread
	selects func(set int32) bool
	memo    []int8
	domains []int32
	// total counts all pods that match.
	total int32
}

// boardsKept bounds the memory of boards: pods of a set come in bursts.
const boardsKept = 4

// board returns the board of a set as of now.
func (c *Cluster) board(of int32) *board {
	c.boardTurn++
	var found *board
	for _, b := range c.boards {
		if b.set == of && b.gen == c.setGens[of] {
			found = b
		}
	}
	if found == nil {
		if len(c.boards) < boardsKept {
			c.boards = append(c.boards, &board{})
		}
		found = slices.MinFunc(c.boards, func(a, b *board) int { return int(int64(a.turn) - int64(b.turn)) })
		found.set, found.gen, found.structure = of, c.setGens[of], c.structure-1
	}
	found.turn = c.boardTurn
	if found.structure != c.structure || found.loud != c.loudness || c.position-found.position > logSize {
		c.draw(found)
	}
	c.follow(found)
	return found
}

// draw makes a board anew.
func (c *Cluster) draw(b *board) {
	t := c.sets[b.set].template
	b.scores = slices.Grow(b.scores[:0], len(c.nodes))[:len(c.nodes)]
	for row := range b.scores {
		b.scores[row] = unknown
	}
	b.structure, b.position, b.loud = c.structure, c.position, c.loudness
	c.drawSpread(b, t)
	b.need, b.avoid, b.pull = nil, nil, nil
	if t.profile.filters(pluginInterPodAffinity) || t.profile.weights[pluginInterPodAffinity] > 0 {
		c.drawTerms(b, t)
	}
	for _, group := range [][]counter{b.hard, b.soft, b.need, b.avoid, b.pull} {
		for i := range group {
			c.fill(&group[i], t)
		}
	}
}

func (c *Cluster) drawSpread(b *board, t *template) {
	of := b.set
	counters := func(spreads []spread, old []counter) []counter {
		made := make([]counter, len(spreads))
		for i := range spreads {
			s := &spreads[i]
			made[i] = counter{key: s.key, spread: s, selects: func(set int32) bool { return set == of }}
			if i < len(old) {
				made[i].domains = old[i].domains[:0]
			}
			if s.selector != nil {
				made[i].selects = func(set int32) bool {
					other := c.sets[set].template
					return other.namespace == t.namespace && s.selector.Matches(other.labels)
				}
			}
		}
		return made
	}
	b.hard, b.soft = counters(t.hard, b.hard), counters(t.soft, b.soft)
	if !t.profile.filters(pluginPodTopologySpread) {
		b.hard = nil
	}
}

// drawTerms adds the template's own affinity terms, and those of pods that are there and mean it.
func (c *Cluster) drawTerms(b *board, t *template) {
	for i := range t.need {
		all := func(set int32) bool {
			other := c.sets[set].template
			return !slices.ContainsFunc(t.need, func(term podTerm) bool { return !c.selects(&term, other) })
		}
		b.need = append(b.need, counter{key: t.need[i].key, selects: all})
	}
	own := func(term *podTerm) func(int32) bool {
		return func(set int32) bool { return c.selects(term, c.sets[set].template) }
	}
	for i := range t.avoid {
		b.avoid = append(b.avoid, counter{key: t.avoid[i].key, selects: own(&t.avoid[i])})
	}
	for i := range t.attract {
		b.pull = append(b.pull, counter{key: t.attract[i].key, weight: t.attract[i].weight, selects: own(&t.attract[i].podTerm)})
	}
	for of := range c.sets {
		other := c.sets[of].template
		if other == nil || !other.loud() {
			continue
		}
		only := func(set int32) bool { return set == int32(of) }
		for i := range other.avoid {
			if c.selects(&other.avoid[i], t) {
				b.avoid = append(b.avoid, counter{key: other.avoid[i].key, selects: only})
			}
		}
		if weight := t.profile.hardAffinityWeight; weight > 0 {
			for i := range other.need {
				if c.selects(&other.need[i], t) {
					b.pull = append(b.pull, counter{key: other.need[i].key, weight: weight, selects: only})
				}
			}
		}
		for i := range other.attract {
			if !t.profile.ignorePreferred && c.selects(&other.attract[i].podTerm, t) {
				b.pull = append(b.pull, counter{key: other.attract[i].key, weight: other.attract[i].weight, selects: only})
			}
		}
	}
}

// fill counts the pods that are there.
func (c *Cluster) fill(n *counter, t *template) {
	size := len(c.nodes)
	if n.key != hostnameKey {
		size = len(c.shapes.values[n.key])
	}
	n.domains = slices.Grow(n.domains[:0], size)[:size]
	clear(n.domains)
	for of := range c.sets {
		if c.sets[of].template == nil || len(c.sets[of].pods) == 0 || !n.matches(int32(of)) {
			continue
		}
		for _, id := range c.sets[of].pods {
			p := &c.pods[id]
			if p.node != none && !p.finished() && (n.spread == nil || !p.is(podTerminating)) {
				c.tally(n, t, p.node, 1)
			}
		}
	}
}

func (n *counter) matches(set int32) bool {
	for len(n.memo) <= int(set) {
		n.memo = append(n.memo, 0)
	}
	if n.memo[set] == 0 {
		n.memo[set] = -1
		if n.selects(set) {
			n.memo[set] = 1
		}
	}
	return n.memo[set] > 0
}

// tally counts a pod on a node, if the node counts.
func (c *Cluster) tally(n *counter, t *template, row, change int32) {
	domain := c.domain(n.key, row)
	if domain == missing || n.spread != nil && !c.counts(n.spread, t, row) {
		return
	}
	n.domains[domain] += change
	n.total += change
}

func (c *Cluster) domain(key, row int32) int32 {
	if key == hostnameKey {
		return row
	}
	return c.shapes.rows[c.nodes[row].shape].domains[key]
}

// counts reports whether pods on a node count for a constraint of the template.
func (c *Cluster) counts(s *spread, t *template, row int32) bool {
	if !s.affinity && !s.taints || !c.nodes[row].is(nodeKnown) {
		return c.nodes[row].is(nodeKnown)
	}
	v := c.verdict(t, row)
	return (!s.affinity || v.selected) && (!s.taints || v.reject&rejectTaint == 0)
}

// follow takes over what has happened since the board was used last.
func (c *Cluster) follow(b *board) {
	t := c.sets[b.set].template
	for ; b.position < c.position; b.position++ {
		h := &c.log[b.position%logSize]
		b.scores[h.node] = unknown
		if h.set == none {
			continue
		}
		if h.spread != 0 {
			for _, group := range [2][]counter{b.hard, b.soft} {
				for i := range group {
					if group[i].matches(h.set) {
						c.tally(&group[i], t, h.node, int32(h.spread))
					}
				}
			}
		}
		if h.all != 0 && len(b.need)+len(b.avoid)+len(b.pull) > 0 {
			for _, group := range [3][]counter{b.need, b.avoid, b.pull} {
				for i := range group {
					if group[i].matches(h.set) {
						c.tally(&group[i], t, h.node, int32(h.all))
					}
				}
			}
		}
	}
}
