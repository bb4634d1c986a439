package override

import (
	"fmt"

	"github.com/go-openapi/jsonpointer"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// overrideField patches a JSON or YAML document that a text field of the manifest holds.
func overrideField(manifest *unstructured.Unstructured, overrider *policyv1alpha1.FieldOverrider) error {
	pointer, err := jsonpointer.New(overrider.FieldPath)
	if err != nil {
		return fmt.Errorf("field path %q: %w", overrider.FieldPath, err)
	}
	value, _, err := pointer.Get(manifest.Object)
	if err != nil {
		return fmt.Errorf("field path %q: %w", overrider.FieldPath, err)
	}
	document, ok := value.(string)
	if !ok {
		return fmt.Errorf("field path %q: found a %T, want a text", overrider.FieldPath, value)
	}
	if len(overrider.YAML) > 0 {
		document, err = patchYAML(document, overrider.YAML)
	} else {
		document, err = patchJSON(document, overrider.JSON)
	}
	if err != nil {
		return fmt.Errorf("document at %q: %w", overrider.FieldPath, err)
	}
	_, err = pointer.Set(manifest.Object, document)
	return err
}

func patchJSON(document string, patches []policyv1alpha1.JSONPatchOperation) (string, error) {
	operations := make([]operation, 0, len(patches))
	for _, patch := range patches {
		operations = append(operations, operation{patch.Operator, patch.SubPath, patch.Value.Raw})
	}
	patched, err := patchDocument([]byte(document), operations)
	return string(patched), err
}

func patchYAML(document string, patches []policyv1alpha1.YAMLPatchOperation) (string, error) {
	asJSON, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		return "", err
	}
	operations := make([]operation, 0, len(patches))
	for _, patch := range patches {
		operations = append(operations, operation{patch.Operator, patch.SubPath, patch.Value.Raw})
	}
	patched, err := patchDocument(asJSON, operations)
	if err != nil {
		return "", err
	}
	asYAML, err := yaml.JSONToYAML(patched)
	return string(asYAML), err
}
