package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fleet"
)

// DynamicWeightsFollowRoom divides replicas by what clusters have left: one that lost its room to others gets fewer.
func DynamicWeightsFollowRoom(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	// Nothing else is there any more when it is released.
	defer f.occupy("member1", "6")()
	defer f.space("room-weights")()
	web := sized("room-weights", "web", 12, "1")
	f.create(web)
	f.create(dividedBy(web, func(strategy *policyv1alpha1.ReplicaSchedulingStrategy) {
		strategy.WeightPreference = &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	}))
	shares := f.awaitShares(web, 12)
	for _, roomier := range []string{"member2", "member3"} {
		if shares[roomier] <= shares["member1"] || shares["member1"] == 0 {
			f.Errorf("member1 has the least room, and the shares are %v", shares)
		}
	}
	f.awaitWhole("room-weights", "web", 12)
}

// AggregationUsesFewClusters wants replicas to be together: one cluster that has room for all gets all, and a second one is used when
// the first is full.
func AggregationUsesFewClusters(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("together")()
	web := sized("together", "web", 6, "1")
	f.create(web)
	f.create(dividedBy(web, func(strategy *policyv1alpha1.ReplicaSchedulingStrategy) {
		strategy.ReplicaDivisionPreference, strategy.WeightPreference = policyv1alpha1.ReplicaDivisionPreferenceAggregated, nil
	}))
	if shares := f.awaitShares(web, 6); len(shares) != 1 {
		f.Errorf("one cluster has room for all, and the shares are %v", shares)
	}
	f.awaitReplicas(web, 6)
	// The roomiest cluster of a default fleet has 48 CPUs.
	update(f, f.plane, web, func(d *appsv1.Deployment) { *d.Spec.Replicas = 50 })
	if shares := f.awaitShares(web, 50); len(shares) < 2 {
		f.Errorf("no cluster has room for all, and the shares are %v", shares)
	}
}

// SpreadCoversRegions wants two regions, and gets a cluster in each; three regions, of which there are two, are refused with the reason.
func SpreadCoversRegions(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("spread")()
	config := configMap("spread", "settings", nil)
	f.create(config)
	placed := f.placed(config, members...)
	regions := func(count int) []policyv1alpha1.SpreadConstraint {
		return []policyv1alpha1.SpreadConstraint{
			{SpreadByField: policyv1alpha1.SpreadByFieldRegion, MinGroups: count, MaxGroups: count},
			{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: count, MaxGroups: count},
		}
	}
	placed.Placement.SpreadConstraints = regions(2)
	spread := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "spread", Name: "settings"}, Spec: placed}
	f.create(spread)
	f.awaitBinding(config, "a cluster in each region", func(b binding.Binding) bool {
		return scheduled(b, "member1", "member2") || scheduled(b, "member1", "member3")
	})
	update(f, f.plane, spread, func(p *policyv1alpha1.PropagationPolicy) { p.Spec.Placement.SpreadConstraints = regions(3) })
	f.awaitBinding(config, "a refusal", func(b binding.Binding) bool {
		condition := meta.FindStatusCondition(b.Status.Conditions, names.ConditionScheduled)
		return condition != nil && condition.Status == metav1.ConditionFalse && strings.Contains(condition.Message, "region")
	})
}

// TaintNobodyToleratesKeepsOut taints a cluster: what tolerates that goes there, nothing else does, and what is there stays.
func TaintNobodyToleratesKeepsOut(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("tainted")()
	before, after, tolerant := configMap("tainted", "before", nil), configMap("tainted", "after", nil), configMap("tainted", "tolerant", nil)
	alone := configMap("tainted", "alone", nil)
	f.create(before)
	f.propagate(before, members...)
	f.awaitHolders(before, members...)

	f.taint("member1", closed)
	for _, config := range []*corev1.ConfigMap{after, tolerant, alone} {
		f.create(config)
	}
	f.propagate(after, members...)
	f.propagate(alone, "member1")
	placed := f.placed(tolerant, members...)
	placed.Placement.ClusterTolerations = []corev1.Toleration{{Key: closed.Key, Operator: corev1.TolerationOpExists, Effect: closed.Effect}}
	f.create(&policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "tainted", Name: "tolerant"}, Spec: placed})
	f.awaitHolders(after, "member2", "member3")
	f.awaitHolders(tolerant, members...)
	f.awaitBinding(alone, "a refusal that names the taint", func(b binding.Binding) bool {
		condition := meta.FindStatusCondition(b.Status.Conditions, names.ConditionScheduled)
		return len(b.Spec.Clusters) == 0 && condition != nil && condition.Reason == names.ReasonNoClusterFit && strings.Contains(condition.Message, "taint")
	})
	f.stays("the copy from before in member1", f.held(before, members...))

	f.taint("member1")
	f.awaitHolders(after, members...)
	f.awaitHolders(alone, "member1")
}

// ThirdClusterTakesOver runs six replicas on two of three clusters, and one of the two fails: six replicas are ready again in the
// two that are left, and the one that failed gets nothing but its copy removed when it is back.
func ThirdClusterTakesOver(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("two-of-three")()
	web := f.serve("two-of-three", 6, func(spec *policyv1alpha1.PropagationSpec) {
		spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 2, MaxGroups: 2}}
	})
	var holders []string
	f.awaitBinding(web, "two clusters", func(b binding.Binding) bool {
		holders = nil
		for _, target := range b.Spec.Clusters {
			holders = append(holders, target.Name)
		}
		return len(holders) == 2
	})
	lost := holders[0]
	left := slices.DeleteFunc(slices.Clone(members), func(name string) bool { return name == lost })
	f.must(env.Kill(f.ctx, lost))
	f.await(toNotice, "six ready replicas in the two that are left", func(ctx context.Context) (bool, error) {
		ready, err := f.readyIn(ctx, web, left...)
		return ready == 6, err
	})
	f.awaitMembers(web, left...)
	f.must(env.Revive(f.ctx, lost))
	f.awaitReady(lost)
	f.awaitAbsent(f.member(lost), web)
	f.awaitReplicas(web, 6)
	f.awaitBinding(web, "nothing held", func(b binding.Binding) bool { return !eviction.Holding(b.Spec) })
}

// ExplanationNamesReasons asks why each cluster was taken or not: by a taint, by the affinity, by its share.
func ExplanationNamesReasons(t *testing.T, rig Rig) {
	f := start(t, rig)
	defer f.space("why")()
	f.taint("member1", closed)
	web := deployment("why", "web", 6)
	f.create(web)
	policy := weightedPolicy("why", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1})
	policy.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}}
	f.create(policy)
	f.awaitMembers(web, "member2")
	told, err := rig.Explain(f.ctx, client.ObjectKeyFromObject(f.bindingOf(web)).String())
	f.must(err)
	var lines []string
	for _, cluster := range told.Clusters {
		var plugins []string
		for _, rejection := range cluster.Rejections {
			plugins = append(plugins, rejection.Plugin)
		}
		lines = append(lines, fmt.Sprintf("%s %v %d", cluster.Name, plugins, cluster.Share))
	}
	if got, want := strings.Join(lines, ", "), "member1 [TaintToleration] 0, member2 [] 6, member3 [ClusterAffinity] 0"; got != want {
		f.Errorf("the explanation is %s, want %s", got, want)
	}
	if told.Obstacle != "" || fmt.Sprint(told.Decided) != fmt.Sprint(told.Stored) {
		f.Errorf("decided %v against %v, obstacle %q", told.Decided, told.Stored, told.Obstacle)
	}
	f.taint("member1")
}

// FullNodesAreSeen fills each node of a cluster but for a rest that is too small for a replica, though the rests add up to several:
// the estimator of the cluster knows, and all replicas go elsewhere, until nodes are free again.
func FullNodesAreSeen(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("full")()
	release := f.occupy("member1", "6")
	web := sized("full", "web", 4, "2100m")
	f.create(web)
	divided := dividedBy(web, func(strategy *policyv1alpha1.ReplicaSchedulingStrategy) {
		strategy.WeightPreference = &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	})
	divided.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}}
	f.create(divided)
	if shares := f.awaitShares(web, 4); shares["member2"] != 4 {
		f.Errorf("member1 is full, and the shares are %v", shares)
	}
	f.awaitReplicas(web, 4)
	release()
	update(f, f.plane, web, func(d *appsv1.Deployment) { *d.Spec.Replicas = 12 })
	if shares := f.awaitShares(web, 12); shares["member1"] == 0 {
		f.Errorf("member1 is free again, and the shares are %v", shares)
	}
	f.awaitReplicas(web, 12)
}

// occupy has each node of a member run a pod of the member's own, of so many CPUs, and waits until the control plane counts them. What
// it returns ends that.
func (f *fixture) occupy(cluster, cpu string) (release func()) {
	f.Helper()
	member, nodes := f.member(cluster), &corev1.NodeList{}
	f.must(member.List(f.ctx, nodes))
	allocated := func() resource.Quantity {
		found := clusterNamed(cluster)
		f.must(f.plane.Get(f.ctx, client.ObjectKeyFromObject(found), found))
		if found.Status.ResourceSummary == nil {
			return resource.Quantity{}
		}
		return *found.Status.ResourceSummary.Allocated.Cpu()
	}
	free := allocated()
	full := free.DeepCopy()
	for i := range nodes.Items {
		f.createIn(member, occupant(nodes.Items[i].Name, cpu))
		full.Add(resource.MustParse(cpu))
	}
	f.await(toNotice, "a summary that counts what "+cluster+" runs of its own", func(context.Context) (bool, error) {
		taken := allocated()
		return taken.Cmp(full) >= 0, nil
	})
	return func() {
		f.Helper()
		for i := range nodes.Items {
			f.must(member.Delete(f.ctx, occupant(nodes.Items[i].Name, cpu), client.GracePeriodSeconds(0)))
		}
		f.await(toNotice, "a summary without what "+cluster+" ran of its own", func(context.Context) (bool, error) {
			taken := allocated()
			return taken.Cmp(free) <= 0, nil
		})
	}
}

func occupant(node, cpu string) *corev1.Pod {
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "busy-" + node},
		Spec: corev1.PodSpec{NodeName: node, Containers: []corev1.Container{{
			Name: "busy", Image: "nginx:1.28", Resources: corev1.ResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
		}}},
	}
}

// awaitShares waits until a number of replicas is assigned, and returns how many to which cluster.
func (f *fixture) awaitShares(web *appsv1.Deployment, replicas int32) map[string]int32 {
	f.Helper()
	var shares map[string]int32
	f.awaitBinding(web, fmt.Sprintf("%d replicas assigned", replicas), func(b binding.Binding) bool {
		shares = map[string]int32{}
		var sum int32
		for _, target := range b.Spec.Clusters {
			shares[target.Name] = target.Replicas
			sum += target.Replicas
		}
		return sum == replicas
	})
	return shares
}

// readyIn counts the ready replicas in some of the members.
func (f *fixture) readyIn(ctx context.Context, web *appsv1.Deployment, clusters ...string) (int32, error) {
	var sum int32
	for _, name := range clusters {
		found := blank(web)
		if err := f.member(name).Get(ctx, client.ObjectKeyFromObject(web), found); client.IgnoreNotFound(err) != nil {
			return 0, err
		}
		sum += found.Status.ReadyReplicas
	}
	return sum, nil
}

// sized is a Deployment whose pods ask for so many CPUs.
func sized(namespace, name string, replicas int32, cpu string) *appsv1.Deployment {
	web := deployment(namespace, name, replicas)
	web.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}
	return web
}

// dividedBy is a policy for a Deployment that divides its replicas over all clusters in a way that is still to be said.
func dividedBy(web *appsv1.Deployment, how func(*policyv1alpha1.ReplicaSchedulingStrategy)) *policyv1alpha1.PropagationPolicy {
	policy := weightedPolicy(web.Namespace, web.Name, nil)
	how(policy.Spec.Placement.ReplicaScheduling)
	return policy
}
