package admission

import (
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation/field"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Binding is a view of a ResourceBinding or a ClusterResourceBinding: Meta and Spec are those of the object itself.
type Binding struct {
	Meta *metav1.ObjectMeta
	Spec *workv1alpha2.ResourceBindingSpec

	idLabel string
}

// BindingOf views a namespaced binding.
func BindingOf(binding *workv1alpha2.ResourceBinding) Binding {
	return Binding{Meta: &binding.ObjectMeta, Spec: &binding.Spec, idLabel: names.LabelResourceBindingID}
}

// ClusterBindingOf views a cluster-scoped binding.
func ClusterBindingOf(binding *workv1alpha2.ClusterResourceBinding) Binding {
	return Binding{Meta: &binding.ObjectMeta, Spec: &binding.Spec, idLabel: names.LabelClusterResourceBindingID}
}

// Default gives the binding its identity.
func (b Binding) Default(ids func() string) {
	ensureLabel(b.Meta, b.idLabel, ids)
}

// Validate checks what other controllers parse; components says whether component names matter.
func (b Binding) Validate(components bool) field.ErrorList {
	var faults field.ErrorList
	if text, found := b.Meta.Annotations[names.AnnotationDependencies]; found {
		if _, err := ParseDependencies(text); err != nil {
			at := field.NewPath("metadata", "annotations").Key(names.AnnotationDependencies)
			faults = append(faults, field.Invalid(at, text, err.Error()))
		}
	}
	if !components {
		return faults
	}
	seen := sets.New[string]()
	for i, component := range b.Spec.Components {
		at := field.NewPath("spec", "components").Index(i).Child("name")
		if component.Name == "" {
			faults = append(faults, field.Required(at, "components are told apart by name"))
		} else if seen.Has(component.Name) {
			faults = append(faults, field.Duplicate(at, component.Name))
		}
		seen.Insert(component.Name)
	}
	return faults
}

// ParseDependencies reads the dependencies annotation of a binding: a JSON list of object references.
func ParseDependencies(text string) ([]configv1alpha1.DependentObjectReference, error) {
	var dependencies []configv1alpha1.DependentObjectReference
	err := json.Unmarshal([]byte(text), &dependencies)
	return dependencies, err
}
