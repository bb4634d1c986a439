package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// rules holds every field against its type and its tag `rule`, which says what the schema says too: required, min=, max=.
func (p *problems) rules(v reflect.Value, field string) {
	if v.CanAddr() {
		if known, ok := v.Addr().Interface().(value); ok {
			if text, fix := known.fault(); text != "" {
				p.add(field, fix, "%s", text)
			}
			return
		}
	}
	if d, ok := v.Interface().(Distribution); ok && d.plain {
		if text, fix := d.Mean.fault(); text != "" {
			p.add(field, fix, "%s", text)
		}
		return
	}
	if word, ok := v.Interface().(closed); ok && v.Kind() == reflect.String && v.String() != "" {
		if values := word.values(); !slices.Contains(values, v.String()) {
			p.add(field, "write one of "+strings.Join(values, ", "), "unknown %q", v.String())
		}
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			p.rules(v.Elem(), field)
		}
	case reflect.Slice:
		for i := range v.Len() {
			p.rules(v.Index(i), fmt.Sprintf("%s[%d]", field, i))
		}
	case reflect.Map:
		p.entries(v, field)
	case reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			at, entry := join(field, nameOf(f)), v.FieldByIndex(f.Index)
			p.tagged(f.Tag.Get("rule"), entry, at)
			p.rules(entry, at)
		}
	}
}

func (p *problems) entries(v reflect.Value, field string) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, key := range keys {
		entry := reflect.New(v.Type().Elem()).Elem()
		entry.Set(v.MapIndex(key))
		p.rules(entry, join(field, key.String()))
	}
}

func (p *problems) tagged(rule string, v reflect.Value, field string) {
	for _, part := range strings.Split(rule, ",") {
		name, bound, _ := strings.Cut(part, "=")
		limit, _ := strconv.ParseFloat(bound, 64)
		number, isNumber := numberOf(v)
		switch {
		case name == "required" && missing(v):
			p.add(field, "add it", "it is missing")
		case name == "min" && isNumber && number < limit && !(v.IsZero() && v.Kind() != reflect.Pointer):
			p.add(field, "write "+bound+" or more", "%v is too small", number)
		case name == "max" && isNumber && number > limit:
			p.add(field, "write "+bound+" or less", "%v is too much", number)
		}
	}
}

// missing reports whether a required field is not given. A price of 0 is given.
func missing(v reflect.Value) bool {
	if v.CanAddr() {
		if known, ok := v.Addr().Interface().(value); ok {
			return known.empty()
		}
	}
	return v.IsZero() && v.Kind() != reflect.Struct && v.Kind() != reflect.Float64
}

func numberOf(v reflect.Value) (number float64, ok bool) {
	if v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanFloat():
		return v.Float(), true
	}
	return 0, false
}
