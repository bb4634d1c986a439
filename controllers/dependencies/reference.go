package dependencies

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/admission"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// reference names one object, or several by their labels.
type reference struct {
	configv1alpha1.DependentObjectReference
}

func (r reference) kind() schema.GroupVersionKind {
	return schema.FromAPIVersionAndKind(r.APIVersion, r.Kind)
}

// String reads "Secret shop/key", or "Secret shop by labels".
func (r reference) String() string {
	if r.Name == "" {
		return r.Kind + " " + r.Namespace + " by labels"
	}
	return r.Kind + " " + names.NamespacedKey(r.Namespace, r.Name)
}

const (
	dependencyField = "seatrial.dependency"
	// anyName stands for all that a reference by labels may mean. No object has such a name.
	anyName = "*"
)

// byDependency indexes parents by what their annotation names.
func byDependency() control.Index {
	return control.Index{Object: &workv1alpha2.ResourceBinding{}, Field: dependencyField, Values: func(object client.Object) []string {
		text, noted := object.GetAnnotations()[names.AnnotationDependencies]
		if !noted {
			return nil
		}
		// Admission refuses what cannot be read.
		list, _ := admission.ParseDependencies(text)
		var values []string
		for _, entry := range list {
			values = append(values, indexed(entry.APIVersion, entry.Kind, entry.Namespace, cmp.Or(entry.Name, anyName)))
		}
		return values
	}}
}

func indexed(apiVersion, kind, namespace, name string) string {
	return apiVersion + " " + kind + " " + namespace + "/" + name
}

// parentsOf are the bindings whose templates may need an object.
func parentsOf(ctx context.Context, reader client.Reader, object workv1alpha2.ObjectReference) []control.Key {
	var keys []control.Key
	for _, name := range []string{object.Name, anyName} {
		parents := &workv1alpha2.ResourceBindingList{}
		value := indexed(object.APIVersion, object.Kind, object.Namespace, name)
		if err := reader.List(ctx, parents, client.MatchingFields{dependencyField: value}); err != nil {
			return nil
		}
		for i := range parents.Items {
			keys = append(keys, control.KeyOf(&parents.Items[i]))
		}
	}
	return keys
}

// references are what a template needs by its interpreter, and by an annotation that users may write on it: a list of
// references to objects of its own namespace, in JSON. They are sorted, each once, without what is never propagated.
func (d *distributor) references(ctx context.Context, deps control.Deps, template *unstructured.Unstructured) ([]reference, error) {
	list, err := explicit(template)
	if err != nil {
		return nil, err
	}
	if deps.Interpreter.Supports(template.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretDependency) {
		interpreted, err := deps.Interpreter.Dependencies(ctx, template)
		if err != nil {
			return nil, fmt.Errorf("reading the dependencies of %s: %w", workload.Describe(template), err)
		}
		list = append(list, interpreted...)
	}
	references := make([]reference, 0, len(list))
	for _, entry := range list {
		// A reference with neither a name nor labels means nothing: it must not mean everything.
		if entry.Name == "" && entry.LabelSelector == nil || d.options.Skipped.Skips(schema.FromAPIVersionAndKind(entry.APIVersion, entry.Kind), entry.Namespace) {
			continue
		}
		references = append(references, reference{entry})
	}
	slices.SortFunc(references, compare)
	return slices.CompactFunc(references, func(a, b reference) bool { return compare(a, b) == 0 }), nil
}

func compare(a, b reference) int {
	return cmp.Or(cmp.Compare(a.APIVersion, b.APIVersion), cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace),
		cmp.Compare(a.Name, b.Name), cmp.Compare(metav1.FormatLabelSelector(a.LabelSelector), metav1.FormatLabelSelector(b.LabelSelector)))
}

// explicit reads the annotation of a template. Users who may write in one namespace must not send objects of another.
func explicit(template *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	text := template.GetAnnotations()[names.AnnotationDependencies]
	if text == "" {
		return nil, nil
	}
	list, err := admission.ParseDependencies(text)
	if err != nil {
		return nil, fmt.Errorf("annotation %s of %s: %w", names.AnnotationDependencies, workload.Describe(template), err)
	}
	for i := range list {
		list[i].Namespace = cmp.Or(list[i].Namespace, template.GetNamespace())
		if list[i].Namespace != template.GetNamespace() {
			return nil, fmt.Errorf("annotation %s of %s: %s is in another namespace; leave the namespace out",
				names.AnnotationDependencies, workload.Describe(template), reference{list[i]})
		}
	}
	return list, nil
}

// note writes the references on the parent, where changes of what they name find it, and its finalizer.
func note(ctx context.Context, deps control.Deps, parent binding.Binding, references []reference) error {
	text := ""
	if len(references) > 0 {
		encoded, err := json.Marshal(references)
		if err != nil {
			return fmt.Errorf("writing down the dependencies of binding %s: %w", parent.NamespacedName(), err)
		}
		text = string(encoded)
	}
	before := parent.Clone()
	guarded := controllerutil.AddFinalizer(parent.Object, names.FinalizerDependenciesDistributor)
	if !setAnnotation(parent.Object, names.AnnotationDependencies, text) && !guarded {
		return nil
	}
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, parent.Object, patch); err != nil {
		return fmt.Errorf("noting the dependencies of binding %s: %w", parent.NamespacedName(), err)
	}
	return nil
}

// setAnnotation sets an annotation, or takes it off for an empty value, and tells whether that changes the object.
func setAnnotation(object client.Object, key, value string) bool {
	have, found := object.GetAnnotations()[key]
	if have == value && found == (value != "") {
		return false
	}
	annotations := maps.Clone(object.GetAnnotations())
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[key] = value
	if value == "" {
		delete(annotations, key)
	}
	object.SetAnnotations(annotations)
	return true
}

// find reads what a reference means. What is not there yet wakes the parent when it comes.
func find(ctx context.Context, reader client.Reader, needed reference) ([]unstructured.Unstructured, error) {
	if needed.Name != "" {
		object := unstructured.Unstructured{}
		object.SetGroupVersionKind(needed.kind())
		if err := reader.Get(ctx, types.NamespacedName{Namespace: needed.Namespace, Name: needed.Name}, &object, client.UnsafeDisableDeepCopy); err != nil {
			if err := client.IgnoreNotFound(err); err != nil {
				return nil, fmt.Errorf("reading %s: %w", needed, err)
			}
			return nil, nil
		}
		return living([]unstructured.Unstructured{object}), nil
	}
	selector, err := metav1.LabelSelectorAsSelector(needed.LabelSelector)
	if err != nil {
		return nil, fmt.Errorf("the labels of dependency %s: %w", needed, err)
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(needed.kind().GroupVersion().WithKind(needed.Kind + "List"))
	if err := reader.List(ctx, list, client.InNamespace(needed.Namespace), client.MatchingLabelsSelector{Selector: selector}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing %s: %w", needed, err)
	}
	return living(list.Items), nil
}

// living leaves out objects on their way out: their bindings go with them.
func living(objects []unstructured.Unstructured) []unstructured.Unstructured {
	return slices.DeleteFunc(objects, func(object unstructured.Unstructured) bool { return !object.GetDeletionTimestamp().IsZero() })
}
