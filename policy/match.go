package policy

import (
	"cmp"

	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Matches tells whether the policy selects the template. A namespaced policy serves its own namespace only.
func (p Policy) Matches(template client.Object) bool { return p.rank(template) != Misses }

func (p Policy) rank(template client.Object) Rank {
	if !p.ClusterScoped() && p.GetNamespace() != template.GetNamespace() {
		return Misses
	}
	return RankOf(template, p.Spec.ResourceSelectors)
}

// Best is the policy that an unclaimed template gets; ok is false when none matches. Namespaced policies come before
// cluster-scoped ones; within a scope the explicit priority counts, then how closely the selectors describe the template, then
// the name. Policies on their way out do not count. The order of the policies does not matter.
func Best(policies []Policy, template client.Object) (best Policy, ok bool) {
	bestRank := Misses
	for _, candidate := range policies {
		rank := candidate.rank(template)
		if rank == Misses || !candidate.GetDeletionTimestamp().IsZero() {
			continue
		}
		if !ok || beats(candidate, rank, best, bestRank) {
			best, bestRank, ok = candidate, rank, true
		}
	}
	return best, ok
}

func beats(a Policy, rankA Rank, b Policy, rankB Rank) bool {
	if a.ClusterScoped() != b.ClusterScoped() {
		return b.ClusterScoped()
	}
	return cmp.Or(
		cmp.Compare(b.Priority(), a.Priority()),
		cmp.Compare(rankB, rankA),
		cmp.Compare(a.GetName(), b.GetName()),
	) < 0
}

// Contention is the outcome of a policy's attempt to take over a template that another policy claims.
type Contention int

// Outcomes of Contend.
const (
	// ContendLoses leaves the template where it is.
	ContendLoses Contention = iota
	// ContendWins gives the template to the contender.
	ContendWins
	// ContendUnknown means that the claiming policy is gone, so that the priorities cannot be compared.
	ContendUnknown
)

// Contend decides between the policy and the one that claims the template, which is nil when it is gone. Only policies that
// preempt contend, and only for templates that they select by name. A namespaced policy wins over a cluster-scoped one, never
// the other way round; within a scope the higher explicit priority wins. Policies on their way out contend like others: the
// choice between winners, Best, leaves them out.
func (p Policy) Contend(template client.Object, claim Claim, holder *Policy) Contention {
	if p.Spec.Preemption != policyv1alpha1.PreemptAlways {
		return ContendLoses
	}
	if p.rank(template) != MatchesName || claim.Policy == p.NamespacedName() {
		return ContendLoses
	}
	if claim.ClusterScoped() != p.ClusterScoped() {
		if p.ClusterScoped() {
			return ContendLoses
		}
		return ContendWins
	}
	if holder == nil {
		return ContendUnknown
	}
	if p.Priority() > holder.Priority() {
		return ContendWins
	}
	return ContendLoses
}
