package store

import (
	"fmt"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Resource registers one kind. A Resource that comes neither from Builtins nor from FromDefinition behaves like a custom
// resource that preserves unknown fields.
type Resource struct {
	// GVK is the kind at the version that is stored.
	GVK schema.GroupVersionKind
	// Plural is the resource name, such as "configmaps".
	Plural     string
	Namespaced bool
	// Status says whether there is a status subresource: then writes to the object leave the status alone.
	Status bool

	// native holds the rules of a builtin kind; nil for custom resources.
	native *nativeRules
	// definition is what a custom resource was defined by; nil when there is no schema.
	definition *apiextensionsv1.CustomResourceDefinition
	// schemas are those of the versions of the definition. Stores may share them.
	schemas map[string]*versionSchema
}

// FromDefinition is the registration of a custom resource. It fails when the definition has no storage version or its schemas
// cannot be used.
func FromDefinition(definition *apiextensionsv1.CustomResourceDefinition) (Resource, error) {
	schemas := map[string]*versionSchema{}
	for i := range definition.Spec.Versions {
		version := &definition.Spec.Versions[i]
		built, err := newVersionSchema(definition, version)
		if err != nil {
			return Resource{}, fmt.Errorf("registering %s: %w", definition.Name, err)
		}
		schemas[version.Name] = built
	}
	for i := range definition.Spec.Versions {
		version := &definition.Spec.Versions[i]
		if !version.Storage {
			continue
		}
		return Resource{
			GVK: schema.GroupVersionKind{
				Group: definition.Spec.Group, Version: version.Name, Kind: definition.Spec.Names.Kind,
			},
			Plural:     definition.Spec.Names.Plural,
			Namespaced: definition.Spec.Scope == apiextensionsv1.NamespaceScoped,
			Status:     version.Subresources != nil && version.Subresources.Status != nil,
			definition: definition.DeepCopy(),
			schemas:    schemas,
		}, nil
	}
	return Resource{}, fmt.Errorf("registering %s: no storage version", definition.Name)
}

// FromDefinitions registers several definitions at once.
func FromDefinitions(definitions []*apiextensionsv1.CustomResourceDefinition) ([]Resource, error) {
	resources := make([]Resource, 0, len(definitions))
	for _, definition := range definitions {
		resource, err := FromDefinition(definition)
		if err != nil {
			return nil, err
		}
		resources = append(resources, resource)
	}
	return resources, nil
}

func (r Resource) groupResource() schema.GroupResource {
	return schema.GroupResource{Group: r.GVK.Group, Resource: r.Plural}
}

func (r Resource) singular() string {
	if r.definition != nil && r.definition.Spec.Names.Singular != "" {
		return r.definition.Spec.Names.Singular
	}
	return strings.ToLower(r.GVK.Kind)
}

// servedVersions are the names of all versions clients may use, the stored one first.
func (r Resource) servedVersions() []string {
	versions := []string{r.GVK.Version}
	if r.definition == nil {
		return versions
	}
	for i := range r.definition.Spec.Versions {
		version := &r.definition.Spec.Versions[i]
		if version.Served && version.Name != r.GVK.Version {
			versions = append(versions, version.Name)
		}
	}
	return versions
}
