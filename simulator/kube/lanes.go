package kube

import (
	"math/bits"
	"slices"
)

// A lane is a class of nodes that differ for the pods of a set by nothing but the scores they have for themselves: they have
// the same shape, and the same counts of pods by each counter whose domains are the nodes. What the nodes of a lane score
// beyond their own, and whether pods around forbid them, is the same for all of them. There are few: so the choice among
// hundreds of nodes is one among a handful of lanes, each with the best of its nodes.
//
// Nodes in the order of the walk are divided into blocks, which know the best of each lane. A block is looked at again when
// one of its nodes has changed. Where no pod is counted on any node of a block, lanes are shapes, and the block is the same
// for all sets with the same outlook.
const (
	blockSize = 32
	laneLimit = 32
	// shapeLimit is the number of shapes beyond which lanes are given up.
	shapeLimit = 16
	// stale is the score of nodes that have changed. What is below tells why a node is not feasible.
	stale int16 = -1
)

// rejected is what stands for a score where a node is not feasible.
func rejected(why reason) int16 { return stale - int16(why) }

// lanes sums up the nodes in the order of the walk.
type lanes struct {
	scores []int16 // by place
	blocks []block
	// cells are those of the first block, of the second, and so on, wide each.
	cells []cell
	wide  int
}

// block sums up nodes that follow each other in the walk. Used are the lanes that have nodes in it, whose cells mean something.
type block struct {
	used     uint32
	feasible uint8
	reasons  reason
	fresh    bool
}

// cell is a lane in a block: the number of its nodes, their highest score, how many have it, and the first of these.
type cell struct {
	best            int16
	all, count, top uint8
}

// window is what a walk has found, by lanes.
type window struct {
	from, walked, found int
	// seen lanes were met, closed ones are forbidden by pods around.
	seen, closed uint32
	reasons      reason
	best         [laneLimit]int16
	all, count   [laneLimit]int32
	// top is the place of the first node with the best score.
	top [laneLimit]int32
}

// reset makes all of it stale.
func (l *lanes) reset(nodes, wide int) {
	blocks := (nodes + blockSize - 1) / blockSize
	l.scores, l.blocks = slices.Grow(l.scores[:0], nodes)[:nodes], slices.Grow(l.blocks[:0], blocks)[:blocks]
	l.cells, l.wide = slices.Grow(l.cells[:0], blocks*wide)[:blocks*wide], wide
	for at := range l.scores {
		l.scores[at] = stale
	}
	for i := range l.blocks {
		l.blocks[i].fresh = false
	}
}

// touch marks a node that has changed.
func (l *lanes) touch(at int32) {
	l.scores[at] = stale
	l.blocks[at/blockSize].fresh = false
}

// span is a block with all that belongs to it; of are the lanes of its nodes, for those that are feasible.
type span struct {
	*block
	from, to int
	of       []uint8
	scores   []int16
	cells    []cell
}

func (l *lanes) span(number int, of []uint8) span {
	from := number * blockSize
	to := min(from+blockSize, len(l.scores))
	return span{&l.blocks[number], from, to, of[from:to], l.scores[from:to], l.cells[number*l.wide:][:l.wide]}
}

// sum makes the block of a span out of its nodes.
func (s *span) sum() {
	used, feasible, reasons := uint32(0), uint8(0), reason(0)
	of := s.of
	for i, score := range s.scores {
		if score < 0 {
			reasons |= reason(stale - score)
			continue
		}
		lane := of[i]
		feasible++
		k := &s.cells[lane]
		switch bit := uint32(1) << lane; {
		case used&bit == 0:
			used |= bit
			*k = cell{score, 1, 1, uint8(i)}
			continue
		case score > k.best:
			k.best, k.count, k.top = score, 1, uint8(i)
		case score == k.best:
			k.count++
		}
		k.all++
	}
	s.used, s.feasible, s.reasons, s.fresh = used, feasible, reasons, true
}

// spanOf is a block as of now: that of the outlook, or that of the board where the set has pods to count.
func (c *Cluster) spanOf(b *board, t *template, number int) span {
	if !b.own[number] {
		s := b.outlook.span(number, c.plain)
		if s.fresh {
			return s
		}
		for i, score := range s.scores {
			if score == stale {
				s.scores[i] = c.evaluate(t, c.order[s.from+i])
			}
		}
		s.sum()
		return s
	}
	s := b.span(number, b.of)
	if s.fresh {
		return s
	}
	for i, score := range s.scores {
		if score != stale {
			continue
		}
		s.scores[i] = c.scoreAt(b.outlook, t, s.from+i)
		if s.scores[i] >= 0 {
			s.of[i] = c.lane(b, s.from+i)
		}
	}
	s.sum()
	return s
}

// lane is that of a feasible node by its shape and its counts, which are packed into a key.
func (c *Cluster) lane(b *board, at int) uint8 {
	const width = 8
	row, key, plain := c.order[at], uint64(c.orderShapes[at]), true
	for _, of := range b.local {
		n := of.counter.domains[row]
		if of.present {
			n = min(n, 1)
		}
		if n >= 1<<width {
			b.uncountable = true
		}
		plain = plain && n == 0
		key = key<<width | uint64(n)
	}
	if plain {
		return c.plain[at]
	}
	found := slices.Index(b.keys, key)
	if found < 0 {
		found = len(b.keys)
		b.keys = append(b.keys, key)
	}
	if lane := c.shapesLined + found; lane < laneLimit {
		return uint8(lane)
	}
	b.uncountable = true
	return 0
}

// gather walks until enough feasible nodes are found. It reports false when lanes cannot tell.
func (c *Cluster) gather(b *board, t *template, hard bool, enough int) bool {
	w := &c.window
	nodes := len(c.order)
	at := c.nextNode
	if at >= nodes {
		at = 0
	}
	w.from, w.walked, w.found, w.seen, w.closed, w.reasons = at, 0, 0, 0, 0, 0
	for w.walked < nodes && w.found < enough {
		if at == nodes {
			at = 0
		}
		s := c.spanOf(b, t, at/blockSize)
		if b.uncountable {
			return false
		}
		c.admit(b, &s, hard)
		w.reasons |= s.reasons
		feasible := int(s.feasible)
		for barred := s.used & w.closed; barred != 0; barred &= barred - 1 {
			feasible -= int(s.cells[bits.TrailingZeros32(barred)].all)
		}
		if at == s.from && w.walked+s.to-s.from <= nodes && w.found+feasible < enough {
			w.takeAll(&s)
			w.found, w.walked, at = w.found+feasible, w.walked+s.to-s.from, s.to
			continue
		}
		for ; at < s.to && w.walked < nodes && w.found < enough; at++ {
			w.walked++
			score, lane := s.scores[at-s.from], s.of[at-s.from]
			if score >= 0 && w.closed&(1<<lane) == 0 {
				w.take(lane, score, 1, 1, int32(at))
				w.found++
			}
		}
	}
	c.nextNode = at
	return true
}

// admit finds out of lanes that the walk had not met whether pods around forbid them.
func (c *Cluster) admit(b *board, s *span, hard bool) {
	w := &c.window
	for met := s.used &^ w.seen; met != 0; met &= met - 1 {
		lane := bits.TrailingZeros32(met)
		w.all[lane], w.count[lane], w.best[lane] = 0, 0, -1
		if !hard {
			continue
		}
		if why := c.breaks(b, c.order[s.from+int(s.cells[lane].top)]); why != 0 {
			w.closed |= 1 << lane
			w.reasons |= why
		}
	}
	w.seen |= s.used
}

func (w *window) takeAll(s *span) {
	for open := s.used &^ w.closed; open != 0; open &= open - 1 {
		lane := bits.TrailingZeros32(open)
		k := &s.cells[lane]
		w.take(uint8(lane), k.best, int32(k.all), int32(k.count), int32(s.from)+int32(k.top))
	}
}

func (w *window) take(lane uint8, score int16, all, count, top int32) {
	w.all[lane] += all
	switch {
	case score > w.best[lane]:
		w.best[lane], w.count[lane], w.top[lane] = score, count, top
	case score == w.best[lane]:
		w.count[lane] += count
	}
}

// bestLane is the node of the highest total score in the window, by lot among equals.
func (c *Cluster) bestLane(b *board, t *template) int32 {
	w := &c.window
	var numbers [laneLimit]uint8
	found := 0
	c.scratch(laneLimit)
	for open := w.seen &^ w.closed; open != 0; open &= open - 1 {
		lane := uint8(bits.TrailingZeros32(open))
		if w.all[lane] == 0 {
			continue
		}
		row, shape := c.order[w.top[lane]], c.orderShapes[w.top[lane]]
		numbers[found], c.feasible[found], c.present[found], c.totals[found] = lane, row, shape, int64(w.best[lane])
		c.shapeCount[shape] += w.all[lane]
		found++
	}
	c.adjust(b, t, c.feasible[:found], w.found)
	highest, tied, ties := int64(-1), uint32(0), int32(0)
	for i, total := range c.totals[:found] {
		if total > highest {
			highest, tied, ties = total, 0, 0
		}
		if total == highest {
			tied |= 1 << numbers[i]
			ties += w.count[numbers[i]]
		}
	}
	if ties == 1 {
		return c.order[w.top[bits.TrailingZeros32(tied)]]
	}
	return c.pick(b, t, tied, int32(c.lots.IntN(int(ties))))
}

// pick finds a tie of the window by its number in the order of the walk.
func (c *Cluster) pick(b *board, t *template, tied uint32, number int32) int32 {
	w := &c.window
	at := w.from
	for left := w.walked; left > 0; {
		if at == len(c.order) {
			at = 0
		}
		s := c.spanOf(b, t, at/blockSize)
		if at == s.from && left >= s.to-s.from {
			var ties int32
			for open := s.used & tied; open != 0; open &= open - 1 {
				lane := bits.TrailingZeros32(open)
				if k := &s.cells[lane]; k.best == w.best[lane] {
					ties += int32(k.count)
				}
			}
			if number >= ties {
				number, left, at = number-ties, left-(s.to-s.from), s.to
				continue
			}
		}
		for ; at < s.to && left > 0; at, left = at+1, left-1 {
			score, lane := s.scores[at-s.from], s.of[at-s.from]
			if score < 0 || tied&(1<<lane) == 0 || score != w.best[lane] {
				continue
			}
			if number == 0 {
				return c.order[at]
			}
			number--
		}
	}
	return none
}
