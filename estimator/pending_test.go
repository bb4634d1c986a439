package estimator_test

import (
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/estimator"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func ownedBy(kind, name string) []metav1.OwnerReference {
	return []metav1.OwnerReference{{Kind: kind, Name: name, UID: types.UID(name), Controller: ptr.To(true)}}
}

func replicaSet(name, image string, age time.Duration, labels map[string]string) *appsv1.ReplicaSet {
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name, UID: types.UID(name),
		CreationTimestamp: metav1.NewTime(now.Add(-age)), OwnerReferences: ownedBy("Deployment", "web")}}
	set.Spec.Template.Labels = labels
	set.Spec.Template.Spec.Containers = []corev1.Container{{Image: image}}
	return set
}

func waiting(owner, reason string, since time.Duration) *corev1.Pod {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", OwnerReferences: ownedBy("ReplicaSet", owner)}}
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason,
		LastTransitionTime: metav1.NewTime(now.Add(-since))}}
	return pod
}

func TestUnschedulable(t *testing.T) {
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "web", UID: "web"}}
	deployment.Spec.Template.Labels = map[string]string{"app": "web"}
	deployment.Spec.Template.Spec.Containers = []corev1.Container{{Image: "web:2"}}
	hashed := map[string]string{"app": "web", appsv1.DefaultDeploymentUniqueLabelKey: "x"}
	sets := []*appsv1.ReplicaSet{
		replicaSet("old", "web:1", 3*time.Hour, hashed), replicaSet("twin", "web:2", time.Hour, hashed), replicaSet("new", "web:2", 2*time.Hour, hashed),
	}
	elsewhere := waiting("new", corev1.PodReasonUnschedulable, time.Hour)
	elsewhere.Namespace = "other"
	pods := []*corev1.Pod{
		waiting("new", corev1.PodReasonUnschedulable, 2*time.Minute), waiting("new", corev1.PodReasonUnschedulable, time.Hour),
		waiting("new", corev1.PodReasonSchedulingGated, time.Hour), waiting("old", corev1.PodReasonUnschedulable, time.Hour),
		waiting("twin", corev1.PodReasonUnschedulable, time.Hour), {ObjectMeta: metav1.ObjectMeta{Namespace: "ns"}}, elsewhere,
	}
	for threshold, want := range map[time.Duration]int32{-time.Hour: 2, 0: 2, time.Minute: 2, 5 * time.Minute: 1, 2 * time.Hour: 0} {
		if got := estimator.Unschedulable(deployment, sets, pods, threshold, now); got != want {
			t.Errorf("%d pods have waited longer than %s, want %d", got, threshold, want)
		}
	}
	if got := estimator.Unschedulable(deployment, sets[:1], pods, 0, now); got != 0 {
		t.Errorf("%d pods wait for a revision that has no replica set", got)
	}
}
