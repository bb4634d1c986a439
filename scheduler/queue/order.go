package queue

import "slices"

// bands holds the active keys: one band for each priority, highest first.
type bands struct {
	byPriority map[int64]*band
	// priorities of the bands that hold keys, descending.
	priorities []int64
	length     int
}

// band holds the active keys of one priority: a line for each namespace, which take turns. A namespace that floods the
// queue only makes its own line longer.
type band struct {
	lines map[string]*line
	// turns are the namespaces with keys, the next one first.
	turns []*line
}

// line is a list of keys of one namespace, first come, first served.
type line struct {
	namespace   string
	first, last *entry
}

func newBands() bands { return bands{byPriority: map[int64]*band{}} }

func (b *bands) push(e *entry) {
	within := b.byPriority[e.priority]
	if within == nil {
		within = &band{lines: map[string]*line{}}
		b.byPriority[e.priority] = within
		at, _ := slices.BinarySearchFunc(b.priorities, e.priority, descending)
		b.priorities = slices.Insert(b.priorities, at, e.priority)
	}
	within.push(e)
	b.length++
}

func (b *bands) peek() *entry {
	if b.length == 0 {
		return nil
	}
	return b.byPriority[b.priorities[0]].turns[0].first
}

// pop takes the key that is due first; nil when there is none.
func (b *bands) pop() *entry {
	e := b.peek()
	if e == nil {
		return nil
	}
	within := b.byPriority[e.priority]
	served := within.turns[0]
	b.remove(e)
	if served.first != nil {
		within.turns = append(within.turns[1:], served)
	}
	return e
}

func (b *bands) remove(e *entry) {
	within := b.byPriority[e.priority]
	within.remove(e)
	if len(within.turns) == 0 {
		delete(b.byPriority, e.priority)
		at, _ := slices.BinarySearchFunc(b.priorities, e.priority, descending)
		b.priorities = slices.Delete(b.priorities, at, at+1)
	}
	b.length--
}

func descending(a, b int64) int {
	switch {
	case a > b:
		return -1
	case a < b:
		return 1
	}
	return 0
}

func (b *band) push(e *entry) {
	waiting := b.lines[e.key.Namespace]
	if waiting == nil {
		waiting = &line{namespace: e.key.Namespace}
		b.lines[e.key.Namespace] = waiting
		b.turns = append(b.turns, waiting)
	}
	e.line, e.before, e.next = waiting, waiting.last, nil
	if waiting.last == nil {
		waiting.first = e
	} else {
		waiting.last.next = e
	}
	waiting.last = e
}

func (b *band) remove(e *entry) {
	from := e.line
	if e.before == nil {
		from.first = e.next
	} else {
		e.before.next = e.next
	}
	if e.next == nil {
		from.last = e.before
	} else {
		e.next.before = e.before
	}
	e.line, e.before, e.next = nil, nil, nil
	if from.first == nil {
		delete(b.lines, from.namespace)
		b.turns = slices.DeleteFunc(b.turns, func(other *line) bool { return other == from })
	}
}

// waiting is a heap of the keys that wait for time.
type waiting []*entry

func (w waiting) Len() int { return len(w) }

func (w waiting) Less(i, j int) bool {
	if !w[i].due.Equal(w[j].due) {
		return w[i].due.Before(w[j].due)
	}
	return w[i].sequence < w[j].sequence
}

func (w waiting) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].position, w[j].position = i, j
}

// Push implements heap.Interface.
func (w *waiting) Push(x any) {
	e := x.(*entry)
	e.position = len(*w)
	*w = append(*w, e)
}

// Pop implements heap.Interface.
func (w *waiting) Pop() any {
	last := len(*w) - 1
	e := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	e.position = -1
	return e
}
