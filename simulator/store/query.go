package store

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"sort"

	"github.com/google/btree"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// page is the answer to one list request.
type page struct {
	versions []*version
	revision uint64
	// next continues the list; empty when it is complete.
	next string
	// remaining counts what follows; nil when the list is complete or was selected from.
	remaining *int64
}

// continuation is the content of a continue token: the list goes on after a key, at the revision it started at.
type continuation struct {
	Revision  uint64 `json:"rv"`
	Namespace string `json:"ns,omitempty"`
	Name      string `json:"name"`
}

// filter is a compiled list request.
type filter struct {
	namespace string
	labels    labels.Selector
	fields    []fieldTest
}

// fieldTest compares one field, by an index or by what the kind can select.
type fieldTest struct {
	value   string
	negated bool
	// index is the position of the index that knows the field, -1 when get does.
	index int
	get   func(*version) string
}

// query answers a list request.
func (v *View) query(k *kind, options *client.ListOptions) (page, error) {
	v.store.mu.RLock()
	defer v.store.mu.RUnlock()
	revision, err := v.pin()
	if err != nil {
		return page{}, err
	}
	var after *types.NamespacedName
	if options.Continue != "" {
		token, err := parseContinue(options.Continue)
		if err != nil {
			return page{}, err
		}
		if err := v.store.retained(token.Revision); err != nil {
			return page{}, apierrors.NewResourceExpired("The provided continue parameter is too old " +
				"to display a consistent list result. You must start a new list without the continue parameter.")
		}
		revision, after = token.Revision, &types.NamespacedName{Namespace: token.Namespace, Name: token.Name}
	}
	wanted, err := k.compile(options)
	if err != nil {
		return page{}, err
	}
	return k.collect(wanted, revision, after, options.Limit), nil
}

func (k *kind) collect(wanted filter, revision uint64, after *types.NamespacedName, limit int64) page {
	result := page{revision: revision}
	var last types.NamespacedName
	beyond := int64(0)
	k.candidates(wanted, after, func(r *record) bool {
		v := r.at(revision)
		if v == nil || !wanted.matches(v) {
			return true
		}
		if limit > 0 && int64(len(result.versions)) == limit {
			beyond++
			return wanted.everything()
		}
		result.versions = append(result.versions, v)
		last = r.key
		return true
	})
	if beyond > 0 {
		result.next = formatContinue(continuation{Revision: revision, Namespace: last.Namespace, Name: last.Name})
		if wanted.everything() {
			result.remaining = &beyond
		}
	}
	return result
}

// candidates visits records that may match, in order, from the smallest set at hand.
func (k *kind) candidates(wanted filter, after *types.NamespacedName, visit func(*record) bool) {
	set := k.order
	for _, test := range wanted.fields {
		if test.index >= 0 && !test.negated {
			set = k.indexes[test.index].buckets[test.value]
			break
		}
	}
	if set == k.order {
		set = k.labelled(wanted.labels, set)
	}
	if set == nil {
		return
	}
	start := &record{key: types.NamespacedName{Namespace: wanted.namespace}}
	if after != nil {
		start.key = *after
	}
	set.AscendGreaterOrEqual(start, func(r *record) bool {
		if wanted.namespace != "" && r.key.Namespace != wanted.namespace {
			return false
		}
		if after != nil && r.key == *after {
			return true
		}
		return visit(r)
	})
}

// labelled narrows to the bucket of an indexed label that the selector pins to one value.
func (k *kind) labelled(selector labels.Selector, all *btree.BTreeG[*record]) *btree.BTreeG[*record] {
	requirements, _ := selector.Requirements()
	for _, requirement := range requirements {
		operator := requirement.Operator()
		pinned := operator == selection.Equals || operator == selection.DoubleEquals || operator == selection.In
		if !pinned || requirement.Values().Len() != 1 {
			continue
		}
		if i := k.findIndex(labelIndex(requirement.Key())); i >= 0 {
			return k.indexes[i].buckets[requirement.Values().UnsortedList()[0]]
		}
	}
	return all
}

func labelIndex(label string) string {
	return "metadata.labels/" + label
}

// compile checks the selectors of a list request. Unknown fields are refused with 400, as a real API server does.
func (k *kind) compile(options *client.ListOptions) (filter, error) {
	wanted := filter{namespace: options.Namespace, labels: options.LabelSelector}
	if !k.resource.Namespaced {
		wanted.namespace = ""
	}
	if wanted.labels == nil {
		wanted.labels = labels.Everything()
	}
	if options.Limit < 0 {
		return wanted, apierrors.NewBadRequest("limit must not be negative")
	}
	if options.FieldSelector == nil {
		return wanted, nil
	}
	for _, requirement := range options.FieldSelector.Requirements() {
		test, err := k.compileField(requirement)
		if err != nil {
			return wanted, err
		}
		if requirement.Field == "metadata.namespace" && !test.negated && wanted.namespace == "" {
			wanted.namespace = requirement.Value
		}
		wanted.fields = append(wanted.fields, test)
	}
	return wanted, nil
}

func (k *kind) compileField(requirement fields.Requirement) (fieldTest, error) {
	test := fieldTest{
		value:   requirement.Value,
		negated: requirement.Operator == selection.NotEquals,
		index:   k.findIndex(requirement.Field),
	}
	if test.index >= 0 {
		return test, nil
	}
	switch requirement.Field {
	case "metadata.name":
		test.get = func(v *version) string { return v.object.GetName() }
		return test, nil
	case "metadata.namespace":
		if k.resource.Namespaced || k.resource.native != nil {
			test.get = func(v *version) string { return v.object.GetNamespace() }
			return test, nil
		}
	}
	if k.resource.native != nil {
		if get := k.resource.native.fields[requirement.Field]; get != nil {
			test.get = func(v *version) string { return get(v.object) }
			return test, nil
		}
	}
	return k.compileCustomField(requirement, test)
}

// compileCustomField looks for the field among the selectableFields of a definition.
func (k *kind) compileCustomField(requirement fields.Requirement, test fieldTest) (fieldTest, error) {
	if path, found := k.selectable(requirement.Field); found {
		gvk := k.resource.GVK
		test.get = func(v *version) string {
			tree, err := v.treeForm(gvk)
			if err != nil {
				return ""
			}
			value, found, err := unstructured.NestedFieldNoCopy(tree.Object, path...)
			if err != nil || !found || value == nil {
				return ""
			}
			return fmt.Sprint(value)
		}
		return test, nil
	}
	return test, apierrors.NewBadRequest(fmt.Sprintf(
		"Unable to find %q that match label selector %q, field selector %q: field label not supported: %s",
		k.resource.GVK.GroupVersion().WithResource(k.resource.Plural).String(), "",
		requirement.Field+"="+requirement.Value, requirement.Field))
}

// everything tells whether nothing is selected by label or field.
func (f filter) everything() bool {
	return f.labels.Empty() && len(f.fields) == 0
}

// matches tests labels and fields; the namespace is for the caller to compare.
func (f filter) matches(v *version) bool {
	for _, test := range f.fields {
		var equal bool
		if test.index >= 0 {
			equal = test.index < len(v.indexed) && slices.Contains(v.indexed[test.index], test.value)
		} else {
			equal = test.get(v) == test.value
		}
		if equal == test.negated {
			return false
		}
	}
	return f.labels.Empty() || f.labels.Matches(labels.Set(v.meta().GetLabels()))
}

func formatContinue(token continuation) string {
	encoded, err := json.Marshal(token)
	if err != nil {
		panic(fmt.Sprintf("encoding a continue token: %v", err))
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}

func parseContinue(text string) (continuation, error) {
	var token continuation
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(decoded, &token)
	}
	if err != nil || token.Name == "" {
		return token, apierrors.NewBadRequest(fmt.Sprintf("continue key is not valid: %v", err))
	}
	return token, nil
}

// IndexLabels makes lists of a kind that pin one of these labels to a value visit only objects that have it.
func (s *Store) IndexLabels(object client.Object, keys ...string) error {
	gvk, err := s.gvkOf(object)
	if err != nil {
		return err
	}
	k, err := s.kindFor(gvk)
	if err != nil {
		return err
	}
	sort.Strings(keys)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, key := range keys {
		values := func(v *version) ([]string, error) {
			if value, found := v.meta().GetLabels()[key]; found {
				return []string{value}, nil
			}
			return nil, nil
		}
		if err := k.addIndex(labelIndex(key), values); err != nil {
			return err
		}
	}
	return nil
}
