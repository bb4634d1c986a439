package native

import (
	"maps"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// deploymentReplicas reads spec.replicas and spec.template, which Deployment, ReplicaSet and StatefulSet have in common.
func deploymentReplicas(object *unstructured.Unstructured) (int32, *corev1.PodSpec, error) {
	workload, err := decode[appsv1.Deployment](object)
	if err != nil {
		return 0, nil, err
	}
	var replicas int32
	if workload.Spec.Replicas != nil {
		replicas = *workload.Spec.Replicas
	}
	return replicas, &workload.Spec.Template.Spec, nil
}

// jobReplicas is how many pods of a Job run at once.
func jobReplicas(object *unstructured.Unstructured) (int32, *corev1.PodSpec, error) {
	job, err := decode[batchv1.Job](object)
	if err != nil {
		return 0, nil, err
	}
	var replicas int32
	if job.Spec.Parallelism != nil {
		replicas = *job.Spec.Parallelism
	}
	if job.Spec.Completions != nil {
		replicas = min(replicas, *job.Spec.Completions)
	}
	return replicas, &job.Spec.Template.Spec, nil
}

func podReplicas(object *unstructured.Unstructured) (int32, *corev1.PodSpec, error) {
	pod, err := decode[corev1.Pod](object)
	if err != nil {
		return 0, nil, err
	}
	return 1, &pod.Spec, nil
}

// PodRequirements is what a node must offer to one pod, nil when any node will do.
func PodRequirements(pod *corev1.PodSpec) *workv1alpha2.ReplicaRequirements {
	claim := nodeClaimOf(pod)
	requests := podRequests(pod)
	if claim == nil && len(requests) == 0 {
		return nil
	}
	return &workv1alpha2.ReplicaRequirements{NodeClaim: claim, ResourceRequest: requests}
}

// podRequests is the sum over the containers or the largest init container, whichever is more, and the overhead. A limit
// stands in for a missing request, as in the API server's defaulting. Init containers that keep running count like others.
func podRequests(pod *corev1.PodSpec) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for i := range pod.Containers {
		add(sum, containerRequests(pod.Containers[i].Resources))
	}
	for i := range pod.InitContainers {
		for name, quantity := range containerRequests(pod.InitContainers[i].Resources) {
			if have, found := sum[name]; !found || have.Cmp(quantity) < 0 {
				sum[name] = quantity
			}
		}
	}
	add(sum, pod.Overhead)
	maps.DeleteFunc(sum, func(_ corev1.ResourceName, quantity resource.Quantity) bool { return quantity.IsZero() })
	return sum
}

func containerRequests(resources corev1.ResourceRequirements) corev1.ResourceList {
	requests := corev1.ResourceList{}
	maps.Copy(requests, resources.Limits)
	maps.Copy(requests, resources.Requests)
	return requests
}

func add(sum, more corev1.ResourceList) {
	for name, quantity := range more {
		total := sum[name].DeepCopy()
		total.Add(quantity)
		sum[name] = total
	}
}

func nodeClaimOf(pod *corev1.PodSpec) *workv1alpha2.NodeClaim {
	claim := &workv1alpha2.NodeClaim{NodeSelector: pod.NodeSelector, Tolerations: pod.Tolerations}
	if affinity := pod.Affinity; affinity != nil && affinity.NodeAffinity != nil {
		claim.HardNodeAffinity = affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	if claim.HardNodeAffinity == nil && len(claim.NodeSelector) == 0 && len(claim.Tolerations) == 0 {
		return nil
	}
	return claim
}
