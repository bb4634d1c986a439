package native

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// wholeStatus reports the status as it is.
func wholeStatus(object *unstructured.Unstructured) (map[string]any, error) {
	return statusOf(object)
}

// fields reports the named fields that are neither absent nor zero.
func fields(names ...string) func(*unstructured.Unstructured) (map[string]any, error) {
	return func(object *unstructured.Unstructured) (map[string]any, error) {
		status, err := statusOf(object)
		if status == nil || err != nil {
			return nil, err
		}
		reported := map[string]any{}
		for _, name := range names {
			if value, found := status[name]; found && value != nil && value != int64(0) {
				reported[name] = value
			}
		}
		return reported, nil
	}
}

// reflectService reports load balancers; other types of Service have nothing to report.
func reflectService(object *unstructured.Unstructured) (map[string]any, error) {
	if !isLoadBalancer(object) {
		return nil, nil
	}
	return fields("loadBalancer")(object)
}

func isLoadBalancer(object *unstructured.Unstructured) bool {
	kind, _, _ := unstructured.NestedString(object.Object, "spec", "type")
	return kind == string(corev1.ServiceTypeLoadBalancer)
}

// disruptionBudgetStatus reports the numbers of a budget, zeros included, and the pods under eviction.
func disruptionBudgetStatus(object *unstructured.Unstructured) (map[string]any, error) {
	status, err := statusOf(object)
	if status == nil || err != nil {
		return nil, err
	}
	reported := map[string]any{}
	for _, name := range []string{"currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"} {
		if reported[name], err = counter(status, name); err != nil {
			return nil, err
		}
	}
	if pods := status["disruptedPods"]; pods != nil {
		reported["disruptedPods"] = pods
	}
	return reported, nil
}
