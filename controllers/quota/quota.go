// Package quota serves FederatedResourceQuotas: it hands the parts of single clusters to their members, tells what is used of
// the whole, and refuses bindings that would use more.
package quota

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
)

// Options are the settings of the controllers.
type Options struct {
	// Enforced says that admission refuses bindings beyond a quota (gate FederatedQuotaEnforcement). What is used of a quota is
	// then what the bindings of its namespace request; otherwise, what the members report of their parts.
	Enforced bool
	// Period is how often the use of each enforced quota is counted anew. Admission charges a quota before the
	// binding is stored, and cannot take that back when it is not stored after all.
	Period  time.Duration
	Workers int
}

// Defaults are those of the reference.
func Defaults() Options { return Options{Period: 5 * time.Minute} }

// New are the controllers named "federatedResourceQuotaSync", "federatedResourceQuotaStatus" and, where quotas are enforced,
// "federatedResourceQuotaEnforcement". Their keys are FederatedResourceQuotas.
func New(options Options) []control.Controller {
	releases := &releases{seen: map[control.Key]charged{}}
	all := []control.Controller{assignments(options), statuses(options, releases)}
	if options.Enforced {
		all = append(all, uses(options, releases))
	}
	return all
}

const quotaField = "seatrial.quota"

// byQuota indexes Works by the quota they were made for.
func byQuota() control.Index {
	return control.Index{Object: &workv1alpha1.Work{}, Field: quotaField, Values: func(object client.Object) []string {
		if owner, ok := ownerOf(object); ok {
			return []string{owner.String()}
		}
		return nil
	}}
}

func ownerOf(work client.Object) (quota types.NamespacedName, ok bool) {
	labels := work.GetLabels()
	quota = types.NamespacedName{
		Namespace: labels[names.LabelFederatedResourceQuotaNamespace], Name: labels[names.LabelFederatedResourceQuotaName],
	}
	return quota, quota.Namespace != "" && quota.Name != ""
}

func ownerKey(work client.Object) []control.Key {
	owner, ok := ownerOf(work)
	if !ok {
		return nil
	}
	return []control.Key{{Namespace: owner.Namespace, Name: owner.Name}}
}

// worksOf are the Works of a quota, in the order of their execution spaces. They belong to a cache.
func worksOf(ctx context.Context, reader client.Reader, quota types.NamespacedName) ([]workv1alpha1.Work, error) {
	works := &workv1alpha1.WorkList{}
	if err := reader.List(ctx, works, client.MatchingFields{quotaField: quota.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the Works of FederatedResourceQuota %s: %w", quota, err)
	}
	return works.Items, nil
}

// onQuota wakes a quota whose specification is news.
func onQuota(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// writeStatus patches what differs, unless the quota is gone.
func writeStatus(ctx context.Context, deps control.Deps, quota, changed *policyv1alpha1.FederatedResourceQuota) (written bool, err error) {
	fields := fieldpatch.Between(&quota.Status, &changed.Status)
	if len(fields) == 0 {
		return false, nil
	}
	err = fieldpatch.Status(ctx, deps.Client, changed, fieldpatch.Fields{Status: fields})
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("writing the status of FederatedResourceQuota %s/%s: %w", quota.Namespace, quota.Name, err)
	}
	return err == nil, nil
}
