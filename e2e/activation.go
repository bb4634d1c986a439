package e2e

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// aged lets so much time pass that creation times, which count in seconds, tell what was there first.
const aged = 2 * time.Second

// LazyPolicyWaitsForTemplates has a policy that takes effect only when a template changes: one that was there first is claimed
// and stays, changes of the policy wait, and changes of the template bring them along. A policy that is lazy no more takes
// effect at once.
func LazyPolicyWaitsForTemplates(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("lazy")()
	config := configMap("lazy", "settings", map[string]string{"mode": "1"})
	f.create(config)
	f.pass(aged)
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "lazy", Name: "lazy"}, Spec: f.placed(config, "member1")}
	claimer.Spec.ActivationPreference = policyv1alpha1.LazyActivation
	claimer.Spec.ResourceSelectors[0].Name = ""
	f.create(claimer)
	eventually(f, f.plane, config, "a claim", func(c *corev1.ConfigMap) bool {
		return c.Annotations[names.AnnotationPropagationPolicyName] == "lazy"
	})
	f.stays("members without a copy", f.held(config))
	move := func(cluster string, change func(*policyv1alpha1.PropagationPolicy)) {
		update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
			p.Spec.Placement.ClusterAffinity.ClusterNames = []string{cluster}
			change(p)
		})
	}
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "2" })
	f.awaitMode(config, "2", "member1")

	f.Log("moving a policy that sleeps")
	move("member2", func(*policyv1alpha1.PropagationPolicy) {})
	f.stays("the copy in member1", f.held(config, "member1"))
	fresh := configMap("lazy", "fresh", nil)
	f.create(fresh)
	f.awaitHolders(fresh, "member2")
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Labels = map[string]string{"touched": "1"} })
	f.awaitHolders(config, "member2")

	f.Log("losing the binding of a template that nobody touches")
	f.delete(f.plane, f.bindingOf(config))
	f.awaitBinding(config, "another binding, scheduled", func(b binding.Binding) bool {
		return b.GetDeletionTimestamp().IsZero() && len(b.Spec.Clusters) == 1
	})
	f.awaitHolders(config, "member2")

	f.Log("waking the policy")
	move("member3", func(p *policyv1alpha1.PropagationPolicy) { p.Spec.ActivationPreference = "" })
	f.awaitHolders(config, "member3")
	eventually(f, f.plane, config, "no trace of laziness", func(c *corev1.ConfigMap) bool {
		_, traced := c.Annotations[names.AnnotationTemplateFingerprint]
		return !traced
	})
	f.Log("putting it to sleep while it moves")
	move("member1", func(p *policyv1alpha1.PropagationPolicy) { p.Spec.ActivationPreference = policyv1alpha1.LazyActivation })
	f.stays("the copy in member3", f.held(config, "member3"))
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "3" })
	f.awaitHolders(config, "member1")
}

// DependentOverridesComeFirst has a policy that waits for an override policy, so that no member sees the template without.
func DependentOverridesComeFirst(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("overridden")()
	config := configMap("overridden", "settings", map[string]string{"mode": "calm"})
	claimer := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "overridden", Name: "settings"}, Spec: f.placed(config, "member1")}
	claimer.Spec.DependentOverrides = []string{"loud"}
	f.create(claimer)
	f.create(config)
	f.stays("members without a copy", f.held(config))
	loud := &policyv1alpha1.OverridePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "overridden", Name: "loud"},
		Spec: policyv1alpha1.OverrideSpec{
			ResourceSelectors: claimer.Spec.ResourceSelectors,
			OverrideRules:     []policyv1alpha1.RuleWithCluster{{Overriders: replaceMode("loud")}},
		},
	}
	f.create(loud)
	f.awaitMode(config, "loud", "member1")

	f.Log("losing the override policy")
	f.delete(f.plane, loud)
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	f.awaitTrouble(config, names.ConditionUpToDate, "loud")
	f.stays("the copy in member1", f.held(config, "member1"))
	again := loud.DeepCopy()
	again.ObjectMeta = metav1.ObjectMeta{Namespace: "overridden", Name: "loud"}
	f.create(again)
	f.awaitHolders(config, "member2")
	f.awaitMode(config, "loud", "member2")
	f.awaitNoTrouble(config, names.ConditionUpToDate)
}

// PreemptingPolicyTakesOver lets policies take a template from the one that claims it: a higher priority does, an equal one does
// not, and a namespaced policy does from a cluster-scoped one whatever the priorities. The fleet has the feature
// PropagationPolicyPreemption.
func PreemptingPolicyTakesOver(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("preempt")()
	config := configMap("preempt", "settings", nil)
	f.create(config)
	wide := &policyv1alpha1.ClusterPropagationPolicy{ObjectMeta: metav1.ObjectMeta{Name: "preempt-wide"}, Spec: f.placed(config, "member1")}
	wide.Spec.Priority = ptr.To[int32](100)
	f.create(wide)
	f.awaitClaim(config, "preempt-wide")
	rival := func(name string, priority int32, preemption policyv1alpha1.PreemptionBehavior, cluster string) *policyv1alpha1.PropagationPolicy {
		made := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "preempt", Name: name}, Spec: f.placed(config, cluster)}
		made.Spec.Priority, made.Spec.Preemption = ptr.To(priority), preemption
		f.create(made)
		return made
	}
	claimed := func(by string) func(context.Context) (bool, error) {
		return as(f.plane, config, func(c *corev1.ConfigMap) bool { return c.Annotations[names.AnnotationPropagationPolicyName] == by })
	}
	first := rival("b-first", 1, policyv1alpha1.PreemptAlways, "member2")
	f.awaitClaim(config, "b-first")
	f.awaitHolders(config, "member2")
	rival("a-equal", 1, policyv1alpha1.PreemptAlways, "member3")
	meek := rival("a-meek", 9, policyv1alpha1.PreemptNever, "member3")
	f.stays("the claim of the first", claimed("b-first"))
	rival("c-higher", 5, policyv1alpha1.PreemptAlways, "member3")
	f.awaitClaim(config, "c-higher")
	f.awaitHolders(config, "member3")
	update(f, f.plane, first, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.Priority = ptr.To[int32](7) })
	f.awaitClaim(config, "b-first")
	f.awaitHolders(config, "member2")
	update(f, f.plane, meek, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.Preemption = policyv1alpha1.PreemptAlways })
	f.awaitClaim(config, "a-meek")
	f.awaitHolders(config, "member3")
	f.delete(f.plane, config)
	f.awaitHolders(config)
	f.delete(f.plane, wide)
	f.awaitAbsent(f.plane, client.Object(wide))
}
