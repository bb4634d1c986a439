package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// TroubleLeavesNothingBehind deletes templates while something is wrong with them: with their scripts, with their overrides, with
// what a member says of them. They go all the same, with their bindings, Works and copies, and others go their way.
func TroubleLeavesNothingBehind(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	ship, cleanUp := f.ship("Wreck", "wrecks")
	defer cleanUp()
	scripts := f.teach("wrecks", "Wreck", "return desiredObj.spec.crew")
	defer f.delete(f.plane, scripts)
	well := configMap("wrecks", "well", map[string]string{"mode": "0"})
	f.create(well)
	f.propagate(well, "member1", "member2")

	for mode, trouble := range []struct {
		spoil     func(*configv1alpha1.CustomizationRules)
		condition string
	}{
		{func(r *configv1alpha1.CustomizationRules) {
			r.ReplicaResource.LuaScript = "function GetReplicas(desiredObj) while true do end end"
		}, names.ConditionUpToDate},
		{func(r *configv1alpha1.CustomizationRules) {
			r.ReplicaRevision.LuaScript = "function ReviseReplica(desiredObj, desiredReplica) while true do end end"
		}, names.ConditionRendered},
		{func(r *configv1alpha1.CustomizationRules) {
			r.Retention = &configv1alpha1.LocalValueRetention{LuaScript: "function Retain(desiredObj, observedObj) while true do end end"}
		}, names.ConditionFullyApplied},
		{func(r *configv1alpha1.CustomizationRules) {
			r.DependencyInterpretation = &configv1alpha1.DependencyInterpretation{LuaScript: "function GetDependencies(desiredObj) while true do end end"}
		}, names.ConditionDependenciesResolved},
		{func(r *configv1alpha1.CustomizationRules) {
			r.StatusAggregation.LuaScript = "function AggregateStatus(desiredObj, statusItems) while true do end end"
		}, names.ConditionStatusAggregated},
	} {
		wreck := ship.DeepCopy()
		f.createIn(f.plane, wreck)
		if mode == 0 {
			f.divide(wreck)
		}
		f.awaitCrew(wreck, 4, map[string]int64{"member1": 2, "member2": 2})
		good := scripts.Spec.Customizations.DeepCopy()
		update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) { trouble.spoil(&c.Spec.Customizations) })
		update(f, f.plane, f.policyOf(wreck), func(p *policyv1alpha1.PropagationPolicy) { p.Spec.PropagateDeps = true })
		update(f, f.plane, wreck, func(w *unstructured.Unstructured) {
			w.Object["spec"].(map[string]any)["name"] = fmt.Sprint(mode)
		})
		f.awaitFalse(wreck, trouble.condition)
		update(f, f.plane, well, func(c *corev1.ConfigMap) { c.Data["mode"] = fmt.Sprint(mode + 1) })
		f.awaitMode(well, fmt.Sprint(mode+1), "member1", "member2")
		f.vanishes(wreck)
		update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) { c.Spec.Customizations = *good })
	}
	f.leaveUnfit()
}

// leaveUnfit deletes what an override does not fit, and what one member refuses.
func (f *fixture) leaveUnfit() {
	f.Helper()
	config, web := configMap("wrecks", "unfit", map[string]string{"mode": "1"}), deployment("wrecks", "refused", 1)
	for path, selected := range map[string]client.Object{"/data/missing/deeper": config, "/spec/selector": web} {
		overriders := policyv1alpha1.Overriders{Plaintext: []policyv1alpha1.PlaintextOverrider{{Path: path, Operator: policyv1alpha1.OverriderOpRemove}}}
		if selected == client.Object(config) {
			overriders.Plaintext[0].Operator, overriders.Plaintext[0].Value = policyv1alpha1.OverriderOpReplace, apiextensionsv1.JSON{Raw: []byte(`"x"`)}
		}
		f.create(&policyv1alpha1.OverridePolicy{
			ObjectMeta: metav1.ObjectMeta{Namespace: "wrecks", Name: selected.GetName()},
			Spec: policyv1alpha1.OverrideSpec{
				ResourceSelectors: f.placed(selected).ResourceSelectors,
				OverrideRules: []policyv1alpha1.RuleWithCluster{{
					TargetCluster: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}}, Overriders: overriders,
				}},
			},
		})
		f.createIn(f.plane, selected)
		f.propagate(selected, "member1", "member2")
	}
	f.awaitTrouble(config, names.ConditionRendered, "member2")
	f.awaitHolders(config, "member1")
	f.awaitFalse(web, names.ConditionFullyApplied)
	f.awaitHolders(web, "member1")
	f.vanishes(config)
	f.vanishes(web)
}

// policyOf is the policy that bears the name of an object.
func (f *fixture) policyOf(object client.Object) *policyv1alpha1.PropagationPolicy {
	return &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: object.GetNamespace(), Name: object.GetName()}}
}

func (f *fixture) awaitFalse(template client.Object, condition string) {
	f.Helper()
	f.awaitBinding(template, "condition "+condition+" that is false", func(b binding.Binding) bool {
		return meta.IsStatusConditionFalse(b.Status.Conditions, condition)
	})
}

// vanishes deletes a template and waits until nothing is left of it.
func (f *fixture) vanishes(template client.Object) {
	f.Helper()
	f.delete(f.plane, template)
	f.awaitAbsent(f.plane, template)
	f.awaitAbsent(f.plane, f.bindingOf(template))
	for _, member := range members {
		f.awaitAbsent(f.plane, f.workOf(template, member))
	}
	for _, member := range []string{"member1", "member2"} {
		f.awaitAbsent(f.member(member), template)
	}
}

// KindsThatAppearLater selects a kind that nobody serves, creates an object where only the control plane does, and teaches the
// members the kind one by one. Each gets its copy as soon as it can, and loses nothing else while it cannot.
func KindsThatAppearLater(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("later")()
	definition, config := shipDefinition("Ferry"), configMap("later", "settings", map[string]string{"mode": "1"})
	ferry := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Ferry", "spec": map[string]any{"crew": int64(4)}}}
	ferry.SetNamespace("later")
	ferry.SetName("one")
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "later", Name: "both"}, Spec: f.placed(config, "member1", "member2")}
	claimer.Spec.ResourceSelectors = append(claimer.Spec.ResourceSelectors, policyv1alpha1.ResourceSelector{APIVersion: "example.com/v1", Kind: "Ferry"})
	f.create(claimer)
	f.create(config)
	f.awaitMode(config, "1", "member1", "member2")

	f.createIn(f.plane, definition.DeepCopy())
	f.awaitServed(f.plane, ferry)
	f.createIn(f.plane, ferry)
	f.awaitFalse(ferry, names.ConditionScheduled)
	for round, holders := range [][]string{{"member1"}, {"member1", "member2"}} {
		joined := holders[round]
		f.createIn(f.member(joined), definition.DeepCopy())
		f.awaitServed(f.member(joined), ferry)
		for _, holder := range holders {
			eventually(f, f.member(holder), ferry, "the ferry in "+holder, func(found *unstructured.Unstructured) bool {
				crew, _, _ := unstructured.NestedInt64(found.Object, "spec", "crew")
				return crew == 4
			})
		}
		f.awaitBinding(ferry, fmt.Sprintf("copies in %v that are applied", holders), func(b binding.Binding) bool {
			return len(b.Spec.Clusters) == len(holders) && len(b.Status.AggregatedStatus) == len(holders) &&
				meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied) && meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionScheduled)
		})
	}
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "2" })
	f.awaitMode(config, "2", "member1", "member2")
	f.delete(f.plane, ferry)
	for _, member := range []string{"member1", "member2"} {
		f.awaitAbsent(f.member(member), ferry)
		f.delete(f.member(member), definition)
	}
	f.awaitAbsent(f.plane, ferry)
	f.delete(f.plane, definition)
	f.awaitAbsent(f.plane, definition)
}

// RecreatedPolicyGetsItsTemplates deletes a policy and creates another of its name before the old one has let go, with other
// clusters: templates belong to the new one then, and are where it says.
func RecreatedPolicyGetsItsTemplates(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("repolicy")()
	web := deployment("repolicy", "web", 2)
	f.create(web)
	claimer := f.propagate(web, "member1")
	f.awaitPlacement("repolicy", "web", map[string]int32{"member1": 2})
	for _, to := range []string{"member2", "member3", "member1"} {
		f.must(f.plane.Get(f.ctx, client.ObjectKeyFromObject(claimer), claimer))
		before := claimer.GetLabels()[names.LabelPropagationPolicyID]
		f.delete(f.plane, claimer)
		f.awaitAbsent(f.plane, claimer)
		claimer = f.policyOf(web)
		claimer.Spec = f.placed(web, to)
		f.createIn(f.plane, claimer)
		f.awaitPlacement("repolicy", "web", map[string]int32{to: 2})
		f.awaitHolders(web, to)
		for _, claimed := range []client.Object{web, f.bindingOf(web)} {
			eventually(f, f.plane, claimed, "the claim of the new policy on "+claimed.GetName(), func(found client.Object) bool {
				id := found.GetLabels()[names.LabelPropagationPolicyID]
				return id != "" && id != before
			})
		}
	}
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "nginx:1.29" })
	f.awaitImage("repolicy", "web", "nginx:1.29", "member1")
}
