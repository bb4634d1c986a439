package collect

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/interpreter"
)

// judging counts how often it is asked for the status of an object.
type judging struct {
	interpreter.Interpreter
	asked int
	err   error
}

func (*judging) Supports(_ schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return operation == configv1alpha1.InterpreterOperationInterpretStatus
}

func (j *judging) ReflectStatus(context.Context, *unstructured.Unstructured) (*runtime.RawExtension, error) {
	j.asked++
	return &runtime.RawExtension{Raw: []byte(`{}`)}, j.err
}

// TestJudgeOnce: a member object is judged once for each of its versions, so that a turn that waited for more news only writes.
// What could not be judged is judged again.
func TestJudgeOnce(t *testing.T) {
	manifest := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
	held := &content{
		manifests: []*unstructured.Unstructured{manifest}, sources: []control.Source{{GVK: manifest.GroupVersionKind()}},
		identifiers: []workv1alpha1.ResourceIdentifier{{Kind: "Deployment"}},
	}
	asks := &judging{}
	deps := control.Deps{Interpreter: asks}
	for _, step := range []struct {
		name, version string
		err           error
		asked         int
	}{
		{"first", "1", nil, 1},
		{"the same", "1", nil, 1},
		{"another version", "2", nil, 2},
		{"no answer", "3", errors.New("no"), 3},
		{"the same once more", "3", nil, 4},
		{"the same after an answer", "3", nil, 4},
	} {
		object := &unstructured.Unstructured{}
		object.SetUID("u")
		object.SetResourceVersion(step.version)
		asks.err = step.err
		statuses, failures := held.judge(t.Context(), deps, nil, &workv1alpha1.Work{}, []sight{{object: object}}, nil)
		if asks.asked != step.asked || (len(failures) == 0) != (step.err == nil) || step.err == nil && len(statuses) != 1 {
			t.Errorf("%s: asked %d times, want %d; %d statuses, failures %v", step.name, asks.asked, step.asked, len(statuses), failures)
		}
	}
}
