package render

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/workload"
)

// rendered are the replicas in the Works of clusters, as "m1:2 m2:3".
func rendered(t *testing.T, plane *byhand.Plane) string {
	t.Helper()
	list := &workv1alpha1.WorkList{}
	plane.Must(plane.Store.List(t.Context(), list))
	var parts []string
	for i := range list.Items {
		manifests, err := workload.Manifests(&list.Items[i])
		plane.Must(err)
		replicas, _, err := unstructured.NestedInt64(manifests[0].Object, "spec", "replicas")
		plane.Must(err)
		parts = append(parts, fmt.Sprintf("%s:%d", strings.TrimPrefix(list.Items[i].Namespace, names.ExecutionSpace("")), replicas))
	}
	slices.Sort(parts)
	return strings.Join(parts, " ")
}

// TestMovesStayWithinTheirSurge follows a workload of ten from m1 to m2 and m3. New replicas come as far as the surge allows, and more of
// them whenever a task gives up some.
func TestMovesStayWithinTheirSurge(t *testing.T) {
	options := eviction.Defaults()
	options.Surge = intstr.FromInt32(2)
	plane := byhand.New(t, New(options, 1))
	pods := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app": "web"}}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}}}
	plane.Create(&appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
		Spec:       appsv1.DeploymentSpec{Replicas: ptr.To[int32](10), Selector: &metav1.LabelSelector{MatchLabels: pods.Labels}, Template: pods},
	})
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web-deployment", Finalizers: []string{names.FinalizerResourceBinding}}}
	made.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}
	made.Spec.Replicas = 10
	made.Spec.Placement = &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided}}
	made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 10}}
	for _, name := range []string{"m1", "m2", "m3"} {
		plane.Create(&clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push}})
		plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(name)}})
	}
	plane.Create(made)
	key := control.KeyOf(made)
	for _, step := range []struct {
		name, want string
		held       int32
	}{
		{"at first", "m1:10", 0},
		{"all are held", "m1:10 m2:2", 10},
		{"nothing has changed", "m1:10 m2:2", 10},
		{"two are given up", "m1:8 m2:4", 8},
		{"five more", "m1:3 m2:6 m3:3", 3},
		{"the last is held", "m1:1 m2:6 m3:4", 1},
		{"nothing is", "m2:6 m3:4", 0},
	} {
		plane.Read(made)
		made.Spec.GracefulEvictionTasks = nil
		if step.held > 0 {
			made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m2", Replicas: 6}, {Name: "m3", Replicas: 4}}
			made.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{
				FromCluster: "m1", Producer: names.EvictionProducerScheduler, Reason: names.EvictionReasonMoved, Replicas: ptr.To(step.held), PurgeMode: policyv1alpha1.PurgeModeGracefully,
			}}
		}
		plane.Must(plane.Store.Update(t.Context(), made))
		for range 3 {
			plane.Turn(key)
		}
		list := &workv1alpha1.WorkList{}
		plane.Must(plane.Store.List(t.Context(), list))
		for i := range list.Items { // nobody else lets go of what is deleted
			if work := &list.Items[i]; !work.DeletionTimestamp.IsZero() {
				work.Finalizers = nil
				plane.Must(plane.Store.Update(t.Context(), work))
			}
		}
		if got := rendered(t, plane); got != step.want {
			t.Errorf("%s: %s, want %s", step.name, got, step.want)
		}
	}
}
