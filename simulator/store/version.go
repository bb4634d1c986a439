package store

import (
	"fmt"
	"reflect"
	"strconv"
	"sync/atomic"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// version is one immutable state of one object. The version of a deletion is gone and holds the last state, with the
// revision of the deletion.
type version struct {
	revision uint64
	gone     bool
	// onlyStatus says that nothing but the status differs from the version before.
	onlyStatus bool
	// object is the stored form: a Go type for builtin and trusted kinds, else *unstructured.Unstructured.
	object client.Object
	// previous is the version this one replaced; nil when it was the first or the one before was compacted away.
	previous *version
	// indexed are the values of the kind's indexes, in their order.
	indexed [][]string

	// base is the version that this one has everything but its status and resource version from, while that has a tree form.
	base atomic.Pointer[version]

	// Derived forms, filled when first asked for.
	typed atomic.Pointer[client.Object]
	tree  atomic.Pointer[unstructured.Unstructured]
	// prepared says that the tree is being made beside the simulation.
	prepared atomic.Bool
	partial  atomic.Pointer[metav1.PartialObjectMetadata]

	seals  *seals
	shared *Shared
}

// meta gives the metadata of the stored form without copying it.
func (v *version) meta() metav1.Object {
	if _, ok := v.object.(*unstructured.Unstructured); ok {
		return v.partialForm(schema.GroupVersionKind{})
	}
	return v.object
}

// typedForm is the object as goType. The stored form is returned as it is when it has that type.
func (v *version) typedForm(goType reflect.Type) (client.Object, error) {
	if reflect.TypeOf(v.object).Elem() == goType {
		v.seals.check(v.object)
		return v.object, nil
	}
	if form := v.typed.Load(); form != nil && reflect.TypeOf(*form).Elem() == goType {
		v.seals.check(*form)
		return *form, nil
	}
	var content map[string]any
	if tree, ok := v.object.(*unstructured.Unstructured); ok {
		content = tree.Object
	} else {
		var err error
		if content, err = runtime.DefaultUnstructuredConverter.ToUnstructured(v.object); err != nil {
			return nil, err
		}
	}
	form, ok := reflect.New(goType).Interface().(client.Object)
	if !ok {
		return nil, fmt.Errorf("type %s is not an API object", goType)
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content, form); err != nil {
		return nil, err
	}
	form.GetObjectKind().SetGroupVersionKind(schema.GroupVersionKind{})
	v.typed.Store(&form)
	v.seals.add(form)
	return form, nil
}

// treeForm is the object as a tree that says gvk.
func (v *version) treeForm(gvk schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	if tree, ok := v.object.(*unstructured.Unstructured); ok {
		v.seals.check(tree)
		return inVersion(tree, gvk), nil
	}
	if tree := v.tree.Load(); tree != nil {
		v.seals.check(tree)
		return inVersion(tree, gvk), nil
	}
	tree, err := v.makeTree(gvk)
	if err != nil {
		return nil, err
	}
	v.tree.Store(tree)
	v.seals.add(tree)
	return tree, nil
}

// prepare makes the tree of a version whose predecessor was read as one.
func (s *Store) prepare(k *kind, v *version) {
	if _, isTree := v.object.(*unstructured.Unstructured); isTree || s.options.Beside == nil || s.options.Checked {
		return
	}
	v.prepared.Store(true)
	// An error shows when somebody reads it.
	s.options.Beside(func() { _, _ = v.treeForm(k.resource.GVK) })
}

// treeRead tells whether somebody has read the version as a tree or is expected to, and so will read the next one.
func (v *version) treeRead() bool { return v.prepared.Load() || v.tree.Load() != nil }

// makeTree converts a Go value, or only its status where the rest is at hand.
func (v *version) makeTree(gvk schema.GroupVersionKind) (*unstructured.Unstructured, error) {
	var before *unstructured.Unstructured
	if base := v.base.Swap(nil); base != nil {
		before = base.tree.Load()
	}
	status := reflect.ValueOf(v.object).Elem().FieldByName("Status")
	if before == nil || !status.IsValid() || status.Kind() != reflect.Struct {
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v.object)
		if err != nil {
			return nil, err
		}
		tree := &unstructured.Unstructured{Object: content}
		tree.SetGroupVersionKind(gvk)
		if v.shared != nil {
			v.shared.share(content)
		}
		return tree, nil
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(status.Addr().Interface())
	if err != nil {
		return nil, err
	}
	tree := shallow(inVersion(before, gvk)).(*unstructured.Unstructured)
	tree.Object["status"] = content
	tree.SetResourceVersion(v.object.GetResourceVersion())
	return tree, nil
}

// inVersion is tree itself, or a shallow copy that says another API version.
func inVersion(tree *unstructured.Unstructured, gvk schema.GroupVersionKind) *unstructured.Unstructured {
	apiVersion := gvk.GroupVersion().String()
	if tree.Object["apiVersion"] == apiVersion {
		return tree
	}
	content := make(map[string]any, len(tree.Object))
	for key, value := range tree.Object {
		content[key] = value
	}
	content["apiVersion"] = apiVersion
	return &unstructured.Unstructured{Object: content}
}

// partialForm is the object's metadata alone. An empty gvk leaves the type out of a form that is not cached yet.
func (v *version) partialForm(gvk schema.GroupVersionKind) *metav1.PartialObjectMetadata {
	cached := v.partial.Load()
	if cached == nil {
		cached = &metav1.PartialObjectMetadata{}
		if tree, ok := v.object.(*unstructured.Unstructured); ok {
			metadataOf(tree).DeepCopyInto(&cached.ObjectMeta)
		} else if accessor, ok := v.object.(metav1.ObjectMetaAccessor); ok {
			if meta, ok := accessor.GetObjectMeta().(*metav1.ObjectMeta); ok {
				cached.ObjectMeta = *meta
			}
		}
		v.partial.Store(cached)
		v.seals.add(cached)
	}
	v.seals.check(cached)
	if gvk.Empty() {
		return cached
	}
	form := *cached
	form.SetGroupVersionKind(gvk)
	return &form
}

// metadataOf reads the metadata of a tree. Stored trees are well formed, so nothing can fail.
func metadataOf(tree *unstructured.Unstructured) *metav1.ObjectMeta {
	meta := &metav1.ObjectMeta{}
	if content, ok := tree.Object["metadata"].(map[string]any); ok {
		// The error is impossible for a tree that passed the coercion of metadata before it was stored.
		_ = runtime.DefaultUnstructuredConverter.FromUnstructured(content, meta)
	}
	return meta
}

// record is the history of one name of one kind.
type record struct {
	kind *kind
	key  types.NamespacedName
	// head is the newest version.
	head *version
}

// live is the current version, or nil when there is no such object.
func (r *record) live() *version {
	if r == nil || r.head == nil || r.head.gone {
		return nil
	}
	return r.head
}

// at is the version that was current at a revision, or nil when there was no such object.
func (r *record) at(revision uint64) *version {
	v := r.head
	for v != nil && v.revision > revision {
		v = v.previous
	}
	if v == nil || v.gone {
		return nil
	}
	return v
}

// compareKeys orders as etcd orders the keys of objects: by the bytes of namespace, "/" and name.
func compareKeys(a, b types.NamespacedName) int {
	if a.Namespace == b.Namespace {
		return compareStrings(a.Name, b.Name)
	}
	shared := min(len(a.Namespace), len(b.Namespace))
	if c := compareStrings(a.Namespace[:shared], b.Namespace[:shared]); c != 0 {
		return c
	}
	// One is a prefix of the other, so its "/" meets the next byte of the longer one.
	if len(a.Namespace) < len(b.Namespace) {
		return compareStrings("/", b.Namespace[shared:shared+1])
	}
	return compareStrings(a.Namespace[shared:shared+1], "/")
}

func compareStrings(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

func formatRevision(revision uint64) string {
	return strconv.FormatUint(revision, 10)
}
