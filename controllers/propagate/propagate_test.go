package propagate

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/simulator"
)

func TestOnTemplate(t *testing.T) {
	template := func(change func(map[string]any)) *unstructured.Unstructured {
		made := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "x", "resourceVersion": "1"},
			"data": map[string]any{"a": "1"},
		}}
		change(made.Object)
		return made
	}
	same := template(func(map[string]any) {})
	for _, c := range []struct {
		name     string
		old, now *unstructured.Unstructured
		wakes    bool
	}{
		{"bookkeeping", same, template(func(o map[string]any) { o["metadata"].(map[string]any)["resourceVersion"] = "2" }), false},
		{"status", same, template(func(o map[string]any) { o["status"] = map[string]any{"a": "1"} }), false},
		{"content", same, template(func(o map[string]any) { o["data"] = map[string]any{"a": "2"} }), true},
		{"new content", same, template(func(o map[string]any) { o["immutable"] = true }), true},
		{"labels", same, template(func(o map[string]any) { o["metadata"].(map[string]any)["labels"] = map[string]any{"a": "1"} }), true},
		{"annotations", same, template(func(o map[string]any) { o["metadata"].(map[string]any)["annotations"] = map[string]any{"a": "1"} }), true},
		{"deletion", same, template(func(o map[string]any) { o["metadata"].(map[string]any)["deletionTimestamp"] = "2026-01-01T00:00:00Z" }), true},
	} {
		if keys := onTemplate(t.Context(), nil, control.Event{Old: c.old, New: c.now}); (len(keys) == 1) != c.wakes {
			t.Errorf("a change of %s wakes %v, want a turn: %t", c.name, keys, c.wakes)
		}
	}
}

// plane is the API server of a control plane.
func plane(t *testing.T) client.Client {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	c, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func bound(claim policy.Claim) *workv1alpha2.ResourceBinding {
	made := &workv1alpha2.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "settings-configmap"},
		Spec: workv1alpha2.ResourceBindingSpec{Resource: workv1alpha2.ObjectReference{
			APIVersion: "v1", Kind: "ConfigMap", Namespace: "default", Name: "settings",
		}},
	}
	policy.SetClaim(made, claim)
	return made
}

// TestUnclaimLeavesOthersClaim: whoever takes a claim off from an old view must not take that of the next policy.
func TestUnclaimLeavesOthersClaim(t *testing.T) {
	c := plane(t)
	first := policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "a"}, ID: "id-a"}
	next := policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "b"}, ID: "id-b"}
	stale := bound(first)
	if err := c.Create(t.Context(), stale); err != nil {
		t.Fatal(err)
	}
	current := stale.DeepCopy()
	policy.SetClaim(current, next)
	if err := c.Update(t.Context(), current); err != nil {
		t.Fatal(err)
	}
	if err := unclaim(t.Context(), control.Deps{Client: c}, stale, "the binding"); !control.Stale(err) {
		t.Errorf("error %v, want a stale read", err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(current), current); err != nil {
		t.Fatal(err)
	}
	if claim, _ := policy.ClaimOf(current); claim != next {
		t.Errorf("claim %v, want %v", claim, next)
	}
}

// TestDisownInTwoTurns: a process that dies after the first of two writes leaves a binding by which the policy still finds the template.
func TestDisownInTwoTurns(t *testing.T) {
	c := plane(t)
	claim := policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "a"}, ID: "id-a"}
	made, template := bound(claim), &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"namespace": "default", "name": "settings"},
	}}
	policy.SetClaim(template, claim)
	for _, object := range []client.Object{made, template} {
		if err := c.Create(t.Context(), object); err != nil {
			t.Fatal(err)
		}
	}
	turn := func(writes int) (templateHas, bindingHas bool, err error) {
		limited := interceptor.NewClient(c.(client.WithWatch), interceptor.Funcs{
			Patch: func(ctx context.Context, to client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
				if writes--; writes < 0 {
					return errors.New("the process died")
				}
				return to.Patch(ctx, object, patch, options...)
			},
		})
		current, _ := binding.Of(made)
		err = disown(t.Context(), control.Deps{Client: limited}, template, current)
		for _, object := range []client.Object{made, template} {
			if err := c.Get(t.Context(), client.ObjectKeyFromObject(object), object); err != nil {
				t.Fatal(err)
			}
		}
		_, templateHas = policy.ClaimOf(template)
		_, bindingHas = policy.ClaimOf(made)
		return templateHas, bindingHas, err
	}
	if template, binding, err := turn(1); err == nil || template || !binding {
		t.Errorf("after one write: claim on the template %t, on the binding %t, error %v", template, binding, err)
	}
	if template, binding, err := turn(1); err != nil || template || binding {
		t.Errorf("after another turn: claim on the template %t, on the binding %t, error %v", template, binding, err)
	}
}

// TestGonePolicyWakesItsTemplates: nothing else would tell them that their claim is void.
func TestGonePolicyWakesItsTemplates(t *testing.T) {
	c := plane(t)
	gone := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
	view, _ := policy.Of(gone)
	gone.Labels = map[string]string{view.IDLabel(): "id-a"}
	if err := c.Create(t.Context(), bound(view.Claim())); err != nil {
		t.Fatal(err)
	}
	template := control.Key{GVK: corev1.SchemeGroupVersion.WithKind("ConfigMap"), Namespace: "default", Name: "settings"}
	own := control.KindKeyOf(policyKind(view), gone)
	for _, event := range []struct {
		event control.Event
		want  []control.Key
	}{
		{control.Event{Old: gone}, []control.Key{own, template}},
		{control.Event{Old: gone, New: gone}, []control.Key{own}},
	} {
		keys := onPolicy(t.Context(), c, event.event)
		if len(keys) != len(event.want) || keys[len(keys)-1] != event.want[len(keys)-1] {
			t.Errorf("keys %v, want %v", keys, event.want)
		}
	}
}

func TestAdoptKeepsWhatOthersWrite(t *testing.T) {
	yes := true
	current := binding.New("default", "b")
	current.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}}
	current.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m2"}}
	current.Spec.RequiredBy = []workv1alpha2.BindingSnapshot{{Name: "other"}}
	current.Spec.RescheduleTriggeredAt = &metav1.Time{Time: time.Unix(1, 0)}
	current.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: &yes}
	current.SetLabels(map[string]string{"kept": "1", current.IDLabel(): "id"})
	owned, _ := policy.Of(&policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "p"}})
	desired := binding.New("default", "b")
	desired.Spec.Replicas = 7
	changed := current.Clone()
	adopt(changed, desired, owned)
	spec := changed.Spec
	if spec.Replicas != 7 || len(spec.Clusters) != 1 || len(spec.GracefulEvictionTasks) != 1 || len(spec.RequiredBy) != 1 || spec.RescheduleTriggeredAt == nil {
		t.Errorf("spec %+v", spec)
	}
	if spec.Suspension == nil || spec.Suspension.Scheduling == nil || changed.ID() != "id" || changed.GetLabels()["kept"] != "1" {
		t.Errorf("suspension %v, labels %v", spec.Suspension, changed.GetLabels())
	}
	again := changed.Clone()
	adopt(again, desired, owned)
	if differs(changed, again) {
		t.Error("adopting the same again changes the binding")
	}
}
