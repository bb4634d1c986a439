package store

import (
	"encoding/json"
	"reflect"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
)

// Defaults of a schema are set on trees, and most Go values lack none of them by the time they are written. So it is worked out
// once for each type where to look.

// lacking tells whether an addressable Go value may be without something that its schema has a default for. It may err on that
// side. Nil never lacks anything.
type lacking func(value reflect.Value) bool

// lackingOf inspects a type once. It looks below a value: whether there shall be one at all is for who holds it.
func lackingOf(t reflect.Type, s *structuralschema.Structural) lacking {
	if s == nil || !defaultsBelow(s) {
		return nil
	}
	always := func(reflect.Value) bool { return true }
	if t.Kind() != reflect.Pointer && (t.Implements(reflect.TypeFor[json.Marshaler]()) || reflect.PointerTo(t).Implements(reflect.TypeFor[json.Marshaler]())) {
		return always
	}
	switch t.Kind() {
	case reflect.Pointer:
		below := lackingOf(t.Elem(), s)
		return func(value reflect.Value) bool { return !value.IsNil() && below != nil && below(value.Elem()) }
	case reflect.Slice:
		below := lackingOf(t.Elem(), s.Items)
		if s.Items != nil && s.Items.Default.Object != nil && nillable(t.Elem()) {
			return always
		}
		return func(value reflect.Value) bool {
			for i := range value.Len() {
				if below != nil && below(value.Index(i)) {
					return true
				}
			}
			return false
		}
	case reflect.Struct:
		return lackingField(t, s)
	}
	return always
}

func defaultsBelow(s *structuralschema.Structural) bool {
	for _, property := range s.Properties {
		if hasDefaults(&property) {
			return true
		}
	}
	return s.Items != nil && hasDefaults(s.Items) || s.AdditionalProperties != nil && s.AdditionalProperties.Structural != nil && hasDefaults(s.AdditionalProperties.Structural)
}

// lackingField does so for a struct.
func lackingField(t reflect.Type, s *structuralschema.Structural) lacking {
	type part struct {
		index     int
		defaulted bool
		below     lacking
	}
	var parts []part
	left := 0
	for _, property := range s.Properties {
		if hasDefaults(&property) {
			left++
		}
	}
	for i := range t.NumField() {
		field := t.Field(i)
		name, omits, _ := strings.Cut(field.Tag.Get("json"), ",")
		property, found := s.Properties[name]
		if !found || name == "" || !hasDefaults(&property) {
			continue
		}
		left--
		parts = append(parts, part{
			index: i, below: lackingOf(field.Type, &property),
			// A zero value that is not left out is said, unless it is nil.
			defaulted: property.Default.Object != nil && (strings.HasPrefix(omits, "omit") || nillable(field.Type)),
		})
	}
	if left > 0 || s.AdditionalProperties != nil {
		// What has a default is in an embedded struct, or not in the type at all.
		return func(reflect.Value) bool { return true }
	}
	return func(value reflect.Value) bool {
		for _, p := range parts {
			field := value.Field(p.index)
			if p.defaulted && (field.IsZero() || nillable(field.Type()) && field.Kind() != reflect.Pointer && field.Len() == 0) ||
				p.below != nil && p.below(field) {
				return true
			}
		}
		return false
	}
}

func nillable(t reflect.Type) bool {
	return t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice || t.Kind() == reflect.Map
}
