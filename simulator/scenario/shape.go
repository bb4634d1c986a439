package scenario

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// shape compares a document with the type it is to be read into: unknown fields and values of another kind.
func (p *problems) shape(node *yaml.Node, t reflect.Type, field string) {
	for node.Kind == yaml.AliasNode {
		node = node.Alias
	}
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if node.ShortTag() == "!!null" {
		return
	}
	if reflect.PointerTo(t).Implements(reflect.TypeFor[value]()) {
		if t != reflect.TypeFor[Raw]() && node.Kind != yaml.ScalarNode {
			p.add(field, "write one value", "a %s cannot stand here", kindOf(node))
		}
		return
	}
	if t == reflect.TypeFor[Distribution]() && node.Kind == yaml.ScalarNode && node.ShortTag() != "!!bool" {
		return
	}
	switch t.Kind() {
	case reflect.Struct:
		p.fields(node, t, field)
	case reflect.Map:
		if node.Kind != yaml.MappingNode {
			p.add(field, "write a mapping", "a %s cannot stand here", kindOf(node))
			return
		}
		for i := 0; i+1 < len(node.Content); i += 2 {
			p.shape(node.Content[i+1], t.Elem(), join(field, node.Content[i].Value))
		}
	case reflect.Slice:
		if node.Kind != yaml.SequenceNode {
			p.add(field, "write a list", "a %s cannot stand here", kindOf(node))
			return
		}
		for i, entry := range node.Content {
			p.shape(entry, t.Elem(), fmt.Sprintf("%s[%d]", field, i))
		}
	default:
		p.scalar(node, t, field)
	}
}

func (p *problems) fields(node *yaml.Node, t reflect.Type, field string) {
	if node.Kind != yaml.MappingNode {
		p.add(field, "write a mapping", "a %s cannot stand here", kindOf(node))
		return
	}
	known := fieldsOf(t)
	for i := 0; i+1 < len(node.Content); i += 2 {
		key, entry := node.Content[i], node.Content[i+1]
		if key.Value == "<<" {
			p.merged(entry, t, field)
			continue
		}
		index := slices.IndexFunc(known, func(f reflect.StructField) bool { return nameOf(f) == key.Value })
		if index < 0 {
			p.add(join(field, key.Value), didYouMean(key.Value, namesOf(known)), "unknown field")
			continue
		}
		p.shape(entry, known[index].Type, join(field, key.Value))
	}
}

// merged looks into what a merge key brings.
func (p *problems) merged(node *yaml.Node, t reflect.Type, field string) {
	if node.Kind == yaml.SequenceNode {
		for _, entry := range node.Content {
			p.shape(entry, t, field)
		}
		return
	}
	p.shape(node, t, field)
}

func (p *problems) scalar(node *yaml.Node, t reflect.Type, field string) {
	wanted, tags := "text", []string{"!!str"}
	switch t.Kind() {
	case reflect.Bool:
		wanted, tags = "true or false", []string{"!!bool"}
	case reflect.Int, reflect.Int64, reflect.Uint64:
		wanted, tags = "a whole number", []string{"!!int"}
	case reflect.Float64:
		wanted, tags = "a number", []string{"!!int", "!!float"}
	}
	if node.Kind != yaml.ScalarNode || !slices.Contains(tags, node.ShortTag()) {
		fix := "write " + wanted
		if wanted == "text" && node.Kind == yaml.ScalarNode {
			fix = "write it in quotes: " + strconv.Quote(node.Value)
		}
		p.add(field, fix, "a %s cannot stand here", kindOf(node))
		return
	}
	if t.Kind() == reflect.Uint64 && strings.HasPrefix(node.Value, "-") {
		p.add(field, "write 0 or more", "%s is negative", node.Value)
	}
}

func kindOf(node *yaml.Node) string {
	switch node.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	}
	switch node.ShortTag() {
	case "!!int", "!!float":
		return "number"
	case "!!bool":
		return "truth value"
	case "!!timestamp":
		return "time"
	}
	return "text"
}

func join(field, name string) string {
	if field == "" {
		return name
	}
	return field + "." + name
}

// fieldsOf are the fields of a struct that a document can have.
func fieldsOf(t reflect.Type) []reflect.StructField {
	var fields []reflect.StructField
	for i := range t.NumField() {
		if field := t.Field(i); field.IsExported() && field.Tag.Get("json") != "" {
			fields = append(fields, field)
		}
	}
	return fields
}

func nameOf(field reflect.StructField) string {
	name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
	return name
}

func namesOf(fields []reflect.StructField) []string {
	names := make([]string, len(fields))
	for i, field := range fields {
		names[i] = nameOf(field)
	}
	return names
}

// didYouMean proposes the closest of some names, if one is close, or tells all of a few.
func didYouMean(wrong string, names []string) string {
	best, distance := "", max(2, len(wrong)/3)+1
	for _, name := range names {
		if d := edits(strings.ToLower(wrong), strings.ToLower(name)); d < distance {
			best, distance = name, d
		}
	}
	switch {
	case best != "":
		return "write " + best
	case len(names) <= 12:
		return "write one of " + strings.Join(names, ", ")
	}
	return "check its spelling and place, or remove it"
}

// edits is the Levenshtein distance of two words.
func edits(a, b string) int {
	const longest = 64
	a, b = a[:min(len(a), longest)], b[:min(len(b), longest)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			changed := diagonal
			if a[i] != b[j] {
				changed++
			}
			diagonal = row[j+1]
			row[j+1] = min(changed, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
