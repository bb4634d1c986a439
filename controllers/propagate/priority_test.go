package propagate

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/api/scheduling/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestPriorityComesFromTheClass: there is no binding until the class that the policy names exists, and then it says its value;
// a policy that names none any more takes it off.
func TestPriorityComesFromTheClass(t *testing.T) {
	env, c := alone(t)
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"}}
	claimer.Spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{APIVersion: "v1", Kind: "ConfigMap", Name: "web"}}
	claimer.Spec.SchedulePriority = &policyv1alpha1.SchedulePriority{PriorityClassSource: policyv1alpha1.KubePriorityClass, PriorityClassName: "gold"}
	bound := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-configmap"}}
	await := func(what string, holds func() bool) {
		t.Helper()
		if err := env.Await(t.Context(), 2*time.Minute, what, func(ctx context.Context) (bool, error) {
			if err := c.Get(ctx, client.ObjectKeyFromObject(bound), bound); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			return holds(), nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.Create(t.Context(), config))
	must(c.Create(t.Context(), claimer))
	if err := env.Await(t.Context(), time.Minute, "a binding", func(ctx context.Context) (bool, error) {
		err := c.Get(ctx, client.ObjectKeyFromObject(bound), bound)
		return err == nil, client.IgnoreNotFound(err)
	}); err == nil {
		t.Fatalf("there is a binding of priority %v while the class is missing", bound.Spec.SchedulePriority)
	}
	must(c.Create(t.Context(), &schedulingv1.PriorityClass{ObjectMeta: metav1.ObjectMeta{Name: "gold"}, Value: 700}))
	await("the value of the class", func() bool {
		return bound.Spec.SchedulePriority != nil && bound.Spec.SchedulePriority.Priority == 700
	})
	must(c.Get(t.Context(), client.ObjectKeyFromObject(claimer), claimer))
	claimer.Spec.SchedulePriority = nil
	must(c.Update(t.Context(), claimer))
	await("no priority", func() bool { return bound.Spec.SchedulePriority == nil })
}
