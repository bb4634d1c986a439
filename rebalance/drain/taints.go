package drain

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
)

// Cordoned is the taint of clusters that take no workloads anew. What runs there stays.
func Cordoned() corev1.Taint {
	return corev1.Taint{Key: names.TaintUnschedulable, Effect: corev1.TaintEffectNoSchedule}
}

// writes is how often an object is tried to be written that others write to as well.
const writes = 5

// Taint changes the taints of a cluster, as often as others write to it meanwhile. It tells whether anything changed; in a dry
// run the API server judges and keeps nothing.
func Taint(
	ctx context.Context, plane client.Client, cluster string, dryRun bool, change func([]corev1.Taint) ([]corev1.Taint, error),
) (changed bool, err error) {
	for range writes {
		read := &clusterv1alpha1.Cluster{}
		if err := plane.Get(ctx, client.ObjectKey{Name: cluster}, read); err != nil {
			return false, fmt.Errorf("reading cluster %s: %w", cluster, err)
		}
		taints, err := change(slices.Clone(read.Spec.Taints))
		if err != nil {
			return false, fmt.Errorf("tainting cluster %s: %w", cluster, err)
		}
		if equality.Semantic.DeepEqual(taints, read.Spec.Taints) {
			return false, nil
		}
		before := read.DeepCopy()
		read.Spec.Taints = taints
		var options []client.PatchOption
		if dryRun {
			options = append(options, client.DryRunAll)
		}
		err = plane.Patch(ctx, read, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}), options...)
		if err == nil {
			return true, nil
		}
		if !apierrors.IsConflict(err) {
			return false, fmt.Errorf("tainting cluster %s: %w", cluster, err)
		}
	}
	return false, fmt.Errorf("tainting cluster %s: others write to it all the time", cluster)
}

// Cordon keeps workloads from coming to a cluster anew.
func Cordon(ctx context.Context, plane client.Client, cluster string, dryRun bool) (changed bool, err error) {
	return Taint(ctx, plane, cluster, dryRun, func(taints []corev1.Taint) ([]corev1.Taint, error) {
		if slices.ContainsFunc(taints, isCordon) {
			return taints, nil
		}
		return append(taints, Cordoned()), nil
	})
}

// Uncordon undoes Cordon.
func Uncordon(ctx context.Context, plane client.Client, cluster string, dryRun bool) (changed bool, err error) {
	return Taint(ctx, plane, cluster, dryRun, func(taints []corev1.Taint) ([]corev1.Taint, error) {
		return slices.DeleteFunc(taints, isCordon), nil
	})
}

// AsCordoned is a cluster as it is with the taint.
func AsCordoned(cluster *clusterv1alpha1.Cluster) *clusterv1alpha1.Cluster {
	if slices.ContainsFunc(cluster.Spec.Taints, isCordon) {
		return cluster
	}
	cordoned := cluster.DeepCopy()
	cordoned.Spec.Taints = append(cordoned.Spec.Taints, Cordoned())
	return cordoned
}

func isCordon(taint corev1.Taint) bool {
	cordoned := Cordoned()
	return taint.MatchTaint(&cordoned)
}

// Withdraw takes back what a drain has asked for and what has not taken effect: nothing had room elsewhere. Moves under way are
// completed. It counts the workloads that may stay.
func Withdraw(ctx context.Context, plane client.Client, cluster string) (kept int, err error) {
	bindings, err := binding.List(ctx, plane)
	if err != nil {
		return 0, err
	}
	for _, bound := range bindings {
		withdrawn, err := withdraw(ctx, plane, bound, cluster)
		if err != nil {
			return kept, fmt.Errorf("keeping binding %s in cluster %s: %w", bound.NamespacedName(), cluster, err)
		}
		if withdrawn {
			kept++
		}
	}
	return kept, nil
}

func withdraw(ctx context.Context, plane client.Client, bound binding.Binding, cluster string) (withdrawn bool, err error) {
	for range writes {
		changed := bound.Clone()
		elsewhere := func(from string) bool { return from != cluster }
		if len(eviction.Withdraw(changed.Spec, names.EvictionProducerDrain, elsewhere)) == 0 {
			return false, nil
		}
		err = fieldpatch.Object(ctx, plane, changed.Object, fieldpatch.Fields{Spec: map[string]any{"gracefulEvictionTasks": changed.Spec.GracefulEvictionTasks}})
		if !apierrors.IsConflict(err) {
			return err == nil, client.IgnoreNotFound(err)
		}
		if bound, err = binding.Get(ctx, plane, bound.NamespacedName()); err != nil {
			return false, client.IgnoreNotFound(err)
		}
	}
	return false, err
}
