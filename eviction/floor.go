package eviction

import (
	"fmt"
	"math"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seatrial/seatrial/api/names"
)

// Least is how many replicas of a workload shall be ready at any time: the part that the installation asks for, or all but those that
// the workload's own roll-outs let be away, and one at least. A Deployment says so in its strategy; others do without one at a time.
func (o *Options) Least(template *unstructured.Unstructured, replicas int32) int64 {
	if o.Floor > 0 {
		// A part such as 0.55 is no exact number, and must not ask for one more of 100.
		return int64(math.Ceil(float64(o.Floor*float64(replicas)) - 1e-9))
	}
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

// Raised is a floor, or the one that a policy asks for where that is higher: a number of replicas or a part of them, rounded up, and no more
// than there are.
func Raised(least int64, policy string, replicas int32) (int64, error) {
	if policy == "" {
		return least, nil
	}
	wanted := intstr.Parse(policy)
	floor, err := intstr.GetScaledValueFromIntOrPercent(&wanted, int(replicas), true)
	if err != nil || floor < 0 {
		return least, fmt.Errorf("annotation %s: %q: give a number of replicas, such as 3, or a part, such as 80%%", names.AnnotationFloor, policy)
	}
	return max(least, min(int64(floor), int64(replicas))), nil
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
