package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// JoinedMemberCatchesUp joins another cluster: it gets the namespaces, and the copies that go to every cluster. When it is
// taken out again, all of that goes, and nobody else's copies do.
func JoinedMemberCatchesUp(t *testing.T, env fleet.Environment, joiner Joiner) {
	f := start(t, env)
	defer f.space("late")()
	config := configMap("late", "settings", nil)
	f.create(config)
	f.propagate(config)
	f.awaitHolders(config, members...)

	f.addMember(joiner, "member4")
	eventually(f, f.member("member4"), config, "the copy in member4", func(*corev1.ConfigMap) bool { return true })

	f.must(joiner.Unjoin(f.ctx, "member4"))
	f.awaitAbsent(f.member("member4"), config)
	f.awaitLeft("member4")
	f.awaitBinding(config, "scheduled to the others", func(b binding.Binding) bool { return scheduled(b, members...) })
	f.stays("copies in the others", f.held(config, members...))
	f.must(env.Remove(f.ctx, "member4"))
}

// UnjoinedMemberIsReplaced takes the one cluster out that holds a workload's replicas: they go to another.
func UnjoinedMemberIsReplaced(t *testing.T, env fleet.Environment, joiner Joiner) {
	f := start(t, env)
	defer f.space("replace")()
	f.addMember(joiner, "member4")
	web := deployment("replace", "web", 4)
	f.create(web)
	claimer := weightedPolicy("replace", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1})
	claimer.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{StaticWeightList: []policyv1alpha1.StaticClusterWeight{
		{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member4"}}, Weight: 1},
	}}
	claimer.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member4"}}
	f.create(claimer)
	f.awaitPlacement("replace", "web", map[string]int32{"member1": 2, "member4": 2})

	f.must(joiner.Unjoin(f.ctx, "member4"))
	f.awaitLeft("member4")
	f.awaitAbsent(f.member("member4"), web)
	f.awaitPlacement("replace", "web", map[string]int32{"member1": 4})
	f.must(env.Remove(f.ctx, "member4"))
}

// UnjoinNeedsNoScheduler takes out a cluster that a suspended binding still names.
func UnjoinNeedsNoScheduler(t *testing.T, env fleet.Environment, joiner Joiner) {
	f := start(t, env)
	defer f.space("unaided")()
	f.addMember(joiner, "member4")
	config := configMap("unaided", "settings", nil)
	f.create(config)
	f.propagate(config, "member4")
	eventually(f, f.member("member4"), config, "the copy in member4", func(*corev1.ConfigMap) bool { return true })
	f.suspendScheduling(config, true)
	f.must(joiner.Unjoin(f.ctx, "member4"))
	f.awaitLeft("member4")
	f.awaitAbsent(f.member("member4"), config)
	f.must(env.Remove(f.ctx, "member4"))
}

// LeavingMemberGetsNothingAnew holds a cluster back that leaves while suspended bindings still name it: what has been taken out of
// it does not come back.
func LeavingMemberGetsNothingAnew(t *testing.T, env fleet.Environment, joiner Joiner) {
	f := start(t, env)
	defer f.space("leaving")()
	f.addMember(joiner, "member4")
	configs := []*corev1.ConfigMap{configMap("leaving", "first", nil), configMap("leaving", "second", nil)}
	for _, config := range configs {
		f.create(config)
		f.propagate(config, "member4")
		eventually(f, f.member("member4"), config, "the copy in member4", func(*corev1.ConfigMap) bool { return true })
		f.suspendScheduling(config, true)
	}
	const hold = "example.com/hold"
	update(f, f.plane, f.workOf(configs[0], "member4"), func(w *workv1alpha1.Work) { w.Finalizers = append(w.Finalizers, hold) })
	f.delete(f.plane, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member4"}})
	f.awaitAbsent(f.member("member4"), configs[1])
	f.awaitAbsent(f.plane, f.workOf(configs[1], "member4"))
	f.stays("no Work for what has been taken out", func(ctx context.Context) (bool, error) {
		err := f.plane.Get(ctx, client.ObjectKeyFromObject(f.workOf(configs[1], "member4")), &workv1alpha1.Work{})
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
	update(f, f.plane, f.workOf(configs[0], "member4"), func(w *workv1alpha1.Work) {
		w.Finalizers = slices.DeleteFunc(w.Finalizers, func(finalizer string) bool { return finalizer == hold })
	})
	f.awaitLeft("member4")
	f.must(env.Remove(f.ctx, "member4"))
}

// UnreachableMemberCanLeave takes out a cluster that does not answer any more.
func UnreachableMemberCanLeave(t *testing.T, env fleet.Environment, joiner Joiner) {
	f := start(t, env)
	defer f.space("silent")()
	f.addMember(joiner, "member4")
	config := configMap("silent", "settings", nil)
	f.create(config)
	f.propagate(config)
	eventually(f, f.member("member4"), config, "the copy in member4", func(*corev1.ConfigMap) bool { return true })
	f.must(env.Kill(f.ctx, "member4"))
	f.awaitReadiness("member4", false)
	f.must(joiner.Unjoin(f.ctx, "member4"))
	f.awaitLeft("member4")
	f.must(env.Remove(f.ctx, "member4"))
}

// PartitionLosesNothing cuts a member off while its copy, the template and a policy change: nothing is deleted, and when the
// network is mended the changes arrive and the status is whole again.
func PartitionLosesNothing(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("cut")()
	web, config := deployment("cut", "web", 3), configMap("cut", "settings", map[string]string{"mode": "1"})
	f.create(web)
	f.create(config)
	f.create(weightedPolicy("cut", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1}))
	claimer := f.propagate(config, "member2", "member3")
	f.awaitPlacement("cut", "web", map[string]int32{"member1": 1, "member2": 1, "member3": 1})
	f.awaitHolders(config, "member2", "member3")

	f.must(env.Partition(f.ctx, "member2"))
	f.awaitReadiness("member2", false)
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](6) })
	f.await(toSettle, "the scale-up in member1", as(f.member("member1"), web, func(d *appsv1.Deployment) bool { return *d.Spec.Replicas > 1 }))
	f.stays("the copy in member2", as(f.member("member2"), web, func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == 1 }))
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member3"}
	})
	f.awaitBinding(config, "member2 unscheduled", func(b binding.Binding) bool { return scheduled(b, "member3") })
	f.stays("the copy that nobody can remove", f.held(config, "member2", "member3"))

	f.must(env.Heal(f.ctx, "member2"))
	f.awaitReady("member2")
	f.awaitHolders(config, "member3")
	f.awaitWhole("cut", "web", 6)
}

// PartitionedStatusIsMissedOnly lets only the status of a copy change while its member is cut off: it arrives afterwards.
func PartitionedStatusIsMissedOnly(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("blind")()
	web, member := deployment("blind", "web", 2), f.member("member1")
	web.Labels[names.LabelRetainReplicas] = names.LabelRetainReplicasValue
	f.create(web)
	f.propagate(web, "member1")
	f.awaitPlacement("blind", "web", map[string]int32{"member1": 2})
	f.must(env.Partition(f.ctx, "member1"))
	f.awaitReadiness("member1", false)
	update(f, member, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](5) })
	f.await(toSettle, "5 ready replicas in member1", as(member, web, func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == 5 }))
	f.must(env.Heal(f.ctx, "member1"))
	f.awaitReady("member1")
	f.await(toSettle, "5 ready replicas on the template", as(f.plane, web, func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == 5 }))
	update(f, member, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](3) })
	f.await(toSettle, "3 ready replicas on the template", as(f.plane, web, func(d *appsv1.Deployment) bool { return d.Status.ReadyReplicas == 3 }))
}

// RestartLosesNothing restarts the controllers while they are at work, again and again: what they began ends as if they had
// gone on, and nothing is made twice.
func RestartLosesNothing(t *testing.T, env fleet.Environment, restart func() error) {
	f := start(t, env)
	defer f.space("restart")()
	config := configMap("restart", "settings", map[string]string{"mode": "1"})
	f.create(deployment("restart", "web", 6))
	f.create(weightedPolicy("restart", "web", map[string]int64{"member1": 1, "member2": 2, "member3": 3}))
	f.create(config)
	f.propagate(config, "member1")
	for range 20 {
		f.pass(restartPace)
		f.must(restart())
	}
	f.awaitPlacement("restart", "web", map[string]int32{"member1": 1, "member2": 2, "member3": 3})
	f.awaitHolders(config, "member1")
	web := deployment("restart", "web", 0)
	uids := map[string]types.UID{}
	for _, member := range members {
		copied := blank(web)
		f.must(f.member(member).Get(f.ctx, client.ObjectKeyFromObject(web), copied))
		uids[member] = copied.UID
	}
	f.must(restart())
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](12) })
	f.pass(restartPace)
	f.must(restart())
	f.awaitPlacement("restart", "web", map[string]int32{"member1": 2, "member2": 4, "member3": 6})
	for _, member := range members {
		f.stays("the same copy in "+member, as(f.member(member), web, func(d *appsv1.Deployment) bool { return d.UID == uids[member] }))
	}
	f.delete(f.plane, config)
	f.delete(f.plane, web)
	f.must(restart())
	f.awaitHolders(config)
	f.awaitHolders(web)
	f.awaitNoOrphans("restart")
}

// MissingFitIsExplained asks for clusters that do not exist: no cluster is scheduled, copies go as the user's words demand, and
// the condition says why.
func MissingFitIsExplained(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("no-fit")()
	config := configMap("no-fit", "settings", nil)
	f.create(config)
	claimer := f.propagate(config, "member1")
	f.awaitHolders(config, "member1")
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"atlantis"}
	})
	f.awaitBinding(config, "no cluster and the reason", func(b binding.Binding) bool {
		condition := meta.FindStatusCondition(b.Status.Conditions, names.ConditionScheduled)
		return len(b.Spec.Clusters) == 0 && condition != nil && condition.Status == metav1.ConditionFalse &&
			condition.Reason == names.ReasonNoClusterFit && strings.Contains(condition.Message, "0/3 clusters are available")
	})
	f.awaitHolders(config)
	update(f, f.plane, claimer, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member2"}
	})
	f.awaitHolders(config, "member2")
	f.awaitBinding(config, "scheduled", func(b binding.Binding) bool {
		return meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionScheduled)
	})
}

// addMember starts a cluster and joins it.
func (f *fixture) addMember(joiner Joiner, name string) {
	f.Helper()
	f.must(f.env.Add(f.ctx, fleet.Spec{Name: name}))
	f.must(joiner.Join(f.ctx, name))
	f.awaitReady(name)
}

// scheduled tells whether a binding goes to these clusters, in the order of names, and to no other.
func scheduled(b binding.Binding, clusters ...string) bool {
	targets := make([]string, 0, len(b.Spec.Clusters))
	for _, target := range b.Spec.Clusters {
		targets = append(targets, target.Name)
	}
	slices.Sort(targets)
	return fmt.Sprint(targets) == fmt.Sprint(clusters)
}

// awaitLeft waits until the control plane holds nothing of a cluster any more.
func (f *fixture) awaitLeft(cluster string) {
	f.Helper()
	f.awaitAbsent(f.plane, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: cluster}})
	f.awaitAbsent(f.plane, namespace(names.ExecutionSpace(cluster)))
}

// awaitWhole waits until the members report as many ready replicas as the template asks for, wherever they are.
func (f *fixture) awaitWhole(namespace, name string, total int32) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("%d ready replicas on the template %s/%s and in the members", total, namespace, name), func(ctx context.Context) (bool, error) {
		web, ready := deployment(namespace, name, 0), int32(0)
		for _, member := range members {
			copied := blank(web)
			if err := f.member(member).Get(ctx, client.ObjectKeyFromObject(web), copied); err != nil {
				return false, client.IgnoreNotFound(err)
			}
			ready += copied.Status.ReadyReplicas
		}
		template := blank(web)
		err := f.plane.Get(ctx, client.ObjectKeyFromObject(web), template)
		return ready == total && template.Status.ReadyReplicas == total && template.Status.ObservedGeneration == template.Generation, err
	})
}
