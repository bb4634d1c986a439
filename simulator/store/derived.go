package store

import (
	"reflect"
	"sync"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// Derived caches what stores work out once for each Go type, and for each that is kept under a schema. It follows from those alone, so
// that any number of stores can share one, from several goroutines at once.
type Derived struct {
	encoders *encoders
	settlers *settlers

	mu      sync.Mutex
	lacking map[typed]lacking
}

// typed is a Go type with the schema of what it holds.
type typed struct {
	of     reflect.Type
	schema *structuralschema.Structural
}

// NewDerived makes an empty cache.
func NewDerived() *Derived {
	return &Derived{
		encoders: newEncoders(), settlers: &settlers{byType: map[reflect.Type]settle{}}, lacking: map[typed]lacking{},
	}
}

func (d *Derived) lacks(of typed) lacking {
	d.mu.Lock()
	defer d.mu.Unlock()
	lacks, known := d.lacking[of]
	if !known {
		lacks = lackingOf(of.of, of.schema)
		d.lacking[of] = lacks
	}
	return lacks
}
