package e2e

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// SuspendedDispatchingHoldsChangesBack suspends dispatching to one cluster and then to all, and resumes it.
func SuspendedDispatchingHoldsChangesBack(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("suspend")()
	config := configMap("suspend", "settings", map[string]string{"mode": "1"})
	f.create(config)
	claimer := f.propagate(config, "member1", "member2")
	f.awaitMode(config, "1", "member1", "member2")
	suspend := func(suspension *policyv1alpha1.Suspension, clusters ...string) {
		update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.Suspension = suspension })
		for _, cluster := range clusters {
			eventually(f, f.plane, f.workOf(config, cluster), "a suspended Work in "+cluster, func(found *workv1alpha1.Work) bool {
				return meta.IsStatusConditionFalse(found.Status.Conditions, names.ConditionWorkDispatching)
			})
		}
	}
	change := func(mode string) {
		update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = mode })
	}
	suspend(&policyv1alpha1.Suspension{DispatchingOnClusters: &policyv1alpha1.SuspendClusters{ClusterNames: []string{"member1"}}}, "member1")
	change("2")
	f.awaitMode(config, "2", "member2")
	f.stays("the old copy in member1", as(f.member("member1"), config, func(c *corev1.ConfigMap) bool { return c.Data["mode"] == "1" }))

	suspend(&policyv1alpha1.Suspension{Dispatching: ptr.To(true)}, "member1", "member2")
	change("3")
	f.stays("the old copy in member2", as(f.member("member2"), config, func(c *corev1.ConfigMap) bool { return c.Data["mode"] == "2" }))

	suspend(nil)
	f.awaitMode(config, "3", "member1", "member2")
	eventually(f, f.plane, f.workOf(config, "member1"), "a dispatching Work", func(found *workv1alpha1.Work) bool {
		return meta.IsStatusConditionTrue(found.Status.Conditions, names.ConditionWorkDispatching)
	})
}

// SuspendedSchedulingKeepsPlacement suspends scheduling on a binding: a change of placement waits until it resumes, and a
// change of the policy does not resume it.
func SuspendedSchedulingKeepsPlacement(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("unscheduled")()
	config := configMap("unscheduled", "settings", map[string]string{"mode": "1"})
	f.create(config)
	claimer := f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	f.suspendScheduling(config, true)
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	f.awaitBinding(config, "the new placement, still suspended", func(b binding.Binding) bool {
		return b.Spec.Placement.ClusterAffinity.ClusterNames[0] == "member2" && ptr.Deref(b.Spec.Suspension.Scheduling, false)
	})
	update(f, f.plane, config, func(c *corev1.ConfigMap) { c.Data["mode"] = "2" })
	f.awaitMode(config, "2", "member1")
	f.stays("the copy in member1", f.held(config, "member1"))
	f.suspendScheduling(config, false)
	f.awaitHolders(config, "member2")
}

func (f *fixture) suspendScheduling(template client.Object, suspended bool) {
	f.Helper()
	update(f, f.plane, f.bindingOf(template), func(object client.Object) {
		view, _ := binding.Of(object)
		view.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: &suspended}
	})
}

// awaitMode waits until the copies of a ConfigMap say this mode.
func (f *fixture) awaitMode(config *corev1.ConfigMap, mode string, holders ...string) {
	f.Helper()
	for _, member := range holders {
		eventually(f, f.member(member), config, "mode "+mode+" in "+member, func(found *corev1.ConfigMap) bool { return found.Data["mode"] == mode })
	}
}
