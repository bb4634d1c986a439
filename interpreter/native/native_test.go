package native

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
	testclock "k8s.io/utils/clock/testing"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
)

func newNative() *Interpreter {
	return New(Options{Clock: testclock.NewFakePassiveClock(now)})
}

func TestSupportsNamesWhatAnswers(t *testing.T) {
	native := newNative()
	deployment := schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}
	configMap := schema.GroupVersionKind{Version: "v1", Kind: "ConfigMap"}
	for _, c := range []struct {
		gvk       schema.GroupVersionKind
		operation configv1alpha1.InterpreterOperation
		want      bool
	}{
		{deployment, configv1alpha1.InterpreterOperationInterpretReplica, true},
		{deployment, configv1alpha1.InterpreterOperationInterpretComponent, false},
		{deployment, configv1alpha1.InterpreterOperationRetain, true},
		{configMap, configv1alpha1.InterpreterOperationRetain, false},
		{configMap, configv1alpha1.InterpreterOperationInterpretHealth, false},
		{configMap, configv1alpha1.InterpreterOperationInterpretStatus, true},
	} {
		if got := native.Supports(c.gvk, c.operation); got != c.want {
			t.Errorf("Supports(%s, %s) = %t, want %t", c.gvk, c.operation, got, c.want)
		}
	}
}

func TestUnsupportedKindIsATypedError(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	if _, err := newNative().Health(context.Background(), object); !interpreter.IsUnsupported(err) {
		t.Errorf("Health of a ConfigMap: %v, want an UnsupportedError", err)
	}
	if _, err := newNative().Components(context.Background(), object); !interpreter.IsUnsupported(err) {
		t.Errorf("Components of a ConfigMap: %v, want an UnsupportedError", err)
	}
}

func TestUnchangedStatusAnswersTheSameObject(t *testing.T) {
	object := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apps/v1", "kind": "Deployment",
		"metadata": map[string]any{"name": "web", "generation": int64(1)},
		"status": map[string]any{
			"replicas": int64(2), "observedGeneration": int64(1),
			"conditions": []any{map[string]any{"type": "Available"}},
		},
	}}
	report := func(replicas string) []workv1alpha2.AggregatedStatusItem {
		raw := `{"replicas":` + replicas + `,"generation":4,"observedGeneration":4,"resourceTemplateGeneration":1}`
		return []workv1alpha2.AggregatedStatusItem{{ClusterName: "member1", Status: &runtime.RawExtension{Raw: []byte(raw)}}}
	}
	same, err := newNative().AggregateStatus(context.Background(), object, report("2"))
	if err != nil || same != object {
		t.Errorf("an equal sum must answer the object itself, got another one or error %v", err)
	}
	changed, err := newNative().AggregateStatus(context.Background(), object, report("3"))
	if err != nil || changed == object {
		t.Fatalf("another sum must answer another object, error %v", err)
	}
	conditions, _, _ := unstructured.NestedSlice(changed.Object, "status", "conditions")
	if len(conditions) != 1 {
		t.Errorf("conditions of the template are lost: %v", changed.Object["status"])
	}
}

func TestMemberStatusThatIsNoObjectIsAnError(t *testing.T) {
	native := newNative()
	items := []workv1alpha2.AggregatedStatusItem{{ClusterName: "member1", Status: &runtime.RawExtension{Raw: []byte(`"x"`)}}}
	for _, gvk := range []schema.GroupVersionKind{
		{Group: "apps", Version: "v1", Kind: "Deployment"}, {Group: "batch", Version: "v1", Kind: "Job"},
	} {
		object := &unstructured.Unstructured{}
		object.SetGroupVersionKind(gvk)
		if _, err := native.AggregateStatus(context.Background(), object, items); err == nil {
			t.Errorf("%s: a text as status passed", gvk.Kind)
		}
	}
}

// FuzzObjects feeds objects of any shape to every operation: an error is fine, a crash or a changed argument is not.
func FuzzObjects(f *testing.F) {
	f.Add("apps/v1", "Deployment", `{"spec":{"replicas":2,"template":{"spec":{"containers":[{"name":"a"}]}}},"status":{"replicas":1}}`)
	f.Add("v1", "Pod", `{"spec":{"containers":[{"name":"a","volumeMounts":[1]},7]},"status":[]}`)
	f.Add("v1", "ServiceAccount", `{"secrets":[{"name":"a"},3],"imagePullSecrets":null}`)
	f.Add("v1", "Secret", `{"type":7,"data":"x"}`)
	f.Add("batch/v1", "Job", `{"spec":{"parallelism":"three"},"status":{"conditions":[{"type":"Complete","status":"True"}]}}`)
	f.Fuzz(func(t *testing.T, apiVersion, kind, text string) {
		object := &unstructured.Unstructured{}
		if err := k8sjson.Unmarshal([]byte(text), &object.Object); err != nil || object.Object == nil {
			t.Skip("no JSON object")
		}
		object.SetAPIVersion(apiVersion)
		object.SetKind(kind)
		before := object.DeepCopy()
		ctx, native := context.Background(), newNative()
		items := []workv1alpha2.AggregatedStatusItem{{ClusterName: "m", Status: &runtime.RawExtension{Raw: []byte(text)}}}
		_, _, _ = native.Replicas(ctx, object)
		_, _ = native.ReviseReplica(ctx, object, 3)
		_, _ = native.Retain(ctx, object, before)
		_, _ = native.AggregateStatus(ctx, object, items)
		_, _ = native.Dependencies(ctx, object)
		_, _ = native.ReflectStatus(ctx, object)
		_, _ = native.Health(ctx, object)
		if string(mustEncode(t, object)) != string(mustEncode(t, before)) {
			t.Errorf("an operation changed its argument: %s", text)
		}
	})
}
