package api_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/utils/ptr"
)

// ship is a definition that makes use of everything the surface records.
func ship() *apiextensionsv1.CustomResourceDefinition {
	text := apiextensionsv1.JSONSchemaProps{Type: "string"}
	port := apiextensionsv1.JSONSchemaProps{
		Type: "object", Required: []string{"name"},
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"name":  {Type: "string", MaxLength: ptr.To[int64](63), Pattern: "^[a-z]+$"},
			"berth": {Type: "integer", Format: "int32", Minimum: ptr.To(1.0), Default: &apiextensionsv1.JSON{Raw: []byte("7")}},
		},
	}
	spec := apiextensionsv1.JSONSchemaProps{
		Type: "object", Required: []string{"ports"},
		Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"ports": {
				Type: "array", XListType: ptr.To("map"), XListMapKeys: []string{"name"},
				Items: &apiextensionsv1.JSONSchemaPropsOrArray{Schema: &port},
			},
			"crew":  {Type: "object", AdditionalProperties: &apiextensionsv1.JSONSchemaPropsOrBool{Allows: true, Schema: &text}},
			"flag":  {Type: "string", Enum: []apiextensionsv1.JSON{{Raw: []byte(`"red"`)}, {Raw: []byte(`"green"`)}}},
			"cargo": {XPreserveUnknownFields: ptr.To(true)},
			"draft": {XIntOrString: true, AnyOf: []apiextensionsv1.JSONSchemaProps{{Type: "integer"}, {Type: "string"}}},
		},
	}
	root := &apiextensionsv1.JSONSchemaProps{
		Type: "object", Properties: map[string]apiextensionsv1.JSONSchemaProps{
			"apiVersion": text, "kind": text, "metadata": {Type: "object"}, "spec": spec,
		},
	}
	crd := &apiextensionsv1.CustomResourceDefinition{Spec: apiextensionsv1.CustomResourceDefinitionSpec{
		Group: "sea.example.com", Scope: apiextensionsv1.NamespaceScoped,
		Names: apiextensionsv1.CustomResourceDefinitionNames{
			Kind: "Ship", Plural: "ships", Singular: "ship", ShortNames: []string{"sh"}, Categories: []string{"fleet"},
		},
		Versions: []apiextensionsv1.CustomResourceDefinitionVersion{{
			Name: "v1", Served: true, Storage: true,
			Schema:       &apiextensionsv1.CustomResourceValidation{OpenAPIV3Schema: root},
			Subresources: &apiextensionsv1.CustomResourceSubresources{Status: &apiextensionsv1.CustomResourceSubresourceStatus{}},
			AdditionalPrinterColumns: []apiextensionsv1.CustomResourceColumnDefinition{
				{Name: "Flag", Type: "string", JSONPath: ".spec.flag"},
			},
		}},
	}}
	crd.Name = "ships.sea.example.com"
	return crd
}

// change alters one thing of a definition; want is what compare reports for it.
type change struct {
	name  string
	apply func(*apiextensionsv1.CustomResourceDefinition)
	want  []string
}

// fieldChanges are changes of the schema.
func fieldChanges() []change {
	type properties = map[string]apiextensionsv1.JSONSchemaProps
	spec := func(apply func(properties)) func(*apiextensionsv1.CustomResourceDefinition) {
		return func(crd *apiextensionsv1.CustomResourceDefinition) {
			apply(crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"].Properties)
		}
	}
	port := func(apply func(*apiextensionsv1.JSONSchemaProps)) func(*apiextensionsv1.CustomResourceDefinition) {
		return spec(func(p properties) { apply(p["ports"].Items.Schema) })
	}
	field := func(name string, apply func(*apiextensionsv1.JSONSchemaProps)) func(*apiextensionsv1.CustomResourceDefinition) {
		return spec(func(p properties) {
			changed := p[name]
			apply(&changed)
			p[name] = changed
		})
	}
	return []change{
		{"description", field("flag", func(f *apiextensionsv1.JSONSchemaProps) { f.Description = "colour" }), nil},
		{"enum order", field("flag", func(f *apiextensionsv1.JSONSchemaProps) { f.Enum[0], f.Enum[1] = f.Enum[1], f.Enum[0] }), nil},
		{"missing field", spec(func(p properties) { delete(p, "cargo") }), []string{
			`Ship v1 spec.cargo present: surface true, ours has none`,
			`Ship v1 spec.cargo x-kubernetes-preserve-unknown-fields: surface true, ours has none`,
		}},
		{"extra field", spec(func(p properties) { p["keel"] = apiextensionsv1.JSONSchemaProps{Type: "string"} }), []string{
			`Ship v1 spec.keel present: surface has none, ours true`,
			`Ship v1 spec.keel type: surface has none, ours "string"`,
		}},
		{"type", field("flag", func(f *apiextensionsv1.JSONSchemaProps) { f.Type = "integer" }), []string{
			`Ship v1 spec.flag type: surface "string", ours "integer"`,
		}},
		{"type of map values", field("crew", func(f *apiextensionsv1.JSONSchemaProps) { f.AdditionalProperties.Schema.Type = "boolean" }), []string{
			`Ship v1 spec.crew{} type: surface "string", ours "boolean"`,
		}},
		{"enum", field("flag", func(f *apiextensionsv1.JSONSchemaProps) { f.Enum = f.Enum[:1] }), []string{
			`Ship v1 spec.flag enum: surface ["green","red"], ours ["red"]`,
		}},
		{"required", port(func(p *apiextensionsv1.JSONSchemaProps) { p.Required = nil }), []string{
			`Ship v1 spec.ports[].name required: surface true, ours has none`,
		}},
		{"no longer optional", port(func(p *apiextensionsv1.JSONSchemaProps) { p.Required = append(p.Required, "berth") }), []string{
			`Ship v1 spec.ports[].berth required: surface has none, ours true`,
		}},
		{"default", port(func(p *apiextensionsv1.JSONSchemaProps) { p.Properties["berth"].Default.Raw = []byte("8") }), []string{
			`Ship v1 spec.ports[].berth default: surface 7, ours 8`,
		}},
		{"bounds and format", port(func(p *apiextensionsv1.JSONSchemaProps) {
			p.Properties["berth"] = apiextensionsv1.JSONSchemaProps{
				Type: "integer", Format: "int64", Maximum: ptr.To(9.0), Default: &apiextensionsv1.JSON{Raw: []byte("7")},
			}
		}), []string{
			`Ship v1 spec.ports[].berth format: surface "int32", ours "int64"`,
			`Ship v1 spec.ports[].berth maximum: surface has none, ours 9`,
			`Ship v1 spec.ports[].berth minimum: surface 1, ours has none`,
		}},
		{"length and pattern", port(func(p *apiextensionsv1.JSONSchemaProps) {
			p.Properties["name"] = apiextensionsv1.JSONSchemaProps{Type: "string", MaxLength: ptr.To[int64](64)}
		}), []string{
			`Ship v1 spec.ports[].name maxLength: surface 63, ours 64`,
			`Ship v1 spec.ports[].name pattern: surface "^[a-z]+$", ours has none`,
		}},
		{"int or string", field("draft", func(f *apiextensionsv1.JSONSchemaProps) { f.AnyOf, f.XIntOrString = nil, false }), []string{
			`Ship v1 spec.draft anyOf: surface [{"type":"integer"},{"type":"string"}], ours has none`,
			`Ship v1 spec.draft x-kubernetes-int-or-string: surface true, ours has none`,
		}},
		{"list type", field("ports", func(f *apiextensionsv1.JSONSchemaProps) { f.XListType, f.XListMapKeys = ptr.To("atomic"), nil }), []string{
			`Ship v1 spec.ports x-kubernetes-list-map-keys: surface ["name"], ours has none`,
			`Ship v1 spec.ports x-kubernetes-list-type: surface "map", ours "atomic"`,
		}},
		{"map type", field("crew", func(f *apiextensionsv1.JSONSchemaProps) { f.XMapType = ptr.To("atomic") }), []string{
			`Ship v1 spec.crew x-kubernetes-map-type: surface has none, ours "atomic"`,
		}},
		{"validation rule", field("crew", func(f *apiextensionsv1.JSONSchemaProps) {
			f.XValidations = apiextensionsv1.ValidationRules{{Rule: "true"}}
		}), []string{
			`Ship v1 spec.crew x-kubernetes-validations: surface has none, ours [{"rule":"true"}]`,
		}},
	}
}

// definitionChanges are changes of everything around the schema.
func definitionChanges() []change {
	return []change{
		{"nothing", func(*apiextensionsv1.CustomResourceDefinition) {}, nil},
		{"subresources", func(crd *apiextensionsv1.CustomResourceDefinition) { crd.Spec.Versions[0].Subresources = nil }, []string{
			`Ship v1 subresource status: surface {}, ours has none`,
		}},
		{"served, stored and deprecated", func(crd *apiextensionsv1.CustomResourceDefinition) {
			crd.Spec.Versions[0].Served, crd.Spec.Versions[0].Storage, crd.Spec.Versions[0].Deprecated = false, false, true
		}, []string{
			`Ship v1 deprecated: surface false, ours true`,
			`Ship v1 served: surface true, ours false`,
			`Ship v1 storage: surface true, ours false`,
		}},
		{"printer column", func(crd *apiextensionsv1.CustomResourceDefinition) {
			crd.Spec.Versions[0].AdditionalPrinterColumns[0].Priority = 1
		}, []string{
			`Ship v1 printer column 1: surface {"jsonPath":".spec.flag","name":"Flag","type":"string"},` +
				` ours {"jsonPath":".spec.flag","name":"Flag","priority":1,"type":"string"}`,
		}},
		{"extra printer column and selectable field", func(crd *apiextensionsv1.CustomResourceDefinition) {
			column := apiextensionsv1.CustomResourceColumnDefinition{Name: "Age", Type: "date", JSONPath: ".metadata.creationTimestamp"}
			crd.Spec.Versions[0].AdditionalPrinterColumns = append(crd.Spec.Versions[0].AdditionalPrinterColumns, column)
			crd.Spec.Versions[0].SelectableFields = []apiextensionsv1.SelectableField{{JSONPath: ".spec.flag"}}
		}, []string{
			`Ship v1 printer column 2: surface has none, ours {"jsonPath":".metadata.creationTimestamp","name":"Age","type":"date"}`,
			`Ship v1 selectable field 1: surface has none, ours {"jsonPath":".spec.flag"}`,
		}},
		{"names", func(crd *apiextensionsv1.CustomResourceDefinition) {
			crd.Spec.Names.ShortNames, crd.Spec.Names.Categories, crd.Spec.Names.ListKind = nil, []string{"all"}, "Armada"
			crd.Labels = map[string]string{"port": "home"}
		}, []string{
			`Ship categories: surface ["fleet"], ours ["all"]`,
			`Ship label port: surface has none, ours "home"`,
			`Ship list kind: surface "ShipList", ours "Armada"`,
			`Ship short names: surface ["sh"], ours has none`,
		}},
		{"scope and conversion", func(crd *apiextensionsv1.CustomResourceDefinition) {
			crd.Spec.Scope = apiextensionsv1.ClusterScoped
			crd.Spec.Conversion = &apiextensionsv1.CustomResourceConversion{
				Strategy: apiextensionsv1.WebhookConverter,
				Webhook: &apiextensionsv1.WebhookConversion{
					ClientConfig:             &apiextensionsv1.WebhookClientConfig{URL: ptr.To("https://harbour:443/convert")},
					ConversionReviewVersions: []string{"v1"},
				},
			}
		}, []string{
			`Ship conversion path: surface has none, ours "/convert"`,
			`Ship conversion reviewVersions: surface has none, ours ["v1"]`,
			`Ship conversion strategy: surface "None", ours "Webhook"`,
			`Ship scope: surface "Namespaced", ours "Cluster"`,
		}},
	}
}

// TestCompareFindsChanges changes one thing at a time and wants exactly that reported.
func TestCompareFindsChanges(t *testing.T) {
	for _, test := range append(fieldChanges(), definitionChanges()...) {
		t.Run(test.name, func(t *testing.T) {
			changed := ship()
			test.apply(changed)
			var got []string
			for _, d := range compare(crdFacts(t, one(ship())), crdFacts(t, one(changed))) {
				got = append(got, d.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("differences (-want +got):\n%s", diff)
			}
		})
	}
}

func one(crd *apiextensionsv1.CustomResourceDefinition) []*apiextensionsv1.CustomResourceDefinition {
	return []*apiextensionsv1.CustomResourceDefinition{crd}
}

// TestExceptWantsEveryEntryUsed checks that a listed difference is let through, and that an entry without one is reported.
func TestExceptWantsEveryEntryUsed(t *testing.T) {
	extra := factKey{Kind: "Ship", Version: "v1", Path: "spec.keel"}
	wrongType := factKey{Kind: "Ship", Version: "v1", Path: "spec.flag", Fact: "type"}
	stale := factKey{Kind: "Ship", Version: "v1", Path: "spec.mast"}
	keelType := extra
	keelType.Fact = "type"
	flagFormat := wrongType
	flagFormat.Fact = "format"

	differences := []difference{{Key: keelType, Types: "string"}, {Key: wrongType, Types: "integer"}, {Key: flagFormat, Types: "int32"}}
	remaining, unused := except(differences, []factKey{extra, wrongType, stale})
	if diff := cmp.Diff([]difference{{Key: flagFormat, Types: "int32"}}, remaining); diff != "" {
		t.Errorf("remaining (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]factKey{stale}, unused); diff != "" {
		t.Errorf("unused (-want +got):\n%s", diff)
	}
}
