package declarative

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

// TestSamplesAnswer: what a document tells of a function is what its sample has, and the sample answers.
func TestSamplesAnswer(t *testing.T) {
	made := New(Defaults())
	for _, operation := range Operations() {
		document := operation.Document()
		script, err := sandbox.Compile(operation.Field, document.Sample)
		if err != nil {
			t.Fatal(err)
		}
		if !script.Defines(operation.Function) {
			t.Errorf("the sample of %s does not define %s", operation.Name, operation.Function)
		}
		_, rest, _ := strings.Cut(document.Sample, "function "+operation.Function+"(")
		arguments, _, _ := strings.Cut(rest, ")")
		for argument := range strings.SplitSeq(arguments, ", ") {
			if !strings.Contains(document.Arguments, argument+":") {
				t.Errorf("the document of %s does not tell what %s is", operation.Name, argument)
			}
		}
		if document.Question == "" || document.Answer == "" || !strings.Contains(document.Text(), "\n  function "+operation.Function) {
			t.Errorf("the document of %s lacks something:\n%s", operation.Name, document.Text())
		}
		kind := parse(t, object).GroupVersionKind()
		made.Put(FromScript(operation.Field, kind, script))
	}
	web, reported := parse(t, object), parse(t, object)
	if err := unstructured.SetNestedField(reported.Object, map[string]any{"readyReplicas": int64(3)}, "status"); err != nil {
		t.Fatal(err)
	}
	if err := unstructured.SetNestedMap(web.Object, map[string]any{"replicas": int64(2), "template": map[string]any{"spec": map[string]any{}}}, "spec", "workers"); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if replicas, _, err := made.Replicas(ctx, web); err != nil || replicas != 3 {
		t.Errorf("replicas %d, error %v", replicas, err)
	}
	if components, err := made.Components(ctx, web); err != nil || len(components) != 2 || components[1].Replicas != 2 {
		t.Errorf("components %v, error %v", components, err)
	}
	if revised, err := made.ReviseReplica(ctx, web, 7); err != nil || nested(t, revised, "spec", "replicas") != 7 {
		t.Errorf("revised %v, error %v", revised, err)
	}
	if _, err := made.Retain(ctx, web, reported); err != nil {
		t.Error(err)
	}
	status, err := made.ReflectStatus(ctx, reported)
	if err != nil || string(status.Raw) != `{"readyReplicas":3}` {
		t.Errorf("status %v, error %v", status, err)
	}
	summed, err := made.AggregateStatus(ctx, web, []workv1alpha2.AggregatedStatusItem{{ClusterName: "a", Status: status}, {ClusterName: "b", Status: status}, {ClusterName: "c"}})
	if err != nil || nested(t, summed, "status", "readyReplicas") != 6 {
		t.Errorf("sum %v, error %v", summed, err)
	}
	if healthy, err := made.Health(ctx, reported); err != nil || !healthy {
		t.Errorf("healthy %t, error %v", healthy, err)
	}
	if _, err := made.Dependencies(ctx, web); err != nil {
		t.Error(err)
	}
}

func nested(t *testing.T, object *unstructured.Unstructured, path ...string) int64 {
	t.Helper()
	number, _, err := unstructured.NestedInt64(object.Object, path...)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// TestEveryOperationHasItsDocument would fail for an operation that shows the document of another.
func TestEveryOperationHasItsDocument(t *testing.T) {
	seen := map[string]configv1alpha1.InterpreterOperation{}
	for _, operation := range Operations() {
		question := operation.Document().Question
		if other, twice := seen[question]; twice {
			t.Errorf("%s is explained as %s", operation.Name, other)
		}
		seen[question] = operation.Name
	}
}
