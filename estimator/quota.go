package estimator

import (
	"math"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Unbounded is the answer when nothing bounds the number of replicas or sets.
const Unbounded = math.MaxInt32

// Claimant is who asks for room under the quotas of a namespace.
type Claimant struct {
	Namespace         string
	PriorityClassName string
}

// QuotaReplicas bounds the replicas with a request by the quotas of their namespace, beside the assumed workloads. A quota
// with a scope other than PriorityClass says nothing about replicas whose other properties are unknown, and bounds nothing.
func QuotaReplicas(quotas []*corev1.ResourceQuota, who Claimant, request corev1.ResourceList, assumed []AssumedWorkload) int32 {
	bound := int64(Unbounded)
	for _, quota := range quotas {
		if quota.Namespace == who.Namespace && coversClass(quota, who.PriorityClassName) {
			bound = min(bound, quotaRoom(quota, request, assumed))
		}
	}
	return clamp(bound)
}

// QuotaSets bounds whole sets of components by the quotas of a namespace. Under a quota for some priority classes only the
// components of those classes count.
func QuotaSets(quotas []*corev1.ResourceQuota, namespace string, components []workv1alpha2.Component, assumed []AssumedWorkload) int32 {
	bound := int64(Unbounded)
	for _, quota := range quotas {
		if quota.Namespace == namespace {
			bound = min(bound, quotaRoom(quota, coveredDemand(quota, components), assumed))
		}
	}
	return clamp(bound)
}

// coveredDemand is what the components that a quota covers request together.
func coveredDemand(quota *corev1.ResourceQuota, components []workv1alpha2.Component) corev1.ResourceList {
	covered := make([]workv1alpha2.Component, 0, len(components))
	for i := range components {
		class := ""
		if components[i].ReplicaRequirements != nil {
			class = components[i].ReplicaRequirements.PriorityClassName
		}
		if coversClass(quota, class) {
			covered = append(covered, components[i])
		}
	}
	demand := corev1.ResourceList{}
	addDemand(demand, covered)
	return demand
}

// quotaRoom divides what is left under a quota by a request.
func quotaRoom(quota *corev1.ResourceQuota, request corev1.ResourceList, assumed []AssumedWorkload) int64 {
	taken := corev1.ResourceList{}
	for i := range assumed {
		if assumed[i].Namespace == quota.Namespace {
			for name, amount := range coveredDemand(quota, assumed[i].Components) {
				sum := taken[name]
				sum.Add(amount)
				taken[name] = sum
			}
		}
	}
	room := int64(Unbounded)
	for limited, hard := range quota.Status.Hard {
		name := requestedName(limited)
		wanted, ok := request[name]
		if !ok || wanted.Sign() <= 0 {
			continue
		}
		left := hard.DeepCopy()
		left.Sub(quota.Status.Used[limited])
		left.Sub(taken[name])
		if left.Sign() <= 0 {
			return 0
		}
		room = min(room, Integer(name, left)/Integer(name, wanted))
	}
	return room
}

// requestedName is the resource whose requests a quota limits under a name; none for limits and counts of objects.
func requestedName(limited corev1.ResourceName) corev1.ResourceName {
	name := strings.TrimPrefix(string(limited), corev1.DefaultResourceRequestsPrefix)
	if name != string(limited) || limited == corev1.ResourceCPU || limited == corev1.ResourceMemory || limited == corev1.ResourceEphemeralStorage {
		return corev1.ResourceName(name)
	}
	return ""
}

// coversClass reports whether pods of a priority class count against a quota.
func coversClass(quota *corev1.ResourceQuota, class string) bool {
	for _, scope := range quota.Spec.Scopes {
		if scope != corev1.ResourceQuotaScopePriorityClass || class == "" {
			return false
		}
	}
	if quota.Spec.ScopeSelector == nil {
		return true
	}
	for _, term := range quota.Spec.ScopeSelector.MatchExpressions {
		if term.ScopeName != corev1.ResourceQuotaScopePriorityClass || !termCovers(term, class) {
			return false
		}
	}
	return true
}

func termCovers(term corev1.ScopedResourceSelectorRequirement, class string) bool {
	switch term.Operator {
	case corev1.ScopeSelectorOpExists:
		return class != ""
	case corev1.ScopeSelectorOpDoesNotExist:
		return class == ""
	case corev1.ScopeSelectorOpIn:
		return slices.Contains(term.Values, class)
	case corev1.ScopeSelectorOpNotIn:
		return !slices.Contains(term.Values, class)
	default:
		return false
	}
}
