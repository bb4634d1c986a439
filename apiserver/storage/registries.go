package storage

import (
	"context"
	"fmt"

	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	"k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	searchv1alpha1 "github.com/seatrial/seatrial/api/search/v1alpha1"
	"github.com/seatrial/seatrial/search/opensearch"
)

// NewRegistries returns the storage of resource registries and their status, by resource path.
func NewRegistries(typer runtime.ObjectTyper, options generic.RESTOptionsGetter) (map[string]rest.Storage, error) {
	rules := registryStrategy{strategy{ObjectTyper: typer, NameGenerator: names.SimpleNameGenerator}}
	registries := &registry.Store{
		NewFunc:     func() runtime.Object { return &searchv1alpha1.ResourceRegistry{} },
		NewListFunc: func() runtime.Object { return &searchv1alpha1.ResourceRegistryList{} },
		// It makes the key in etcd, which is spelt like this in the reference.
		DefaultQualifiedResource:  searchv1alpha1.Resource("resourceRegistries"),
		SingularQualifiedResource: searchv1alpha1.Resource("resourceregistry"),
		CreateStrategy:            rules,
		UpdateStrategy:            rules,
		DeleteStrategy:            rules,
		ResetFieldsStrategy:       rules,
		TableConvertor:            rest.NewDefaultTableConvertor(searchv1alpha1.Resource("resourceregistries")),
	}
	if err := registries.CompleteWithOptions(&generic.StoreOptions{RESTOptions: options}); err != nil {
		return nil, fmt.Errorf("setting up the storage of resource registries: %w", err)
	}
	statusRules := registryStatusStrategy{rules}
	status := *registries
	status.UpdateStrategy = statusRules
	status.ResetFieldsStrategy = statusRules
	return map[string]rest.Storage{
		"resourceregistries":        protected{registries},
		"resourceregistries/status": &statusStorage{store: &status},
	}, nil
}

// registryStrategy rules writes of resource registries.
type registryStrategy struct{ strategy }

func (registryStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(searchv1alpha1.GroupVersion, fieldpath.MakePathOrDie("status"))
}

func (registryStrategy) PrepareForCreate(_ context.Context, obj runtime.Object) {
	made := obj.(*searchv1alpha1.ResourceRegistry)
	made.Status = searchv1alpha1.ResourceRegistryStatus{}
	made.Generation = 1
}

func (registryStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	made, before := obj.(*searchv1alpha1.ResourceRegistry), old.(*searchv1alpha1.ResourceRegistry)
	made.Status = before.Status
	made.Generation = before.Generation
	if !apiequality.Semantic.DeepEqual(made.Spec, before.Spec) {
		made.Generation++
	}
}

func (registryStrategy) Validate(_ context.Context, obj runtime.Object) field.ErrorList {
	made := obj.(*searchv1alpha1.ResourceRegistry)
	var faults field.ErrorList
	selectors := field.NewPath("spec", "resourceSelectors")
	for i, selector := range made.Spec.ResourceSelectors {
		if _, err := schema.ParseGroupVersion(selector.APIVersion); err != nil || selector.APIVersion == "" {
			faults = append(faults, field.Invalid(selectors.Index(i).Child("apiVersion"), selector.APIVersion, `must be a version, "v1", or a group and a version, "apps/v1"`))
		}
		if selector.Kind == "" {
			faults = append(faults, field.Required(selectors.Index(i).Child("kind"), "names the kind to cache"))
		}
	}
	return append(faults, validateStore(made.Spec.BackendStore, field.NewPath("spec", "backendStore", "openSearch", "addresses"))...)
}

func validateStore(store *searchv1alpha1.BackendStoreConfig, path *field.Path) field.ErrorList {
	if store == nil || store.OpenSearch == nil {
		return nil
	}
	var faults field.ErrorList
	if len(store.OpenSearch.Addresses) == 0 {
		faults = append(faults, field.Required(path, "names the URLs of the service"))
	}
	for i, address := range store.OpenSearch.Addresses {
		if _, err := opensearch.ParseAddress(address); err != nil {
			// The address may hold a password.
			faults = append(faults, field.Invalid(path.Index(i), field.OmitValueType{}, err.Error()))
		}
	}
	return faults
}

func (r registryStrategy) ValidateUpdate(ctx context.Context, obj, _ runtime.Object) field.ErrorList {
	return r.Validate(ctx, obj)
}

// WarningsOnCreate tells of a store that is none.
func (registryStrategy) WarningsOnCreate(_ context.Context, obj runtime.Object) []string {
	store := obj.(*searchv1alpha1.ResourceRegistry).Spec.BackendStore
	if store == nil || store.OpenSearch != nil {
		return nil
	}
	return []string{"spec.backendStore names no store: objects are kept in memory alone"}
}

// registryStatusStrategy rules writes of their status: nothing else changes.
type registryStatusStrategy struct{ registryStrategy }

func (registryStatusStrategy) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return resetFields(searchv1alpha1.GroupVersion, fieldpath.MakePathOrDie("metadata"), fieldpath.MakePathOrDie("spec"))
}

func (registryStatusStrategy) PrepareForUpdate(_ context.Context, obj, old runtime.Object) {
	made, before := obj.(*searchv1alpha1.ResourceRegistry), old.(*searchv1alpha1.ResourceRegistry)
	managed, version := made.ManagedFields, made.ResourceVersion
	before.ObjectMeta.DeepCopyInto(&made.ObjectMeta)
	made.ManagedFields, made.ResourceVersion = managed, version
	made.Spec = before.Spec
}

func (registryStatusStrategy) ValidateUpdate(context.Context, runtime.Object, runtime.Object) field.ErrorList {
	return nil
}
