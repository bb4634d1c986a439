package e2e

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fleet"
)

// FailoverOptions are what the suites about failover need of a control plane: short times.
func FailoverOptions() eviction.Options {
	options := eviction.Defaults()
	options.Failover, options.NoExecute, options.StatefulInjection = true, true, true
	options.NotReady, options.Unreachable, options.Timeout = toTolerate, toTolerate, toHold
	return options
}

const (
	// toTolerate is how long workloads stay in a lost cluster, toHold how long a copy waits for its replacement.
	toTolerate = 20 * time.Second
	toHold     = 30 * time.Second
	// toReport covers an interval of status collection.
	toReport = 15 * time.Second
)

var (
	evicting = corev1.Taint{Key: "example.com/leave", Effect: corev1.TaintEffectNoExecute}
	closed   = corev1.Taint{Key: "example.com/closed", Effect: corev1.TaintEffectNoSchedule}
)

// LostClusterIsReplaced cuts a cluster off for longer than it is tolerated: its replicas come up elsewhere, and its copy goes when
// it can be reached again.
func LostClusterIsReplaced(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("lost")()
	web := f.serve("lost", 6)
	f.must(env.Partition(f.ctx, "member1"))
	f.awaitServing(web, 6, "a replacement", func(b binding.Binding) bool {
		return !eviction.Targets(b.Spec, "member1") && len(b.Spec.GracefulEvictionTasks) == 0
	})
	f.must(env.Heal(f.ctx, "member1"))
	f.awaitReady("member1")
	f.awaitAbsent(f.member("member1"), web)
	f.awaitReplicas(web, 6)
	f.awaitMembers(web, "member2", "member3")
}

// EvictionWaitsForRoom taints a cluster while the others are closed: nothing changes until one of them opens.
func EvictionWaitsForRoom(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("room")()
	f.taint("member2", closed)
	f.taint("member3", closed)
	web := f.serve("room", 4)
	f.awaitMembers(web, "member1")
	f.taint("member1", evicting)
	f.awaitServing(web, 4, "an eviction that waits", waitingIn("member1"))
	f.stays("the copy in member1", f.held(web, "member1"))
	f.taint("member2")
	f.awaitServing(web, 4, "the move to member2", func(b binding.Binding) bool {
		return scheduled(b, "member2") && len(b.Spec.GracefulEvictionTasks) == 0
	})
	f.awaitHolders(web, "member2")
	f.taint("member1")
	f.taint("member3")
}

// EvictionIsWithdrawn takes a taint away before there was room elsewhere: the workload stays, and grows where it is.
func EvictionIsWithdrawn(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("stay")()
	f.taint("member2", closed)
	f.taint("member3", closed)
	web := f.serve("stay", 4)
	f.taint("member1", evicting)
	f.awaitServing(web, 4, "an eviction that waits", waitingIn("member1"))
	f.taint("member1")
	f.awaitServing(web, 4, "no eviction any more", func(b binding.Binding) bool {
		return scheduled(b, "member1") && len(b.Spec.GracefulEvictionTasks) == 0
	})
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](6) })
	f.awaitPlacement("stay", "web", map[string]int32{"member1": 6})
	f.taint("member2")
	f.taint("member3")
}

// DirectPurgeWaitsForNothing has a policy that says so: the copy goes at once, though nothing else fits.
func DirectPurgeWaitsForNothing(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("direct")()
	f.taint("member2", closed)
	f.taint("member3", closed)
	web := f.serve("direct", 2, func(spec *policyv1alpha1.PropagationSpec) {
		spec.Failover = &policyv1alpha1.FailoverBehavior{Cluster: &policyv1alpha1.ClusterFailoverBehavior{PurgeMode: policyv1alpha1.PurgeModeDirectly}}
	})
	f.awaitMembers(web, "member1")
	f.taint("member1", evicting)
	f.awaitHolders(web)
	f.taint("member2")
	f.awaitPlacement("direct", "web", map[string]int32{"member2": 2})
	f.taint("member1")
	f.taint("member3")
}

// PartitionIsWaitedOut cuts all clusters off at once: that is no reason to leave any of them. They are seen again one after the other, and the
// last ones have been lost for longer than is tolerated by then.
func PartitionIsWaitedOut(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("dark")()
	web := f.serve("dark", 6)
	for _, member := range members {
		f.must(env.Partition(f.ctx, member))
	}
	for _, member := range members {
		f.awaitReadiness(member, false)
	}
	f.pass(2 * toTolerate)
	var before []workv1alpha2.TargetCluster
	f.awaitBinding(web, "no eviction", func(b binding.Binding) bool {
		before = b.Spec.Clusters
		return len(b.Spec.GracefulEvictionTasks) == 0
	})
	for _, member := range members {
		f.must(env.Heal(f.ctx, member))
		f.pass(toReport / 3)
	}
	f.awaitReady(members...)
	f.stays("the copies", func(ctx context.Context) (bool, error) {
		ready, err := f.ready(ctx, web)
		return ready == 6, err
	})
	f.awaitBinding(web, "the same clusters, and no eviction", func(b binding.Binding) bool {
		return len(b.Spec.GracefulEvictionTasks) == 0 && equality.Semantic.DeepEqual(b.Spec.Clusters, before)
	})
}

// ReferenceFailoverWaitsForNothing needs a control plane that fails over as the reference does: a tainted cluster is no target from
// then on, and its copy goes by the timeout, though nothing takes its place.
func ReferenceFailoverWaitsForNothing(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("plain")()
	f.taint("member2", closed)
	f.taint("member3", closed)
	web := f.serve("plain", 2)
	f.awaitMembers(web, "member1")
	f.taint("member1", evicting)
	f.awaitServing(web, 2, "no target, and a copy that is held", func(b binding.Binding) bool {
		return len(b.Spec.Clusters) == 0 && len(b.Spec.GracefulEvictionTasks) == 1
	})
	f.awaitHolders(web)
	for _, member := range members {
		f.taint(member)
	}
	f.awaitReplicas(web, 2)
	f.must(env.Partition(f.ctx, "member2"))
	f.awaitReadiness("member2", false)
	f.pass(2 * toTolerate)
	f.awaitBinding(web, "no eviction for the health of a cluster", func(b binding.Binding) bool {
		return len(b.Spec.GracefulEvictionTasks) == 0
	})
	f.must(env.Heal(f.ctx, "member2"))
	f.awaitReady("member2")
}

// LastServingCopyOutlivesTimeout moves a workload to a cluster in which it cannot start: the old copy serves on, until it can.
func LastServingCopyOutlivesTimeout(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("last")()
	f.taint("member2", closed)
	f.taint("member3", closed)
	web := f.serve("last", 3)
	f.awaitMembers(web, "member1")
	broken := f.breakIn("member2", web)
	f.taint("member1", evicting)
	f.taint("member2")
	f.awaitServing(web, 3, "the move to member2", func(b binding.Binding) bool {
		return scheduled(b, "member2") && len(b.Spec.GracefulEvictionTasks) == 1
	})
	f.pass(2 * toHold)
	f.stays("the old copy", f.held(web, "member1", "member2"))
	f.mend(broken)
	f.awaitServing(web, 3, "the end of the move", func(b binding.Binding) bool { return len(b.Spec.GracefulEvictionTasks) == 0 })
	f.awaitHolders(web, "member2")
	f.taint("member1")
	f.taint("member3")
}

// GracePeriodOfUserEndsCopy breaks a workload whose policy says how long its copy may be held: that is how long, replacement or not.
func GracePeriodOfUserEndsCopy(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("grace")()
	f.taint("member3", closed)
	web := f.serve("grace", 2, oneCluster, failsOver(policyv1alpha1.PurgeModeGracefully, ptr.To[int32](20)))
	f.awaitMembers(web, "member1")
	broken := []client.Object{f.breakIn("member1", web), f.breakIn("member2", web)}
	f.awaitBinding(web, "the move to member2", func(b binding.Binding) bool { return scheduled(b, "member2") })
	f.awaitAbsent(f.member("member1"), web)
	f.mend(broken...)
	f.taint("member3")
	f.awaitReplicas(web, 2)
}

// UnhealthyWorkloadMovesWithItsState breaks a workload in its cluster: it moves to another, where it learns what the failed copy knew.
func UnhealthyWorkloadMovesWithItsState(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("sick")()
	web := f.serve("sick", 2, oneCluster, failsOver(policyv1alpha1.PurgeModeNever, nil), func(spec *policyv1alpha1.PropagationSpec) {
		spec.Failover.Application.StatePreservation = &policyv1alpha1.StatePreservation{Rules: []policyv1alpha1.StatePreservationRule{
			{AliasLabelName: "example.com/replicas", JSONPath: "{.replicas}"},
		}}
	})
	f.awaitMembers(web, "member1")
	broken := f.breakIn("member1", web)
	f.awaitBinding(web, "a move, with the old copy kept", func(b binding.Binding) bool {
		return len(b.Spec.Clusters) == 1 && !eviction.Targets(b.Spec, "member1") && len(b.Spec.GracefulEvictionTasks) == 1
	})
	var successor string
	f.awaitBinding(web, "a target", func(b binding.Binding) bool {
		successor = b.Spec.Clusters[0].Name
		return true
	})
	eventually(f, f.member(successor), web, "the state as a label", func(d *appsv1.Deployment) bool { return d.Labels["example.com/replicas"] != "" })
	f.pass(2 * toHold)
	f.stays("the old copy", f.held(web, "member1", successor))
	bound := f.bindingOf(web)
	update(f, f.plane, bound, func(object client.Object) {
		view, _ := binding.Of(object)
		view.Spec.GracefulEvictionTasks[0].SuppressDeletion = ptr.To(false)
	})
	f.awaitHolders(web, successor)
	f.mend(broken)
}

// SwitchedPolicyHoldsCopies changes weights from one cluster to another: at no time are there fewer ready replicas.
func SwitchedPolicyHoldsCopies(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("switch")()
	web := deployment("switch", "web", 6)
	f.create(web)
	policy := onlyWeighted(weightedPolicy("switch", "web", map[string]int64{"member1": 2, "member2": 1}))
	f.create(policy)
	f.awaitPlacement("switch", "web", map[string]int32{"member1": 4, "member2": 2})
	next := onlyWeighted(weightedPolicy("switch", "web", map[string]int64{"member1": 1, "member3": 2}))
	update(f, f.plane, policy, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.Placement = next.Spec.Placement })
	f.awaitServing(web, 6, "the move", func(b binding.Binding) bool {
		return scheduled(b, "member1", "member3") && len(b.Spec.GracefulEvictionTasks) == 0
	})
	f.awaitPlacement("switch", "web", map[string]int32{"member1": 2, "member3": 4})
	f.awaitHolders(web, "member1", "member3")
}

// GrowthLeavesUnreachableClustersAlone scales a workload up while one of its clusters cannot be seen, which it tolerates.
func GrowthLeavesUnreachableClustersAlone(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("grow")()
	web := deployment("grow", "web", 6)
	f.create(web)
	patient := weightedPolicy("grow", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1})
	for _, key := range []string{names.TaintNotReady, names.TaintUnreachable} {
		patient.Spec.Placement.ClusterTolerations = append(patient.Spec.Placement.ClusterTolerations,
			corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute})
	}
	f.create(patient)
	f.awaitPlacement("grow", "web", map[string]int32{"member1": 2, "member2": 2, "member3": 2})
	f.must(env.Partition(f.ctx, "member3"))
	f.awaitReadiness("member3", false)
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](10) })
	f.awaitBinding(web, "growth elsewhere", func(b binding.Binding) bool {
		shares := map[string]int32{}
		for _, target := range b.Spec.Clusters {
			shares[target.Name] = target.Replicas
		}
		return fmt.Sprint(shares) == fmt.Sprint(map[string]int32{"member1": 4, "member2": 4, "member3": 2})
	})
	f.must(env.Heal(f.ctx, "member3"))
	f.awaitReady("member3")
	f.awaitPlacement("grow", "web", map[string]int32{"member1": 4, "member2": 4, "member3": 2})
}

// TaintPolicyFollowsReadiness lets a policy taint clusters that are not ready.
func TaintPolicyFollowsReadiness(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	in := func(states ...metav1.ConditionStatus) []policyv1alpha1.MatchCondition {
		return []policyv1alpha1.MatchCondition{{ConditionType: "Ready", Operator: policyv1alpha1.MatchConditionOpIn, StatusValues: states}}
	}
	policy := &policyv1alpha1.ClusterTaintPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: "dark"},
		Spec: policyv1alpha1.ClusterTaintPolicySpec{
			TargetClusters:     &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}},
			AddOnConditions:    in(metav1.ConditionFalse, metav1.ConditionUnknown),
			RemoveOnConditions: in(metav1.ConditionTrue),
			Taints:             []policyv1alpha1.Taint{{Key: closed.Key, Effect: closed.Effect}},
		},
	}
	f.create(policy)
	tainted := func(name string, wanted bool) {
		f.Helper()
		eventually(f, f.plane, clusterNamed(name), fmt.Sprintf("%s tainted: %t", name, wanted), func(c *clusterv1alpha1.Cluster) bool {
			return slices.ContainsFunc(c.Spec.Taints, func(taint corev1.Taint) bool { return taint.MatchTaint(&closed) }) == wanted
		})
	}
	for _, name := range []string{"member1", "member3"} {
		f.must(env.Partition(f.ctx, name))
		f.awaitReadiness(name, false)
	}
	tainted("member1", true)
	tainted("member3", false)
	for _, name := range []string{"member1", "member3"} {
		f.must(env.Heal(f.ctx, name))
	}
	f.awaitReady(members...)
	tainted("member1", false)
	f.delete(f.plane, policy)
}

// serve makes a Deployment that goes wherever there is room, and waits until it is whole.
func (f *fixture) serve(namespace string, replicas int32, changes ...func(*policyv1alpha1.PropagationSpec)) *appsv1.Deployment {
	f.Helper()
	web := deployment(namespace, "web", replicas)
	requests := corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	web.Spec.Template.Spec.Containers[0].Resources.Requests = requests
	policy := weightedPolicy(namespace, "web", nil)
	policy.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	for _, change := range changes {
		change(&policy.Spec)
	}
	f.create(web)
	f.create(policy)
	f.awaitReplicas(web, replicas)
	f.awaitBinding(web, "all of them reported", func(b binding.Binding) bool { return len(b.Status.AggregatedStatus) > 0 })
	return web
}

// oneCluster lets a workload run in one cluster, the first by name of those it may.
func oneCluster(spec *policyv1alpha1.PropagationSpec) {
	spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 1}}
	spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{
		{AffinityName: "first", ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}},
		{AffinityName: "others", ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2", "member3"}}},
	}
}

// onlyWeighted leaves out clusters without a weight.
func onlyWeighted(policy *policyv1alpha1.PropagationPolicy) *policyv1alpha1.PropagationPolicy {
	weights := policy.Spec.Placement.ReplicaScheduling.WeightPreference
	weights.StaticWeightList = slices.DeleteFunc(weights.StaticWeightList, func(w policyv1alpha1.StaticClusterWeight) bool { return w.Weight == 0 })
	return policy
}

func failsOver(mode policyv1alpha1.PurgeMode, grace *int32) func(*policyv1alpha1.PropagationSpec) {
	return func(spec *policyv1alpha1.PropagationSpec) {
		spec.PropagateDeps = true
		spec.Failover = &policyv1alpha1.FailoverBehavior{Application: &policyv1alpha1.ApplicationFailoverBehavior{
			DecisionConditions: policyv1alpha1.DecisionConditions{TolerationSeconds: ptr.To(int32(toTolerate / time.Second))}, PurgeMode: mode, GracePeriodSeconds: grace,
		}}
	}
}

// breakIn lets no replica start any more in a cluster.
func (f *fixture) breakIn(cluster string, web *appsv1.Deployment) client.Object {
	f.Helper()
	override := &policyv1alpha1.OverridePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: web.Namespace, Name: "broken-in-" + cluster},
		Spec: policyv1alpha1.OverrideSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: web.Namespace, Name: web.Name}},
			OverrideRules: []policyv1alpha1.RuleWithCluster{{
				TargetCluster: &policyv1alpha1.ClusterAffinity{ClusterNames: []string{cluster}},
				Overriders: policyv1alpha1.Overriders{Plaintext: []policyv1alpha1.PlaintextOverrider{{
					Path: "/spec/template/spec/containers/0/resources/requests/cpu", Operator: policyv1alpha1.OverriderOpReplace,
					Value: apiextensionsv1.JSON{Raw: []byte(`"1000"`)},
				}}},
			}},
		},
	}
	f.create(override)
	return override
}

// mend takes back what breakIn did, and gives clusters time to report that what could not start takes no room any more.
func (f *fixture) mend(overrides ...client.Object) {
	f.Helper()
	for _, override := range overrides {
		f.delete(f.plane, override)
	}
	f.pass(toReport)
}

// taint sets the taints of a cluster that this suite puts there.
func (f *fixture) taint(cluster string, taints ...corev1.Taint) {
	f.Helper()
	update(f, f.plane, clusterNamed(cluster), func(c *clusterv1alpha1.Cluster) {
		c.Spec.Taints = slices.DeleteFunc(c.Spec.Taints, func(t corev1.Taint) bool { return t.Key == evicting.Key || t.Key == closed.Key })
		c.Spec.Taints = append(c.Spec.Taints, taints...)
	})
}

func clusterNamed(name string) *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
}

func waitingIn(cluster string) func(binding.Binding) bool {
	return func(b binding.Binding) bool {
		return eviction.Targets(b.Spec, cluster) && eviction.Task(b.Spec, cluster) != nil
	}
}

// ready counts the ready replicas in all members, those that the control plane cannot see included.
func (f *fixture) ready(ctx context.Context, web *appsv1.Deployment) (int32, error) {
	return f.readyIn(ctx, web, members...)
}

func (f *fixture) awaitReplicas(web *appsv1.Deployment, wanted int32) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("%d ready replicas", wanted), func(ctx context.Context) (bool, error) {
		ready, err := f.ready(ctx, web)
		return ready == wanted, err
	})
}

// awaitServing waits until the binding is as wanted, and fails when at any time until then fewer replicas are ready than stated.
func (f *fixture) awaitServing(web *appsv1.Deployment, least int32, what string, holds func(binding.Binding) bool) {
	f.Helper()
	bound := f.bindingOf(web)
	f.await(toNotice, what, func(ctx context.Context) (bool, error) {
		ready, err := f.ready(ctx, web)
		if err != nil {
			return false, err
		}
		if ready < least {
			return false, fmt.Errorf("%d of %d replicas are ready", ready, least)
		}
		return as(f.plane, bound, func(object client.Object) bool {
			view, _ := binding.Of(object)
			return holds(view)
		})(ctx)
	})
}

// awaitMembers waits until the binding goes to these clusters and to no other.
func (f *fixture) awaitMembers(web *appsv1.Deployment, clusters ...string) {
	f.Helper()
	f.awaitBinding(web, fmt.Sprint("targets ", clusters), func(b binding.Binding) bool { return scheduled(b, clusters...) })
}
