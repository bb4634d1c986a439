package store

import (
	"fmt"
	"reflect"

	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A draft is an object on its way into the store: owned by the write alone, in the form the kind is kept in, at the
// stored API version, pruned and with defaults.

// draft copies what a client sent. strict refuses fields the kind does not know, as fieldValidation=Strict does. Errors
// are 400 Bad Request.
func (s *Store) draft(k *kind, gvk schema.GroupVersionKind, object client.Object, strict bool) (client.Object, error) {
	if partial, ok := object.(*metav1.PartialObjectMetadata); ok {
		return nil, fmt.Errorf("writing %s %s: only patches can be made from metadata alone", gvk.Kind, partial.Name)
	}
	if k.stored != nil && reflect.TypeOf(object).Elem() == k.stored {
		return s.draftTyped(k, object.DeepCopyObject().(client.Object))
	}
	var content map[string]any
	if tree, ok := object.(runtime.Unstructured); ok {
		content, _ = s.options.Shared.canonical(tree.UnstructuredContent()).(map[string]any)
	} else {
		converted, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return nil, badRequest(gvk, err)
		}
		content, _ = canonicalTree(converted).(map[string]any)
	}
	return s.draftFromContent(k, gvk, content, strict)
}

// draftFromContent makes a draft of decoded JSON, which it takes over.
func (s *Store) draftFromContent(k *kind, gvk schema.GroupVersionKind, content map[string]any, strict bool) (client.Object,
	error) {
	if content == nil {
		content = map[string]any{}
	}
	tree := &unstructured.Unstructured{Object: content}
	tree.SetGroupVersionKind(gvk)
	// A Go type knows its fields and the defaults come later; only a tree, or a second opinion, needs the schema for that.
	if k.stored == nil || strict || gvk.Version != k.resource.GVK.Version {
		if err := k.coerce(tree, gvk.Version, strict); err != nil {
			return nil, badRequest(gvk, err)
		}
	}
	if gvk.Version != k.resource.GVK.Version {
		tree.SetGroupVersionKind(k.resource.GVK)
		if err := k.coerce(tree, k.resource.GVK.Version, false); err != nil {
			return nil, badRequest(gvk, err)
		}
	}
	if k.stored == nil {
		tree.SetManagedFields(nil)
		return tree, nil
	}
	if schema := k.schemas[k.resource.GVK.Version]; schema != nil && schema.defaults {
		defaulting.Default(tree.Object, schema.structural)
	}
	object := reflect.New(k.stored).Interface().(client.Object)
	err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(tree.Object, object, strict)
	if err != nil {
		return nil, badRequest(gvk, err)
	}
	s.complete(k, object)
	return object, nil
}

// coerce prunes and completes a tree by the schema of a version; kinds without one only get well-formed metadata.
func (k *kind) coerce(tree *unstructured.Unstructured, version string, strict bool) error {
	schema := k.schemas[version]
	if schema == nil {
		// Reading the metadata as a struct refuses what could not be stored.
		meta := &metav1.ObjectMeta{}
		content, _ := tree.Object["metadata"].(map[string]any)
		return runtime.DefaultUnstructuredConverter.FromUnstructured(content, meta)
	}
	unknown, err := schema.coerce(tree)
	if err != nil {
		return err
	}
	if strict && len(unknown) > 0 {
		return fmt.Errorf("strict decoding error: unknown field %q", unknown)
	}
	return nil
}

// draftTyped makes a draft of a Go value, which it takes over.
func (s *Store) draftTyped(k *kind, object client.Object) (client.Object, error) {
	if schema := k.schemas[k.resource.GVK.Version]; schema != nil && schema.defaults {
		completed, err := schema.completeTyped(object)
		if err != nil {
			return nil, badRequest(k.resource.GVK, err)
		}
		object = completed
	}
	s.complete(k, object)
	return object, nil
}

// complete sets the defaults of a builtin kind and brings a draft into the form it would have after a trip through JSON.
func (s *Store) complete(k *kind, object client.Object) {
	object.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	object.SetManagedFields(nil)
	if k.resource.native != nil && k.resource.native.defaults != nil {
		k.resource.native.defaults(object)
	}
	s.settler.canonicalise(object)
}

// badRequest is how a real API server refuses content it cannot decode.
func badRequest(gvk schema.GroupVersionKind, err error) error {
	return apierrors.NewBadRequest(fmt.Sprintf("%s in version %q cannot be handled as a %s: %v",
		gvk.Kind, gvk.Version, gvk.Kind, err))
}

// dedupOwners keeps the first of several references to the same owner.
func dedupOwners(object client.Object) {
	references := object.GetOwnerReferences()
	if len(references) < 2 {
		return
	}
	seen := make(map[types.UID]bool, len(references))
	kept := references[:0:0]
	for _, reference := range references {
		if !seen[reference.UID] {
			kept = append(kept, reference)
		}
		seen[reference.UID] = true
	}
	if len(kept) < len(references) {
		object.SetOwnerReferences(kept)
	}
}
