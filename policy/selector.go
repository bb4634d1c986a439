package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

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

// RankOf is the closest rank that any of the selectors reaches. The object must know its GVK.
func RankOf(template client.Object, selectors []policyv1alpha1.ResourceSelector) Rank {
	rank := Misses
	for i := range selectors {
		rank = max(rank, rankOf(template, &selectors[i]))
	}
	return rank
}

// rankOf looks at labels only without a name. A malformed label selector describes nothing.
func rankOf(template client.Object, selector *policyv1alpha1.ResourceSelector) Rank {
	apiVersion, kind := template.GetObjectKind().GroupVersionKind().ToAPIVersionAndKind()
	if apiVersion != selector.APIVersion || kind != selector.Kind {
		return Misses
	}
	if selector.Namespace != "" && selector.Namespace != template.GetNamespace() {
		return Misses
	}
	if selector.Name != "" {
		if selector.Name == template.GetName() {
			return MatchesName
		}
		return Misses
	}
	if selector.LabelSelector == nil {
		return MatchesAll
	}
	wanted, err := metav1.LabelSelectorAsSelector(selector.LabelSelector)
	if err != nil || !wanted.Matches(labels.Set(template.GetLabels())) {
		return Misses
	}
	return MatchesLabels
}
