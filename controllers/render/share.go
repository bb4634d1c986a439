package render

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/scheduler/placement/webster"
	"github.com/seatrial/seatrial/workload"
)

// share is what one cluster gets of a template.
type share struct {
	workv1alpha2.TargetCluster
	// completions are those of a Job; nil leaves them as they are in the template.
	completions *int64
	// admitted says that the cluster gets what was admitted, not what the template says now.
	admitted bool
}

// divided is the template with the share of one cluster. It may be the template itself.
func divided(ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, target share) (*unstructured.Unstructured, error) {
	manifest := template
	if !eviction.Divided(bound.Spec) {
		return manifest, nil
	}
	if deps.Interpreter.Supports(template.GroupVersionKind(), configv1alpha1.InterpreterOperationReviseReplica) {
		revised, err := deps.Interpreter.ReviseReplica(ctx, template, int64(target.Replicas))
		if err != nil {
			return nil, err
		}
		manifest = revised
	}
	if target.completions == nil {
		return manifest, nil
	}
	// What an interpreter answers is read-only.
	manifest = manifest.DeepCopy()
	if err := unstructured.SetNestedField(manifest.Object, *target.completions, "spec", "completions"); err != nil {
		return nil, err
	}
	return manifest, nil
}

// completionsOf divides the completions of a Job among the targets in proportion to their replicas, so that the Job is done as
// often as its template says. It is nil for all other kinds, and for Jobs that are queues of work, which leave the number out.
func completionsOf(bound binding.Binding, template *unstructured.Unstructured, targets []workv1alpha2.TargetCluster) ([]int64, error) {
	if template.GroupVersionKind() != batchv1.SchemeGroupVersion.WithKind("Job") || !eviction.Divided(bound.Spec) {
		return nil, nil
	}
	total, found, err := unstructured.NestedInt64(template.Object, "spec", "completions")
	if err != nil {
		return nil, fmt.Errorf("dividing the completions of %s: %w", workload.Describe(template), err)
	}
	if !found {
		return nil, nil
	}
	// Equal claims are served in the order of names.
	byName := make([]int, len(targets))
	for i := range byName {
		byName[i] = i
	}
	slices.SortFunc(byName, func(a, b int) int { return cmp.Compare(targets[a].Name, targets[b].Name) })
	parties := make([]webster.Party, len(targets))
	for rank, i := range byName {
		parties[rank].Votes = int64(targets[i].Replicas)
	}
	webster.Apportion(parties, total, false)
	completions := make([]int64, len(targets))
	for rank, i := range byName {
		completions[i] = parties[rank].Seats
	}
	return completions, nil
}
