package e2e

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// PushAndPullServeAlike sends a workload to members of both modes, changes it and takes it away: users see no difference.
func PushAndPullServeAlike(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("modes")()
	modes := map[clusterv1alpha1.ClusterSyncMode]int{}
	for _, name := range members {
		found := clusterNamed(name)
		f.must(f.plane.Get(f.ctx, types.NamespacedName{Name: name}, found))
		modes[found.Spec.SyncMode]++
	}
	if modes[clusterv1alpha1.Push] == 0 || modes[clusterv1alpha1.Pull] == 0 {
		f.Fatalf("the members are of modes %v; the suite needs both", modes)
	}
	web := deployment("modes", "web", 6)
	f.create(web)
	f.create(weightedPolicy("modes", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1}))
	f.awaitPlacement("modes", "web", map[string]int32{"member1": 2, "member2": 2, "member3": 2})
	update(f, f.plane, web, func(d *appsv1.Deployment) {
		d.Spec.Replicas, d.Spec.Template.Spec.Containers[0].Image = ptr.To[int32](9), "nginx:1.29"
	})
	f.awaitImage("modes", "web", "nginx:1.29", members...)
	f.awaitPlacement("modes", "web", map[string]int32{"member1": 3, "member2": 3, "member3": 3})
	f.drift("member3", "modes", "web")
	f.awaitPlacement("modes", "web", map[string]int32{"member1": 3, "member2": 3, "member3": 3})
	f.delete(f.plane, web)
	f.awaitHolders(web)
}

// AgentOutlivesControlPlane cuts member3, whose agent carries Works into it, off from its control plane while all sorts of things
// change on both sides. Meanwhile the agent keeps its cluster as it was told last. Afterwards what changed arrives, what left
// leaves, and what did not change is not touched.
func AgentOutlivesControlPlane(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("unplugged")()
	member := f.member("member3")
	web, changed := deployment("unplugged", "web", 3), configMap("unplugged", "changed", map[string]string{"mode": "1"})
	steady, leaving := configMap("unplugged", "steady", map[string]string{"mode": "1"}), configMap("unplugged", "leaving", nil)
	f.create(web)
	f.create(weightedPolicy("unplugged", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1}))
	f.awaitPlacement("unplugged", "web", map[string]int32{"member1": 1, "member2": 1, "member3": 1})
	for _, config := range []*corev1.ConfigMap{changed, steady, leaving} {
		f.create(config)
		f.propagate(config, "member3")
		f.awaitHolders(config, "member3")
	}
	local := configMap("unplugged", "local", nil)
	f.createIn(member, local)
	before := blank(steady)
	f.must(member.Get(f.ctx, types.NamespacedName{Namespace: "unplugged", Name: "steady"}, before))

	f.must(env.Partition(f.ctx, "member3"))
	f.awaitReadiness("member3", false)
	update(f, f.plane, changed, func(c *corev1.ConfigMap) { c.Data["mode"] = "2" })
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](6) })
	f.delete(f.plane, leaving)
	late := configMap("unplugged", "late", nil)
	f.create(late)
	f.propagate(late, "member3")
	f.awaitBinding(late, "member3 scheduled or refused", func(b binding.Binding) bool { return len(b.Status.Conditions) > 0 })
	// The agent needs no control plane to mend what it knows.
	f.delete(member, blankCopy(changed))
	f.awaitMode(changed, "1", "member3")
	f.stays("the copies as they were", f.held(leaving, "member3"))
	f.stays("the pods as they were", as(member, web, func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == 1 }))

	f.must(env.Heal(f.ctx, "member3"))
	f.awaitReady("member3")
	// Each watch of an agent comes back with a backoff of its own, of up to a minute.
	f.await(toNotice, "what left to leave", f.held(leaving))
	f.awaitMode(changed, "2", "member3")
	f.awaitHolders(late, "member3")
	f.awaitWhole("unplugged", "web", 6)
	f.stays("what nobody changed", as(member, steady, func(c *corev1.ConfigMap) bool { return c.ResourceVersion == before.ResourceVersion }))
	f.stays("what is the member's own", as(member, local, func(*corev1.ConfigMap) bool { return true }))
	f.delete(member, local)
	update(f, f.plane, &policyv1alpha1.PropagationPolicy{ObjectMeta: changed.ObjectMeta}, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member1"}
	})
	f.awaitHolders(changed, "member1")
}

// blankCopy names an object, to delete it.
func blankCopy(of *corev1.ConfigMap) *corev1.ConfigMap { return configMap(of.Namespace, of.Name, nil) }
