package standard

import (
	"context"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	testingclock "k8s.io/utils/clock/testing"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/interpreter"
)

// remote answers health only, and calls everything healthy.
type remote struct{ interpreter.Interpreter }

func (remote) Supports(_ schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return operation == configv1alpha1.InterpreterOperationInterpretHealth
}

func (remote) Health(context.Context, *unstructured.Unstructured) (bool, error) { return true, nil }

// TestOrder asks for the health of objects without a status, which nothing built in calls healthy.
func TestOrder(t *testing.T) {
	clock := testingclock.NewFakePassiveClock(time.Unix(0, 0))
	script := func(kind string) *configv1alpha1.ResourceInterpreterCustomization {
		return &configv1alpha1.ResourceInterpreterCustomization{
			ObjectMeta: metav1.ObjectMeta{Name: "health"},
			Spec: configv1alpha1.ResourceInterpreterCustomizationSpec{
				Target: configv1alpha1.CustomizationTarget{APIVersion: "apps.kruise.io/v1alpha1", Kind: kind},
				Customizations: configv1alpha1.CustomizationRules{HealthInterpretation: &configv1alpha1.HealthInterpretation{
					LuaScript: "function InterpretHealth(observedObj) return observedObj.spec.well end",
				}},
			},
		}
	}
	clone := func(apiVersion, kind string, well bool) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": apiVersion, "kind": kind, "metadata": map[string]any{"name": "a", "generation": int64(2)}, "spec": map[string]any{"well": well},
		}}
	}
	for _, test := range []struct {
		name   string
		chain  interpreter.Chain
		script *configv1alpha1.ResourceInterpreterCustomization
		object *unstructured.Unstructured
		want   bool
	}{
		{"native", New(clock), nil, clone("apps/v1", "Deployment", true), false},
		{"built in", New(clock), nil, clone("apps.kruise.io/v1alpha1", "CloneSet", true), false},
		{"remote before built in", New(clock, remote{}), nil, clone("apps.kruise.io/v1alpha1", "CloneSet", false), true},
		{"script before remote", New(clock, remote{}), script("CloneSet"), clone("apps.kruise.io/v1alpha1", "CloneSet", false), false},
		{"script before built in", New(clock), script("CloneSet"), clone("apps.kruise.io/v1alpha1", "CloneSet", true), true},
		{"script of another kind", New(clock), script("DaemonSet"), clone("apps.kruise.io/v1alpha1", "CloneSet", true), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.script != nil {
				test.chain.Observe(nil, test.script)
			}
			if healthy, err := test.chain.Health(t.Context(), test.object); err != nil || healthy != test.want {
				t.Errorf("healthy %t, error %v, want %t", healthy, err, test.want)
			}
			if test.script == nil {
				return
			}
			test.chain.Observe(test.script, nil)
			without, err := New(clock, test.chain[1:len(test.chain)-2]...).Health(t.Context(), test.object)
			if err != nil {
				t.Fatal(err)
			}
			if healthy, err := test.chain.Health(t.Context(), test.object); err != nil || healthy != without {
				t.Errorf("healthy %t after the script was removed, error %v, want %t", healthy, err, without)
			}
		})
	}
}
