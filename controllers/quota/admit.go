package quota

import (
	"context"
	"fmt"
	"maps"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/fieldpatch"
)

// attempts bounds how often a charge is tried while others charge the same quotas.
const attempts = 10

// Admit judges a binding that is about to be stored, and charges the quotas of its namespace for it; before is nil for a new
// one. The error is an API error of code 403 and reason QuotaExceeded when it would use more than a quota allows, and any other
// when that cannot be told. With dryRun nothing is written. The plane answers with what is stored now, not from a view.
func Admit(ctx context.Context, plane client.Client, before, after *workv1alpha2.ResourceBinding, dryRun bool) error {
	if len(after.Spec.Clusters) == 0 && (before == nil || len(before.Spec.Clusters) == 0) {
		return nil
	}
	paid := map[types.UID]bool{}
	for attempt := 1; ; attempt++ {
		err := charge(ctx, plane, before, after, paid, dryRun)
		if !apierrors.IsConflict(err) || attempt == attempts {
			return err
		}
	}
}

// charge leaves out the quotas that are paid already, and notes those it charges.
func charge(ctx context.Context, plane client.Client, before, after *workv1alpha2.ResourceBinding, paid map[types.UID]bool, dryRun bool) error {
	quotas := &policyv1alpha1.FederatedResourceQuotaList{}
	if err := plane.List(ctx, quotas, client.InNamespace(after.Namespace)); err != nil {
		return fmt.Errorf("listing the FederatedResourceQuotas of namespace %s: %w", after.Namespace, err)
	}
	quotas.Items = slices.DeleteFunc(quotas.Items, func(q policyv1alpha1.FederatedResourceQuota) bool { return paid[q.UID] })
	for i := range quotas.Items {
		if err := count(ctx, plane, &quotas.Items[i]); err != nil {
			return err
		}
	}
	charged, err := admission.ChargeQuotas(quotas.Items, before, after)
	if err != nil || dryRun {
		return err
	}
	for i := range charged {
		fields := fieldpatch.Fields{Status: map[string]any{"overallUsed": charged[i].Status.OverallUsed}}
		if err := fieldpatch.Status(ctx, plane, &charged[i], fields); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("charging FederatedResourceQuota %s/%s: %w", charged[i].Namespace, charged[i].Name, err)
		}
		paid[charged[i].UID] = true
	}
	return nil
}

// count tells what is used of what no controller has looked at yet, so that a quota holds from the moment it is stored.
func count(ctx context.Context, plane client.Client, quota *policyv1alpha1.FederatedResourceQuota) error {
	told, complete := quota.Status.OverallUsed, true
	for limited := range quota.Spec.Overall {
		_, known := told[limited]
		complete = complete && known
	}
	if complete {
		return nil
	}
	usage, err := usageIn(ctx, plane, quota.Namespace)
	if err != nil {
		return err
	}
	// What is told may be more than can be counted: others are charged and not stored yet.
	quota.Status.OverallUsed = admission.QuotaUsed(quota.Spec.Overall, usage)
	maps.Copy(quota.Status.OverallUsed, told)
	return nil
}
