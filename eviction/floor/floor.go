// Package floor tells how many replicas of a workload shall be ready at any time, over all clusters: what its own roll-outs keep up, what
// disruption budgets keep up, and what a policy asks for. The strictest of them counts.
package floor

import (
	"errors"
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seatrial/seatrial/api/names"
)

// OfRollouts are all replicas but those that the workload's own roll-outs let be away, and one at least. A Deployment says so in its
// strategy; others do without one at a time.
func OfRollouts(template *unstructured.Unstructured, replicas int32) int64 {
	away := 1
	if template.GetKind() == "Deployment" {
		deployment := &appsv1.Deployment{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(template.Object, deployment) != nil {
			return int64(replicas)
		}
		away = awayOf(&deployment.Spec.Strategy, replicas)
	}
	return max(int64(replicas)-int64(away), 1)
}

// awayOf is how many replicas may be away during a roll-out: a quarter where nothing is said.
func awayOf(strategy *appsv1.DeploymentStrategy, replicas int32) int {
	if strategy.Type == appsv1.RecreateDeploymentStrategyType {
		return int(replicas)
	}
	most := intstr.FromString("25%")
	if rolling := strategy.RollingUpdate; rolling != nil && rolling.MaxUnavailable != nil {
		most = *rolling.MaxUnavailable
	}
	away, err := intstr.GetScaledValueFromIntOrPercent(&most, int(replicas), false)
	if err != nil {
		return 0
	}
	return away
}

// Budgeted is a floor, or what disruption budgets keep up of the workload where that is more. The budgets are those of its namespace;
// the ones count whose selectors match the labels of its pods. A number is one of this workload's replicas, and parts are rounded as
// the disruption controller of Kubernetes does, upwards.
func Budgeted(least int64, template *unstructured.Unstructured, budgets []policyv1.PodDisruptionBudget, replicas int32) int64 {
	pods := podLabels(template)
	for i := range budgets {
		// A selector that cannot be read selects nothing; API servers store none.
		if selector, err := metav1.LabelSelectorAsSelector(budgets[i].Spec.Selector); err == nil && selector.Matches(pods) {
			least = max(least, keptBy(&budgets[i].Spec, replicas))
		}
	}
	return least
}

// keptBy is how many of the replicas of a workload a budget keeps up: all of them where that cannot be told.
func keptBy(budget *policyv1.PodDisruptionBudgetSpec, replicas int32) int64 {
	scaled := func(value *intstr.IntOrString, otherwise int64) int64 {
		count, err := intstr.GetScaledValueFromIntOrPercent(value, int(replicas), true)
		if err != nil {
			return otherwise
		}
		return int64(count)
	}
	switch {
	case budget.MaxUnavailable != nil:
		return int64(replicas) - scaled(budget.MaxUnavailable, 0)
	case budget.MinAvailable != nil:
		return min(scaled(budget.MinAvailable, int64(replicas)), int64(replicas))
	}
	return 0
}

// podLabels are those of the pods that a template makes, which is a Pod or has its pod template where the workloads of Kubernetes do.
func podLabels(template *unstructured.Unstructured) labels.Set {
	if template.GetKind() == "Pod" {
		return template.GetLabels()
	}
	found, _, err := unstructured.NestedStringMap(template.Object, "spec", "template", "metadata", "labels")
	if err != nil {
		return nil
	}
	return found
}

// Raised is a floor, or the one that the annotation names.AnnotationFloor of a policy asks for where that is higher: a number of replicas or
// a part of them, rounded up, and no more than there are. One that cannot be read raises nothing.
func Raised(least int64, annotation string, replicas int32) (int64, error) {
	if annotation == "" {
		return least, nil
	}
	wanted, err := Parse(annotation)
	if err != nil {
		return least, fmt.Errorf("annotation %s: %q: %w", names.AnnotationFloor, annotation, err)
	}
	floor, err := intstr.GetScaledValueFromIntOrPercent(&wanted, int(replicas), true)
	if err != nil {
		return least, fmt.Errorf("annotation %s: %q: %w", names.AnnotationFloor, annotation, err)
	}
	return max(least, min(int64(floor), int64(replicas))), nil
}

// Parse reads the floor that a policy asks for. Its error says what to write instead.
func Parse(text string) (intstr.IntOrString, error) {
	wanted := intstr.Parse(text)
	// Of a hundred, a part is its own number.
	if number, err := intstr.GetScaledValueFromIntOrPercent(&wanted, 100, true); err != nil || number < 0 || number > math.MaxInt32 {
		return wanted, errors.New("give a number of replicas, such as 3, or a part of them, such as 80%")
	}
	return wanted, nil
}
