package store

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/rawjson"
)

// Objects come to a real API server as JSON, which forgets the difference between empty and absent, fractions of a
// second and the spelling of quantities. Objects that stay Go values must forget it too, or controllers would see more
// here than they see there. What has to be done is worked out once for each type.

// settle brings one addressable value into the form it would have after a trip through JSON.
type settle func(value reflect.Value)

var (
	timeType      = reflect.TypeFor[metav1.Time]()
	microTimeType = reflect.TypeFor[metav1.MicroTime]()
	quantityType  = reflect.TypeFor[resource.Quantity]()
	rawType       = reflect.TypeFor[runtime.RawExtension]()
	marshalerType = reflect.TypeFor[json.Marshaler]()
)

// settlers caches the work per type. It is a cache of pure functions of types, so sharing it is invisible.
type settlers struct {
	mu     sync.Mutex
	byType map[reflect.Type]settle
}

// canonicalise brings a typed object into the form a real API server would return it in.
func (s *settlers) canonicalise(object any) { s.settle(reflect.ValueOf(object).Elem()) }

// settle does so with a part of one.
func (s *settlers) settle(value reflect.Value) {
	s.mu.Lock()
	work := s.of(value.Type())
	s.mu.Unlock()
	if work != nil {
		work(value)
	}
}

// of gives the work for a type, nil when there is none.
func (s *settlers) of(t reflect.Type) settle {
	if work, known := s.byType[t]; known {
		return work
	}
	// A type that contains itself finds this entry, which follows the pointer once the real work is known.
	var work settle
	s.byType[t] = func(value reflect.Value) {
		if work != nil {
			work(value)
		}
	}
	work = s.build(t)
	s.byType[t] = work
	return work
}

func (s *settlers) build(t reflect.Type) settle {
	switch t {
	case timeType:
		return settleTime
	case microTimeType:
		return settleMicroTime
	case quantityType:
		return settleQuantity
	case rawType:
		return settleRaw
	}
	if t.Kind() != reflect.Pointer && reflect.PointerTo(t).Implements(marshalerType) {
		return nil
	}
	switch t.Kind() {
	case reflect.Struct:
		return s.buildStruct(t)
	case reflect.Pointer:
		if work := s.of(t.Elem()); work != nil {
			return func(value reflect.Value) { settlePointer(value, work) }
		}
	case reflect.Slice:
		if work := s.of(t.Elem()); work != nil {
			return func(value reflect.Value) {
				for i := range value.Len() {
					work(value.Index(i))
				}
			}
		}
	case reflect.Map:
		if work := s.of(t.Elem()); work != nil {
			return func(value reflect.Value) { settleMap(value, work) }
		}
	}
	return nil
}

type fieldWork struct {
	index int
	// clear turns empty slices and maps into nil.
	clear bool
	work  settle
}

func (s *settlers) buildStruct(t reflect.Type) settle {
	var fields []fieldWork
	for i := range t.NumField() {
		field := t.Field(i)
		if !field.IsExported() {
			continue
		}
		kind := field.Type.Kind()
		f := fieldWork{index: i, work: s.of(field.Type)}
		f.clear = (kind == reflect.Slice || kind == reflect.Map) && omitsEmpty(field)
		if f.clear || f.work != nil {
			fields = append(fields, f)
		}
	}
	if len(fields) == 0 {
		return nil
	}
	return func(value reflect.Value) {
		for _, f := range fields {
			field := value.Field(f.index)
			if f.clear && field.Len() == 0 {
				field.SetZero()
				continue
			}
			if f.work != nil {
				f.work(field)
			}
		}
	}
}

func omitsEmpty(field reflect.StructField) bool {
	_, options, _ := strings.Cut(field.Tag.Get("json"), ",")
	for option := range strings.SplitSeq(options, ",") {
		if option == "omitempty" {
			return true
		}
	}
	return false
}

// settlePointer makes pointers to what JSON calls null nil.
func settlePointer(value reflect.Value, work settle) {
	if value.IsNil() {
		return
	}
	work(value.Elem())
	switch value.Type().Elem() {
	case timeType, microTimeType, rawType:
		if value.Elem().IsZero() {
			value.SetZero()
		}
	}
}

// settleMap works on copies of the elements, because map elements are not addressable. The order does not show.
func settleMap(value reflect.Value, work settle) {
	for iter := value.MapRange(); iter.Next(); {
		element := reflect.New(value.Type().Elem()).Elem()
		element.Set(iter.Value())
		work(element)
		value.SetMapIndex(iter.Key(), element)
	}
}

func settleTime(value reflect.Value) {
	t := value.Addr().Interface().(*metav1.Time)
	if t.IsZero() {
		t.Time = time.Time{}
		return
	}
	t.Time = t.Truncate(time.Second).Local()
}

func settleMicroTime(value reflect.Value) {
	t := value.Addr().Interface().(*metav1.MicroTime)
	if t.IsZero() {
		t.Time = time.Time{}
		return
	}
	t.Time = t.Truncate(time.Microsecond).Local()
}

func settleQuantity(value reflect.Value) {
	quantity := value.Addr().Interface().(*resource.Quantity)
	// A quantity that parses from its own canonical form is what a reader would get.
	if parsed, err := resource.ParseQuantity(quantity.String()); err == nil {
		*quantity = parsed
	}
}

func settleRaw(value reflect.Value) {
	raw := value.Addr().Interface().(*runtime.RawExtension)
	if raw.Raw == nil && raw.Object != nil {
		if encoded, err := json.Marshal(raw.Object); err == nil {
			raw.Raw = encoded
		}
	}
	raw.Object = nil
	if bytes.Equal(raw.Raw, []byte("null")) {
		raw.Raw = nil
	}
	if rawjson.Canonical(raw.Raw) {
		return
	}
	if sorted, err := sortedJSON(raw.Raw); err == nil {
		raw.Raw = sorted
	}
}

// sortedJSON writes JSON the way encoding/json writes a map: compact, with sorted keys.
func sortedJSON(data []byte) ([]byte, error) {
	if len(data) == 0 {
		return data, nil
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var content any
	if err := decoder.Decode(&content); err != nil {
		return nil, err
	}
	return json.Marshal(content)
}

// canonicalTree copies JSON-like content, bringing numbers into the form they have after a trip through JSON: int64
// where they are integral, else float64.
func canonicalTree(content any) any { return canonicalWith(nil, content) }

// canonicalWith does so with one copy of equal texts; nil keeps them as they are.
func canonicalWith(texts *texts, content any) any {
	switch value := content.(type) {
	case map[string]any:
		if value == nil {
			return nil
		}
		copied := make(map[string]any, len(value))
		for key, element := range value {
			copied[texts.one(key)] = canonicalWith(texts, element)
		}
		return copied
	case []any:
		if value == nil {
			return nil
		}
		copied := make([]any, len(value))
		for i, element := range value {
			copied[i] = canonicalWith(texts, element)
		}
		return copied
	case float64:
		return canonicalNumber(value)
	case string:
		return texts.boxed(value, content)
	case bool, int64, nil:
		return value
	}
	return canonicalLeaf(content)
}

// canonicalLeaf handles Go values that are not of the types JSON decodes to.
func canonicalLeaf(content any) any {
	value := reflect.ValueOf(content)
	switch {
	case value.CanInt():
		return value.Int()
	case value.CanUint() && value.Uint() <= math.MaxInt64:
		return int64(value.Uint())
	case value.CanFloat():
		return canonicalNumber(value.Float())
	}
	encoded, err := json.Marshal(content)
	if err != nil {
		return content
	}
	var decoded any
	if err := json.Unmarshal(encoded, &decoded); err != nil {
		return content
	}
	return canonicalTree(decoded)
}

// canonicalNumber makes an integral number an int64 where float64 is exact.
func canonicalNumber(number float64) any {
	const exact = 1 << 53
	if number == math.Trunc(number) && math.Abs(number) <= exact {
		return int64(number)
	}
	return number
}
