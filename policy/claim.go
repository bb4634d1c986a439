package policy

import (
	"maps"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/seatrial/seatrial/api/names"
)

// Claim names the policy that a template or a binding belongs to.
type Claim struct {
	// Policy has no namespace for a ClusterPropagationPolicy.
	Policy types.NamespacedName
	// ID is the permanent identity of the policy, which outlives its name.
	ID string
}

// ClusterScoped tells the claim of a ClusterPropagationPolicy.
func (c Claim) ClusterScoped() bool { return c.Policy.Namespace == "" }

// Claim is the claim the policy makes.
func (p Policy) Claim() Claim { return Claim{Policy: p.NamespacedName(), ID: p.ID()} }

// ClaimOf reads the claim on an object; claimed is false without one. A part of a claim, an identity or a name, is a claim too.
// With claims of both scopes the namespaced one counts.
func ClaimOf(object metav1.Object) (claim Claim, claimed bool) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	claim.Policy.Name = annotations[names.AnnotationPropagationPolicyName]
	claim.ID = labels[names.LabelPropagationPolicyID]
	if claim != (Claim{}) {
		claim.Policy.Namespace = annotations[names.AnnotationPropagationPolicyNamespace]
		return claim, true
	}
	claim.Policy.Name = annotations[names.AnnotationClusterPropagationPolicyName]
	claim.ID = labels[names.LabelClusterPropagationPolicyID]
	return claim, claim != (Claim{})
}

// Wants tells bindings that somebody has placed: a policy that claims it, or another controller in its own name. What a policy let go
// stays where it is, and no scheduler answers it any more.
func Wants(bound metav1.Object) bool {
	_, claimed := ClaimOf(bound)
	return claimed || bound.GetLabels()[names.LabelBindingManagedBy] != ""
}

// SetClaim puts a claim on an object in place of any other, and tells whether that changed the object. Maps that the object
// shares with others stay as they are.
func SetClaim(object metav1.Object, claim Claim) bool {
	labels, annotations := map[string]string{}, map[string]string{}
	if claim.ClusterScoped() {
		labels[names.LabelClusterPropagationPolicyID] = claim.ID
		annotations[names.AnnotationClusterPropagationPolicyName] = claim.Policy.Name
	} else {
		labels[names.LabelPropagationPolicyID] = claim.ID
		annotations[names.AnnotationPropagationPolicyNamespace] = claim.Policy.Namespace
		annotations[names.AnnotationPropagationPolicyName] = claim.Policy.Name
	}
	return replaceClaims(object, labels, annotations)
}

// Unclaim takes every claim off an object, and tells whether there was one.
func Unclaim(object metav1.Object) bool { return replaceClaims(object, nil, nil) }

// replaceClaims leaves an object with just these labels and annotations of claims.
func replaceClaims(object metav1.Object, labels, annotations map[string]string) bool {
	newLabels := replaced(object.GetLabels(), labels,
		names.LabelPropagationPolicyID, names.LabelClusterPropagationPolicyID)
	newAnnotations := replaced(object.GetAnnotations(), annotations, names.AnnotationPropagationPolicyNamespace,
		names.AnnotationPropagationPolicyName, names.AnnotationClusterPropagationPolicyName)
	changed := false
	if !maps.Equal(newLabels, object.GetLabels()) {
		object.SetLabels(newLabels)
		changed = true
	}
	if !maps.Equal(newAnnotations, object.GetAnnotations()) {
		object.SetAnnotations(newAnnotations)
		changed = true
	}
	return changed
}

// replaced is a copy of have without the keys, and with more.
func replaced(have, more map[string]string, keys ...string) map[string]string {
	merged := make(map[string]string, len(have)+len(more))
	maps.Copy(merged, have)
	for _, key := range keys {
		delete(merged, key)
	}
	maps.Copy(merged, more)
	return merged
}
