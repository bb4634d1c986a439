package e2e

import (
	"context"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// AutoscaledReplicasComeBack propagates an autoscaler beside its target: what it arrives at in the members stays, and the
// template follows. Without the autoscaler the template has its say again.
func AutoscaledReplicasComeBack(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("scaled")()
	web := deployment("scaled", "web", 2)
	scaler := &autoscalingv2.HorizontalPodAutoscaler{
		ObjectMeta: metav1.ObjectMeta{Namespace: "scaled", Name: "web"},
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    ptr.To[int32](1), MaxReplicas: 9,
		},
	}
	f.create(web)
	f.create(scaler)
	policy := halvingPolicy("scaled", "web")
	f.create(policy)
	f.awaitPlacement("scaled", "web", map[string]int32{"member1": 1, "member2": 1})
	update(f, f.plane, policy, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.ResourceSelectors = append(p.Spec.ResourceSelectors, f.placed(scaler).ResourceSelectors...)
	})
	f.awaitHolders(scaler, "member1", "member2")
	eventually(f, f.plane, web, "the target marked", func(d *appsv1.Deployment) bool {
		return d.Labels[names.LabelRetainReplicas] == names.LabelRetainReplicasValue
	})
	eventually(f, f.member("member1"), web, "the mark in the member", func(d *appsv1.Deployment) bool {
		return d.Labels[names.LabelRetainReplicas] == names.LabelRetainReplicasValue
	})
	// As the autoscaler of the member would.
	update(f, f.member("member1"), web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](4) })
	f.awaitPlacement("scaled", "web", map[string]int32{"member1": 4, "member2": 1})
	f.awaitAssigned(web, 5)
	f.stays("what the members have", func(ctx context.Context) (bool, error) {
		for member, wanted := range map[string]int32{"member1": 4, "member2": 1} {
			holds, err := as(f.member(member), web, func(d *appsv1.Deployment) bool { return ptr.Deref(d.Spec.Replicas, 1) == wanted })(ctx)
			if err != nil || !holds {
				return false, err
			}
		}
		return as(f.plane, web, func(d *appsv1.Deployment) bool { return ptr.Deref(d.Spec.Replicas, 1) == 5 })(ctx)
	})

	f.delete(f.plane, scaler)
	f.awaitHolders(scaler)
	eventually(f, f.plane, web, "no mark", func(d *appsv1.Deployment) bool { return d.Labels[names.LabelRetainReplicas] == "" })
	update(f, f.plane, web, func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](6) })
	f.awaitPlacement("scaled", "web", map[string]int32{"member1": 3, "member2": 3})
}

// awaitAssigned waits until a template and its binding ask for a number of replicas.
func (f *fixture) awaitAssigned(web *appsv1.Deployment, wanted int32) {
	f.Helper()
	eventually(f, f.plane, web, fmt.Sprintf("%d replicas asked for", wanted), func(d *appsv1.Deployment) bool {
		return ptr.Deref(d.Spec.Replicas, 1) == wanted
	})
	f.awaitBinding(web, fmt.Sprintf("%d replicas assigned", wanted), func(b binding.Binding) bool {
		var assigned int32
		for _, target := range b.Spec.Clusters {
			assigned += target.Replicas
		}
		return b.Spec.Replicas == wanted && assigned == wanted
	})
}
