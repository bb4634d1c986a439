package api_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"sort"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// factKey addresses one fact of the API: what is said (Fact) about which part (Path) of a version of a kind. Version is empty
// for facts of the kind as a whole, Path is empty for facts that are not about a field.
type factKey struct {
	Kind, Version, Path, Fact string
}

func (k factKey) String() string {
	parts := []string{k.Kind}
	for _, part := range []string{k.Version, k.Path, k.Fact} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	return strings.Join(parts, " ")
}

// factSet holds facts in the shapes that encoding/json decodes into, so that two sets compare with reflect.DeepEqual.
type factSet map[factKey]any

// factPresent is recorded for every field, so that a field without any other fact still counts.
const factPresent = "present"

// add records a fact after a round trip through JSON. Empty lists and maps are no fact.
func (s factSet) add(key factKey, value any) {
	raw, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("%s: %v", key, err))
	}
	var decoded any
	if err := json.Unmarshal(raw, &decoded); err != nil {
		panic(fmt.Sprintf("%s: %v", key, err))
	}
	switch v := decoded.(type) {
	case nil:
		return
	case []any:
		if len(v) == 0 {
			return
		}
		if key.Fact == "enum" {
			sortByText(v)
		}
	}
	s[key] = decoded
}

// sortByText orders values whose order carries no meaning, such as those of an enum.
func sortByText(values []any) {
	sort.Slice(values, func(i, j int) bool { return fmt.Sprint(values[i]) < fmt.Sprint(values[j]) })
}

// addCRD records what a CustomResourceDefinition says, with the defaults of the API server filled in.
func (s factSet) addCRD(crd *apiextensionsv1.CustomResourceDefinition) error {
	names := crd.Spec.Names
	resource := resourceFacts{
		CRDName: crd.Name, Group: crd.Spec.Group, Kind: names.Kind, ListKind: names.ListKind, Plural: names.Plural,
		Singular: names.Singular, Scope: string(crd.Spec.Scope), ShortNames: names.ShortNames, Categories: names.Categories,
		Labels: crd.Labels,
	}
	conversion, err := conversionOf(crd.Spec.Conversion)
	if err != nil {
		return fmt.Errorf("conversion of %s: %w", crd.Name, err)
	}
	resource.Conversion = conversion
	s.addResource(resource)
	for _, version := range crd.Spec.Versions {
		if version.Schema == nil || version.Schema.OpenAPIV3Schema == nil {
			return fmt.Errorf("%s version %s has no schema", crd.Name, version.Name)
		}
		facts := versionFacts{
			Name: version.Name, Served: version.Served, Storage: version.Storage, Deprecated: version.Deprecated,
			DeprecationWarning: version.DeprecationWarning,
		}
		for _, column := range version.AdditionalPrinterColumns {
			facts.Columns = append(facts.Columns, column)
		}
		for _, field := range version.SelectableFields {
			facts.SelectableFields = append(facts.SelectableFields, field)
		}
		if facts.Subresources, err = asMap(version.Subresources); err != nil {
			return fmt.Errorf("subresources of %s version %s: %w", crd.Name, version.Name, err)
		}
		s.addVersion(names.Kind, facts)
		root, err := asMap(version.Schema.OpenAPIV3Schema)
		if err != nil {
			return fmt.Errorf("schema of %s version %s: %w", crd.Name, version.Name, err)
		}
		s.addSchema(names.Kind, version.Name, root)
	}
	return nil
}

// conversionOf reduces a conversion to what clients can observe: strategy, and path and review versions of a webhook.
func conversionOf(conversion *apiextensionsv1.CustomResourceConversion) (map[string]any, error) {
	if conversion == nil {
		return map[string]any{"strategy": string(apiextensionsv1.NoneConverter)}, nil
	}
	facts := map[string]any{"strategy": string(conversion.Strategy)}
	webhook := conversion.Webhook
	if webhook == nil {
		return facts, nil
	}
	facts["reviewVersions"] = webhook.ConversionReviewVersions
	config := webhook.ClientConfig
	switch {
	case config == nil:
	case config.URL != nil:
		address, err := url.Parse(*config.URL)
		if err != nil {
			return nil, err
		}
		facts["path"] = address.Path
	case config.Service != nil && config.Service.Path != nil:
		facts["path"] = *config.Service.Path
	}
	return facts, nil
}

// resourceFacts is what is said about a kind as a whole.
type resourceFacts struct {
	CRDName, Group, Kind, ListKind, Plural, Singular, Scope string
	ShortNames, Categories                                  []string
	Labels                                                  map[string]string
	Conversion                                              map[string]any
}

func (s factSet) addResource(resource resourceFacts) {
	if resource.ListKind == "" {
		resource.ListKind = resource.Kind + "List"
	}
	say := func(fact string, value any) { s.add(factKey{Kind: resource.Kind, Fact: fact}, value) }
	say("crd name", resource.CRDName)
	say("group", resource.Group)
	say("list kind", resource.ListKind)
	say("plural", resource.Plural)
	say("singular", resource.Singular)
	say("scope", resource.Scope)
	say("short names", resource.ShortNames)
	say("categories", resource.Categories)
	for label, value := range resource.Labels {
		say("label "+label, value)
	}
	for part, value := range resource.Conversion {
		say("conversion "+part, value)
	}
}

// versionFacts is what is said about one version of a kind, apart from its fields.
type versionFacts struct {
	Name                        string
	Served, Storage, Deprecated bool
	DeprecationWarning          *string
	Columns, SelectableFields   []any
	Subresources                map[string]any
}

func (s factSet) addVersion(kind string, version versionFacts) {
	say := func(fact string, value any) { s.add(factKey{Kind: kind, Version: version.Name, Fact: fact}, value) }
	say("served", version.Served)
	say("storage", version.Storage)
	say("deprecated", version.Deprecated)
	say("deprecation warning", version.DeprecationWarning)
	for i, column := range version.Columns {
		say(fmt.Sprintf("printer column %d", i+1), column)
	}
	for i, field := range version.SelectableFields {
		say(fmt.Sprintf("selectable field %d", i+1), field)
	}
	for name, subresource := range version.Subresources {
		say("subresource "+name, subresource)
	}
}

// addSchema records the facts of a schema in JSON form and of everything below it: every keyword but those that only carry
// text.
func (s factSet) addSchema(kind, version string, schema map[string]any) {
	walkSchema(".", schema, false, func(path string, keywords map[string]any) {
		s.addField(kind, version, path, keywords)
	})
}

func (s factSet) addField(kind, version, path string, keywords map[string]any) {
	s.add(factKey{kind, version, path, factPresent}, true)
	for keyword, value := range keywords {
		if keyword != "description" && keyword != "title" {
			s.add(factKey{kind, version, path, keyword}, value)
		}
	}
}

// walkSchema calls visit for a schema in JSON form and for every schema below it. The path of the object is "."; a field is
// joined with ".", "[]" stands for an item of a list and "{}" for a value of a map. The keywords are those of the schema
// without the ones that hold other schemas; "required" is true at a required field. apiVersion and kind of the object are left
// out, they are alike everywhere.
func walkSchema(path string, schema map[string]any, required bool, visit func(path string, keywords map[string]any)) {
	items, isList := schema["items"].(map[string]any)
	values, isMap := schema["additionalProperties"].(map[string]any)
	properties, _ := schema["properties"].(map[string]any)
	needed, _ := schema["required"].([]any)

	keywords := maps.Clone(schema)
	delete(keywords, "properties")
	delete(keywords, "required")
	if required {
		keywords["required"] = true
	}
	if isList {
		delete(keywords, "items")
		walkSchema(path+"[]", items, false, visit)
	}
	if isMap {
		delete(keywords, "additionalProperties")
		walkSchema(path+"{}", values, false, visit)
	}
	visit(path, keywords)
	for name, property := range properties {
		below, _ := property.(map[string]any)
		isNeeded := slices.Contains(needed, any(name))
		switch {
		case path != ".":
			walkSchema(path+"."+name, below, isNeeded, visit)
		case name != "apiVersion" && name != "kind":
			walkSchema(name, below, isNeeded, visit)
		}
	}
}

// asMap returns the JSON form of a value; it is nil for a nil value.
func asMap(value any) (map[string]any, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var decoded map[string]any
	return decoded, json.Unmarshal(raw, &decoded)
}
