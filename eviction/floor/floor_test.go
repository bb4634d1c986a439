package floor

import (
	"strings"
	"testing"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
)

func TestOfRollouts(t *testing.T) {
	rolling := func(most any) map[string]any {
		return map[string]any{"strategy": map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": most}}}
	}
	for _, c := range []struct {
		name     string
		kind     string
		spec     map[string]any
		replicas int32
		want     int64
	}{
		{"a quarter may be away", "Deployment", nil, 11, 9},
		{"none may be away", "Deployment", rolling(int64(0)), 11, 11},
		{"a number may be away", "Deployment", rolling(int64(3)), 11, 8},
		{"a part may be away", "Deployment", rolling("50%"), 11, 6},
		{"all are recreated at once", "Deployment", map[string]any{"strategy": map[string]any{"type": "Recreate"}}, 11, 1},
		{"nobody can tell", "Deployment", rolling("many"), 11, 11},
		{"no Deployment at all", "Deployment", map[string]any{"replicas": "many"}, 11, 11},
		{"one at a time", "StatefulSet", nil, 11, 10},
		{"one is the least", "StatefulSet", nil, 1, 1},
	} {
		template := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": c.kind}}
		if c.spec != nil {
			template.Object["spec"] = c.spec
		}
		if got := OfRollouts(template, c.replicas); got != c.want {
			t.Errorf("%s: %d of %d, want %d", c.name, got, c.replicas, c.want)
		}
	}
}

// TestBudgeted: of eleven replicas, roll-outs keep up eight.
func TestBudgeted(t *testing.T) {
	budget := func(selector *metav1.LabelSelector, available, unavailable string) policyv1.PodDisruptionBudget {
		said := func(value string) *intstr.IntOrString {
			if value == "" {
				return nil
			}
			return ptr.To(intstr.Parse(value))
		}
		return policyv1.PodDisruptionBudget{Spec: policyv1.PodDisruptionBudgetSpec{
			Selector: selector, MinAvailable: said(available), MaxUnavailable: said(unavailable),
		}}
	}
	web := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	for _, c := range []struct {
		name    string
		budgets []policyv1.PodDisruptionBudget
		want    int64
	}{
		{"none", nil, 8},
		{"a number available", []policyv1.PodDisruptionBudget{budget(web, "10", "")}, 10},
		{"more than there are", []policyv1.PodDisruptionBudget{budget(web, "12", "")}, 11},
		{"less than the floor", []policyv1.PodDisruptionBudget{budget(web, "2", "")}, 8},
		{"a part available, rounded up", []policyv1.PodDisruptionBudget{budget(web, "85%", "")}, 10}, // 9.35
		{"a number away", []policyv1.PodDisruptionBudget{budget(web, "", "1")}, 10},
		{"none away", []policyv1.PodDisruptionBudget{budget(web, "", "0")}, 11},
		{"all away", []policyv1.PodDisruptionBudget{budget(web, "", "100%")}, 8},
		{"a part away, rounded up", []policyv1.PodDisruptionBudget{budget(web, "", "10%")}, 9}, // 1.1
		{"the strictest wins", []policyv1.PodDisruptionBudget{budget(web, "", "2"), budget(web, "95%", ""), budget(web, "3", "")}, 11},
		{"nothing said", []policyv1.PodDisruptionBudget{budget(web, "", "")}, 8},
		{"nobody can tell", []policyv1.PodDisruptionBudget{budget(web, "", "some")}, 11},
		{"nobody can tell how many", []policyv1.PodDisruptionBudget{budget(web, "some", "")}, 11},
		{"other pods", []policyv1.PodDisruptionBudget{budget(&metav1.LabelSelector{MatchLabels: map[string]string{"app": "db"}}, "100%", "")}, 8},
		{"labels of the workload are none of its pods", []policyv1.PodDisruptionBudget{budget(&metav1.LabelSelector{MatchLabels: map[string]string{"team": "shop"}}, "100%", "")}, 8},
		{"all pods of the namespace", []policyv1.PodDisruptionBudget{budget(&metav1.LabelSelector{}, "100%", "")}, 11},
		{"no pods", []policyv1.PodDisruptionBudget{budget(nil, "100%", "")}, 8},
		{"a selector nobody can read", []policyv1.PodDisruptionBudget{budget(&metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "Like"}}}, "100%", "")}, 8},
	} {
		template := &unstructured.Unstructured{Object: map[string]any{
			"kind": "Deployment", "metadata": map[string]any{"labels": map[string]any{"team": "shop"}},
			"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{"labels": map[string]any{"app": "web"}}}},
		}}
		if got := Budgeted(8, template, c.budgets, 11); got != c.want {
			t.Errorf("%s: %d of 11, want %d", c.name, got, c.want)
		}
	}
	pod := &unstructured.Unstructured{Object: map[string]any{"kind": "Pod", "metadata": map[string]any{"labels": map[string]any{"app": "web"}}}}
	if got := Budgeted(0, pod, []policyv1.PodDisruptionBudget{budget(web, "1", "")}, 1); got != 1 {
		t.Errorf("a pod by itself: %d", got)
	}
}

// TestRaised: a policy may raise the floor of ten replicas, and not lower it.
func TestRaised(t *testing.T) {
	for policy, want := range map[string]int64{
		"": 8, "100%": 10, "85%": 9, "9": 9, "5": 8, "50%": 8, "200%": 10, "99": 10, "0": 8, "2147483647%": 10,
	} {
		if got, err := Raised(8, policy, 10); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", policy, got, err, want)
		}
	}
	for _, policy := range []string{"all", "-1", "-1%", "80 %", "0.8", " 3", "%", "99999999999", "9223372036854775807%"} {
		if got, err := Raised(8, policy, 10); got != 8 || err == nil || !strings.Contains(err.Error(), names.AnnotationFloor) {
			t.Errorf("%q: %d, %v", policy, got, err)
		}
	}
}

// FuzzRaised: whatever a policy says, a floor stays between what it was and all replicas.
func FuzzRaised(f *testing.F) {
	for _, text := range []string{"", "3", "80%", "-1", "200%", "9223372036854775807%", "1e3"} {
		f.Add(text, int32(10))
	}
	f.Fuzz(func(t *testing.T, text string, replicas int32) {
		if replicas < 1 {
			return
		}
		if got, _ := Raised(1, text, replicas); got < 1 || got > int64(replicas) {
			t.Errorf("%q of %d replicas: %d", text, replicas, got)
		}
	})
}
