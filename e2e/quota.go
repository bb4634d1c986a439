package e2e

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// QuotaPartsReachMembers gives two members their parts of a quota, another size, and takes one away.
func QuotaPartsReachMembers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("budget")()
	f.awaitHolders(namespace("budget"), members...)
	quota, limits := cpuQuota("budget", "9"), &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "budget", Name: "cpu"}}
	quota.Spec.StaticAssignments = []policyv1alpha1.StaticClusterAssignment{
		{ClusterName: "member1", Hard: cpus("1")}, {ClusterName: "member2", Hard: cpus("2")},
	}
	f.create(quota)
	f.awaitHolders(limits, "member1", "member2")
	for member, hard := range map[string]string{"member1": "1", "member2": "2"} {
		f.awaitLimit(limits, member, hard)
		f.reportQuota(limits, member)
	}
	eventually(f, f.plane, quota, "what the members report", func(found *policyv1alpha1.FederatedResourceQuota) bool {
		parts := found.Status.AggregatedStatus
		return len(parts) == 2 && parts[0].ClusterName == "member1" && parts[0].Hard.Cpu().Value() == 1 &&
			parts[1].ClusterName == "member2" && parts[1].Hard.Cpu().Value() == 2 && found.Status.Overall.Cpu().Value() == 9
	})
	update(f, f.plane, quota, func(q *policyv1alpha1.FederatedResourceQuota) {
		q.Spec.StaticAssignments = []policyv1alpha1.StaticClusterAssignment{{ClusterName: "member2", Hard: cpus("3")}}
	})
	f.awaitHolders(limits, "member2")
	f.awaitLimit(limits, "member2", "3")
	f.delete(f.plane, quota)
	f.awaitHolders(limits)
}

func (f *fixture) awaitLimit(limits *corev1.ResourceQuota, member, hard string) {
	f.Helper()
	eventually(f, f.member(member), limits, fmt.Sprintf("%s cpus for %s", hard, member), func(found *corev1.ResourceQuota) bool {
		return found.Spec.Hard.Cpu().Cmp(resource.MustParse(hard)) == 0
	})
}

// reportQuota says what the quota controller of a cluster says of an empty namespace, as not every fleet runs one.
func (f *fixture) reportQuota(limits *corev1.ResourceQuota, member string) {
	f.Helper()
	updateStatus(f, f.member(member), limits, func(found *corev1.ResourceQuota) {
		found.Status.Hard, found.Status.Used = found.Spec.Hard, cpus("0")
	})
}

func cpus(amount string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(amount)}
}

// cpuQuota limits the requests of a namespace.
func cpuQuota(namespace, overall string) *policyv1alpha1.FederatedResourceQuota {
	return &policyv1alpha1.FederatedResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "cpu"},
		Spec:       policyv1alpha1.FederatedResourceQuotaSpec{Overall: cpus(overall)},
	}
}

// QuotaHoldsBindings fills an enforced quota: what is beyond it waits until there is room, whether it is a new workload, another
// replica or a greater request, and what runs goes on.
func QuotaHoldsBindings(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("filled")()
	quota := cpuQuota("filled", "500m")
	f.create(quota)
	web, more := requesting(deployment("filled", "web", 4), "100m"), requesting(deployment("filled", "more", 2), "100m")
	f.create(web)
	f.create(halvingPolicy("filled", "web"))
	f.awaitPlacement("filled", "web", map[string]int32{"member1": 2, "member2": 2})
	f.awaitUse(quota, "400m")

	f.create(more)
	f.create(halvingPolicy("filled", "more"))
	f.awaitRefused(more)
	f.stays("no copy of what is beyond the quota", f.held(more))
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](6) })
	f.awaitRefused(web)
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](4) })
	f.awaitApplied("filled", "web")
	update(f, f.plane, web, func(d *appsv1.Deployment) { requesting(d, "200m") })
	f.awaitTrouble(web, names.ConditionUpToDate, "allows 500m of cpu")
	// What renders the binding again does not let the template out.
	marked := markingOverride("filled", "web")
	f.create(marked)
	f.stays("the smaller request", as(f.member("member1"), web, func(d *appsv1.Deployment) bool {
		return d.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().MilliValue() == 100
	}))
	update(f, f.plane, web, func(d *appsv1.Deployment) { requesting(d, "100m") })
	f.awaitNoTrouble(web, names.ConditionUpToDate)
	f.awaitUse(quota, "400m")
	for _, member := range []string{"member1", "member2"} {
		eventually(f, f.member(member), web, "the mark of the override policy in "+member, func(d *appsv1.Deployment) bool { return d.Annotations["marked"] == "yes" })
	}
	f.delete(f.plane, marked)

	update(f, f.plane, quota, func(q *policyv1alpha1.FederatedResourceQuota) { q.Spec.Overall = cpus("600m") })
	f.awaitPlacement("filled", "more", map[string]int32{"member1": 1, "member2": 1})
	f.awaitUse(quota, "600m")
	f.delete(f.plane, web)
	f.awaitUse(quota, "200m")
}

// halvingPolicy divides a Deployment evenly between two members.
func halvingPolicy(namespace, name string) *policyv1alpha1.PropagationPolicy {
	policy := weightedPolicy(namespace, name, map[string]int64{"member1": 1, "member2": 1, "member3": 1})
	policy.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}}
	return policy
}

// markingOverride annotates the copies of a Deployment.
func markingOverride(namespace, name string) *policyv1alpha1.OverridePolicy {
	return &policyv1alpha1.OverridePolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: policyv1alpha1.OverrideSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace, Name: name}},
			OverrideRules: []policyv1alpha1.RuleWithCluster{{Overriders: policyv1alpha1.Overriders{
				AnnotationsOverrider: []policyv1alpha1.LabelAnnotationOverrider{{Operator: policyv1alpha1.OverriderOpAdd, Value: map[string]string{"marked": "yes"}}},
			}}},
		},
	}
}

// requesting makes the replicas of a workload request cpus.
func requesting(workload *appsv1.Deployment, amount string) *appsv1.Deployment {
	workload.Spec.Template.Spec.Containers[0].Resources.Requests = cpus(amount)
	return workload
}

func (f *fixture) awaitUse(quota *policyv1alpha1.FederatedResourceQuota, amount string) {
	f.Helper()
	eventually(f, f.plane, quota, amount+" cpus used", func(found *policyv1alpha1.FederatedResourceQuota) bool {
		return found.Status.OverallUsed.Cpu().Cmp(resource.MustParse(amount)) == 0
	})
}

func (f *fixture) awaitRefused(workload *appsv1.Deployment) {
	f.Helper()
	f.awaitBinding(workload, "refused for the quota", func(b binding.Binding) bool {
		scheduled := meta.FindStatusCondition(b.Status.Conditions, names.ConditionScheduled)
		return scheduled != nil && scheduled.Status == metav1.ConditionFalse && scheduled.Reason == names.ReasonQuotaExceeded
	})
}
