package openapi_test

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/seatrial/seatrial/apiserver/openapi"
)

const clusterType = "github.com/seatrial/seatrial/api/cluster/v1alpha1.Cluster"

// definitions are keyed by published name and refer to each other by it.
func definitions() map[string]common.OpenAPIDefinition {
	published := map[string]common.OpenAPIDefinition{}
	ref := func(name string) spec.Ref { return spec.MustCreateRef(openapi.PublishedName(name)) }
	for name, definition := range openapi.Definitions(ref) {
		published[openapi.PublishedName(name)] = definition
	}
	return published
}

func TestDependenciesAreDefined(t *testing.T) {
	all := openapi.Definitions(spec.MustCreateRef)
	for name, definition := range all {
		for _, dependency := range definition.Dependencies {
			if _, found := all[dependency]; !found {
				t.Errorf("%s depends on %s, which is not defined", name, dependency)
			}
		}
	}
}

func TestPublishedNames(t *testing.T) {
	for given, want := range map[string]string{
		clusterType:                "com.github.seatrial.seatrial.api.cluster.v1alpha1.Cluster",
		"io.k8s.api.core.v1.Taint": "io.k8s.api.core.v1.Taint",
	} {
		if got := openapi.PublishedName(given); got != want {
			t.Errorf("published name of %s is %s, want %s", given, got, want)
		}
		if got := openapi.PublishedName(want); got != want {
			t.Errorf("published name of the published name %s is %s", want, got)
		}
	}
}

// `kubectl explain` shows nothing but these texts.
func TestEveryFieldIsDescribed(t *testing.T) {
	for name, definition := range definitions() {
		own := strings.HasPrefix(name, "com.github.seatrial.")
		if !own && !strings.HasSuffix(name, ".Taint") {
			continue
		}
		if definition.Schema.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for field, schema := range definition.Schema.Properties {
			if schema.Description == "" && field != "metadata" {
				t.Errorf("%s.%s has no description", name, field)
			}
		}
	}
}

// The published schema of a Cluster has the fields, types, defaults and required fields of the reference's.
func TestClusterIsThatOfTheReference(t *testing.T) {
	got := map[string]map[string]any{}
	walk := fieldWalk{definitions: definitions(), facts: got}
	walk.visit(".", spec.Schema{SchemaProps: spec.SchemaProps{Ref: spec.MustCreateRef(openapi.PublishedName(clusterType))}}, false)
	want := referenceFields(t)
	if diff := cmp.Diff(want, jsonRound(t, got)); diff != "" {
		t.Errorf("fields of a Cluster (-want +got):\n%s", diff)
	}
}

func referenceFields(t *testing.T) map[string]map[string]any {
	t.Helper()
	var surface struct {
		Resources []struct {
			Group, Kind string
			Versions    []struct{ Fields map[string]map[string]any }
		}
	}
	text, err := os.ReadFile("../../testdata/api-surface.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &surface); err != nil {
		t.Fatal(err)
	}
	for _, resource := range surface.Resources {
		if resource.Group == "cluster.karmada.io" && resource.Kind == "Cluster" {
			return resource.Versions[0].Fields
		}
	}
	t.Fatal("the recorded surface has no Cluster")
	return nil
}

// fieldWalk collects the structural facts of a schema by field path, in the form of the recorded surface.
type fieldWalk struct {
	definitions map[string]common.OpenAPIDefinition
	facts       map[string]map[string]any
}

func (w fieldWalk) visit(path string, schema spec.Schema, required bool) {
	facts := map[string]any{}
	w.facts[path] = facts
	if schema.Default != nil {
		facts["default"] = schema.Default
	}
	if required {
		facts["required"] = true
	}
	if name := schema.Ref.String(); name != "" {
		schema = w.definitions[name].Schema
		if !strings.HasPrefix(name, "com.github.seatrial.") {
			facts["ref"] = shortName(name)
			facts["type"] = typeOf(schema)
			return
		}
	}
	facts["type"] = typeOf(schema)
	if schema.Format != "" {
		facts["format"] = schema.Format
	}
	prefix := path + "."
	if path == "." {
		prefix = ""
	}
	for name, property := range schema.Properties {
		if path == "." && (name == "kind" || name == "apiVersion") {
			continue
		}
		w.visit(prefix+name, property, slices.Contains(schema.Required, name))
	}
	if schema.Items != nil {
		w.visit(path+"[]", withoutDefault(*schema.Items.Schema), false)
	}
	if schema.AdditionalProperties != nil {
		w.visit(path+"{}", withoutDefault(*schema.AdditionalProperties.Schema), false)
	}
}

// typeOf is string for a quantity, which takes numbers as well but is written as a string.
func typeOf(schema spec.Schema) string {
	if len(schema.Type) == 0 && len(schema.OneOf) > 0 {
		return schema.OneOf[0].Type[0]
	}
	return strings.Join(schema.Type, ",")
}

// withoutDefault drops the empty default that the generator gives elements, which the surface does not record.
func withoutDefault(schema spec.Schema) spec.Schema {
	schema.Default = nil
	return schema
}

// shortName leaves the last three parts of a model name: group, version and type.
func shortName(name string) string {
	parts := strings.Split(name, ".")
	return strings.Join(parts[len(parts)-3:], ".")
}

// jsonRound brings numbers and maps into the types that decoded JSON has.
func jsonRound(t *testing.T, facts map[string]map[string]any) map[string]map[string]any {
	t.Helper()
	text, err := json.Marshal(facts)
	if err != nil {
		t.Fatalf("encoding the facts: %v", err)
	}
	var round map[string]map[string]any
	if err := json.Unmarshal(text, &round); err != nil {
		t.Fatalf("decoding the facts: %v", err)
	}
	return round
}
