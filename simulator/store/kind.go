package store

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/google/btree"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// treeDegree is the fan-out of the ordered sets; any value works.
const treeDegree = 16

// kind is everything the store holds of one registered kind.
type kind struct {
	resource Resource
	// goTypes are the Go types by served version; versions the scheme does not know are missing.
	goTypes map[string]reflect.Type
	// stored is the Go type objects are kept as, nil when they are kept as trees.
	stored  reflect.Type
	body    body
	schemas map[string]*versionSchema

	admission []Admission
	records   map[types.NamespacedName]*record
	order     *btree.BTreeG[*record]
	indexes   []*index
}

func newRecordSet() *btree.BTreeG[*record] {
	return btree.NewG(treeDegree, func(a, b *record) bool { return compareKeys(a.key, b.key) < 0 })
}

// newKind prepares a registration.
func newKind(resource Resource, options Options) *kind {
	k := &kind{
		resource: resource,
		body:     body{encoders: options.Derived.encoders},
		goTypes:  map[string]reflect.Type{},
		records:  map[types.NamespacedName]*record{},
		order:    newRecordSet(),
	}
	k.adopt(resource, options)
	for _, admission := range options.Admission {
		if admission.GVK.GroupKind() == resource.GVK.GroupKind() {
			k.admission = append(k.admission, admission)
		}
	}
	return k
}

// adopt takes over schemas and versions, for a new kind or one whose definition has changed.
func (k *kind) adopt(resource Resource, options Options) {
	k.resource, k.schemas = resource, maps.Clone(resource.schemas)
	for _, version := range resource.servedVersions() {
		if goType := goTypeOf(options.Scheme, k.gvk(version)); goType != nil {
			k.goTypes[version] = goType
		}
	}
	k.stored = nil
	if resource.native != nil || resource.definition == nil || options.Trusting {
		k.stored = k.goTypes[resource.GVK.Version]
	}
	if shared := k.schemas[resource.GVK.Version]; shared != nil && k.stored != nil {
		own := *shared
		own.lacks = options.Derived.lacks(typed{k.stored, own.structural})
		k.schemas[resource.GVK.Version] = &own
	}
	k.body = bodyOf(k.stored, k.body.encoders)
}

// goTypeOf is the struct type the scheme has for a kind, nil when it has none.
func goTypeOf(scheme *runtime.Scheme, gvk schema.GroupVersionKind) reflect.Type {
	if !scheme.Recognizes(gvk) {
		return nil
	}
	object, err := scheme.New(gvk)
	if err != nil {
		return nil
	}
	return reflect.TypeOf(object).Elem()
}

func (k *kind) gvk(version string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: k.resource.GVK.Group, Version: version, Kind: k.resource.GVK.Kind}
}

// custom tells whether the rules of custom resources apply, not those of a builtin kind.
func (k *kind) custom() bool {
	return k.resource.native == nil
}

// live is the current version of an object, nil when there is none.
func (k *kind) live(key types.NamespacedName) *version {
	return k.records[key].live()
}

// record finds or makes the history of a key.
func (k *kind) record(key types.NamespacedName) *record {
	r := k.records[key]
	if r == nil {
		r = &record{kind: k, key: key}
		k.records[key] = r
		k.order.ReplaceOrInsert(r)
	}
	return r
}

// forget removes the record of an object that has been gone for long.
func (k *kind) forget(r *record) {
	delete(k.records, r.key)
	k.order.Delete(r)
}

// index finds objects by values computed from them. A bucket holds every record of which some retained version has the
// value, so that it serves past revisions too; readers look at the version they see.
type index struct {
	name    string
	values  func(*version) ([]string, error)
	buckets map[string]*btree.BTreeG[*record]
}

func (i *index) add(r *record, values []string) {
	for _, value := range values {
		bucket := i.buckets[value]
		if bucket == nil {
			bucket = newRecordSet()
			i.buckets[value] = bucket
		}
		bucket.ReplaceOrInsert(r)
	}
}

// index computes and enters the index values of a new version.
func (k *kind) index(r *record, v *version) error {
	if len(k.indexes) == 0 {
		return nil
	}
	v.indexed = make([][]string, len(k.indexes))
	for i, index := range k.indexes {
		values, err := index.values(v)
		if err != nil {
			return fmt.Errorf("indexing %s %s by %s: %w", k.resource.GVK.Kind, r.key, index.name, err)
		}
		v.indexed[i] = values
		index.add(r, values)
	}
	return nil
}

// unindex takes out the values of a version that was compacted away, unless a later version still has them.
func (k *kind) unindex(r *record, dropped *version) {
	for i, values := range dropped.indexed {
		for _, value := range values {
			if r.hasValue(i, value) {
				continue
			}
			index := k.indexes[i]
			if bucket := index.buckets[value]; bucket != nil {
				bucket.Delete(r)
				if bucket.Len() == 0 {
					delete(index.buckets, value)
				}
			}
		}
	}
}

func (r *record) hasValue(index int, value string) bool {
	for v := r.head; v != nil; v = v.previous {
		if index < len(v.indexed) && slices.Contains(v.indexed[index], value) {
			return true
		}
	}
	return false
}

// findIndex is the position of a registered index, -1 when there is none.
func (k *kind) findIndex(name string) int {
	return slices.IndexFunc(k.indexes, func(i *index) bool { return i.name == name })
}

// addIndex registers an index and enters everything retained. Registering it again changes nothing.
func (k *kind) addIndex(name string, values func(*version) ([]string, error)) error {
	if k.findIndex(name) >= 0 {
		return nil
	}
	added := &index{name: name, values: values, buckets: map[string]*btree.BTreeG[*record]{}}
	k.indexes = append(k.indexes, added)
	var failed error
	k.order.Ascend(func(r *record) bool {
		for v := r.head; v != nil; v = v.previous {
			for len(v.indexed) < len(k.indexes)-1 {
				v.indexed = append(v.indexed, nil)
			}
			var found []string
			if !v.gone {
				if found, failed = values(v); failed != nil {
					failed = fmt.Errorf("indexing %s %s by %s: %w", k.resource.GVK.Kind, r.key, name, failed)
					return false
				}
			}
			v.indexed = append(v.indexed, found)
			added.add(r, found)
		}
		return true
	})
	return failed
}
