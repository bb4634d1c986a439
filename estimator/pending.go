package estimator

import (
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Unschedulable counts the pods of the current revision of a Deployment that the scheduler of the cluster has found no
// node for since longer than the threshold; a negative threshold counts as none. Pods whose controller is not the
// ReplicaSet of the current pod template, and pods that wait for something else than room, are not among them.
func Unschedulable(deployment *appsv1.Deployment, replicaSets []*appsv1.ReplicaSet, pods []*corev1.Pod, threshold time.Duration, now time.Time) int32 {
	current := currentReplicaSet(deployment, replicaSets)
	if current == nil {
		return 0
	}
	before := now.Add(-max(threshold, 0))
	var count int32
	for _, pod := range pods {
		if pod.Namespace == deployment.Namespace && metav1.IsControlledBy(pod, current) && unschedulableBefore(pod, before) {
			count++
		}
	}
	return count
}

// currentReplicaSet is the oldest ReplicaSet of a Deployment whose pod template is that of the Deployment.
func currentReplicaSet(deployment *appsv1.Deployment, replicaSets []*appsv1.ReplicaSet) *appsv1.ReplicaSet {
	var current *appsv1.ReplicaSet
	for _, candidate := range replicaSets {
		if candidate.Namespace == deployment.Namespace && metav1.IsControlledBy(candidate, deployment) &&
			sameTemplate(&candidate.Spec.Template, &deployment.Spec.Template) && (current == nil || older(candidate, current)) {
			current = candidate
		}
	}
	return current
}

func older(a, b *appsv1.ReplicaSet) bool {
	if a.CreationTimestamp.Equal(&b.CreationTimestamp) {
		return a.Name < b.Name
	}
	return a.CreationTimestamp.Before(&b.CreationTimestamp)
}

// sameTemplate compares pod templates but for the hash that the Deployment controller adds to the labels.
func sameTemplate(a, b *corev1.PodTemplateSpec) bool {
	a, b = a.DeepCopy(), b.DeepCopy()
	delete(a.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	delete(b.Labels, appsv1.DefaultDeploymentUniqueLabelKey)
	return apiequality.Semantic.DeepEqual(a, b)
}

func unschedulableBefore(pod *corev1.Pod, before time.Time) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodScheduled {
			return condition.Status == corev1.ConditionFalse && condition.Reason == corev1.PodReasonUnschedulable &&
				condition.LastTransitionTime.Time.Before(before)
		}
	}
	return false
}
