package workload

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

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
func WorksOf(ctx context.Context, reader client.Reader, owner types.NamespacedName) ([]workv1alpha1.Work, error) {
	works := &workv1alpha1.WorkList{}
	if err := reader.List(ctx, works, client.MatchingFields{bindingField: owner.String()}); err != nil {
		return nil, fmt.Errorf("listing the Works of binding %s: %w", owner, err)
	}
	return works.Items, nil
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
