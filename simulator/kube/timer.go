package kube

// kind says what is due.
type kind uint8

const (
	// What kubelets do goes on while the control plane is down.
	kindReady kind = iota
	kindAvailable
	kindGone
	kindFinish
	// What the control plane does waits for it to come back.
	kindRetry
	kindDetect
	kindTaint
	kindEvict
	kindDrain
	kindCollect
	kindCron
	kindDeadline
	kindJobRetry
	kindExpire
	kindAskAgain
	kindPardon
	kindScale
	kindGrow
	kindArrive
	kindShrink
)

func (k kind) kubelet() bool { return k < kindRetry }

// timer is something due at a time, for a row whose generation must still be the same.
type timer struct {
	at   int64
	seq  uint64
	id   int32
	gen  uint32
	arg  int32
	kind kind
}

func (t *timer) before(u *timer) bool { return t.at < u.at || t.at == u.at && t.seq < u.seq }

// timers is a heap without the boxing of container/heap.
type timers struct {
	heap []timer
	seq  uint64
}

func (t *timers) push(due timer) {
	t.seq++
	due.seq = t.seq
	t.heap = append(t.heap, due)
	for at := len(t.heap) - 1; at > 0; {
		parent := (at - 1) / 2
		if !t.heap[at].before(&t.heap[parent]) {
			return
		}
		t.heap[at], t.heap[parent] = t.heap[parent], t.heap[at]
		at = parent
	}
}

func (t *timers) pop() timer {
	first := t.heap[0]
	last := len(t.heap) - 1
	t.heap[0] = t.heap[last]
	t.heap = t.heap[:last]
	for at := 0; ; {
		child := 2*at + 1
		if child >= last {
			break
		}
		if right := child + 1; right < last && t.heap[right].before(&t.heap[child]) {
			child = right
		}
		if !t.heap[child].before(&t.heap[at]) {
			break
		}
		t.heap[at], t.heap[child] = t.heap[child], t.heap[at]
		at = child
	}
	if cap(t.heap) > 1024 && len(t.heap) < cap(t.heap)/8 {
		t.heap = append(make([]timer, 0, cap(t.heap)/4), t.heap...)
	}
	return first
}
