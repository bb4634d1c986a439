package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// fit is the implicit priority of a policy for one template: the closest of its selectors counts.
type fit int

const (
	misfit fit = iota
	fitsAll
	fitsLabels
	fitsName
)

// Selects tells whether a selector picks a template. A malformed label selector picks nothing.
func Selects(selector policyv1alpha1.ResourceSelector, template client.Object) bool {
	return closeness(selector, template) != misfit
}

// Matches tells whether any selector of the policy picks the template.
func (p Policy) Matches(template client.Object) bool { return p.fit(template) != misfit }

func (p Policy) fit(template client.Object) fit {
	best := misfit
	if !p.ClusterScoped() && p.GetNamespace() != template.GetNamespace() {
		return best
	}
	for _, selector := range p.Spec.ResourceSelectors {
		best = max(best, closeness(selector, template))
	}
	return best
}

func closeness(selector policyv1alpha1.ResourceSelector, template client.Object) fit {
	apiVersion, kind := template.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	if selector.APIVersion != apiVersion || selector.Kind != kind ||
		selector.Namespace != "" && selector.Namespace != template.GetNamespace() {
		return misfit
	}
	if selector.Name != "" {
		if selector.Name == template.GetName() {
			return fitsName
		}
		return misfit
	}
	if selector.LabelSelector == nil {
		return fitsAll
	}
	wanted, err := metav1.LabelSelectorAsSelector(selector.LabelSelector)
	if err != nil || !wanted.Matches(labels.Set(template.GetLabels())) {
		return misfit
	}
	return fitsLabels
}

// Best is the policy an unclaimed template gets: namespaced before cluster-scoped, then the higher priority, then the closer
// selector, then the first name. Policies on their way out get nothing. ok is false when none selects the template.
func Best(policies []Policy, template client.Object) (best Policy, ok bool) {
	closest := misfit
	for _, candidate := range policies {
		if !candidate.GetDeletionTimestamp().IsZero() {
			continue
		}
		candidateFit := candidate.fit(template)
		if candidateFit == misfit {
			continue
		}
		if !ok || precedes(candidate, candidateFit, best, closest) {
			best, closest, ok = candidate, candidateFit, true
		}
	}
	return best, ok
}

func precedes(a Policy, aFit fit, b Policy, bFit fit) bool {
	switch {
	case a.ClusterScoped() != b.ClusterScoped():
		return b.ClusterScoped()
	case a.Priority() != b.Priority():
		return a.Priority() > b.Priority()
	case aFit != bFit:
		return aFit > bFit
	}
	return a.GetName() < b.GetName()
}

// Outcome is how a policy fares against the one that claims a template now.
type Outcome int

const (
	// ContendLoses leaves the claim as it is.
	ContendLoses Outcome = iota
	// ContendWins gives the template to the contender.
	ContendWins
	// ContendUnknownClaimer cannot be decided, since the claiming policy is gone and its priority with it.
	ContendUnknownClaimer
)

// Contend tells whether a policy with preemption Always takes a claimed template away: namespaced policies take it from
// cluster-scoped ones, and within a scope the higher priority takes it. Only a selector that names the template contends.
// claimer is nil when the policy that the claim names does not exist.
func (p Policy) Contend(template client.Object, claim Claim, claimer *Policy) Outcome {
	if p.Spec.Preemption != policyv1alpha1.PreemptAlways || p.fit(template) != fitsName {
		return ContendLoses
	}
	if claim.ClusterScoped() != p.ClusterScoped() {
		if claim.ClusterScoped() {
			return ContendWins
		}
		return ContendLoses
	}
	switch {
	case claimer == nil:
		return ContendUnknownClaimer
	case p.Priority() > claimer.Priority():
		return ContendWins
	}
	return ContendLoses
}
