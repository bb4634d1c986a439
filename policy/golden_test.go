package policy

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/internal/golden"
)

type goldenInput struct {
	Op           string                                    `json:"op"`
	Template     *unstructured.Unstructured                `json:"template"`
	Policies     []policyv1alpha1.PropagationPolicy        `json:"propagationPolicies"`
	Cluster      []policyv1alpha1.ClusterPropagationPolicy `json:"clusterPropagationPolicies"`
	Reconciled   string                                    `json:"reconciledPolicy"`
	FeatureGates map[string]bool                           `json:"featureGates"`
}

func (in *goldenInput) views() []Policy {
	var views []Policy
	for i := range in.Policies {
		view, _ := Of(&in.Policies[i])
		views = append(views, view)
	}
	for i := range in.Cluster {
		view, _ := Of(&in.Cluster[i])
		views = append(views, view)
	}
	return views
}

// title names a policy like the vectors do.
func title(policy Policy) string {
	if policy.ClusterScoped() {
		return "ClusterPropagationPolicy/" + policy.GetName()
	}
	return "PropagationPolicy/" + policy.GetNamespace() + "/" + policy.GetName()
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "policy-match") {
		var in goldenInput
		var want map[string]any
		mustDecode(t, c.In, &in)
		mustDecode(t, c.Out, &want)
		policies := in.views()
		got := run(&in, policies)
		slices.Reverse(policies)
		if again := run(&in, policies); !reflect.DeepEqual(got, again) {
			t.Errorf("%s: the order of the policies matters: %v, %v", c.ID, got, again)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s (%s):\n got %v\nwant %v", c.ID, strings.Join(c.Classes, ", "), got, want)
		}
	}
}

func run(in *goldenInput, policies []Policy) map[string]any {
	if in.Op == "match" {
		return match(in, policies)
	}
	template, failed := in.Template.DeepCopy(), false
	claim, claimed := ClaimOf(template)
	for _, policy := range policies {
		if title(policy) != in.Reconciled || !in.FeatureGates["PropagationPolicyPreemption"] || !claimed {
			continue
		}
		switch policy.Contend(template, claim, holder(policies, claim)) {
		case ContendUnknown:
			failed = true
		case ContendWins:
			SetClaim(template, policy.Claim())
		}
	}
	left := map[string]any{}
	for _, key := range []string{names.LabelPropagationPolicyID, names.LabelClusterPropagationPolicyID} {
		if value, found := template.GetLabels()[key]; found {
			left["label:"+key] = value
		}
	}
	for _, key := range []string{names.AnnotationPropagationPolicyNamespace, names.AnnotationPropagationPolicyName,
		names.AnnotationClusterPropagationPolicyName} {
		if value, found := template.GetAnnotations()[key]; found {
			left["annotation:"+key] = value
		}
	}
	return map[string]any{"claim": left, "error": failed}
}

// match runs each scope alone and both together.
func match(in *goldenInput, policies []Policy) map[string]any {
	out := map[string]any{"propagationPolicy": nil, "clusterPropagationPolicy": nil, "winner": nil}
	var namespaced, cluster []Policy
	for _, policy := range policies {
		if policy.ClusterScoped() {
			cluster = append(cluster, policy)
		} else {
			namespaced = append(namespaced, policy)
		}
	}
	if best, ok := Best(namespaced, in.Template); ok {
		out["propagationPolicy"] = best.GetName()
	}
	if best, ok := Best(cluster, in.Template); ok {
		out["clusterPropagationPolicy"] = best.GetName()
	}
	if best, ok := Best(policies, in.Template); ok {
		out["winner"] = title(best)
	}
	return out
}

func holder(policies []Policy, claim Claim) *Policy {
	for i := range policies {
		if policies[i].NamespacedName() == claim.Policy {
			return &policies[i]
		}
	}
	return nil
}

func mustDecode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
}
