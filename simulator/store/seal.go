package store

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"sync"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// seals remembers hashes of the forms of one version, to find out who writes to shared objects. A nil *seals does
// nothing.
type seals struct {
	mu   sync.Mutex
	sums map[client.Object]uint64
}

func newSeals() *seals {
	return &seals{sums: map[client.Object]uint64{}}
}

func (s *seals) add(form client.Object) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sums[form] = hashOf(form)
}

// check panics when a form has changed since it was added: a controller that writes to what it shares with others is a
// defect in the program, which must not look like an API error that is retried.
func (s *seals) check(form client.Object) {
	if s == nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if sum, known := s.sums[form]; known && sum != hashOf(form) {
		panic(fmt.Sprintf("the shared object %T %s/%s at resource version %s was written to after it was stored",
			form, form.GetNamespace(), form.GetName(), form.GetResourceVersion()))
	}
}

// changed tells whether any form was written to.
func (s *seals) changed() bool {
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for form, sum := range s.sums {
		if sum != hashOf(form) {
			return true
		}
	}
	return false
}

func hashOf(form client.Object) uint64 {
	hash := fnv.New64a()
	if err := json.NewEncoder(hash).Encode(form); err != nil {
		panic(fmt.Sprintf("hashing %T %s/%s: %v", form, form.GetNamespace(), form.GetName(), err))
	}
	return hash.Sum64()
}
