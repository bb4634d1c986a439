package store

import (
	"bytes"
	"hash/fnv"
	"sync"
)

// Shared keeps one copy of equal parts of trees. The stores of a fleet hold the same pod templates in every cluster; what is
// shared between them is immutable like all that a store reads out. It forgets parts that nobody has come across for long, and
// then keeps another copy: sharing saves memory and is otherwise invisible.
type Shared struct {
	mu sync.Mutex
	// young are the parts seen since the last turn of the generations, old those of the one before.
	young, old map[uint64]part
	buffer     []byte
}

// part is a tree and what it is encoded in.
type part struct {
	encoded []byte
	tree    map[string]any
}

// generation is how many parts are kept before those not seen since are dropped.
const generation = 1 << 14

// NewShared shares nothing yet.
func NewShared() *Shared {
	return &Shared{young: map[uint64]part{}, old: map[uint64]part{}}
}

// one is the copy of a tree that is kept, possibly the tree itself.
func (s *Shared) one(tree map[string]any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buffer = appendTree(s.buffer[:0], tree)
	hash := fnv.New64a()
	_, _ = hash.Write(s.buffer)
	sum := hash.Sum64()
	found, known := s.young[sum]
	if !known {
		if found, known = s.old[sum]; !known {
			found = part{encoded: bytes.Clone(s.buffer), tree: tree}
		}
		if len(s.young) >= generation {
			s.young, s.old = make(map[uint64]part, generation), s.young
		}
		s.young[sum] = found
	}
	if !bytes.Equal(found.encoded, s.buffer) {
		return tree
	}
	return found.tree
}

// share replaces the larger parts of a new tree by those kept.
func (s *Shared) share(tree map[string]any) {
	spec, ok := tree["spec"].(map[string]any)
	if !ok {
		return
	}
	for name, value := range spec {
		if below, ok := value.(map[string]any); ok && len(below) > 0 {
			spec[name] = s.one(below)
		}
	}
}
