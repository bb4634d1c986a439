package native

import (
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// scaled is what tells the health of a workload: to read its pod template and its conditions as well would cost most of the time.
type scaled[S any] struct {
	Metadata struct {
		Generation int64 `json:"generation"`
	} `json:"metadata"`
	Spec struct {
		Replicas *int32 `json:"replicas"`
	} `json:"spec"`
	Status S `json:"status"`
}

type deploymentCounts struct {
	ObservedGeneration int64 `json:"observedGeneration"`
	Replicas           int32 `json:"replicas"`
	UpdatedReplicas    int32 `json:"updatedReplicas"`
	AvailableReplicas  int32 `json:"availableReplicas"`
}

func deploymentHealthy(object *unstructured.Unstructured) (bool, error) {
	deployment, err := decode[scaled[deploymentCounts]](object)
	if err != nil {
		return false, err
	}
	status := deployment.Status
	return status.ObservedGeneration == deployment.Metadata.Generation &&
		status.UpdatedReplicas >= wanted(deployment.Spec.Replicas) &&
		status.Replicas <= status.UpdatedReplicas &&
		status.AvailableReplicas >= status.UpdatedReplicas, nil
}

func replicaSetHealthy(object *unstructured.Unstructured) (bool, error) {
	set, err := decode[scaled[appsv1.ReplicaSetStatus]](object)
	if err != nil {
		return false, err
	}
	return set.Status.ObservedGeneration == set.Metadata.Generation &&
		set.Status.AvailableReplicas >= wanted(set.Spec.Replicas), nil
}

func statefulSetHealthy(object *unstructured.Unstructured) (bool, error) {
	set, err := decode[scaled[appsv1.StatefulSetStatus]](object)
	if err != nil {
		return false, err
	}
	status := set.Status
	return status.ObservedGeneration == set.Metadata.Generation &&
		status.UpdatedReplicas >= wanted(set.Spec.Replicas) &&
		status.AvailableReplicas >= status.UpdatedReplicas, nil
}

func daemonSetHealthy(object *unstructured.Unstructured) (bool, error) {
	set, err := decode[scaled[appsv1.DaemonSetStatus]](object)
	if err != nil {
		return false, err
	}
	status := set.Status
	return status.ObservedGeneration == set.Metadata.Generation &&
		status.UpdatedNumberScheduled >= status.DesiredNumberScheduled &&
		status.NumberAvailable >= status.UpdatedNumberScheduled, nil
}

func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 0
	}
	return *replicas
}

func podHealthy(object *unstructured.Unstructured) (bool, error) {
	pod, err := decode[corev1.Pod](object)
	if err != nil {
		return false, err
	}
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		return true, nil
	case corev1.PodRunning:
		for _, condition := range pod.Status.Conditions {
			if condition.Type == corev1.PodReady {
				return condition.Status == corev1.ConditionTrue, nil
			}
		}
	}
	return false, nil
}

// serviceHealthy waits for a load balancer to get an address; other types need none.
func serviceHealthy(object *unstructured.Unstructured) (bool, error) {
	service, err := decode[corev1.Service](object)
	if err != nil {
		return false, err
	}
	return service.Spec.Type != corev1.ServiceTypeLoadBalancer || len(service.Status.LoadBalancer.Ingress) > 0, nil
}

func ingressHealthy(object *unstructured.Unstructured) (bool, error) {
	ingress, err := decode[networkingv1.Ingress](object)
	if err != nil {
		return false, err
	}
	return len(ingress.Status.LoadBalancer.Ingress) > 0, nil
}

func claimHealthy(object *unstructured.Unstructured) (bool, error) {
	claim, err := decode[corev1.PersistentVolumeClaim](object)
	if err != nil {
		return false, err
	}
	return claim.Status.Phase == corev1.ClaimBound, nil
}

func disruptionBudgetHealthy(object *unstructured.Unstructured) (bool, error) {
	budget, err := decode[policyv1.PodDisruptionBudget](object)
	if err != nil {
		return false, err
	}
	return budget.Status.CurrentHealthy >= budget.Status.DesiredHealthy, nil
}
