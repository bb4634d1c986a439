package store

import (
	"encoding/binary"
	"math"
	"reflect"
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// A digest of a history needs bytes that say all there is in every version, and nothing but that. JSON costs a hundred times
// what these cost: fields in the order of the type, maps in that of their keys, each value behind its length.

// Encode appends an event with its object to a buffer, or with its status alone where nothing else has changed: histories that
// differ give different bytes, equal ones the same on every machine.
func (s *Store) Encode(buffer []byte, event Event) []byte {
	buffer = binary.AppendUvarint(buffer, event.Revision)
	for _, text := range []string{string(event.Type), event.GVK.Group, event.GVK.Version, event.GVK.Kind, event.Key.Namespace, event.Key.Name} {
		buffer = appendText(buffer, text)
	}
	if tree, ok := event.now.object.(*unstructured.Unstructured); ok {
		return appendTree(buffer, tree.Object)
	}
	value := reflect.ValueOf(event.now.object).Elem()
	if body := event.kind.body; event.now.onlyStatus && body.status >= 0 {
		return body.encoded[body.status](append(buffer, 's'), value.Field(body.status))
	}
	buffer = append(buffer, 'o')
	return s.encoders.find(value.Type())(buffer, value)
}

// encode appends one value.
type encode func(buffer []byte, value reflect.Value) []byte

// encoders caches the work per type, which is a pure function of it.
type encoders struct {
	mu     sync.Mutex
	byType map[reflect.Type]encode
	// spare are buffers to encode in.
	spare sync.Pool
}

func newEncoders() *encoders {
	return &encoders{byType: map[reflect.Type]encode{}, spare: sync.Pool{New: func() any { return new([]byte) }}}
}

func (e *encoders) buffer() *[]byte { return e.spare.Get().(*[]byte) }

func (e *encoders) release(buffer *[]byte) { e.spare.Put(buffer) }

func (e *encoders) find(t reflect.Type) encode {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.of(t)
}

func (e *encoders) of(t reflect.Type) encode {
	if work, known := e.byType[t]; known {
		return work
	}
	// A type that contains itself finds this entry, which follows the pointer once the real work is known.
	var work encode
	e.byType[t] = func(buffer []byte, value reflect.Value) []byte { return work(buffer, value) }
	work = e.build(t)
	e.byType[t] = work
	return work
}

func (e *encoders) build(t reflect.Type) encode {
	switch t {
	case timeType:
		return func(buffer []byte, value reflect.Value) []byte {
			return binary.AppendVarint(buffer, value.Addr().Interface().(*metav1.Time).Unix())
		}
	case microTimeType:
		return func(buffer []byte, value reflect.Value) []byte {
			return binary.AppendVarint(buffer, value.Addr().Interface().(*metav1.MicroTime).UnixMicro())
		}
	case quantityType:
		return func(buffer []byte, value reflect.Value) []byte {
			return appendText(buffer, value.Addr().Interface().(*resource.Quantity).String())
		}
	}
	switch t.Kind() {
	case reflect.String:
		return func(buffer []byte, value reflect.Value) []byte { return appendText(buffer, value.String()) }
	case reflect.Bool:
		return func(buffer []byte, value reflect.Value) []byte { return appendFlag(buffer, value.Bool()) }
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return func(buffer []byte, value reflect.Value) []byte { return binary.AppendVarint(buffer, value.Int()) }
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return func(buffer []byte, value reflect.Value) []byte { return binary.AppendUvarint(buffer, value.Uint()) }
	case reflect.Float32, reflect.Float64:
		return func(buffer []byte, value reflect.Value) []byte {
			return binary.BigEndian.AppendUint64(buffer, math.Float64bits(value.Float()))
		}
	case reflect.Pointer:
		return e.buildPointer(t)
	case reflect.Struct:
		return e.buildStruct(t)
	case reflect.Slice:
		return e.buildSlice(t)
	case reflect.Map:
		return e.buildMap(t)
	}
	return func(buffer []byte, value reflect.Value) []byte {
		if value.IsNil() {
			return appendFlag(buffer, false)
		}
		return appendTree(appendFlag(buffer, true), value.Interface())
	}
}

func (e *encoders) buildPointer(t reflect.Type) encode {
	below := e.of(t.Elem())
	return func(buffer []byte, value reflect.Value) []byte {
		if value.IsNil() {
			return appendFlag(buffer, false)
		}
		return below(appendFlag(buffer, true), value.Elem())
	}
}

func (e *encoders) buildStruct(t reflect.Type) encode {
	type part struct {
		index int
		work  encode
	}
	var parts []part
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			parts = append(parts, part{i, e.of(t.Field(i).Type)})
		}
	}
	return func(buffer []byte, value reflect.Value) []byte {
		for _, p := range parts {
			buffer = p.work(buffer, value.Field(p.index))
		}
		return buffer
	}
}

func (e *encoders) buildSlice(t reflect.Type) encode {
	if t.Elem().Kind() == reflect.Uint8 {
		return func(buffer []byte, value reflect.Value) []byte {
			return append(binary.AppendUvarint(buffer, uint64(value.Len())), value.Bytes()...)
		}
	}
	below := e.of(t.Elem())
	return func(buffer []byte, value reflect.Value) []byte {
		buffer = binary.AppendUvarint(buffer, uint64(value.Len()))
		for i := range value.Len() {
			buffer = below(buffer, value.Index(i))
		}
		return buffer
	}
}

// buildMap works for the maps of API types, whose keys are strings. Most are of strings to strings.
func (e *encoders) buildMap(t reflect.Type) encode {
	if t == reflect.TypeFor[map[string]string]() {
		return func(buffer []byte, value reflect.Value) []byte {
			return appendTexts(buffer, *value.Addr().Interface().(*map[string]string))
		}
	}
	below := e.of(t.Elem())
	return func(buffer []byte, value reflect.Value) []byte {
		buffer = binary.AppendUvarint(buffer, uint64(value.Len()))
		if value.Len() == 0 {
			return buffer
		}
		keys := value.MapKeys()
		slices.SortFunc(keys, func(a, b reflect.Value) int { return compareStrings(a.String(), b.String()) })
		element := reflect.New(t.Elem()).Elem()
		for _, key := range keys {
			element.Set(value.MapIndex(key))
			buffer = below(appendText(buffer, key.String()), element)
		}
		return buffer
	}
}

// appendTree appends JSON-like content, each value behind a letter for its type.
func appendTree(buffer []byte, content any) []byte {
	switch content := content.(type) {
	case nil:
		return append(buffer, 'n')
	case string:
		return appendText(append(buffer, 's'), content)
	case bool:
		return appendFlag(append(buffer, 'b'), content)
	case int64:
		return binary.AppendVarint(append(buffer, 'i'), content)
	case float64:
		return binary.BigEndian.AppendUint64(append(buffer, 'f'), math.Float64bits(content))
	case []any:
		buffer = binary.AppendUvarint(append(buffer, 'l'), uint64(len(content)))
		for _, element := range content {
			buffer = appendTree(buffer, element)
		}
		return buffer
	case map[string]any:
		buffer = binary.AppendUvarint(append(buffer, 'm'), uint64(len(content)))
		for _, key := range sortedKeys(content) {
			buffer = appendTree(appendText(buffer, key), content[key])
		}
		return buffer
	}
	return appendTree(buffer, canonicalLeaf(content))
}

func sortedKeys(content map[string]any) []string {
	keys := make([]string, 0, len(content))
	for key := range content {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

func appendTexts(buffer []byte, texts map[string]string) []byte {
	buffer = binary.AppendUvarint(buffer, uint64(len(texts)))
	var room [16]string
	keys := room[:0]
	for key := range texts {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	for _, key := range keys {
		buffer = appendText(appendText(buffer, key), texts[key])
	}
	return buffer
}

func appendText(buffer []byte, text string) []byte {
	return append(binary.AppendUvarint(buffer, uint64(len(text))), text...)
}

func appendFlag(buffer []byte, set bool) []byte {
	if set {
		return append(buffer, 1)
	}
	return append(buffer, 0)
}
