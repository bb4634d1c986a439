package policy_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/internal/golden"
	"github.com/seatrial/seatrial/policy"
)

type matchInput struct {
	Op                         string                                    `json:"op"`
	Template                   map[string]any                            `json:"template"`
	PropagationPolicies        []policyv1alpha1.PropagationPolicy        `json:"propagationPolicies"`
	ClusterPropagationPolicies []policyv1alpha1.ClusterPropagationPolicy `json:"clusterPropagationPolicies"`
	ReconciledPolicy           string                                    `json:"reconciledPolicy"`
	FeatureGates               map[string]bool                           `json:"featureGates"`
}

func (in *matchInput) policies() (all, namespaced, clusterScoped []policy.Policy) {
	for i := range in.PropagationPolicies {
		view, _ := policy.Of(&in.PropagationPolicies[i])
		namespaced = append(namespaced, view)
	}
	for i := range in.ClusterPropagationPolicies {
		view, _ := policy.Of(&in.ClusterPropagationPolicies[i])
		clusterScoped = append(clusterScoped, view)
	}
	return append(append(all, namespaced...), clusterScoped...), namespaced, clusterScoped
}

func TestGoldenPolicyMatch(t *testing.T) {
	for _, c := range golden.Load(t, "policy-match") {
		in := &matchInput{}
		if err := json.Unmarshal(c.In, in); err != nil {
			t.Fatalf("%s: %v", c.ID, err)
		}
		template := &unstructured.Unstructured{Object: in.Template}
		if in.Op == "match" {
			checkMatch(t, c, in, template)
		} else {
			checkPreempt(t, c, in, template)
		}
	}
}

func checkMatch(t *testing.T, c golden.Case, in *matchInput, template *unstructured.Unstructured) {
	type outcome struct {
		PropagationPolicy        *string `json:"propagationPolicy"`
		ClusterPropagationPolicy *string `json:"clusterPropagationPolicy"`
		Winner                   *string `json:"winner"`
	}
	var want, got outcome
	if err := json.Unmarshal(c.Out, &want); err != nil {
		t.Fatalf("%s: %v", c.ID, err)
	}
	all, namespaced, clusterScoped := in.policies()
	name := func(policies []policy.Policy, format func(policy.Policy) string) *string {
		best, ok := policy.Best(policies, template)
		if !ok {
			return nil
		}
		formatted := format(best)
		return &formatted
	}
	got.PropagationPolicy = name(namespaced, func(p policy.Policy) string { return p.GetName() })
	got.ClusterPropagationPolicy = name(clusterScoped, func(p policy.Policy) string { return p.GetName() })
	got.Winner = name(all, func(p policy.Policy) string { return strings.Replace(p.String(), " ", "/", 1) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", c.ID, diff)
	}
}

func checkPreempt(t *testing.T, c golden.Case, in *matchInput, template *unstructured.Unstructured) {
	var want struct {
		Claim map[string]string `json:"claim"`
		Error bool              `json:"error"`
	}
	if err := json.Unmarshal(c.Out, &want); err != nil {
		t.Fatalf("%s: %v", c.ID, err)
	}
	all, _, _ := in.policies()
	find := func(name types.NamespacedName) (policy.Policy, bool) {
		for _, p := range all {
			if p.NamespacedName() == name {
				return p, true
			}
		}
		return policy.Policy{}, false
	}
	parts := strings.Split(in.ReconciledPolicy, "/")
	name := types.NamespacedName{Name: parts[len(parts)-1]}
	if len(parts) == 3 {
		name.Namespace = parts[1]
	}
	reconciled, found := find(name)
	if !found {
		t.Fatalf("%s: reconciled policy %s is not in the input", c.ID, in.ReconciledPolicy)
	}
	failed := false
	claim, claimed := policy.ClaimOf(template)
	if claimed && in.FeatureGates["PropagationPolicyPreemption"] {
		var claimer *policy.Policy
		if known, found := find(claim.Policy); found {
			claimer = &known
		}
		outcome := reconciled.Contend(template, claim, claimer)
		failed = outcome == policy.ContendUnknownClaimer
		if outcome == policy.ContendWins {
			policy.SetClaim(template, reconciled.Claim())
		}
	}
	got := map[string]string{}
	for key, value := range template.GetLabels() {
		if strings.Contains(key, "propagationpolicy.karmada.io/") {
			got["label:"+key] = value
		}
	}
	for key, value := range template.GetAnnotations() {
		if strings.Contains(key, "propagationpolicy.karmada.io/") {
			got["annotation:"+key] = value
		}
	}
	if failed != want.Error {
		t.Errorf("%s: error %v, want %v", c.ID, failed, want.Error)
	}
	if diff := cmp.Diff(want.Claim, got); diff != "" && len(want.Claim)+len(got) > 0 {
		t.Errorf("%s %v: (-want +got)\n%s", c.ID, c.Classes, diff)
	}
}
