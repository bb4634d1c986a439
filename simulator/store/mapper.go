package store

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	apiversion "k8s.io/apimachinery/pkg/version"
)

// liveMapper is a RESTMapper whose kinds come and go while it is in use.
type liveMapper struct {
	mu      sync.RWMutex
	current meta.RESTMapper
	// built counts what was current so far.
	built atomic.Uint64
}

var _ meta.RESTMapper = (*liveMapper)(nil)

// rebuild replaces what the mapper knows.
func (m *liveMapper) rebuild(resources []Resource) {
	mapper := meta.NewDefaultRESTMapper(preferences(resources))
	for _, resource := range resources {
		scope := meta.RESTScopeRoot
		if resource.Namespaced {
			scope = meta.RESTScopeNamespace
		}
		for _, name := range resource.servedVersions() {
			gv := schema.GroupVersion{Group: resource.GVK.Group, Version: name}
			mapper.AddSpecific(gv.WithKind(resource.GVK.Kind), gv.WithResource(resource.Plural),
				gv.WithResource(resource.singular()), scope)
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.current = mapper
	m.built.Add(1)
}

// preferences lists all group versions; within a group the stablest version comes first.
func preferences(resources []Resource) []schema.GroupVersion {
	var all []schema.GroupVersion
	for _, resource := range resources {
		for _, name := range resource.servedVersions() {
			all = append(all, schema.GroupVersion{Group: resource.GVK.Group, Version: name})
		}
	}
	slices.SortFunc(all, func(a, b schema.GroupVersion) int {
		return cmp.Or(strings.Compare(a.Group, b.Group), apiversion.CompareKubeAwareVersionStrings(b.Version, a.Version))
	})
	return slices.Compact(all)
}

func (m *liveMapper) get() meta.RESTMapper {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.current
}

func (m *liveMapper) KindFor(resource schema.GroupVersionResource) (schema.GroupVersionKind, error) {
	return m.get().KindFor(resource)
}

func (m *liveMapper) KindsFor(resource schema.GroupVersionResource) ([]schema.GroupVersionKind, error) {
	return m.get().KindsFor(resource)
}

func (m *liveMapper) ResourceFor(input schema.GroupVersionResource) (schema.GroupVersionResource, error) {
	return m.get().ResourceFor(input)
}

func (m *liveMapper) ResourcesFor(input schema.GroupVersionResource) ([]schema.GroupVersionResource, error) {
	return m.get().ResourcesFor(input)
}

func (m *liveMapper) RESTMapping(gk schema.GroupKind, versions ...string) (*meta.RESTMapping, error) {
	return m.get().RESTMapping(gk, versions...)
}

func (m *liveMapper) RESTMappings(gk schema.GroupKind, versions ...string) ([]*meta.RESTMapping, error) {
	return m.get().RESTMappings(gk, versions...)
}

func (m *liveMapper) ResourceSingularizer(resource string) (string, error) {
	return m.get().ResourceSingularizer(resource)
}
