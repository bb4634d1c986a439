package kube

import "slices"

// logSize is how far back a board may lag. 12 bytes each.
const logSize = 4096

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

// board is what the pods of a set find on the nodes, other pods considered. Like the outlook it stands on, it follows the log.
type board struct {
	set                 int32
	gen                 uint32
	structure, position uint64
	loud                int
	turn                uint64 // of its last use
	outlook             *outlook
	// lanes hold the blocks that are the board's own, because pods are counted on their nodes; of are the lanes of these, keys the
	// lanes beyond those of shapes. uncountable: there are too many lanes, or they cannot be told apart.
	lanes
	own         []bool
	of          []uint8
	keys        []uint64
	uncountable bool

	// hard and soft spread constraints in the order of the template's; need, avoid and pull terms.
	hard, soft, need, avoid, pull []counter
	// local are those whose domains are the nodes.
	local []localCounter
}

// localCounter is a counter by nodes. With present set, it matters only whether it has counted any.
type localCounter struct {
	counter *counter
	present bool
}

// counter counts pods by the domains of a topology key.
type counter struct {
	key    int32
	weight int32
	spread *spread
	// only is the one set that it counts, if it is but one; otherwise selects tells, and memo remembers what it told.
	only    int32
	selects func(set int32) bool
	memo    []int8
	domains []int32
	// total counts all pods that match.
	total int32
}

// boardsKept bounds the memory of boards: pods of a set come in bursts.
const boardsKept = 2

// board returns the board of a set as of now.
func (c *Cluster) board(of int32) *board {
	c.line()
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
	found.outlook = c.outlook(c.sets[of].template, found.outlook)
	c.follow(found)
	return found
}

// draw makes a board anew.
func (c *Cluster) draw(b *board) {
	t := c.sets[b.set].template
	b.reset(len(c.order), laneLimit)
	b.own = slices.Grow(b.own[:0], len(b.blocks))[:len(b.blocks)]
	clear(b.own)
	b.keys, b.of = b.keys[:0], slices.Grow(b.of[:0], len(c.order))[:len(c.order)]
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
	c.findLocal(b, t)
}

// localLimit is how many counts of pods a lane can tell apart.
const localLimit = 4

// findLocal gathers the counters by nodes, and finds the blocks that hold what they count. Preferences for single nodes are
// beyond lanes.
func (c *Cluster) findLocal(b *board, t *template) {
	b.local = b.local[:0]
	for i, group := range [][]counter{b.hard, b.soft, b.pull, b.need, b.avoid} {
		for j := range group {
			if group[j].key == hostnameKey {
				b.local = append(b.local, localCounter{&group[j], i >= 3})
			}
		}
	}
	for _, of := range b.local {
		if of.counter.total == 0 {
			continue
		}
		for row, count := range of.counter.domains {
			if at := c.placeOf[row]; count != 0 && at != none {
				b.own[at/blockSize] = true
			}
		}
	}
	b.uncountable = len(b.local) > localLimit || c.shapesLined > shapeLimit || t.picky && t.preferred != nil
}

func (c *Cluster) drawSpread(b *board, t *template) {
	of := b.set
	counters := func(spreads []spread, old []counter) []counter {
		made := make([]counter, len(spreads))
		for i := range spreads {
			s := &spreads[i]
			made[i] = counter{key: s.key, spread: s, only: of}
			if i < len(old) {
				made[i].domains = old[i].domains[:0]
			}
			if s.selector != nil {
				made[i].only, made[i].selects = none, func(set int32) bool {
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
		b.need = append(b.need, counter{key: t.need[i].key, only: none, selects: all})
	}
	own := func(term *podTerm) func(int32) bool {
		return func(set int32) bool { return c.selects(term, c.sets[set].template) }
	}
	for i := range t.avoid {
		b.avoid = append(b.avoid, counter{key: t.avoid[i].key, only: none, selects: own(&t.avoid[i])})
	}
	for i := range t.attract {
		b.pull = append(b.pull, counter{key: t.attract[i].key, weight: t.attract[i].weight, only: none, selects: own(&t.attract[i].podTerm)})
	}
	for of := range c.sets {
		other := c.sets[of].template
		if other == nil || !other.loud() {
			continue
		}
		for i := range other.avoid {
			if c.selects(&other.avoid[i], t) {
				b.avoid = append(b.avoid, counter{key: other.avoid[i].key, only: int32(of)})
			}
		}
		if weight := t.profile.hardAffinityWeight; weight > 0 {
			for i := range other.need {
				if c.selects(&other.need[i], t) {
					b.pull = append(b.pull, counter{key: other.need[i].key, weight: weight, only: int32(of)})
				}
			}
		}
		for i := range other.attract {
			if !t.profile.ignorePreferred && c.selects(&other.attract[i].podTerm, t) {
				b.pull = append(b.pull, counter{key: other.attract[i].key, weight: other.attract[i].weight, only: int32(of)})
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
	if n.only != none {
		c.fillFrom(n, t, n.only)
		return
	}
	for of := range c.sets {
		if c.sets[of].template != nil && len(c.sets[of].pods) > 0 && n.matches(int32(of)) {
			c.fillFrom(n, t, int32(of))
		}
	}
}

func (c *Cluster) fillFrom(n *counter, t *template, of int32) {
	for _, id := range c.sets[of].pods {
		p := &c.pods[id]
		if p.node != none && !p.finished() && (n.spread == nil || !p.is(podTerminating)) {
			c.tally(n, t, p.node, 1)
		}
	}
}

func (n *counter) matches(set int32) bool {
	if n.only != none {
		return n.only == set
	}
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
		at := c.placeOf[h.node]
		if at != none {
			b.touch(at)
		}
		if h.set == none {
			continue
		}
		counted := false
		if h.spread != 0 {
			hard, soft := c.recount(b.hard, t, h, h.spread), c.recount(b.soft, t, h, h.spread)
			counted = hard || soft
		}
		if h.all != 0 {
			need, avoid, pull := c.recount(b.need, t, h, h.all), c.recount(b.avoid, t, h, h.all), c.recount(b.pull, t, h, h.all)
			counted = counted || need || avoid || pull
		}
		if counted && at != none {
			b.own[at/blockSize] = true
		}
	}
}

// recount tells counters of a change, and reports whether one of them counts by nodes.
func (c *Cluster) recount(group []counter, t *template, h *happened, change int8) (local bool) {
	for i := range group {
		if n := &group[i]; n.matches(h.set) {
			c.tally(n, t, h.node, int32(change))
			local = local || n.key == hostnameKey
		}
	}
	return local
}
