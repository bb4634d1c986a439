package webhook

import (
	"encoding/json"
	"errors"
	"fmt"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// check refuses answers that do not fit their question. What passes can be used without a further look.
func check(question configv1alpha1.ResourceInterpreterRequest, response *configv1alpha1.ResourceInterpreterResponse) error {
	if response == nil {
		return errors.New("the answer has no response")
	}
	if response.UID != question.UID {
		return fmt.Errorf("response.uid is %q, want that of the request, %q", response.UID, question.UID)
	}
	if !response.Successful {
		if status := response.Status; status != nil && status.Message != "" {
			return fmt.Errorf("it says: %s (code %d)", status.Message, status.Code)
		}
		return errors.New("it does not say why it cannot answer")
	}
	switch question.Operation {
	case configv1alpha1.InterpreterOperationInterpretReplica:
		if response.Replicas == nil || *response.Replicas < 0 {
			return errors.New("response.replicas is missing, or below 0")
		}
	case configv1alpha1.InterpreterOperationInterpretHealth:
		if response.Healthy == nil {
			return errors.New("response.healthy is missing")
		}
	case configv1alpha1.InterpreterOperationReviseReplica, configv1alpha1.InterpreterOperationRetain, configv1alpha1.InterpreterOperationAggregateStatus:
		if len(response.Patch) > 0 && ptr.Deref(response.PatchType, "") != configv1alpha1.PatchTypeJSONPatch {
			return fmt.Errorf("response.patchType must be %s with a patch", configv1alpha1.PatchTypeJSONPatch)
		}
	}
	return nil
}

// patched is the object after the patch of an answer; the object itself without one.
func patched(object *unstructured.Unstructured, patch []byte) (*unstructured.Unstructured, error) {
	if len(patch) == 0 {
		return object, nil
	}
	steps, err := jsonpatch.DecodePatch(patch)
	if err != nil {
		return nil, fmt.Errorf("response.patch: %w", err)
	}
	before, err := json.Marshal(object.Object)
	if err != nil {
		return nil, fmt.Errorf("encoding the object: %w", err)
	}
	options := jsonpatch.NewApplyOptions()
	options.AccumulatedCopySizeLimit = longestAnswer
	after, err := steps.ApplyWithOptions(before, options)
	if err != nil {
		return nil, fmt.Errorf("applying response.patch: %w", err)
	}
	changed := &unstructured.Unstructured{}
	if err := changed.UnmarshalJSON(after); err != nil {
		return nil, fmt.Errorf("reading what response.patch makes of the object: %w", err)
	}
	if changed.GroupVersionKind() != object.GroupVersionKind() || changed.GetName() != object.GetName() || changed.GetNamespace() != object.GetNamespace() {
		return nil, errors.New("response.patch makes another object of it: kind, namespace and name must stay")
	}
	return changed, nil
}
