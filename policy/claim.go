package policy

import (
	"maps"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
)

// Claim is how a template or a binding names the policy it belongs to.
type Claim struct {
	// Policy is the claimer; the namespace of a ClusterPropagationPolicy is empty.
	Policy types.NamespacedName
	ID     string
}

// ClusterScoped tells a claim by a ClusterPropagationPolicy.
func (c Claim) ClusterScoped() bool { return c.Policy.Namespace == "" }

// ClaimOf reads the claim on an object. A namespaced claim wins over a cluster-scoped one; ok is false without any.
func ClaimOf(object client.Object) (claim Claim, ok bool) {
	labels, annotations := object.GetLabels(), object.GetAnnotations()
	if id, found := labels[names.LabelPropagationPolicyID]; found {
		return Claim{ID: id, Policy: types.NamespacedName{
			Namespace: annotations[names.AnnotationPropagationPolicyNamespace],
			Name:      annotations[names.AnnotationPropagationPolicyName],
		}}, true
	}
	if id, found := labels[names.LabelClusterPropagationPolicyID]; found {
		return Claim{ID: id, Policy: types.NamespacedName{Name: annotations[names.AnnotationClusterPropagationPolicyName]}}, true
	}
	return Claim{}, false
}

// Claim is what the policy writes on what belongs to it.
func (p Policy) Claim() Claim { return Claim{Policy: p.NamespacedName(), ID: p.ID()} }

// SetClaim makes an object belong to the claimer alone. It says whether that changed the object.
func SetClaim(object client.Object, claim Claim) (changed bool) {
	labels, annotations := unclaimed(object)
	if claim.Policy.Namespace != "" {
		labels[names.LabelPropagationPolicyID] = claim.ID
		annotations[names.AnnotationPropagationPolicyNamespace] = claim.Policy.Namespace
		annotations[names.AnnotationPropagationPolicyName] = claim.Policy.Name
	} else {
		labels[names.LabelClusterPropagationPolicyID] = claim.ID
		annotations[names.AnnotationClusterPropagationPolicyName] = claim.Policy.Name
	}
	return replace(object, labels, annotations)
}

// Unclaim takes every claim off an object. It says whether that changed the object.
func Unclaim(object client.Object) (changed bool) {
	labels, annotations := unclaimed(object)
	return replace(object, labels, annotations)
}

func unclaimed(object client.Object) (labels, annotations map[string]string) {
	labels, annotations = map[string]string{}, map[string]string{}
	maps.Copy(labels, object.GetLabels())
	maps.Copy(annotations, object.GetAnnotations())
	for _, key := range []string{names.LabelPropagationPolicyID, names.LabelClusterPropagationPolicyID} {
		delete(labels, key)
	}
	for _, key := range []string{names.AnnotationPropagationPolicyNamespace, names.AnnotationPropagationPolicyName, names.AnnotationClusterPropagationPolicyName} {
		delete(annotations, key)
	}
	return labels, annotations
}

func replace(object client.Object, labels, annotations map[string]string) (changed bool) {
	if maps.Equal(labels, object.GetLabels()) && maps.Equal(annotations, object.GetAnnotations()) {
		return false
	}
	object.SetLabels(labels)
	object.SetAnnotations(annotations)
	return true
}
