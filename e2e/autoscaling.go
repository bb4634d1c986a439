package e2e

import (
	"context"
	"fmt"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// AutoscalerFollowsMembers has the metrics API of two members say that pods use all that they request, where half of it is wanted:
// the template gets twice the replicas, and those of the clusters follow.
func AutoscalerFollowsMembers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	busy := []string{"member1", "member2"}
	for _, name := range busy {
		member := f.member(name)
		f.createIn(member, podMetricsDefinition())
		defer func() {
			f.delete(member, podMetricsDefinition())
			f.awaitAbsent(member, podMetricsDefinition())
		}()
	}
	defer f.space("scaling")()
	web := deployment("scaling", "web", 4)
	web.Spec.Template.Spec.Containers[0].Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("100m")}
	f.create(web)
	halves := weightedPolicy("scaling", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1})
	halves.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: busy}
	f.create(halves)
	for _, name := range busy {
		f.measure(f.member(name), "scaling", 2, "100m")
	}
	f.create(&autoscalingv1alpha1.FederatedHPA{
		ObjectMeta: metav1.ObjectMeta{Namespace: "scaling", Name: "web"},
		Spec: autoscalingv1alpha1.FederatedHPASpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    ptr.To[int32](2), MaxReplicas: 10,
			Metrics: []autoscalingv2.MetricSpec{{Type: autoscalingv2.ResourceMetricSourceType, Resource: &autoscalingv2.ResourceMetricSource{
				Name:   corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](50)},
			}}},
		},
	})
	eventually(f, f.plane, web, "twice the replicas", func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 8 })
	for _, name := range busy {
		eventually(f, f.member(name), web, "its half of the replicas", func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == 4 })
	}
}

// RulesMoveTheBoundsOfAutoscalers has a CronFederatedHPA raise the bounds of a FederatedHPA above the replicas there are, and lower them
// below: the workload follows in all its clusters, whatever its pods use.
func RulesMoveTheBoundsOfAutoscalers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("shifts")()
	web := deployment("shifts", "web", 2)
	f.create(web)
	policy := weightedPolicy("shifts", "web", map[string]int64{"member1": 1, "member2": 1, "member3": 1})
	policy.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}}
	f.create(policy)
	scaler := &autoscalingv1alpha1.FederatedHPA{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shifts", Name: "web"},
		Spec: autoscalingv1alpha1.FederatedHPASpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"},
			MinReplicas:    ptr.To[int32](1), MaxReplicas: 10,
		},
	}
	f.create(scaler)
	shift := &autoscalingv1alpha1.CronFederatedHPA{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shifts", Name: "web"},
		Spec: autoscalingv1alpha1.CronFederatedHPASpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: autoscalingv1alpha1.GroupVersion.String(), Kind: "FederatedHPA", Name: "web"},
			Rules: []autoscalingv1alpha1.CronFederatedHPARule{
				{Name: "shift", Schedule: "@every 5s", TargetMinReplicas: ptr.To[int32](6), TargetMaxReplicas: ptr.To[int32](8)},
			},
		},
	}
	f.create(shift)
	arrive := func(least, most, all, each int32) {
		eventually(f, f.plane, scaler, fmt.Sprintf("bounds of %d and %d", least, most), func(s *autoscalingv1alpha1.FederatedHPA) bool {
			return *s.Spec.MinReplicas == least && s.Spec.MaxReplicas == most
		})
		eventually(f, f.plane, web, fmt.Sprintf("%d replicas", all), func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == all })
		for _, name := range []string{"member1", "member2"} {
			eventually(f, f.member(name), web, fmt.Sprintf("%d replicas of them", each), func(d *appsv1.Deployment) bool { return *d.Spec.Replicas == each })
		}
	}
	arrive(6, 8, 6, 3)
	eventually(f, f.plane, shift, "the rule to be told as done", func(s *autoscalingv1alpha1.CronFederatedHPA) bool {
		for _, history := range s.Status.ExecutionHistories {
			for _, done := range history.SuccessfulExecutions {
				if ptr.Deref(done.AppliedMinReplicas, 0) == 6 && ptr.Deref(done.AppliedMaxReplicas, 0) == 8 {
					return true
				}
			}
		}
		return false
	})
	update(f, f.plane, shift, func(s *autoscalingv1alpha1.CronFederatedHPA) {
		s.Spec.Rules[0].TargetMinReplicas, s.Spec.Rules[0].TargetMaxReplicas = ptr.To[int32](1), ptr.To[int32](2)
	})
	arrive(1, 2, 2, 1)
}

// measure waits for pods that are ready, and says what each uses of CPU.
func (f *fixture) measure(member client.Client, namespace string, count int, used string) {
	f.Helper()
	var ready []corev1.Pod
	f.await(toSettle, fmt.Sprintf("%d ready pods in namespace %s", count, namespace), func(ctx context.Context) (bool, error) {
		pods := &corev1.PodList{}
		err := member.List(ctx, pods, client.InNamespace(namespace))
		ready = nil
		for _, pod := range pods.Items {
			if _, ok := readySince(&pod); ok {
				ready = append(ready, pod)
			}
		}
		return len(ready) == count, err
	})
	for _, pod := range ready {
		since, _ := readySince(&pod)
		sample := &unstructured.Unstructured{Object: map[string]any{
			// What was measured before a pod was ready for a whole window does not count.
			"timestamp": since.Add(time.Hour).UTC().Format(time.RFC3339), "window": "30s",
			"containers": []any{map[string]any{"name": pod.Spec.Containers[0].Name, "usage": map[string]any{"cpu": used}}},
		}}
		sample.SetGroupVersionKind(schema.GroupVersionKind{Group: "metrics.k8s.io", Version: "v1beta1", Kind: "PodMetrics"})
		sample.SetNamespace(namespace)
		sample.SetName(pod.Name)
		sample.SetLabels(pod.Labels)
		f.createIn(member, sample)
	}
}

// readySince tells since when a pod is ready, where it is.
func readySince(pod *corev1.Pod) (time.Time, bool) {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return condition.LastTransitionTime.Time, true
		}
	}
	return time.Time{}, false
}

// podMetricsDefinition lets an API server serve what pods use from what it has stored, in the place of a metrics server.
func podMetricsDefinition() *unstructured.Unstructured {
	definition := definitionOf("metrics.k8s.io", "v1beta1", "Namespaced", "pods", "PodMetrics")
	definition.SetAnnotations(map[string]string{"api-approved.kubernetes.io": "unapproved, for a test"})
	return definition
}
