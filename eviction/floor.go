package eviction

import (
	"math"

	appsv1 "k8s.io/api/apps/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seatrial/seatrial/eviction/floor"
)

// Least is how many replicas of a workload shall be ready at any time: the part that the installation asks for, or else what the workload's
// own roll-outs keep up, and no less than the disruption budgets of its namespace do.
func (o *Options) Least(template *unstructured.Unstructured, budgets []policyv1.PodDisruptionBudget, replicas int32) int64 {
	least := floor.OfRollouts(template, replicas)
	if o.Floor > 0 {
		// A part such as 0.55 is no exact number, and must not ask for one more of 100.
		least = int64(math.Ceil(float64(o.Floor*float64(replicas)) - 1e-9))
	}
	return floor.Budgeted(least, template, budgets, replicas)
}

// Beyond is how many replicas a workload may have beyond those it wants while some of them move: as many as the installation allows,
// or as the workload's own roll-outs add, and one at least. A Deployment says so in its strategy; others add one at a time. Both
// together are a number of replicas.
func (o *Options) Beyond(template *unstructured.Unstructured, replicas int32) int32 {
	most := o.Surge
	if most == (intstr.IntOrString{}) {
		most = ownSurge(template)
	}
	beyond, err := intstr.GetScaledValueFromIntOrPercent(&most, int(replicas), true)
	if err != nil {
		return 1
	}
	return int32(min(max(beyond, 1), math.MaxInt32-int(replicas)))
}

// ownSurge is how many replicas a roll-out adds: a quarter where a Deployment says nothing.
func ownSurge(template *unstructured.Unstructured) intstr.IntOrString {
	if template.GetKind() != "Deployment" {
		return intstr.FromInt32(1)
	}
	deployment := &appsv1.Deployment{}
	if runtime.DefaultUnstructuredConverter.FromUnstructured(template.Object, deployment) != nil {
		return intstr.FromInt32(1)
	}
	if rolling := deployment.Spec.Strategy.RollingUpdate; rolling != nil && rolling.MaxSurge != nil {
		return *rolling.MaxSurge
	}
	return intstr.FromString("25%")
}
