package render

import (
	"context"
	"fmt"
	"slices"
	"time"

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
// left out. What does not count its ready replicas grows at once: nobody could tell when a part of it is ready. Every step of a move changes
// the tasks of the binding, and with that renders it again; next is how long it is until time alone may change who grows, 0 for never.
func (r *renderer) withinSurge(
	ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, works []workv1alpha1.Work,
	targets []workv1alpha2.TargetCluster,
) (within []workv1alpha2.TargetCluster, next time.Duration, err error) {
	if !eviction.Divided(bound.Spec) || len(bound.Spec.RequiredBy) > 0 || !eviction.Holding(bound.Spec) ||
		eviction.Uncounted(bound.Spec, bound.Status.AggregatedStatus) {
		return targets, 0, nil
	}
	present, err := presentReplicas(ctx, deps, works)
	if err != nil {
		return nil, 0, fmt.Errorf("reading what clusters have of %s: %w", workload.Describe(template), err)
	}
	ready := eviction.Ready(bound.Status.AggregatedStatus)
	standing := func(cluster string) eviction.Standing {
		has := present[names.ExecutionSpace(cluster)]
		count, reported := ready[cluster]
		standing := eviction.Standing{Replicas: has.replicas, Ready: min(count, has.replicas)}
		if reported || deps.Clock.Since(has.since) >= r.options.Timeout {
			// A Work that was made again has yet to tell of what it found.
			standing.Idle = standing.Replicas - standing.Ready
		}
		return standing
	}
	most := bound.Spec.Replicas + r.options.Beyond(template, bound.Spec.Replicas)
	within, next = r.options.Within(bound.Spec, standing, most, deps.Clock.Now())
	return slices.DeleteFunc(within, func(target workv1alpha2.TargetCluster) bool {
		_, there := present[names.ExecutionSpace(target.Name)]
		return target.Replicas == 0 && !there
	}), next, nil
}

// has is what a Work carries, and since when there is such a Work.
type has struct {
	replicas int32
	since    time.Time
}

// presentReplicas are those that Works carry, by their namespaces.
func presentReplicas(ctx context.Context, deps control.Deps, works []workv1alpha1.Work) (map[string]has, error) {
	present := map[string]has{}
	for i := range works {
		if !works[i].DeletionTimestamp.IsZero() {
			continue
		}
		replicas, err := replicasOf(ctx, deps, &works[i])
		if err != nil {
			return nil, err
		}
		present[works[i].Namespace] = has{replicas, works[i].CreationTimestamp.Time}
	}
	return present, nil
}

func replicasOf(ctx context.Context, deps control.Deps, work *workv1alpha1.Work) (sum int32, err error) {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return 0, err
	}
	for _, manifest := range manifests {
		replicas, _, err := deps.Interpreter.Replicas(ctx, manifest)
		if err != nil {
			return 0, err
		}
		sum += replicas
	}
	return sum, nil
}
