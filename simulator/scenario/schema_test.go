package scenario

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"k8s.io/kube-openapi/pkg/validation/spec"
	"k8s.io/kube-openapi/pkg/validation/strfmt"
	"k8s.io/kube-openapi/pkg/validation/validate"
	convert "sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write schema.json anew")

// TestSchema holds the published schema against the types and their comments.
func TestSchema(t *testing.T) {
	w := schemaWriter{comments: comments(t)}
	root := w.of(reflect.TypeFor[Scenario]())
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = Kind
	root["properties"].(map[string]any)["apiVersion"] = map[string]any{"type": "string", "enum": []string{APIVersion}}
	root["properties"].(map[string]any)["kind"] = map[string]any{"type": "string", "enum": []string{Kind}}
	want, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	want = append(want, '\n')
	if *update {
		if err := os.WriteFile("schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(want, Schema()) {
		t.Error("schema.json is not what the types say; write it anew with go test ./simulator/scenario -run TestSchema -update")
	}
}

// schemaWriter makes a JSON schema of types. Types are written out where they are used: none contains itself.
type schemaWriter struct {
	comments map[string]string
}

func (w *schemaWriter) of(t reflect.Type) map[string]any {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch t {
	case reflect.TypeFor[Duration]():
		return map[string]any{"type": "string", "pattern": `^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`}
	case reflect.TypeFor[Time]():
		return map[string]any{"type": "string", "format": "date-time"}
	case reflect.TypeFor[Quantity](), reflect.TypeFor[Amount]():
		return map[string]any{"anyOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "number"}}}
	case reflect.TypeFor[Raw]():
		return map[string]any{"type": "object"}
	}
	if t == reflect.TypeFor[Distribution]() {
		return map[string]any{"anyOf": []any{map[string]any{"type": "string"}, map[string]any{"type": "number"}, w.object(t)}}
	}
	if word, ok := reflect.Zero(t).Interface().(closed); ok {
		return map[string]any{"type": "string", "enum": word.values()}
	}
	switch t.Kind() {
	case reflect.String:
		return map[string]any{"type": "string"}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.Float64:
		return map[string]any{"type": "number"}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": w.of(t.Elem())}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": w.of(t.Elem())}
	case reflect.Struct:
		return w.object(t)
	}
	return map[string]any{"type": "integer"}
}

func (w *schemaWriter) object(t reflect.Type) map[string]any {
	properties := map[string]any{}
	var required []string
	for _, field := range fieldsOf(t) {
		made := w.of(field.Type)
		if text := w.comments[t.Name()+"."+field.Name]; text != "" {
			made["description"] = text
		}
		for _, rule := range strings.Split(field.Tag.Get("rule"), ",") {
			name, bound, _ := strings.Cut(rule, "=")
			number, _ := strconv.ParseFloat(bound, 64)
			switch name {
			case "required":
				required = append(required, nameOf(field))
			case "min":
				made["minimum"] = number
			case "max":
				made["maximum"] = number
			}
		}
		properties[nameOf(field)] = made
	}
	object := map[string]any{"type": "object", "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		object["required"] = required
	}
	return object
}

// comments are those of the fields, by Type.Field.
func comments(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), ".go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), entry.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(node ast.Node) bool {
			if declared, ok := node.(*ast.TypeSpec); ok {
				if structure, ok := declared.Type.(*ast.StructType); ok {
					for _, field := range structure.Fields.List {
						for _, name := range field.Names {
							found[declared.Name.Name+"."+name.Name] = strings.Join(strings.Fields(field.Doc.Text()), " ")
						}
					}
				}
			}
			return true
		})
	}
	return found
}

func validator(t *testing.T) *validate.SchemaValidator {
	t.Helper()
	published := &spec.Schema{}
	if err := json.Unmarshal(Schema(), published); err != nil {
		t.Fatal(err)
	}
	return validate.NewSchemaValidator(published, nil, "", strfmt.Default)
}

func document(t *testing.T, content []byte) any {
	t.Helper()
	var read any
	if err := convert.Unmarshal(content, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// TestLibraryFitsSchema holds every scenario of the library against the published schema.
func TestLibraryFitsSchema(t *testing.T) {
	judge := validator(t)
	for _, name := range Library() {
		_, content, err := FromLibrary(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, err := range judge.Validate(document(t, content)).Errors {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses holds that schema and Load refuse the same.
func TestSchemaRefuses(t *testing.T) {
	judge := validator(t)
	for _, change := range []struct{ path, value string }{
		{"seed", "x"}, {"fleet.clusters[0].count", "-1"}, {"fleet.clusters[0].colour", "red"}, {"fleet.clusters[0].syncMode", "Pul"},
		{"duration", "long"}, {"duration", "null"}, {"settings.eviction.rate", "-1"}, {"expect[0].measure", "Joy"}, {"requires", "[magic]"},
	} {
		_, content, err := FromLibrary("failback")
		if err != nil {
			t.Fatal(err)
		}
		read := document(t, content)
		put(read, strings.FieldsFunc(change.path, func(r rune) bool { return strings.ContainsRune(".[]", r) }), document(t, []byte(change.value)))
		changed, err := convert.Marshal(read)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load("x", changed, nil); err == nil {
			t.Errorf("Load takes %s: %s", change.path, change.value)
		}
		if change.value != "null" && judge.Validate(read).IsValid() {
			t.Errorf("the schema takes %s: %s", change.path, change.value)
		}
	}
}

func put(in any, path []string, value any) {
	switch in := in.(type) {
	case map[string]any:
		if len(path) == 1 {
			in[path[0]] = value
			return
		}
		if _, ok := in[path[0]]; !ok {
			in[path[0]] = map[string]any{}
		}
		put(in[path[0]], path[1:], value)
	case []any:
		at, _ := strconv.Atoi(path[0])
		put(in[at], path[1:], value)
	}
}

// TestWords holds that no closed type repeats itself.
func TestWords(t *testing.T) {
	for _, word := range []closed{
		Capability(""), SyncMode(""), TaintEffect(""), WorkloadKind(""), ArrivalProcess(""), TraceFormat(""), Shape(""), Fault(""), EstimatorError(""),
		EstimatorSource(""), Component(""), Measure(""),
	} {
		values := word.values()
		slices.Sort(values)
		if len(values) < 2 || len(slices.Compact(slices.Clone(values))) != len(values) {
			t.Errorf("%T has %v", word, values)
		}
	}
}
