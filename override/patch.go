package override

import (
	"encoding/json"
	"errors"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	k8sjson "k8s.io/apimachinery/pkg/util/json"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// operation is one step of a JSON patch, RFC 6902. Without a value it writes null.
type operation struct {
	Op    policyv1alpha1.OverriderOperator `json:"op"`
	Path  string                           `json:"path"`
	Value json.RawMessage                  `json:"value"`
}

func plaintextOperations(overriders []policyv1alpha1.PlaintextOverrider) []operation {
	operations := make([]operation, 0, len(overriders))
	for _, overrider := range overriders {
		operations = append(operations, operation{overrider.Operator, overrider.Path, overrider.Value.Raw})
	}
	return operations
}

// patchObject applies all operations or none.
func patchObject(object *unstructured.Unstructured, operations []operation) error {
	document, err := json.Marshal(object.Object)
	if err != nil {
		return err
	}
	patched, err := patchDocument(document, operations)
	if err != nil {
		return err
	}
	var content map[string]any
	if err := k8sjson.Unmarshal(patched, &content); err != nil {
		return err
	}
	if content == nil {
		return errors.New("the patch leaves no object")
	}
	object.Object = content
	return nil
}

// patchDocument applies operations to a JSON document.
func patchDocument(document []byte, operations []operation) ([]byte, error) {
	text, err := json.Marshal(operations)
	if err != nil {
		return nil, err
	}
	patch, err := jsonpatch.DecodePatch(text)
	if err != nil {
		return nil, err
	}
	return patch.Apply(document)
}
