package cache

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/seatrial/seatrial/api/names"
)

// entry is one object of one cluster as it is kept: encoded, which takes a fraction of the memory of a tree.
type entry struct {
	namespace, name string
	labels          labels.Set
	version         uint64
	raw             []byte
}

// newEntry leaves out the bookkeeping of field managers, often half of an object, which nobody reads by way of a cache.
func newEntry(object any) (*entry, error) {
	tree, ok := object.(*unstructured.Unstructured)
	if !ok {
		return nil, fmt.Errorf("keeping a %T: only trees are kept", object)
	}
	tree.SetManagedFields(nil)
	version, err := parseVersion(tree.GetResourceVersion())
	if err != nil {
		return nil, fmt.Errorf("keeping %s %s/%s: %w", tree.GetKind(), tree.GetNamespace(), tree.GetName(), err)
	}
	raw, err := json.Marshal(tree.Object)
	if err != nil {
		return nil, fmt.Errorf("keeping %s %s/%s: %w", tree.GetKind(), tree.GetNamespace(), tree.GetName(), err)
	}
	return &entry{namespace: tree.GetNamespace(), name: tree.GetName(), labels: tree.GetLabels(), version: version, raw: raw}, nil
}

// key orders the objects of a cluster as an API server lists them.
func (e *entry) key() string { return keyOf(e.namespace, e.name) }

func keyOf(namespace, name string) string { return namespace + "/" + name }

// tree is the object with the mark of the cluster it comes from, the caller's own.
func (e *entry) tree(cluster string) (*unstructured.Unstructured, error) {
	made := &unstructured.Unstructured{}
	if err := made.UnmarshalJSON(e.raw); err != nil {
		return nil, fmt.Errorf("decoding %s of cluster %s: %w", e.key(), cluster, err)
	}
	annotations := made.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[names.AnnotationCachedFromCluster] = cluster
	made.SetAnnotations(annotations)
	return made, nil
}

// Selection is what a client wants of a kind. Nil selectors select all.
type Selection struct {
	Namespace string
	Labels    labels.Selector
	// Fields may name any field of an object by its path.
	Fields fields.Selector
}

func (s Selection) has(e *entry) bool {
	if s.Namespace != metav1.NamespaceAll && s.Namespace != e.namespace || s.Labels != nil && !s.Labels.Matches(e.labels) {
		return false
	}
	return s.Fields == nil || s.Fields.Empty() || s.Fields.Matches(&lookup{entry: e})
}

// lookup reads fields by path. The name and the namespace, by which most ask, need no decoding.
type lookup struct {
	*entry
	decoded map[string]any
}

func (l *lookup) Has(string) bool { return true }

func (l *lookup) Get(path string) string {
	switch path {
	case "metadata.name":
		return l.name
	case "metadata.namespace":
		return l.namespace
	}
	if l.decoded == nil && json.Unmarshal(l.raw, &l.decoded) != nil {
		return ""
	}
	value, found, err := unstructured.NestedFieldNoCopy(l.decoded, strings.Split(path, ".")...)
	if !found || err != nil || value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

func parseVersion(text string) (uint64, error) {
	version, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("resource version %q of a member is no number", text)
	}
	return version, nil
}

func formatVersion(version uint64) string { return strconv.FormatUint(version, 10) }
