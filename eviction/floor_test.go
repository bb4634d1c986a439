package eviction

import (
	"math"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// TestLeast: the installation's part takes the place of what roll-outs keep up, and not of what a budget does.
func TestLeast(t *testing.T) {
	budgets := []policyv1.PodDisruptionBudget{{Spec: policyv1.PodDisruptionBudgetSpec{
		Selector: &metav1.LabelSelector{}, MaxUnavailable: ptr.To(intstr.FromInt32(1)),
	}}}
	for _, c := range []struct {
		name     string
		replicas int32
		part     float64
		budgets  []policyv1.PodDisruptionBudget
		want     int64
	}{
		{"a quarter may be away", 11, 0, nil, 9},
		{"as the installation says", 11, 0.5, nil, 6},
		{"a part that makes 55.00000000000001", 100, 0.55, nil, 55},
		{"a budget is stricter than roll-outs", 11, 0, budgets, 10},
		{"a budget is stricter than the installation", 11, 0.5, budgets, 10},
		{"the installation is stricter than a budget", 11, 1, budgets, 11},
	} {
		options, template := Options{Floor: c.part}, &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": "Deployment"}}
		if got := options.Least(template, c.budgets, c.replicas); got != c.want {
			t.Errorf("%s: %d of %d, want %d", c.name, got, c.replicas, c.want)
		}
	}
}

// TestBeyondCanBeAdded: a roll-out may allow as many as there are numbers.
func TestBeyondCanBeAdded(t *testing.T) {
	options, template := Options{Surge: intstr.FromInt32(math.MaxInt32)}, &unstructured.Unstructured{Object: map[string]any{"kind": "StatefulSet"}}
	if beyond := options.Beyond(template, 10); beyond != math.MaxInt32-10 {
		t.Errorf("%d beyond 10 replicas", beyond)
	}
}
