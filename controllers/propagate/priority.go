package propagate

import (
	"context"
	"fmt"

	schedulingv1 "k8s.io/api/scheduling/v1"
	"k8s.io/apimachinery/pkg/types"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
)

// priorityOf looks up the priority class that a policy names. A class whose value changes counts from the next change of the
// template or the policy on.
func priorityOf(ctx context.Context, deps control.Deps, wanted *policyv1alpha1.SchedulePriority) (*workv1alpha2.SchedulePriority, error) {
	if wanted == nil {
		return nil, nil
	}
	if wanted.PriorityClassSource != policyv1alpha1.KubePriorityClass {
		return nil, fmt.Errorf("spec.schedulePriority.priorityClassSource: %q is not supported; use %s", wanted.PriorityClassSource, policyv1alpha1.KubePriorityClass)
	}
	class := &schedulingv1.PriorityClass{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: wanted.PriorityClassName}, class); err != nil {
		return nil, fmt.Errorf("reading the priority class of spec.schedulePriority: %w", err)
	}
	return &workv1alpha2.SchedulePriority{Priority: class.Value}, nil
}
