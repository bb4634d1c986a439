package live

import (
	"unique"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// trimPlane keeps objects of the control plane without the owners of their fields, which are as large as all the rest of many.
// Those of bindings are needed: whoever writes a binding drops them for good, see package fieldpatch.
func trimPlane(object any) (any, error) {
	switch full := object.(type) {
	case *workv1alpha2.ResourceBinding, *workv1alpha2.ClusterResourceBinding:
	case *unstructured.Unstructured:
		return trimManaged(full)
	case client.Object:
		full.SetManagedFields(nil)
	}
	return object, nil
}

// trimManaged keeps the propagated objects of a member whole but for the owners of their fields: interpreters may ask for anything
// else, and what is written back to the member has to be complete. An API server keeps the owners that a write does not mention.
// Names of fields are kept once for all objects.
func trimManaged(object any) (any, error) {
	if full, ok := object.(*unstructured.Unstructured); ok {
		full.SetManagedFields(nil)
		share(full.Object)
	}
	return object, nil
}

// share replaces the names of fields in a tree of JSON by those that equal ones have elsewhere.
func share(tree any) {
	switch node := tree.(type) {
	case map[string]any:
		for key, value := range node {
			node[unique.Make(key).Value()] = value
			share(value)
		}
	case []any:
		for _, value := range node {
			share(value)
		}
	}
}

// trimInventory keeps of nodes and pods what capacity and readiness need; a large member has 100,000 pods. EndpointSlices stay whole
// but for the owners of their fields.
func trimInventory(object any) (any, error) {
	switch full := object.(type) {
	case *corev1.Node:
		return &corev1.Node{
			ObjectMeta: trimMeta(full.ObjectMeta),
			Spec:       corev1.NodeSpec{Unschedulable: full.Spec.Unschedulable, Taints: full.Spec.Taints},
			Status:     corev1.NodeStatus{Allocatable: full.Status.Allocatable, Conditions: readyOnly(full.Status.Conditions)},
		}, nil
	case *corev1.Pod:
		return trimPod(full), nil
	case *discoveryv1.EndpointSlice:
		full.SetManagedFields(nil)
	}
	return object, nil
}

func trimPod(full *corev1.Pod) *corev1.Pod {
	trimmed := &corev1.Pod{
		ObjectMeta: trimMeta(full.ObjectMeta),
		Spec:       corev1.PodSpec{NodeName: full.Spec.NodeName, Overhead: full.Spec.Overhead},
		Status:     corev1.PodStatus{Phase: full.Status.Phase},
	}
	trimmed.Spec.Containers = trimContainers(full.Spec.Containers)
	trimmed.Spec.InitContainers = trimContainers(full.Spec.InitContainers)
	return trimmed
}

func trimContainers(full []corev1.Container) []corev1.Container {
	trimmed := make([]corev1.Container, len(full))
	for i := range full {
		trimmed[i] = corev1.Container{
			Resources:     corev1.ResourceRequirements{Requests: full[i].Resources.Requests},
			RestartPolicy: full[i].RestartPolicy,
		}
	}
	return trimmed
}

func trimMeta(full metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{
		Namespace: full.Namespace, Name: full.Name, UID: full.UID, Labels: full.Labels,
		ResourceVersion: full.ResourceVersion, DeletionTimestamp: full.DeletionTimestamp,
	}
}

func readyOnly(conditions []corev1.NodeCondition) []corev1.NodeCondition {
	for _, condition := range conditions {
		if condition.Type == corev1.NodeReady {
			return []corev1.NodeCondition{condition}
		}
	}
	return nil
}
