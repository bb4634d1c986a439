package e2e

import (
	"maps"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/workload"
)

// RemovedFieldsVanish removes labels, annotations and data from a template: they vanish from the copy, while what was added
// to its metadata in the member stays.
func RemovedFieldsVanish(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("vanish")()
	config, member := configMap("vanish", "settings", map[string]string{"kept": "1", "dropped": "1"}), f.member("member1")
	config.Labels = map[string]string{"kept": "1", "dropped": "1"}
	config.Annotations = map[string]string{"example.com/kept": "1", "example.com/dropped": "1"}
	f.create(config)
	f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	update(f, member, config, func(c *corev1.ConfigMap) {
		c.Labels["local"], c.Annotations["example.com/local"] = "1", "1"
	})
	update(f, f.plane, config, func(c *corev1.ConfigMap) {
		for _, all := range []map[string]string{c.Labels, c.Annotations, c.Data} {
			maps.DeleteFunc(all, func(key, _ string) bool { return strings.HasSuffix(key, "dropped") })
		}
	})
	eventually(f, member, config, "a copy without what was dropped", func(found *corev1.ConfigMap) bool {
		without := func(all map[string]string, prefix string) bool {
			return all[prefix+"kept"] == "1" && all[prefix+"dropped"] == ""
		}
		return without(found.Labels, "") && without(found.Annotations, "example.com/") && without(found.Data, "") &&
			found.Labels["local"] == "1" && found.Annotations["example.com/local"] == "1"
	})
}

// RetainedReplicasAreTheMembers scales a copy in its member whose template leaves replicas to the members.
func RetainedReplicasAreTheMembers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("retain")()
	web, member := deployment("retain", "web", 2), f.member("member1")
	web.Labels[names.LabelRetainReplicas] = names.LabelRetainReplicasValue
	f.create(web)
	f.propagate(web, "member1")
	f.awaitPlacement("retain", "web", map[string]int32{"member1": 2})
	update(f, member, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](5) })
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "nginx:1.29" })
	f.awaitImage("retain", "web", "nginx:1.29", "member1")
	f.stays("5 replicas in member1", as(member, web, func(found *appsv1.Deployment) bool {
		return ptr.Deref(found.Spec.Replicas, 0) == 5
	}))
}

// UnmanagedObjectIsNotOverwritten finds an object of the same name in a member: it stays as it is and the condition names the
// fix. With conflictResolution Overwrite it is taken over, with what it had of metadata.
func UnmanagedObjectIsNotOverwritten(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("unmanaged")()
	f.awaitHolders(namespace("unmanaged"), members...)
	config, member := configMap("unmanaged", "settings", map[string]string{"mode": "ours"}), f.member("member1")
	theirs := configMap("unmanaged", "settings", map[string]string{"mode": "theirs"})
	theirs.Labels = map[string]string{"local": "1"}
	f.createIn(member, theirs)
	f.create(config)
	claimer := f.propagate(config, "member1", "member2")
	eventually(f, f.plane, f.workOf(config, "member1"), "a condition that names the fix", func(found *workv1alpha1.Work) bool {
		condition := meta.FindStatusCondition(found.Status.Conditions, names.ConditionWorkApplied)
		return condition != nil && condition.Reason == names.ReasonWorkApplyFailed && strings.Contains(condition.Message, "conflictResolution: Overwrite")
	})
	f.awaitBinding(config, "applied in member2 alone", func(b binding.Binding) bool {
		return meta.IsStatusConditionFalse(b.Status.Conditions, names.ConditionFullyApplied) && len(b.Status.AggregatedStatus) == 2 &&
			!b.Status.AggregatedStatus[0].Applied && b.Status.AggregatedStatus[1].Applied
	})
	f.stays("the object of the member", as(member, config, func(found *corev1.ConfigMap) bool { return found.Data["mode"] == "theirs" }))

	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.ConflictResolution = policyv1alpha1.ConflictOverwrite
	})
	eventually(f, member, config, "the object taken over", func(found *corev1.ConfigMap) bool {
		return found.Data["mode"] == "ours" && found.Labels["local"] == "1" && workload.Managed(found) && found.UID == theirs.UID
	})
	f.awaitBinding(config, "applied everywhere", func(b binding.Binding) bool {
		return meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied)
	})
}

// UnmanagedObjectOutlivesTemplate deletes a template whose copy was refused: the member's own object stays.
func UnmanagedObjectOutlivesTemplate(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("outlive")()
	f.awaitHolders(namespace("outlive"), members...)
	config, member := configMap("outlive", "settings", nil), f.member("member1")
	f.createIn(member, configMap("outlive", "settings", nil))
	f.create(config)
	f.propagate(config, "member1")
	f.awaitBinding(config, "scheduled", func(b binding.Binding) bool { return len(b.Spec.Clusters) == 1 })
	f.delete(f.plane, config)
	f.awaitNoOrphans("outlive")
	f.stays("the object of the member", f.held(config, "member1"))
}

// PreservedCopiesAreHandedOver deletes a template whose policy preserves the copies: they go on as the members' own.
func PreservedCopiesAreHandedOver(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("preserve")()
	config := configMap("preserve", "settings", map[string]string{"mode": "calm"})
	config.Labels = map[string]string{"own": "1"}
	f.create(config)
	claimer := f.propagate(config, "member1", "member2")
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.PreserveResourcesOnDeletion = ptr.To(true) })
	f.awaitHolders(config, "member1", "member2")
	for _, member := range []string{"member1", "member2"} {
		eventually(f, f.plane, f.workOf(config, member), "a Work that preserves", func(found *workv1alpha1.Work) bool {
			return ptr.Deref(found.Spec.PreserveResourcesOnDeletion, false)
		})
	}
	f.delete(f.plane, config)
	f.awaitNoOrphans("preserve")
	for _, member := range []string{"member1", "member2"} {
		eventually(f, f.member(member), config, "a copy without marks of the control plane", func(found *corev1.ConfigMap) bool {
			return found.Data["mode"] == "calm" && found.Labels["own"] == "1" && len(marks(found)) == 0
		})
	}
	f.stays("the copies", f.held(config, "member1", "member2"))
}

// marks are the keys of the control plane among the labels and annotations of an object.
func marks(object client.Object) []string {
	var found []string
	for _, all := range []map[string]string{object.GetLabels(), object.GetAnnotations()} {
		for key := range all {
			if strings.Contains(key, "karmada.io/") {
				found = append(found, key)
			}
		}
	}
	return found
}
