package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// ScriptsTeachKinds divides the crew of a custom resource by scripts, sums up what the members report, and follows the scripts
// when they change.
func ScriptsTeachKinds(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	yacht, cleanUp := f.ship("Yacht", "taught")
	defer cleanUp()
	scripts := f.teach("yachts", "Yacht", "return desiredObj.spec.crew")
	defer f.delete(f.plane, scripts)
	f.create(yacht)
	f.divide(yacht)
	f.awaitCrew(yacht, 4, map[string]int64{"member1": 2, "member2": 2})

	for _, name := range []string{"member1", "member2"} {
		f.report(name, yacht, map[string]any{"aboard": int64(2)})
	}
	eventually(f, f.plane, yacht, "the sum of its members", func(y *unstructured.Unstructured) bool {
		aboard, _, _ := unstructured.NestedInt64(y.Object, "status", "aboard")
		return aboard == 4
	})
	f.awaitBinding(yacht, "healthy copies", func(b binding.Binding) bool { return healthyEverywhere(b, workv1alpha2.ResourceHealthy) })

	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.ReplicaResource.LuaScript = "function GetReplicas(desiredObj) return desiredObj.spec.crew * 2 end"
	})
	f.awaitCrew(yacht, 8, map[string]int64{"member1": 4, "member2": 4})
	f.awaitBinding(yacht, "copies with less than their crew", func(b binding.Binding) bool {
		return healthyEverywhere(b, workv1alpha2.ResourceUnhealthy)
	})
	// Nothing changes in the members now: the script alone has everything judged anew.
	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.HealthInterpretation.LuaScript = "function InterpretHealth(observedObj) return observedObj.spec.crew > 0 end"
		c.Spec.Customizations.StatusAggregation.LuaScript = `
function AggregateStatus(desiredObj, statusItems)
  desiredObj.status = {aboard = 40 + #statusItems}
  return desiredObj
end`
	})
	f.awaitBinding(yacht, "healthy copies by another script", func(b binding.Binding) bool {
		return healthyEverywhere(b, workv1alpha2.ResourceHealthy)
	})
	eventually(f, f.plane, yacht, "a sum by another script", func(y *unstructured.Unstructured) bool {
		aboard, _, _ := unstructured.NestedInt64(y.Object, "status", "aboard")
		return aboard == 42
	})
}

// BrokenScriptsHoldOnlyTheirKind gives a kind scripts that never end or take all memory: its objects say so and stay as they
// are, others go their way, and all is well once the scripts are mended.
func BrokenScriptsHoldOnlyTheirKind(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	raft, cleanUp := f.ship("Raft", "broken")
	defer cleanUp()
	config := configMap("broken", "settings", map[string]string{"mode": "1"})
	scripts := f.teach("rafts", "Raft", "return desiredObj.spec.crew")
	defer f.delete(f.plane, scripts)
	f.create(raft)
	f.divide(raft)
	f.create(config)
	f.propagate(config, "member1")
	f.awaitCrew(raft, 4, map[string]int64{"member1": 2, "member2": 2})

	for place, script := range []struct{ body, says string }{
		{"while true do end", "instructions"},
		{`local s = "x" while true do s = s .. s end`, "a string of"},
		{"local t = {} while true do t = {t, {}} end", "bytes of memory"},
		{"local function f() return 1 + f() end return f()", "stack overflow"},
		{"return desiredObj.missing.field", "attempt to index"},
	} {
		update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
			c.Spec.Customizations.ReplicaResource.LuaScript = "function GetReplicas(desiredObj)\n" + script.body + "\nend"
		})
		f.awaitTrouble(raft, names.ConditionUpToDate, script.says)
		mode := fmt.Sprint(place + 2)
		update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = mode })
		f.awaitMode(config, mode, "member1")
	}
	f.awaitCrew(raft, 4, map[string]int64{"member1": 2, "member2": 2})
	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.ReplicaResource.LuaScript = "function GetReplicas(desiredObj) return desiredObj.spec.crew + 2 end"
	})
	f.awaitNoTrouble(raft, names.ConditionUpToDate)
	f.awaitCrew(raft, 6, map[string]int64{"member1": 3, "member2": 3})

	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.ReplicaRevision.LuaScript = "function ReviseReplica(desiredObj, desiredReplica) while true do end end"
	})
	f.awaitTrouble(raft, names.ConditionRendered, "instructions")
	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.ReplicaRevision = nil
	})
	f.awaitNoTrouble(raft, names.ConditionRendered)

	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.StatusAggregation.LuaScript = "function AggregateStatus(desiredObj, statusItems) while true do end end"
	})
	f.awaitTrouble(raft, names.ConditionStatusAggregated, "instructions")
	update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
		c.Spec.Customizations.StatusAggregation = nil
	})
	f.awaitNoTrouble(raft, names.ConditionStatusAggregated)
	f.breakStatus(raft, scripts)
}

// breakStatus has scripts that tell the status and the health of copies never end, one after the other, and mends them.
func (f *fixture) breakStatus(raft *unstructured.Unstructured, scripts *configv1alpha1.ResourceInterpreterCustomization) {
	f.Helper()
	for _, broken := range []struct {
		rules       func(*configv1alpha1.CustomizationRules, string)
		says, works string
	}{
		{func(r *configv1alpha1.CustomizationRules, body string) {
			r.StatusReflection = &configv1alpha1.StatusReflection{LuaScript: "function ReflectStatus(observedObj) " + body + " end"}
		}, "reflecting the status", "return observedObj.status"},
		{func(r *configv1alpha1.CustomizationRules, body string) {
			r.HealthInterpretation = &configv1alpha1.HealthInterpretation{LuaScript: "function InterpretHealth(observedObj) " + body + " end"}
		}, "judging the health", "return true"},
	} {
		update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
			broken.rules(&c.Spec.Customizations, "while true do end")
		})
		f.awaitTrouble(raft, names.ConditionStatusAggregated, broken.says)
		update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
			broken.rules(&c.Spec.Customizations, broken.works)
		})
		f.awaitNoTrouble(raft, names.ConditionStatusAggregated)
	}
}

// ship serves a kind in the control plane and the members, and makes a namespace and an object of that kind, which the caller
// creates.
func (f *fixture) ship(kind, space string) (ship *unstructured.Unstructured, cleanUp func()) {
	f.Helper()
	definition := shipDefinition(kind)
	claimer := &policyv1alpha1.ClusterPropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: strings.ToLower(kind)}, Spec: f.placed(definition, "member1", "member2"),
	}
	f.create(claimer)
	f.create(definition)
	f.awaitHolders(definition, "member1", "member2")
	ship = &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"crew": int64(4)}}}
	ship.SetGroupVersionKind(schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: kind})
	ship.SetNamespace(space)
	ship.SetName("one")
	for _, client := range []client.Client{f.plane, f.member("member1"), f.member("member2")} {
		f.awaitServed(client, ship)
	}
	f.awaitReported(ship, "member1", "member2")
	leave := f.space(space)
	return ship, func() {
		f.Helper()
		leave()
		if f.Failed() {
			return
		}
		f.delete(f.plane, definition)
		f.awaitHolders(definition)
		f.delete(f.plane, claimer)
		f.awaitAbsent(f.plane, claimer)
	}
}

// awaitServed waits until the kind of an object is known.
func (f *fixture) awaitServed(by client.Client, object client.Object) {
	f.Helper()
	kind := object.GetObjectKind().GroupVersionKind()
	f.await(toSettle, "kind "+kind.Kind+" served", func(ctx context.Context) (bool, error) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		err := by.List(ctx, list)
		return err == nil, unlessUnserved(err)
	})
}

// awaitReported waits until clusters have said that they serve the kind of an object. What is divided before goes to the others for good.
func (f *fixture) awaitReported(object client.Object, clusters ...string) {
	f.Helper()
	version, kind := object.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	for _, name := range clusters {
		eventually(f, f.plane, clusterNamed(name), "kind "+kind+" in what "+name+" reports", func(c *clusterv1alpha1.Cluster) bool {
			return slices.ContainsFunc(c.Status.APIEnablements, func(served clusterv1alpha1.APIEnablement) bool {
				return served.GroupVersion == version && slices.ContainsFunc(served.Resources, func(r clusterv1alpha1.APIResource) bool { return r.Kind == kind })
			})
		})
	}
}

func shipDefinition(kind string) *unstructured.Unstructured {
	lower := strings.ToLower(kind)
	definition := boatDefinition()
	definition.SetName(lower + "s.example.com")
	spec := definition.Object["spec"].(map[string]any)
	spec["scope"] = "Namespaced"
	spec["names"] = map[string]any{"plural": lower + "s", "singular": lower, "kind": kind, "listKind": kind + "List"}
	spec["versions"].([]any)[0].(map[string]any)["subresources"] = map[string]any{"status": map[string]any{}}
	return definition
}

// teach explains a kind of ships: its replicas are its crew, and it is well when all are aboard.
func (f *fixture) teach(name, kind, getReplicas string) *configv1alpha1.ResourceInterpreterCustomization {
	f.Helper()
	scripts := &configv1alpha1.ResourceInterpreterCustomization{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: configv1alpha1.ResourceInterpreterCustomizationSpec{
			Target: configv1alpha1.CustomizationTarget{APIVersion: "example.com/v1", Kind: kind},
			Customizations: configv1alpha1.CustomizationRules{
				ReplicaResource: &configv1alpha1.ReplicaResourceRequirement{
					LuaScript: "function GetReplicas(desiredObj) " + getReplicas + " end",
				},
				ReplicaRevision: &configv1alpha1.ReplicaRevision{LuaScript: `
function ReviseReplica(desiredObj, desiredReplica)
  desiredObj.spec.crew = desiredReplica
  return desiredObj
end`},
				StatusReflection: &configv1alpha1.StatusReflection{LuaScript: `
function ReflectStatus(observedObj)
  return observedObj.status
end`},
				StatusAggregation: &configv1alpha1.StatusAggregation{LuaScript: `
function AggregateStatus(desiredObj, statusItems)
  desiredObj.status = {aboard = 0}
  for _, item in ipairs(statusItems or {}) do
    desiredObj.status.aboard = desiredObj.status.aboard + ((item.status or {}).aboard or 0)
  end
  return desiredObj
end`},
				HealthInterpretation: &configv1alpha1.HealthInterpretation{LuaScript: `
function InterpretHealth(observedObj)
  return ((observedObj.status or {}).aboard or 0) >= observedObj.spec.crew
end`},
			},
		},
	}
	f.create(scripts)
	return scripts
}

// divide propagates a ship to two members and divides its crew evenly.
func (f *fixture) divide(ship *unstructured.Unstructured) {
	f.Helper()
	spec := f.placed(ship, "member1", "member2")
	spec.Placement.ReplicaScheduling = &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
		ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
	}
	f.create(&policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: ship.GetNamespace(), Name: ship.GetName()}, Spec: spec,
	})
}

// awaitCrew waits until the binding of a ship asks for so many, and its copies have their shares.
func (f *fixture) awaitCrew(ship *unstructured.Unstructured, total int32, shares map[string]int64) {
	f.Helper()
	f.awaitBinding(ship, fmt.Sprintf("%d replicas", total), func(b binding.Binding) bool { return b.Spec.Replicas == total })
	for _, name := range []string{"member1", "member2"} {
		eventually(f, f.member(name), ship, fmt.Sprintf("a crew of %d in %s", shares[name], name), func(s *unstructured.Unstructured) bool {
			crew, _, _ := unstructured.NestedInt64(s.Object, "spec", "crew")
			return crew == shares[name]
		})
	}
}

// report writes the status of a copy, as its controller in the member does.
func (f *fixture) report(name string, ship *unstructured.Unstructured, status map[string]any) {
	f.Helper()
	updateStatus(f, f.member(name), ship, func(s *unstructured.Unstructured) { s.Object["status"] = status })
}

func healthyEverywhere(b binding.Binding, health workv1alpha2.ResourceHealth) bool {
	for _, item := range b.Status.AggregatedStatus {
		if item.Health != health {
			return false
		}
	}
	return len(b.Status.AggregatedStatus) == 2
}
