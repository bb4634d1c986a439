package interpreter

import (
	"context"
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// judge answers Health only, for one kind.
type judge struct {
	Interpreter
	kind    string
	healthy bool
	err     error
}

func (j judge) Supports(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return gvk.Kind == j.kind && operation == configv1alpha1.InterpreterOperationInterpretHealth
}

func (j judge) Health(context.Context, *unstructured.Unstructured) (bool, error) {
	return j.healthy, j.err
}

func TestChainAsksTheFirstThatSupports(t *testing.T) {
	broken := errors.New("broken")
	chain := Chain{
		judge{kind: "A", healthy: true},
		judge{kind: "B", err: broken},
		judge{kind: "A", healthy: false},
		judge{kind: "B", healthy: true},
	}
	of := func(kind string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": kind}}
	}
	if healthy, err := chain.Health(context.Background(), of("A")); err != nil || !healthy {
		t.Errorf("A: %t, %v; want the answer of the first member", healthy, err)
	}
	if _, err := chain.Health(context.Background(), of("B")); !errors.Is(err, broken) {
		t.Errorf("B: error %v, want the one of the first that supports it", err)
	}
	if _, err := chain.Health(context.Background(), of("C")); !IsUnsupported(err) {
		t.Errorf("C: error %v, want unsupported", err)
	}
	if _, err := chain.Dependencies(context.Background(), of("A")); !IsUnsupported(err) {
		t.Errorf("dependencies of A: error %v, want unsupported", err)
	}
}
