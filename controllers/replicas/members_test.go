package replicas

import (
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

func TestMembers(t *testing.T) {
	report := func(replicas int, more string) *runtime.RawExtension {
		return &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"resourceTemplateGeneration":2,"generation":5,"observedGeneration":5,
			"replicas":%d,"updatedReplicas":%d,"availableReplicas":%d%s}`, replicas, replicas, replicas, more)}
	}
	for name, c := range map[string]struct {
		change   func(template *appsv1.Deployment, bound *workv1alpha2.ResourceBinding)
		replicas int32
		complete bool
	}{
		"all reported": {func(*appsv1.Deployment, *workv1alpha2.ResourceBinding) {}, 7, true},
		"not available": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[0].Status = report(4, `,"availableReplicas":1,"unavailableReplicas":3`)
		}, 7, true},
		"not placed": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) { b.Spec.Clusters = nil }, 0, false},
		"duplicated": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Spec.Placement.ReplicaScheduling.ReplicaSchedulingType = policyv1alpha1.ReplicaSchedulingTypeDuplicated
		}, 0, false},
		"the template changed":   {func(d *appsv1.Deployment, _ *workv1alpha2.ResourceBinding) { d.Generation = 3 }, 0, false},
		"not in the binding yet": {func(d *appsv1.Deployment, _ *workv1alpha2.ResourceBinding) { d.Spec.Replicas = ptr.To[int32](6) }, 0, false},
		"not scheduled yet":      {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) { b.Generation = 5 }, 0, false},
		"not all assigned":       {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) { b.Spec.Clusters[0].Replicas = 1 }, 7, false},
		"one missing": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus = b.Status.AggregatedStatus[:1]
		}, 0, false},
		"one too many": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) { b.Spec.Clusters = b.Spec.Clusters[:1] }, 0, false},
		"one not applied": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Applied = false
		}, 0, false},
		"one silent": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) { b.Status.AggregatedStatus[1].Status = nil }, 0, false},
		"one empty": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Status.Raw = []byte(`{}`)
		}, 0, false},
		"one unreadable": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Status.Raw = []byte(`7`)
		}, 0, false},
		"one without pods": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Status = report(0, "")
		}, 0, false},
		"one makes pods": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Status = report(1, `,"unavailableReplicas":2`)
		}, 0, false},
		"one replaces pods": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Status = report(4, `,"updatedReplicas":1`)
		}, 0, false},
		"one behind": {func(_ *appsv1.Deployment, b *workv1alpha2.ResourceBinding) {
			b.Status.AggregatedStatus[1].Status = report(3, `,"generation":6`)
		}, 0, false},
	} {
		template := &appsv1.Deployment{Spec: appsv1.DeploymentSpec{Replicas: ptr.To[int32](5)}}
		template.Generation = 2
		bound := &workv1alpha2.ResourceBinding{}
		bound.Generation, bound.Status.SchedulerObservedGeneration, bound.Spec.Replicas = 4, 4, 5
		bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
			ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided,
		}}
		bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}, {Name: "m2", Replicas: 3}}
		bound.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{
			{ClusterName: "m1", Applied: true, Status: report(4, "")}, {ClusterName: "m2", Applied: true, Status: report(3, "")},
		}
		c.change(template, bound)
		if replicas, complete := members(template, bound); complete != c.complete || complete && replicas != c.replicas {
			t.Errorf("%s: %d, complete %t", name, replicas, complete)
		}
	}
}
