package admission

import (
	"fmt"
	"net/http"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// QuotaUsage is what a binding requests in all the clusters it is assigned to: of each resource the request of a replica times
// the assigned replicas, or for workloads of several components the request of the whole set in every cluster. What asks
// nothing, or is not placed yet, uses nothing.
func QuotaUsage(spec *workv1alpha2.ResourceBindingSpec) corev1.ResourceList {
	used := corev1.ResourceList{}
	if len(spec.Components) > 1 {
		for i := range spec.Components {
			component := &spec.Components[i]
			addRequests(used, requestOf(component.ReplicaRequirements), int64(component.Replicas)*int64(len(spec.Clusters)))
		}
		return used
	}
	var request corev1.ResourceList
	var unassigned int32
	switch {
	case len(spec.Components) == 1:
		request = requestOf(spec.Components[0].ReplicaRequirements)
		// Where nothing was divided, each cluster has all of them.
		unassigned = spec.Components[0].Replicas
	case spec.ReplicaRequirements != nil:
		request = spec.ReplicaRequirements.ResourceRequest
	}
	var replicas int64
	for _, target := range spec.Clusters {
		if target.Replicas > 0 {
			replicas += int64(target.Replicas)
		} else {
			replicas += int64(unassigned)
		}
	}
	addRequests(used, request, replicas)
	return used
}

func requestOf(requirements *workv1alpha2.ComponentReplicaRequirements) corev1.ResourceList {
	if requirements == nil {
		return nil
	}
	return requirements.ResourceRequest
}

func addRequests(used, request corev1.ResourceList, replicas int64) {
	if replicas <= 0 {
		return
	}
	for name, amount := range request {
		if amount.Sign() <= 0 {
			continue
		}
		amount = amount.DeepCopy()
		amount.Mul(replicas)
		sum := used[name]
		sum.Add(amount)
		used[name] = sum
	}
}

// QuotaUsed tells a usage by the names under which a quota limits it, zero for what is not used. Requests are limited under
// their own name and behind the prefix "requests."; what bindings do not know, limits and counts of objects, stays zero.
func QuotaUsed(overall, usage corev1.ResourceList) corev1.ResourceList {
	used := make(corev1.ResourceList, len(overall))
	for limited := range overall {
		used[limited] = usage[requestedName(limited)].DeepCopy()
	}
	return used
}

func requestedName(limited corev1.ResourceName) corev1.ResourceName {
	return corev1.ResourceName(strings.TrimPrefix(string(limited), corev1.DefaultResourceRequestsPrefix))
}

// ChargeQuotas judges the change of a binding by the quotas of its namespace; before is nil for a new one. It lists the quotas
// whose used amounts change, with their status as it shall be. An increase beyond a limit is refused with an API error of code
// 403 and reason QuotaExceeded; a decrease never is, even where more is used than allowed. It makes no difference which part of
// the binding changed. The quotas given stay as they are.
func ChargeQuotas(quotas []policyv1alpha1.FederatedResourceQuota, before, after *workv1alpha2.ResourceBinding) ([]policyv1alpha1.FederatedResourceQuota, error) {
	was := corev1.ResourceList{}
	if before != nil {
		was = QuotaUsage(&before.Spec)
	}
	now := QuotaUsage(&after.Spec)
	var charged []policyv1alpha1.FederatedResourceQuota
	for i := range quotas {
		quota := quotas[i].DeepCopy()
		changes, err := charge(quota, was, now)
		if err != nil {
			return nil, err
		}
		if changes {
			charged = append(charged, *quota)
		}
	}
	return charged, nil
}

// charge puts the difference between two usages on a quota.
func charge(quota *policyv1alpha1.FederatedResourceQuota, was, now corev1.ResourceList) (changes bool, err error) {
	for _, limited := range sortedResources(quota.Spec.Overall) {
		name := requestedName(limited)
		more := now[name].DeepCopy()
		more.Sub(was[name])
		if more.IsZero() {
			continue
		}
		limit, used := quota.Spec.Overall[limited], quota.Status.OverallUsed[limited]
		sum := used.DeepCopy()
		sum.Add(more)
		if more.Sign() > 0 && sum.Cmp(limit) > 0 {
			return false, quotaExceeded(fmt.Sprintf("the FederatedResourceQuota %s/%s allows %s of %s and %s are used: %s more are too much",
				quota.Namespace, quota.Name, limit.String(), limited, used.String(), more.String()))
		}
		if sum.Sign() < 0 {
			sum = resource.Quantity{Format: limit.Format}
		}
		if quota.Status.OverallUsed == nil {
			quota.Status.OverallUsed = corev1.ResourceList{}
		}
		quota.Status.OverallUsed[limited] = sum
		changes = true
	}
	return changes, nil
}

func quotaExceeded(message string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{
		Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: names.ReasonQuotaExceeded, Message: message,
	}}
}
