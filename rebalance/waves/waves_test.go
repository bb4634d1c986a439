package waves_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/rebalance/waves"
	"github.com/seatrial/seatrial/scheduler/placement"
)

var scheduledAt = metav1.Time{Time: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}

// TestWave begins a wave of one workload, and follows it through what the control plane says of it.
func TestWave(t *testing.T) {
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	bound := binding.New("ns", "web-deployment")
	bound.SetAnnotations(map[string]string{names.AnnotationPropagationPolicyNamespace: "ns", names.AnnotationPropagationPolicyName: "web"})
	bound.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "ns", Name: "web"}
	bound.Spec.Replicas = 2
	bound.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 2}}
	bound.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
	}}
	bound.Status.LastScheduledTime = &scheduledAt
	bound.Status.Conditions = []metav1.Condition{{Type: names.ConditionScheduled, Status: metav1.ConditionTrue}}
	cluster := func(name string) *clusterv1alpha1.Cluster {
		return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Status: clusterv1alpha1.ClusterStatus{
			Conditions:      []metav1.Condition{{Type: names.ConditionClusterReady, Status: metav1.ConditionTrue}},
			ResourceSummary: &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("10")}},
		}}
	}
	store := fake.NewClientBuilder().WithScheme(kinds).WithStatusSubresource(&appsv1alpha1.WorkloadRebalancer{}, &workv1alpha2.ResourceBinding{}).
		WithObjects(bound.Object, cluster("m1"), cluster("m2")).Build()
	wave := planned(t, bound, cluster("m1"), cluster("m2"))
	if err := waves.Begin(t.Context(), store, "w-1", wave); err != nil {
		t.Fatal(err)
	}
	check := func(when, want string) {
		t.Helper()
		progress, err := waves.Look(t.Context(), store, "w-1", wave)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%d settled, moving %v, failed %v, gone %v", progress.Settled, progress.Moving, progress.Failed, progress.Gone); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	check("before anything happens", "0 settled, moving [Deployment ns/web], failed [], gone []")

	request := &appsv1alpha1.WorkloadRebalancer{}
	answer(t, store, client.ObjectKey{Name: "w-1"}, request, func() {
		request.Status.ObservedWorkloads = []appsv1alpha1.ObservedWorkload{{Workload: request.Spec.Workloads[0], Result: appsv1alpha1.RebalanceSuccessful}}
	})
	check("asked for, and not decided", "0 settled, moving [Deployment ns/web], failed [], gone []")

	later := metav1.Time{Time: request.CreationTimestamp.Add(time.Minute)}
	moved := binding.New("ns", "web-deployment")
	key := client.ObjectKeyFromObject(bound.Object)
	if err := store.Get(t.Context(), key, moved.Object); err != nil {
		t.Fatal(err)
	}
	moved.Spec.RescheduleTriggeredAt = &later
	moved.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 1}, {Name: "m2", Replicas: 1}}
	if err := store.Update(t.Context(), moved.Object); err != nil {
		t.Fatal(err)
	}
	report := func(ready int) {
		answer(t, store, key, moved.Object, func() {
			moved.Status.LastScheduledTime = &later
			moved.Status.AggregatedStatus = nil
			for _, name := range []string{"m1", "m2"} {
				moved.Status.AggregatedStatus = append(moved.Status.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
					ClusterName: name, Applied: true, Health: workv1alpha2.ResourceHealthy,
					Status: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"replicas":1,"readyReplicas":%d}`, ready)},
				})
			}
		})
	}
	report(0)
	check("before it is ready", "0 settled, moving [Deployment ns/web], failed [], gone []")
	report(1)
	check("in its new places", "1 settled, moving [], failed [], gone []")
	answer(t, store, client.ObjectKey{Name: "w-1"}, request, func() {
		request.Status.ObservedWorkloads[0].Result = appsv1alpha1.RebalanceFailed
	})
	check("refused", "0 settled, moving [], failed [Deployment ns/web], gone []")
	answer(t, store, client.ObjectKey{Name: "w-1"}, request, func() {
		request.Status.ObservedWorkloads[0].Reason = appsv1alpha1.RebalanceObjectNotFound
	})
	check("deleted, and made again", "0 settled, moving [], failed [], gone [Deployment ns/web]")
	answer(t, store, client.ObjectKey{Name: "w-1"}, request, func() {
		request.Status.ObservedWorkloads[0] = appsv1alpha1.ObservedWorkload{Workload: request.Spec.Workloads[0]}
	})
	check("asked again", "0 settled, moving [Deployment ns/web], failed [], gone []")
	moved.SetFinalizers([]string{"seatrial.io/test"})
	if err := errors.Join(store.Update(t.Context(), moved.Object), store.Delete(t.Context(), moved.Object)); err != nil {
		t.Fatal(err)
	}
	check("being deleted", "0 settled, moving [], failed [], gone [Deployment ns/web]")
	if err := store.Get(t.Context(), key, moved.Object); err != nil {
		t.Fatal(err)
	}
	moved.SetFinalizers(nil)
	if err := store.Update(t.Context(), moved.Object); err != nil {
		t.Fatal(err)
	}
	check("deleted", "0 settled, moving [], failed [], gone [Deployment ns/web]")
}

// planned is the wave of a plan that moves one replica of the workload to m2.
func planned(t *testing.T, bound binding.Binding, clusters ...*clusterv1alpha1.Cluster) rebalance.Wave {
	t.Helper()
	decide := func(context.Context, binding.Binding, *placement.Snapshot) placement.Decision {
		return placement.Decision{Clusters: []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 1}, {Name: "m2", Replicas: 1}}}
	}
	plan, err := rebalance.New(t.Context(), placement.NewSnapshot(clusters), []binding.Binding{bound}, decide, rebalance.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(plan.Waves) != 1 {
		t.Fatalf("the plan is %+v", plan)
	}
	return plan.Waves[0]
}

// answer writes the status of an object as a controller does.
func answer(t *testing.T, store client.Client, key client.ObjectKey, object client.Object, change func()) {
	t.Helper()
	if err := store.Get(t.Context(), key, object); err != nil {
		t.Fatal(err)
	}
	change()
	if err := store.Status().Update(t.Context(), object); err != nil {
		t.Fatal(err)
	}
}
