package override

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// overridePairs changes labels or annotations. Keys to remove or replace that the manifest does not have are no fault, and
// pairs that other overriders left with values that are no texts stay.
func overridePairs(
	manifest *unstructured.Unstructured, fieldName string, overrider *policyv1alpha1.LabelAnnotationOverrider,
) error {
	value, _, err := unstructured.NestedFieldNoCopy(manifest.Object, "metadata", fieldName)
	if err != nil {
		return err
	}
	pairs, isObject := value.(map[string]any)
	if value != nil && !isObject {
		return fmt.Errorf("metadata.%s is a %T, want an object", fieldName, value)
	}
	if pairs == nil {
		if overrider.Operator != policyv1alpha1.OverriderOpAdd || len(overrider.Value) == 0 {
			return nil
		}
		pairs = map[string]any{}
	}
	for key, text := range overrider.Value {
		_, found := pairs[key]
		switch {
		case overrider.Operator == policyv1alpha1.OverriderOpAdd, overrider.Operator == policyv1alpha1.OverriderOpReplace && found:
			pairs[key] = text
		case overrider.Operator == policyv1alpha1.OverriderOpRemove:
			delete(pairs, key)
		}
	}
	return unstructured.SetNestedMap(manifest.Object, pairs, "metadata", fieldName)
}
