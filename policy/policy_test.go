package policy

import (
	"maps"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

func deployment() *unstructured.Unstructured {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion("apps/v1")
	object.SetKind("Deployment")
	object.SetNamespace("ns")
	object.SetName("web")
	object.SetLabels(map[string]string{"app": "web"})
	return object
}

func TestRankOfTakesTheClosestSelector(t *testing.T) {
	kind := policyv1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: "Deployment"}
	named, other, labelled, malformed, elsewhere := kind, kind, kind, kind, kind
	named.Name, other.Name, elsewhere.Namespace = "web", "db", "other"
	labelled.LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	malformed.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: "app", Operator: "?"}}}
	for name, c := range map[string]struct {
		selectors []policyv1alpha1.ResourceSelector
		want      Rank
	}{
		"none":      {nil, Misses},
		"kind":      {[]policyv1alpha1.ResourceSelector{kind}, MatchesAll},
		"labels":    {[]policyv1alpha1.ResourceSelector{kind, labelled}, MatchesLabels},
		"name":      {[]policyv1alpha1.ResourceSelector{named, labelled, kind}, MatchesName},
		"other":     {[]policyv1alpha1.ResourceSelector{other}, Misses},
		"malformed": {[]policyv1alpha1.ResourceSelector{malformed}, Misses},
		"elsewhere": {[]policyv1alpha1.ResourceSelector{elsewhere}, Misses},
	} {
		if got := RankOf(deployment(), c.selectors); got != c.want {
			t.Errorf("%s: rank %d, want %d", name, got, c.want)
		}
	}
}

func TestClaimsReplaceEachOther(t *testing.T) {
	object := deployment()
	before := object.GetLabels()
	for _, claim := range []Claim{
		{Policy: types.NamespacedName{Namespace: "ns", Name: "a"}, ID: "1"},
		{Policy: types.NamespacedName{Name: "b"}, ID: "2"},
		{Policy: types.NamespacedName{Name: "c"}, ID: "3"},
	} {
		if !SetClaim(object, claim) || SetClaim(object, claim) {
			t.Errorf("claim %+v: the first time changes the object, the second does not", claim)
		}
		if got, claimed := ClaimOf(object); !claimed || got != claim {
			t.Errorf("read %+v, want %+v", got, claim)
		}
	}
	if !Unclaim(object) || Unclaim(object) {
		t.Error("a claim can be taken off once")
	}
	if _, claimed := ClaimOf(object); claimed || !maps.Equal(object.GetLabels(), before) || len(object.GetAnnotations()) != 0 {
		t.Errorf("left: %v, %v", object.GetLabels(), object.GetAnnotations())
	}
}

func TestSetClaimLeavesSharedMapsAlone(t *testing.T) {
	labels := map[string]string{"app": "web"}
	meta := &metav1.ObjectMeta{Labels: labels}
	SetClaim(meta, Claim{Policy: types.NamespacedName{Name: "b"}, ID: "2"})
	if len(labels) != 1 || len(meta.Labels) != 2 {
		t.Errorf("shared map %v, labels %v", labels, meta.Labels)
	}
}

func TestPartOfAClaimIsAClaim(t *testing.T) {
	for name, object := range map[string]*metav1.ObjectMeta{
		"identity": {Labels: map[string]string{names.LabelPropagationPolicyID: "1"}},
		"name":     {Annotations: map[string]string{names.AnnotationClusterPropagationPolicyName: "p"}},
	} {
		if claim, claimed := ClaimOf(object); !claimed {
			t.Errorf("%s: %+v is no claim", name, claim)
		}
		if !Unclaim(object) {
			t.Errorf("%s: nothing was taken off", name)
		}
	}
}
