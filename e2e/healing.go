package e2e

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// RecreatedTemplateReplacesOld deletes a template and creates another of its name before the old one has gone everywhere.
func RecreatedTemplateReplacesOld(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("recreate")()
	for round, pause := range []time.Duration{0, time.Millisecond, 5 * time.Millisecond, 50 * time.Millisecond} {
		web := deployment("recreate", "web", 3)
		f.create(web)
		if round == 0 {
			f.create(weightedPolicy("recreate", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1}))
		}
		f.awaitPlacement("recreate", "web", map[string]int32{"member1": 1, "member2": 1, "member3": 1})
		f.delete(f.plane, web)
		f.pass(pause)
		again := deployment("recreate", "web", 6)
		again.Spec.Template.Spec.Containers[0].Image = "nginx:1.29"
		f.create(again)
		f.awaitPlacement("recreate", "web", map[string]int32{"member1": 2, "member2": 2, "member3": 2})
		f.awaitImage("recreate", "web", "nginx:1.29", members...)
		f.awaitBinding(again, "the binding of the new template", func(b binding.Binding) bool { return b.Spec.Resource.UID == again.UID })
		f.delete(f.plane, again)
		f.awaitHolders(again)
		f.awaitNoOrphans("recreate")
	}
}

// DeletedBindingComesBack deletes a binding by hand: the template gets another, and its copies end up where they were.
func DeletedBindingComesBack(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("rebind")()
	config := configMap("rebind", "settings", nil)
	f.create(config)
	f.propagate(config, "member1", "member2")
	f.awaitHolders(config, "member1", "member2")
	bound := f.bindingOf(config)
	f.must(f.plane.Get(f.ctx, client.ObjectKeyFromObject(bound), bound))
	f.delete(f.plane, bound)
	f.awaitBinding(config, "another binding, applied", func(b binding.Binding) bool {
		return b.GetUID() != bound.GetUID() && meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied)
	})
	f.awaitHolders(config, "member1", "member2")
}

// DeletedWorkComesBack deletes Works by hand, that of a template and that of its namespace.
func DeletedWorkComesBack(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("rework")()
	config := configMap("rework", "settings", nil)
	f.create(config)
	f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	for _, carried := range []client.Object{config, namespace("rework")} {
		work := f.workOf(carried, "member1")
		f.must(f.plane.Get(f.ctx, client.ObjectKeyFromObject(work), work))
		f.delete(f.plane, work)
		eventually(f, f.plane, work, "another Work, applied", func(found *workv1alpha1.Work) bool {
			return found.UID != work.UID && meta.IsStatusConditionTrue(found.Status.Conditions, names.ConditionWorkApplied)
		})
		f.awaitHolders(config, "member1")
	}
}

// DeletedCopyComesBack deletes a copy in a member behind the control plane's back, at once and held up by a finalizer.
func DeletedCopyComesBack(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("recopy")()
	config, member := configMap("recopy", "settings", map[string]string{"mode": "calm"}), f.member("member1")
	f.create(config)
	f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	for _, held := range []bool{false, true} {
		copied := blank(config)
		f.must(member.Get(f.ctx, client.ObjectKeyFromObject(config), copied))
		if held {
			update(f, member, copied, func(c *corev1.ConfigMap) { c.Finalizers = []string{"example.com/hold"} })
		}
		f.delete(member, copied)
		if held {
			f.pass(time.Second)
			update(f, member, copied, func(c *corev1.ConfigMap) { c.Finalizers = nil })
		}
		eventually(f, member, copied, "another copy", func(found *corev1.ConfigMap) bool {
			return found.UID != copied.UID && found.Data["mode"] == "calm"
		})
	}
}

// CopyBeingRemovedIsAwaited propagates to a member in which an object of that name is on its way out: the condition says so,
// and the copy is made when the old object has gone.
func CopyBeingRemovedIsAwaited(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("awaited")()
	f.awaitHolders(namespace("awaited"), members...)
	config, member := configMap("awaited", "settings", map[string]string{"mode": "new"}), f.member("member1")
	old := configMap("awaited", "settings", map[string]string{"mode": "old"})
	old.Finalizers = []string{"example.com/hold"}
	f.createIn(member, old)
	f.delete(member, old)

	f.create(config)
	f.propagate(config, "member1")
	f.awaitBinding(config, "a message that names what stands in the way", func(b binding.Binding) bool {
		return len(b.Status.AggregatedStatus) == 1 && strings.Contains(b.Status.AggregatedStatus[0].AppliedMessage, "being removed")
	})
	update(f, member, old, func(c *corev1.ConfigMap) { c.Finalizers = nil })
	eventually(f, member, config, "the copy", func(found *corev1.ConfigMap) bool { return found.Data["mode"] == "new" })
	f.awaitBinding(config, "applied", func(b binding.Binding) bool {
		return meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied)
	})
}
