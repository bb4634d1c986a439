package eviction

import (
	"cmp"
	"container/heap"
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Departure is a binding that has to leave a cluster.
type Departure struct {
	Binding types.NamespacedName
	Cluster string
}

// Queue holds departures until it is their turn: those of higher priority first, then in order of arrival. What it holds is lost
// with the process and found again by judging all bindings.
type Queue struct {
	waiting  []*waiting
	known    map[Departure]*waiting
	sequence uint64
}

type waiting struct {
	Departure
	priority int64
	since    time.Time
	sequence uint64
	position int
}

// Add queues a departure; one that is queued already keeps its place, but for a change of priority.
func (q *Queue) Add(d Departure, priority int64, now time.Time) {
	if known := q.known[d]; known != nil {
		if known.priority != priority {
			known.priority = priority
			heap.Fix((*waitingHeap)(q), known.position)
		}
		return
	}
	if q.known == nil {
		q.known = map[Departure]*waiting{}
	}
	q.sequence++
	added := &waiting{Departure: d, priority: priority, since: now, sequence: q.sequence}
	q.known[d] = added
	heap.Push((*waitingHeap)(q), added)
}

// Drop takes a departure out.
func (q *Queue) Drop(d Departure) {
	if known := q.known[d]; known != nil {
		delete(q.known, d)
		heap.Remove((*waitingHeap)(q), known.position)
	}
}

// First is the departure whose turn it is, and since when it waits; ok is false when there is none.
func (q *Queue) First() (d Departure, since time.Time, ok bool) {
	if len(q.waiting) == 0 {
		return Departure{}, time.Time{}, false
	}
	return q.waiting[0].Departure, q.waiting[0].since, true
}

// Len counts the departures.
func (q *Queue) Len() int { return len(q.waiting) }

// waitingHeap is the heap.Interface of a Queue.
type waitingHeap Queue

func (h *waitingHeap) Len() int { return len(h.waiting) }

func (h *waitingHeap) Less(i, j int) bool {
	a, b := h.waiting[i], h.waiting[j]
	return cmp.Or(cmp.Compare(b.priority, a.priority), cmp.Compare(a.sequence, b.sequence)) < 0
}

func (h *waitingHeap) Swap(i, j int) {
	h.waiting[i], h.waiting[j] = h.waiting[j], h.waiting[i]
	h.waiting[i].position, h.waiting[j].position = i, j
}

func (h *waitingHeap) Push(x any) {
	added := x.(*waiting)
	added.position = len(h.waiting)
	h.waiting = append(h.waiting, added)
}

func (h *waitingHeap) Pop() any {
	last := h.waiting[len(h.waiting)-1]
	h.waiting = h.waiting[:len(h.waiting)-1]
	return last
}
