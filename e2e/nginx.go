// Package e2e holds the suites that run unchanged on every kind of fleet: simulated, embedded, and others that implement
// fleet.Environment. A suite leaves the fleet as it found it, so that several may run on one fleet.
package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fleet"
)

// Propagation follows one Deployment through its life: created, scaled, updated, with a member killed and revived in
// between, and deleted. The fleet has the members member1 to member3, joined.
func Propagation(t *testing.T, env fleet.Environment) {
	f := start(t, env)

	defer f.space("shop")()
	f.create(deployment("shop", "web", 6))
	f.create(weightedPolicy("shop", "web", map[string]int64{"member1": 1, "member2": 2, "member3": 3}))
	f.awaitPlacement("shop", "web", map[string]int32{"member1": 1, "member2": 2, "member3": 3})
	f.awaitApplied("shop", "web")

	f.Log("scaling up")
	update(f, f.plane, deployment("shop", "web", 0), func(d *appsv1.Deployment) { d.Spec.Replicas = ptr.To[int32](12) })
	f.awaitPlacement("shop", "web", map[string]int32{"member1": 2, "member2": 4, "member3": 6})

	f.Log("killing member2 and changing the image meanwhile")
	f.must(env.Kill(f.ctx, "member2"))
	update(f, f.plane, deployment("shop", "web", 0), func(d *appsv1.Deployment) { d.Spec.Template.Spec.Containers[0].Image = "nginx:1.29" })
	f.awaitImage("shop", "web", "nginx:1.29", "member1", "member3")
	f.must(env.Revive(f.ctx, "member2"))
	f.awaitReady("member2")
	f.awaitImage("shop", "web", "nginx:1.29", "member2")
	f.awaitPlacement("shop", "web", map[string]int32{"member1": 2, "member2": 4, "member3": 6})

	f.Log("mending drift in a member")
	f.drift("member1", "shop", "web")
	f.awaitPlacement("shop", "web", map[string]int32{"member1": 2, "member2": 4, "member3": 6})

	f.Log("deleting")
	f.delete(f.plane, deployment("shop", "web", 0))
	f.awaitHolders(deployment("shop", "web", 0))
	f.awaitNoOrphans("shop")
}

// DuplicatedPropagation sends a ConfigMap to two chosen members, then to the third alone.
func DuplicatedPropagation(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("settings")()
	config := configMap("settings", "mode", map[string]string{"mode": "calm"})
	f.create(config)
	policy := f.propagate(config, "member1", "member2")
	f.awaitHolders(config, "member1", "member2")
	update(f, f.plane, policy, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member3"}
	})
	f.awaitHolders(config, "member3")
	f.delete(f.plane, config)
	f.awaitHolders(config)
	f.delete(f.plane, policy)
	f.awaitAbsent(f.plane, policy)
}

// awaitPlacement waits until every member has its share ready and the template sums them up.
func (f *fixture) awaitPlacement(namespace, name string, shares map[string]int32) {
	f.Helper()
	var total int32
	for _, member := range slices.Sorted(maps.Keys(shares)) {
		share := shares[member]
		total += share
		f.await(toSettle, fmt.Sprintf("%d ready replicas of %s/%s in %s", share, namespace, name, member), func(ctx context.Context) (bool, error) {
			found := &appsv1.Deployment{}
			err := f.member(member).Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, found)
			return err == nil && ptr.Deref(found.Spec.Replicas, 1) == share && found.Status.ReadyReplicas == share, client.IgnoreNotFound(err)
		})
	}
	f.await(toSettle, fmt.Sprintf("%d ready replicas on the template %s/%s", total, namespace, name), func(ctx context.Context) (bool, error) {
		template := &appsv1.Deployment{}
		if err := f.plane.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, template); err != nil {
			return false, err
		}
		status := template.Status
		return status.Replicas == total && status.ReadyReplicas == total && status.ObservedGeneration == template.Generation, nil
	})
}

func (f *fixture) awaitApplied(namespace, name string) {
	f.Helper()
	f.await(toSettle, "the binding Scheduled and FullyApplied", func(ctx context.Context) (bool, error) {
		bound := &workv1alpha2.ResourceBinding{}
		if err := f.plane.Get(ctx, types.NamespacedName{Namespace: namespace, Name: names.Binding("Deployment", name)}, bound); err != nil {
			return false, err
		}
		return meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled) &&
			meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionFullyApplied), nil
	})
}

func (f *fixture) awaitImage(namespace, name, image string, members ...string) {
	f.Helper()
	for _, member := range members {
		f.await(toSettle, image+" in "+member, func(ctx context.Context) (bool, error) {
			found := &appsv1.Deployment{}
			err := f.member(member).Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, found)
			return err == nil && found.Spec.Template.Spec.Containers[0].Image == image, client.IgnoreNotFound(err)
		})
	}
}

// drift scales a member's copy behind the control plane's back.
func (f *fixture) drift(member, namespace, name string) {
	f.Helper()
	copied := deployment(namespace, name, 0)
	f.must(f.member(member).Patch(f.ctx, copied, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"replicas":9}}`))))
}

// awaitNoOrphans waits until nothing stands for the namespace's templates any more: no binding, and no Work but those of
// namespaces.
func (f *fixture) awaitNoOrphans(namespace string) {
	f.Helper()
	f.await(toSettle, "no binding and no Work left", func(ctx context.Context) (bool, error) {
		bindings, works := &workv1alpha2.ResourceBindingList{}, &workv1alpha1.WorkList{}
		if err := f.plane.List(ctx, bindings, client.InNamespace(namespace)); err != nil {
			return false, err
		}
		if err := f.plane.List(ctx, works, client.HasLabels{names.LabelResourceBindingID}); err != nil {
			return false, err
		}
		for i := range works.Items {
			if works.Items[i].Annotations[names.AnnotationResourceBindingNamespace] == namespace {
				return false, nil
			}
		}
		return len(bindings.Items) == 0, nil
	})
}

func deployment(namespace, name string, replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas,
			Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "nginx", Image: "nginx:1.28"}}},
			},
		},
	}
}

func weightedPolicy(namespace, name string, weights map[string]int64) *policyv1alpha1.PropagationPolicy {
	policy := &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: policyv1alpha1.PropagationSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: "apps/v1", Kind: "Deployment", Namespace: namespace, Name: name}},
			Placement: policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
				ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
				ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
				WeightPreference:          &policyv1alpha1.ClusterPreferences{},
			}},
		},
	}
	for _, member := range members {
		policy.Spec.Placement.ReplicaScheduling.WeightPreference.StaticWeightList = append(
			policy.Spec.Placement.ReplicaScheduling.WeightPreference.StaticWeightList,
			policyv1alpha1.StaticClusterWeight{TargetCluster: policyv1alpha1.ClusterAffinity{ClusterNames: []string{member}}, Weight: weights[member]})
	}
	return policy
}
