package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Rank tells how closely selectors describe an object; a closer description wins over a wider one.
type Rank int

// Ranks from the widest to the closest.
const (
	Misses Rank = iota
	MatchesAll
	MatchesLabels
	MatchesName
)

// RankOf is the closest rank that any of the selectors reaches.
func RankOf(object *unstructured.Unstructured, selectors []policyv1alpha1.ResourceSelector) Rank {
	rank := Misses
	for i := range selectors {
		rank = max(rank, rankOf(object, &selectors[i]))
	}
	return rank
}

// rankOf looks at labels only without a name. A malformed label selector describes nothing.
func rankOf(object *unstructured.Unstructured, selector *policyv1alpha1.ResourceSelector) Rank {
	if object.GetAPIVersion() != selector.APIVersion || object.GetKind() != selector.Kind {
		return Misses
	}
	if selector.Namespace != "" && selector.Namespace != object.GetNamespace() {
		return Misses
	}
	if selector.Name != "" {
		if selector.Name == object.GetName() {
			return MatchesName
		}
		return Misses
	}
	if selector.LabelSelector == nil {
		return MatchesAll
	}
	wanted, err := metav1.LabelSelectorAsSelector(selector.LabelSelector)
	if err != nil || !wanted.Matches(labels.Set(object.GetLabels())) {
		return Misses
	}
	return MatchesLabels
}
