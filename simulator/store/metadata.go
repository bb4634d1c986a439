package store

import (
	"sync"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Controllers put the same dozen annotations on everything, and most of what validating an object takes is matching their keys with
// regular expressions. So keys that have passed once are known to pass.

// passed are keys of annotations that are valid.
type passed struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

const (
	// mostPassed is how many keys are remembered at most.
	mostPassed = 1 << 10
	// smallAnnotations is a size in bytes far below the limit for all annotations of an object.
	smallAnnotations = 1 << 15
)

// covers tells whether annotations are certainly valid.
func (p *passed) covers(annotations map[string]string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	size := 0
	for key, value := range annotations {
		if _, known := p.keys[key]; !known {
			return false
		}
		size += len(key) + len(value)
	}
	return size < smallAnnotations
}

// learn takes note of valid annotations.
func (p *passed) learn(annotations map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.keys == nil {
		p.keys = map[string]struct{}{}
	}
	if len(p.keys)+len(annotations) > mostPassed {
		return
	}
	for key := range annotations {
		p.keys[key] = struct{}{}
	}
}

// validateMetadata checks the metadata of a new object.
func (s *Store) validateMetadata(k *kind, draft client.Object, name apivalidation.ValidateNameFunc) field.ErrorList {
	path := field.NewPath("metadata")
	accessor, ok := draft.(metav1.ObjectMetaAccessor)
	if !ok {
		return apivalidation.ValidateObjectMetaAccessor(draft, k.resource.Namespaced, name, path)
	}
	meta := accessor.GetObjectMeta()
	if plain, ok := meta.(*metav1.ObjectMeta); ok && s.passed.covers(plain.Annotations) {
		rest := *plain
		rest.Annotations = nil
		meta = &rest
	}
	errs := apivalidation.ValidateObjectMetaAccessor(meta, k.resource.Namespaced, name, path)
	if len(errs) == 0 {
		s.passed.learn(meta.GetAnnotations())
	}
	return errs
}
