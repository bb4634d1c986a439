package workload

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
)

const bindingField = "seatrial.binding"

// ByBinding indexes Works by the binding they were made for.
func ByBinding() control.Index {
	return control.Index{Object: &workv1alpha1.Work{}, Field: bindingField, Values: func(object client.Object) []string {
		owner, ok := binding.OwnerOf(object.(*workv1alpha1.Work))
		if !ok {
			return nil
		}
		return []string{owner.String()}
	}}
}

// WorksOf lists the Works of a binding in all execution spaces. The reader needs the index ByBinding.
// They are shared with the reader's cache where it has one, and must not be written to.
func WorksOf(ctx context.Context, reader client.Reader, owner types.NamespacedName) ([]workv1alpha1.Work, error) {
	works := &workv1alpha1.WorkList{}
	if err := reader.List(ctx, works, client.MatchingFields{bindingField: owner.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the Works of binding %s: %w", owner, err)
	}
	return works.Items, nil
}

// OfCluster leads from a Cluster to all Works in its execution space, when it comes, begins to leave, goes, or is ready or not
// otherwise than before.
func OfCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if before, ok := event.Old.(*clusterv1alpha1.Cluster); ok && event.New != nil {
		now := event.New.(*clusterv1alpha1.Cluster)
		if Ready(before) == Ready(now) && before.DeletionTimestamp.IsZero() == now.DeletionTimestamp.IsZero() {
			return nil
		}
	}
	works := &workv1alpha1.WorkList{}
	space := client.InNamespace(names.ExecutionSpace(event.Object().GetName()))
	if err := reader.List(ctx, works, space, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	keys := make([]control.Key, 0, len(works.Items))
	for i := range works.Items {
		keys = append(keys, control.KeyOf(&works.Items[i]))
	}
	return keys
}

// Ready tells whether a cluster can be written to and asked.
func Ready(cluster *clusterv1alpha1.Cluster) bool {
	return meta.IsStatusConditionTrue(cluster.Status.Conditions, names.ConditionClusterReady)
}

// Applied tells whether the member holds what the Work carries.
func Applied(work *workv1alpha1.Work) bool {
	return meta.IsStatusConditionTrue(work.Status.Conditions, names.ConditionWorkApplied)
}

// BindingOf leads from a Work to the binding it was made for.
func BindingOf(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	work, ok := event.Object().(*workv1alpha1.Work)
	if !ok {
		return nil
	}
	owner, ok := binding.OwnerOf(work)
	if !ok {
		return nil
	}
	return []control.Key{{Namespace: owner.Namespace, Name: owner.Name}}
}
