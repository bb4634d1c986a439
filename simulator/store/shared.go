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

	texts texts
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
	return &Shared{young: map[uint64]part{}, old: map[uint64]part{}, texts: texts{young: map[string]any{}, old: map[string]any{}}}
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

// canonical is canonicalTree with one copy of equal texts for all stores: every copy of a workload has the labels, annotations and
// names of the others, and was decoded by itself.
func (s *Shared) canonical(content any) any {
	if s == nil {
		return canonicalTree(content)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return canonicalWith(&s.texts, content)
}

// texts keeps one copy of equal strings, each as the value of a tree that it will be, and forgets like Shared. Nil keeps none.
type texts struct{ young, old map[string]any }

// longestText is the length of strings that are kept; longer ones are hardly ever equal.
const longestText = 256

// one is the copy of a string that is kept, possibly the string itself.
func (t *texts) one(text string) string {
	if t == nil || len(text) > longestText {
		return text
	}
	kept, _ := t.boxed(text, nil).(string)
	return kept
}

// boxed is one as the value of a tree. The string may be there as such a value.
func (t *texts) boxed(text string, value any) any {
	if t == nil || len(text) > longestText {
		return value
	}
	if found, known := t.young[text]; known {
		return found
	}
	found, known := t.old[text]
	switch {
	case known:
	case value != nil:
		found = value
	default:
		found = text
	}
	if len(t.young) >= generation {
		t.young, t.old = make(map[string]any, generation), t.young
	}
	t.young[text] = found
	return found
}
