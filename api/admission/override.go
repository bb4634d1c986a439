package admission

import (
	"github.com/go-openapi/jsonpointer"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Override is a view of an OverridePolicy or a ClusterOverridePolicy: Meta and Spec are those of the object itself.
type Override struct {
	Meta *metav1.ObjectMeta
	Spec *policyv1alpha1.OverrideSpec

	namespaced bool
}

// OverrideOf views a namespaced policy.
func OverrideOf(policy *policyv1alpha1.OverridePolicy) Override {
	return Override{Meta: &policy.ObjectMeta, Spec: &policy.Spec, namespaced: true}
}

// ClusterOverrideOf views a cluster-scoped policy.
func ClusterOverrideOf(policy *policyv1alpha1.ClusterOverridePolicy) Override {
	return Override{Meta: &policy.ObjectMeta, Spec: &policy.Spec}
}

// Default fills the namespace of selectors in a namespaced policy.
func (o Override) Default() {
	if o.namespaced {
		defaultSelectors(o.Spec.ResourceSelectors, o.Meta.Namespace)
	}
}

// Validate checks a policy that Default has completed.
func (o Override) Validate() field.ErrorList {
	var faults field.ErrorList
	path := field.NewPath("spec")
	if o.namespaced {
		faults = append(faults, validateSelectorNamespaces(o.Spec.ResourceSelectors, o.Meta.Namespace, path)...)
	}
	if len(o.Spec.OverrideRules) > 0 && (o.Spec.TargetCluster != nil || hasOverriders(&o.Spec.Overriders)) {
		faults = append(faults, field.Invalid(path.Child("overrideRules"), len(o.Spec.OverrideRules),
			"must be empty when targetCluster or overriders are given"))
	}
	faults = append(faults, validateAffinity(o.Spec.TargetCluster, path.Child("targetCluster"))...)
	for i := range o.Spec.OverrideRules {
		rule, at := &o.Spec.OverrideRules[i], path.Child("overrideRules").Index(i)
		faults = append(faults, validateAffinity(rule.TargetCluster, at.Child("targetCluster"))...)
		faults = append(faults, validateOverriders(&rule.Overriders, at.Child("overriders"))...)
	}
	return faults
}

// hasOverriders looks for the overriders that existed when rules replaced them; field overriders are younger and do not count.
func hasOverriders(overriders *policyv1alpha1.Overriders) bool {
	return len(overriders.Plaintext) > 0 || len(overriders.ImageOverrider) > 0 || len(overriders.CommandOverrider) > 0 ||
		len(overriders.ArgsOverrider) > 0 || len(overriders.LabelsOverrider) > 0 || len(overriders.AnnotationsOverrider) > 0
}

func validateOverriders(overriders *policyv1alpha1.Overriders, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	for i, labels := range overriders.LabelsOverrider {
		faults = append(faults, metav1validation.ValidateLabels(labels.Value, path.Child("labelsOverrider").Index(i).Child("value"))...)
	}
	for i, annotations := range overriders.AnnotationsOverrider {
		at := path.Child("annotationsOverrider").Index(i).Child("value")
		faults = append(faults, apivalidation.ValidateAnnotations(annotations.Value, at)...)
	}
	for i, image := range overriders.ImageOverrider {
		if image.Predicate != nil {
			at := path.Child("imageOverrider").Index(i).Child("predicate", "path")
			faults = append(faults, validatePointer(image.Predicate.Path, at)...)
		}
	}
	for i := range overriders.FieldOverrider {
		faults = append(faults, validateFieldOverrider(&overriders.FieldOverrider[i], path.Child("fieldOverrider").Index(i))...)
	}
	return faults
}

func validateFieldOverrider(overrider *policyv1alpha1.FieldOverrider, path *field.Path) field.ErrorList {
	faults := validatePointer(overrider.FieldPath, path.Child("fieldPath"))
	if (len(overrider.JSON) > 0) == (len(overrider.YAML) > 0) {
		faults = append(faults, field.Invalid(path, overrider.FieldPath, "needs either json or yaml operations"))
	}
	for i, operation := range overrider.JSON {
		at := path.Child("json").Index(i)
		faults = append(faults, validatePatch(operation.SubPath, operation.Operator, operation.Value, at)...)
	}
	for i, operation := range overrider.YAML {
		at := path.Child("yaml").Index(i)
		faults = append(faults, validatePatch(operation.SubPath, operation.Operator, operation.Value, at)...)
	}
	return faults
}

func validatePatch(
	subPath string, operator policyv1alpha1.OverriderOperator, value apiextensionsv1.JSON, path *field.Path,
) field.ErrorList {
	faults := validatePointer(subPath, path.Child("subPath"))
	given := len(value.Raw) > 0
	switch operator {
	case policyv1alpha1.OverriderOpAdd, policyv1alpha1.OverriderOpReplace:
		if !given {
			faults = append(faults, field.Required(path.Child("value"), "add and replace need a value"))
		}
	case policyv1alpha1.OverriderOpRemove:
		if given {
			faults = append(faults, field.Invalid(path.Child("value"), string(value.Raw), "remove has no value"))
		}
	}
	return faults
}

func validatePointer(text string, path *field.Path) field.ErrorList {
	if _, err := jsonpointer.New(text); err != nil {
		return field.ErrorList{field.Invalid(path, text, err.Error())}
	}
	return nil
}
