package store

import (
	"context"
	"fmt"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
)

// Reader reads the store as it is, sharing what it reads: Get and List fill the given objects with the stored ones, whose
// maps, slices and pointers must not be written to.
func (s *Store) Reader() client.Reader {
	return &View{store: s, newest: true}
}

// View is the store as it was at one revision. What it reads is shared and must not be written to.
type View struct {
	store    *Store
	revision uint64
	// newest follows the store; then revision has no meaning.
	newest bool
	// copied makes reads copy.
	copied bool
}

var _ client.Reader = (*View)(nil)

// At is the store as it was at a revision. Reads fail with 410 Expired once the revision is compacted away.
func (s *Store) At(revision uint64) *View {
	return &View{store: s, revision: revision}
}

// Revision is the revision the view shows.
func (v *View) Revision() uint64 {
	if v.newest {
		return v.store.Revision()
	}
	return v.revision
}

// pin gives the revision to read at, with the store locked for reading.
func (v *View) pin() (uint64, error) {
	if v.newest {
		return v.store.revision, nil
	}
	return v.revision, v.store.retained(v.revision)
}

// Get implements client.Reader.
func (v *View) Get(_ context.Context, key client.ObjectKey, object client.Object, _ ...client.GetOption) error {
	k, gvk, err := v.store.target(object)
	if err != nil {
		return err
	}
	found, err := v.find(k, k.normalKey(key))
	if err != nil {
		return err
	}
	if found == nil {
		return apierrors.NewNotFound(k.resource.groupResource(), key.Name)
	}
	return fill(object, gvk, found, v.copied)
}

func (v *View) find(k *kind, key types.NamespacedName) (*version, error) {
	v.store.mu.RLock()
	defer v.store.mu.RUnlock()
	revision, err := v.pin()
	if err != nil {
		return nil, err
	}
	r := k.records[key]
	if r == nil {
		return nil, nil
	}
	return r.at(revision), nil
}

// normalKey drops the namespace of a cluster-scoped kind, as clients do when they build the URL.
func (k *kind) normalKey(key types.NamespacedName) types.NamespacedName {
	if !k.resource.Namespaced {
		key.Namespace = ""
	}
	return key
}

// target finds out what an object is.
func (s *Store) target(object runtime.Object) (*kind, schema.GroupVersionKind, error) {
	s.mu.RLock()
	known := s.byType[reflect.TypeOf(object)]
	s.mu.RUnlock()
	if known.kind != nil {
		return known.kind, known.gvk, nil
	}
	gvk, err := s.gvkOf(object)
	if err != nil {
		return nil, gvk, err
	}
	k, err := s.kindFor(gvk)
	return k, gvk, err
}

// gvkOf tells the kind of an object or list, as clients do: by the scheme for Go types, by what it says for others.
func (s *Store) gvkOf(object runtime.Object) (schema.GroupVersionKind, error) {
	switch object := object.(type) {
	case *unstructured.Unstructured:
		if gvk := object.GroupVersionKind(); gvk.Kind != "" && gvk.Version != "" {
			return gvk, nil
		}
		return apiutil.GVKForObject(object, s.options.Scheme)
	case runtime.Unstructured, *metav1.PartialObjectMetadata, *metav1.PartialObjectMetadataList:
		return apiutil.GVKForObject(object, s.options.Scheme)
	}
	goType := reflect.TypeOf(object)
	s.mu.RLock()
	known, found := s.byType[goType]
	s.mu.RUnlock()
	if found {
		return known.gvk, nil
	}
	gvk, err := apiutil.GVKForObject(object, s.options.Scheme)
	if err != nil {
		return gvk, err
	}
	k, err := s.kindFor(gvk)
	if err != nil {
		k = nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byType[goType] = served{gvk, k}
	return gvk, nil
}

// fill writes a version into the caller's object, in the form and API version the caller asks for.
func fill(object client.Object, gvk schema.GroupVersionKind, v *version, copied bool) error {
	switch into := object.(type) {
	case *metav1.PartialObjectMetadata:
		*into = *v.partialForm(gvk)
		if copied {
			into.ObjectMeta = *into.ObjectMeta.DeepCopy()
		}
		return nil
	case runtime.Unstructured:
		tree, err := v.treeForm(gvk)
		if err != nil {
			return fmt.Errorf("reading %s %s/%s: %w", gvk.Kind, v.object.GetNamespace(), v.object.GetName(), err)
		}
		content := tree.Object
		if copied {
			content = runtime.DeepCopyJSON(content)
		}
		into.SetUnstructuredContent(content)
		return nil
	}
	form, err := v.typedForm(reflect.TypeOf(object).Elem())
	if err != nil {
		return fmt.Errorf("reading %s %s/%s: %w", gvk.Kind, v.object.GetNamespace(), v.object.GetName(), err)
	}
	if copied {
		form = form.DeepCopyObject().(client.Object)
	}
	reflect.ValueOf(object).Elem().Set(reflect.ValueOf(form).Elem())
	return nil
}

// List implements client.Reader.
func (v *View) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	listOptions := (&client.ListOptions{}).ApplyOptions(options)
	listKind, err := v.store.gvkOf(list)
	if err != nil {
		return err
	}
	gvk := listKind
	gvk.Kind = strings.TrimSuffix(gvk.Kind, "List")
	k, err := v.store.kindFor(gvk)
	if err != nil {
		return err
	}
	page, err := v.query(k, listOptions)
	if err != nil {
		return err
	}
	list.SetResourceVersion(formatRevision(page.revision))
	list.SetContinue(page.next)
	list.SetRemainingItemCount(page.remaining)
	return fillList(list, gvk, page.versions, v.copied)
}

// fillList writes versions into the items of the caller's list.
func fillList(list client.ObjectList, gvk schema.GroupVersionKind, versions []*version, copied bool) error {
	switch into := list.(type) {
	case *unstructured.UnstructuredList:
		into.Items = make([]unstructured.Unstructured, len(versions))
		for i, v := range versions {
			if err := fill(&into.Items[i], gvk, v, copied); err != nil {
				return err
			}
		}
		return nil
	case *metav1.PartialObjectMetadataList:
		into.Items = make([]metav1.PartialObjectMetadata, len(versions))
		for i, v := range versions {
			if err := fill(&into.Items[i], gvk, v, copied); err != nil {
				return err
			}
		}
		return nil
	}
	return fillTypedList(list, gvk, versions, copied)
}

// fillTypedList fills lists whose items are structs, as those of all API types are.
func fillTypedList(list client.ObjectList, gvk schema.GroupVersionKind, versions []*version, copied bool) error {
	pointer, err := meta.GetItemsPtr(list)
	if err != nil {
		return fmt.Errorf("listing %s: %w", gvk.Kind, err)
	}
	items := reflect.ValueOf(pointer).Elem()
	filled := reflect.MakeSlice(items.Type(), len(versions), len(versions))
	for i, v := range versions {
		item := filled.Index(i)
		if item.Kind() == reflect.Pointer {
			item.Set(reflect.New(item.Type().Elem()))
		} else {
			item = item.Addr()
		}
		object, ok := item.Interface().(client.Object)
		if !ok {
			return fmt.Errorf("listing %s: items of %T are not API objects", gvk.Kind, list)
		}
		if err := fill(object, gvk, v, copied); err != nil {
			return err
		}
	}
	items.Set(filled)
	return nil
}

// Peek returns the current object itself, shared, in the kind's Go type when the scheme knows it, else unstructured;
// nil when there is none. It is the cheapest read.
func (s *Store) Peek(gvk schema.GroupVersionKind, key types.NamespacedName) client.Object {
	k, err := s.kindFor(gvk)
	if err != nil {
		return nil
	}
	v := s.current(k, k.normalKey(key))
	if v == nil {
		return nil
	}
	return k.preferred(v)
}
