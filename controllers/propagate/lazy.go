package propagate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// activation is what a policy with lazy activation makes of a turn; the zero value is that of any other policy. Whether users
// have changed a template shows from what it was when the policy last took effect, so that a restart activates nothing.
type activation struct {
	// fingerprint is the template as it is now; empty for policies that are not lazy.
	fingerprint string
	// waits holds the policy back until the template changes.
	waits bool
	// bound tells whether there is a binding; first, that it does not know the template's fingerprint yet.
	bound, first bool
}

// activationOf judges by the claim that stood on the template before this turn.
func activationOf(template *unstructured.Unstructured, claimer policy.Policy, current binding.Binding) activation {
	made := activation{bound: current.Object != nil}
	if claimer.Spec.ActivationPreference != policyv1alpha1.LazyActivation {
		return made
	}
	made.fingerprint = fingerprint(template)
	seen := template.GetAnnotations()[names.AnnotationLazySince]
	if made.bound {
		seen = current.GetAnnotations()[names.AnnotationLazySince]
	}
	claim, _ := policy.ClaimOf(template)
	switch {
	case seen != "":
		made.waits = seen == made.fingerprint
	case made.bound:
		// The policy has just become lazy, or just got the template.
		made.waits, made.first = true, true
	case claim == claimer.Claim():
		// Its binding was lost.
	default:
		created := template.GetCreationTimestamp()
		made.waits = created.Time.Before(claimer.GetCreationTimestamp().Time)
	}
	return made
}

// noteOnTemplate keeps the fingerprint on a template that waits and has no binding to hold it, and tells whether that changes it.
func (a activation) noteOnTemplate(template metav1.Object) bool {
	wanted := ""
	if a.waits && !a.bound {
		wanted = a.fingerprint
	}
	if template.GetAnnotations()[names.AnnotationLazySince] == wanted {
		return false
	}
	setAnnotation(template, names.AnnotationLazySince, wanted)
	return true
}

// fingerprint sums up what users say in a template.
func fingerprint(template *unstructured.Unstructured) string {
	said := workload.Specification(template)
	marks := &metav1.ObjectMeta{Labels: template.GetLabels(), Annotations: template.GetAnnotations()}
	policy.Unclaim(marks)
	setAnnotation(marks, names.AnnotationLazySince, "")
	said["labels"], said["annotations"] = orNone(marks.Labels), orNone(marks.Annotations)
	// What came as JSON can be written as JSON.
	encoded, _ := json.Marshal(said)
	sum := sha256.Sum256(encoded)
	return hex.EncodeToString(sum[:8])
}

// orNone makes an empty map and a missing one alike.
func orNone(pairs map[string]string) map[string]string {
	if len(pairs) == 0 {
		return nil
	}
	return pairs
}
