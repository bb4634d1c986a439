package sandbox

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxDepth is how deep values may be nested.
	maxDepth = 200
	// maxExact is where Lua numbers begin to leave integers out.
	maxExact = 1 << 53
)

// toLua makes a Lua value of decoded JSON. Keys of objects come in alphabetical order, which is the order pairs visits them.
func (m *meter) toLua(l *lua.LState, value any, depth int) (lua.LValue, error) {
	m.given++
	if depth > maxDepth {
		return nil, &pathError{fault: fmt.Sprintf("nested deeper than %d", maxDepth)}
	}
	switch value := value.(type) {
	case nil:
		return lua.LNil, nil
	case bool:
		return lua.LBool(value), nil
	case string:
		return lua.LString(value), nil
	case int64:
		m.noteLarge(value)
		return lua.LNumber(value), nil
	case float64:
		return lua.LNumber(value), nil
	case []any:
		return m.listToLua(l, value, depth)
	case map[string]any:
		return m.objectToLua(l, value, depth)
	}
	return nil, &pathError{fault: fmt.Sprintf("a value of type %T has no Lua form", value)}
}

// listToLua leaves out nulls, as a Lua list has no place for them.
func (m *meter) listToLua(l *lua.LState, list []any, depth int) (lua.LValue, error) {
	table := l.CreateTable(len(list), 0)
	for i := range list {
		item, err := m.toLua(l, list[i], depth+1)
		if err != nil {
			return nil, under(fmt.Sprintf("[%d]", i), err)
		}
		table.Append(item)
	}
	if len(list) == 0 {
		remember(&m.lists, table)
	}
	return table, nil
}

func (m *meter) objectToLua(l *lua.LState, object map[string]any, depth int) (lua.LValue, error) {
	table := l.CreateTable(0, len(object))
	for _, key := range slices.Sorted(maps.Keys(object)) {
		field, err := m.toLua(l, object[key], depth+1)
		if err != nil {
			return nil, under("."+key, err)
		}
		table.RawSetString(key, field)
	}
	if len(object) == 0 {
		remember(&m.objects, table)
	}
	return table, nil
}

// noteLarge keeps an integer that a Lua number may not hold.
func (m *meter) noteLarge(value int64) {
	if -maxExact < value && value < maxExact {
		return
	}
	if m.large == nil {
		m.large = map[float64][]int64{}
	}
	if near := m.large[float64(value)]; !slices.Contains(near, value) {
		m.large[float64(value)] = append(near, value)
	}
}

func remember(tables *map[*lua.LTable]bool, table *lua.LTable) {
	if *tables == nil {
		*tables = map[*lua.LTable]bool{}
	}
	(*tables)[table] = true
}

// pathError tells what is wrong with a value and where in it.
type pathError struct {
	// steps lead to the place, the last one first.
	steps []string
	fault string
}

func (e *pathError) Error() string {
	if len(e.steps) == 0 {
		return e.fault
	}
	var path strings.Builder
	for _, step := range slices.Backward(e.steps) {
		path.WriteString(step)
	}
	return strings.TrimPrefix(path.String(), ".") + ": " + e.fault
}

// under puts a step in front of the path of an error.
func under(step string, err error) error {
	var fault *pathError
	if errors.As(err, &fault) {
		fault.steps = append(fault.steps, step)
	}
	return err
}

// Result is one value that a script returned.
type Result struct {
	value lua.LValue
	meter *meter
}

// IsNil tells whether the script returned nothing there.
func (r Result) IsNil() bool { return r.value == lua.LNil }

// Type is the name of the type in Lua, such as table.
func (r Result) Type() string { return r.value.Type().String() }

// Bool is the value of a boolean.
func (r Result) Bool() (value, ok bool) {
	boolean, ok := r.value.(lua.LBool)
	return bool(boolean), ok
}

// Number is the value of a number.
func (r Result) Number() (value float64, ok bool) {
	number, ok := r.value.(lua.LNumber)
	return float64(number), ok
}

// Decoded is the value as JSON decodes it. The originals are what the script got as arguments: they tell what Lua has lost.
// A number that stands where an original has an equal one has its type. An integer too large for Lua is the one among the
// arguments that it came from, if there is only one. An empty table is a list or an object if it came from one, or if an
// original has an empty list or object there; any other says nothing, and is left out of what contains it.
func (r Result) Decoded(originals ...any) (any, error) {
	return r.meter.fromLua(r.value, originals)
}

func (m *meter) fromLua(value lua.LValue, originals []any) (any, error) {
	back := decoder{meter: m}
	decoded, known, err := back.value(value, originals, 0)
	switch {
	case err != nil:
		return nil, err
	case !known:
		return map[string]any{}, nil
	}
	return decoded, nil
}

// decoder makes decoded JSON of Lua values. Every value costs some bytes, so that tables which contain each other many times
// over end at the limit, and text costs its own.
type decoder struct{ meter *meter }

// value is known unless it is an empty table of which nobody knows what it is.
func (d decoder) value(value lua.LValue, originals []any, depth int) (decoded any, known bool, err error) {
	d.meter.bytes -= keyBytes
	if text, ok := value.(lua.LString); ok {
		d.meter.bytes -= int64(len(text))
		d.meter.instructions -= int64(len(text)) / bytesPerInstruction
	}
	if d.meter.bytes < 0 || d.meter.instructions < 0 {
		d.meter.check()
		return nil, false, d.meter.failure
	}
	if depth > maxDepth {
		return nil, false, &pathError{fault: fmt.Sprintf("nested deeper than %d, or a table that contains itself", maxDepth)}
	}
	switch value := value.(type) {
	case *lua.LNilType:
		return nil, true, nil
	case lua.LBool:
		return bool(value), true, nil
	case lua.LString:
		if !utf8.ValidString(string(value)) {
			return nil, false, &pathError{fault: fmt.Sprintf("the text %q is not UTF-8", string(value))}
		}
		return string(value), true, nil
	case lua.LNumber:
		decoded, err := d.number(float64(value), originals)
		return decoded, true, err
	case *lua.LTable:
		return d.table(value, originals, depth)
	}
	return nil, false, &pathError{fault: "a " + value.Type().String() + " is no data"}
}

func (d decoder) number(value float64, originals []any) (any, error) {
	for _, original := range originals {
		if float, ok := original.(float64); ok && float == value {
			return value, nil
		}
	}
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return nil, &pathError{fault: fmt.Sprintf("the number %v has no place in an object", value)}
	}
	switch near := d.meter.large[value]; {
	case value != math.Trunc(value):
		return value, nil
	case math.Abs(value) < maxExact:
		return int64(value), nil
	case len(near) == 1:
		return near[0], nil
	}
	return nil, &pathError{fault: strconv.FormatFloat(value, 'f', -1, 64) +
		" is beyond 2^53, from where on Lua numbers leave integers out; use text"}
}

func (d decoder) table(table *lua.LTable, originals []any, depth int) (any, bool, error) {
	first, _ := table.Next(lua.LNil)
	switch first.(type) {
	case *lua.LNilType:
		decoded, known := d.empty(table, originals)
		return decoded, known, nil
	case lua.LNumber:
		list, err := d.list(table, originals, depth)
		return list, true, err
	case lua.LString:
		object, err := d.object(table, originals, depth)
		return object, true, err
	}
	return nil, false, &pathError{fault: fmt.Sprintf("a table with a %s as key is neither a list nor an object", first.Type())}
}

func (d decoder) empty(table *lua.LTable, originals []any) (any, bool) {
	switch {
	case d.meter.lists[table]:
		return []any{}, true
	case d.meter.objects[table]:
		return map[string]any{}, true
	}
	for _, original := range originals {
		switch original := original.(type) {
		case []any:
			if len(original) == 0 {
				return []any{}, true
			}
		case map[string]any:
			if len(original) == 0 {
				return map[string]any{}, true
			}
		}
	}
	return nil, false
}

func (d decoder) list(table *lua.LTable, originals []any, depth int) (any, error) {
	list := make([]any, 0, table.Len())
	for key, value := table.Next(lua.LNil); key != lua.LNil; key, value = table.Next(key) {
		place, ok := key.(lua.LNumber)
		if !ok {
			return nil, &pathError{fault: fmt.Sprintf("a table with places and the key %q is neither a list nor an object", text(key))}
		}
		if int(place) != len(list)+1 {
			return nil, &pathError{fault: fmt.Sprintf("a list with place %s but without place %d", place, len(list)+1)}
		}
		item, known, err := d.value(value, places(originals, len(list)), depth+1)
		if err != nil {
			return nil, under(fmt.Sprintf("[%d]", len(list)), err)
		}
		if !known {
			item = map[string]any{}
		}
		list = append(list, item)
	}
	return list, nil
}

func (d decoder) object(table *lua.LTable, originals []any, depth int) (any, error) {
	object := map[string]any{}
	for key, value := table.Next(lua.LNil); key != lua.LNil; key, value = table.Next(key) {
		name, ok := key.(lua.LString)
		if !ok {
			return nil, &pathError{fault: fmt.Sprintf("a table with fields and the key %s is neither a list nor an object", text(key))}
		}
		field, known, err := d.value(value, fields(originals, string(name)), depth+1)
		if err != nil {
			return nil, under("."+string(name), err)
		}
		if known {
			object[string(name)] = field
		}
	}
	return object, nil
}

// places are what originals have at a place of a list.
func places(originals []any, place int) []any {
	var found []any
	for _, original := range originals {
		if list, ok := original.([]any); ok && place < len(list) {
			found = append(found, list[place])
		}
	}
	return found
}

func fields(originals []any, name string) []any {
	var found []any
	for _, original := range originals {
		if object, ok := original.(map[string]any); ok {
			if field, ok := object[name]; ok {
				found = append(found, field)
			}
		}
	}
	return found
}
