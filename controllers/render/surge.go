package render

import (
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/workload"
)

// withinSurge lets targets grow only so far while others hold replicas that are to go: together they have no more than the workload
// wants and its surge. What each has already is what its Work says; a cluster that has nothing and gets nothing yet is
// left out. Every step of a move changes the tasks of the binding, and with that renders it again.
func (r *renderer) withinSurge(
	ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, works []workv1alpha1.Work,
	targets []workv1alpha2.TargetCluster,
) ([]workv1alpha2.TargetCluster, error) {
	if !eviction.Divided(bound.Spec) || len(bound.Spec.RequiredBy) > 0 || !eviction.Holding(bound.Spec) {
		return targets, nil
	}
	present, err := presentReplicas(ctx, deps, works)
	if err != nil {
		return nil, fmt.Errorf("reading what clusters have of %s: %w", workload.Describe(template), err)
	}
	most := bound.Spec.Replicas + r.options.Beyond(template, bound.Spec.Replicas)
	bounded := eviction.Within(targets, func(cluster string) int32 { return present[names.ExecutionSpace(cluster)] }, most)
	return slices.DeleteFunc(bounded, func(target workv1alpha2.TargetCluster) bool {
		_, there := present[names.ExecutionSpace(target.Name)]
		return target.Replicas == 0 && !there
	}), nil
}

// presentReplicas are those that Works carry, by their namespaces.
func presentReplicas(ctx context.Context, deps control.Deps, works []workv1alpha1.Work) (map[string]int32, error) {
	present := map[string]int32{}
	for i := range works {
		if !works[i].DeletionTimestamp.IsZero() {
			continue
		}
		manifests, err := workload.Manifests(&works[i])
		if err != nil {
			return nil, err
		}
		for _, manifest := range manifests {
			replicas, _, err := deps.Interpreter.Replicas(ctx, manifest)
			if err != nil {
				return nil, err
			}
			present[works[i].Namespace] += replicas
		}
	}
	return present, nil
}
