package e2e

import (
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// UnfitOverrideHoldsOnlyItsCluster overrides what is not there in one member: the binding says so, the copy there stays as it
// was, and the other member gets every change. Nothing is left of the trouble once the override is mended.
func UnfitOverrideHoldsOnlyItsCluster(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("unfit")()
	config := configMap("unfit", "settings", map[string]string{"mode": "1"})
	f.create(config)
	f.propagate(config, "member1", "member2")
	f.awaitMode(config, "1", "member1", "member2")
	unfit := &policyv1alpha1.OverridePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "unfit", Name: "unfit"},
		Spec: policyv1alpha1.OverrideSpec{
			ResourceSelectors: f.placed(config).ResourceSelectors,
			OverrideRules: []policyv1alpha1.RuleWithCluster{{
				TargetCluster: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}},
				Overriders: policyv1alpha1.Overriders{Plaintext: []policyv1alpha1.PlaintextOverrider{{
					Path: "/data/missing", Operator: policyv1alpha1.OverriderOpReplace, Value: apiextensionsv1.JSON{Raw: []byte(`"x"`)},
				}}},
			}},
		},
	}
	f.create(unfit)
	f.awaitTrouble(config, names.ConditionRendered, "member2")
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "2" })
	f.awaitMode(config, "2", "member1")
	f.stays("the old copy in member2", as(f.member("member2"), config, func(c *corev1.ConfigMap) bool { return c.Data["mode"] == "1" }))
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["missing"] = "here" })
	eventually(f, f.member("member2"), config, "the overridden copy", func(c *corev1.ConfigMap) bool {
		return c.Data["mode"] == "2" && c.Data["missing"] == "x"
	})
	f.awaitNoTrouble(config, names.ConditionRendered)
	f.delete(f.plane, config)
	f.awaitHolders(config)
}

// UnreadableTemplateKeepsItsCopies makes a template unreadable for what interprets it: its binding says so, its copies stay as
// they are, and others go their way.
func UnreadableTemplateKeepsItsCopies(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("unreadable")()
	web, config := deployment("unreadable", "web", 2), configMap("unreadable", "settings", map[string]string{"mode": "1"})
	web.Spec.Template.Spec.Containers[0].Image = "nginx:1.28"
	f.create(web)
	f.create(config)
	claimer := f.propagate(web, "member1")
	f.propagate(config, "member1")
	f.awaitPlacement("unreadable", "web", map[string]int32{"member1": 2})
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.SchedulePriority = &policyv1alpha1.SchedulePriority{PriorityClassSource: policyv1alpha1.KubePriorityClass, PriorityClassName: "no-such-class"}
	})
	f.awaitTrouble(web, names.ConditionUpToDate, "no-such-class")
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "2" })
	f.awaitMode(config, "2", "member1")
	f.stays("the copies", as(f.member("member1"), web, func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == 2 }))
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.SchedulePriority = nil })
	f.awaitNoTrouble(web, names.ConditionUpToDate)
}

// awaitTrouble waits until a condition of an object's binding is False and says this.
func (f *fixture) awaitTrouble(template client.Object, condition, says string) {
	f.Helper()
	f.awaitBinding(template, "condition "+condition+" that tells of "+says, func(b binding.Binding) bool {
		found := meta.FindStatusCondition(b.Status.Conditions, condition)
		return found != nil && found.Status == metav1.ConditionFalse && strings.Contains(found.Message, says)
	})
}

func (f *fixture) awaitNoTrouble(template client.Object, condition string) {
	f.Helper()
	f.awaitBinding(template, "no condition "+condition, func(b binding.Binding) bool {
		return meta.FindStatusCondition(b.Status.Conditions, condition) == nil
	})
}

// RefusalHoldsOnlyItsCluster makes what one member refuses of a template: the binding says what the member said, the others go on,
// and the member follows once it is offered what it takes.
func RefusalHoldsOnlyItsCluster(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("refused")()
	web := deployment("refused", "web", 1)
	offer := &policyv1alpha1.OverridePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "refused", Name: "headless"},
		Spec: policyv1alpha1.OverrideSpec{
			ResourceSelectors: f.placed(web).ResourceSelectors,
			OverrideRules: []policyv1alpha1.RuleWithCluster{{
				TargetCluster: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}},
				Overriders:    policyv1alpha1.Overriders{Plaintext: []policyv1alpha1.PlaintextOverrider{{Path: "/spec/selector", Operator: policyv1alpha1.OverriderOpRemove}}},
			}},
		},
	}
	f.create(offer)
	f.create(web)
	f.propagate(web, "member1", "member2")
	f.awaitBinding(web, "the refusal of member2 beside what member1 applied", func(b binding.Binding) bool {
		items := b.Status.AggregatedStatus
		return len(items) == 2 && items[0].Applied && !items[1].Applied && strings.Contains(items[1].AppliedMessage, "spec.selector") &&
			meta.IsStatusConditionFalse(b.Status.Conditions, names.ConditionFullyApplied)
	})
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "nginx:1.29" })
	f.awaitImage("refused", "web", "nginx:1.29", "member1")
	f.awaitHolders(web, "member1")
	f.delete(f.plane, offer)
	f.awaitPlacement("refused", "web", map[string]int32{"member1": 1, "member2": 1})
	f.awaitApplied("refused", "web")
	f.delete(f.plane, web)
	f.awaitHolders(web)
}
