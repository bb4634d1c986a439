package propagate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// activation is what a turn makes of a template and its policy. Whether users have changed a template shows from what it was when
// its binding was last made, so that a restart activates nothing.
type activation struct {
	// fingerprint is the content of the template as it is now.
	fingerprint string
	// waits holds a policy with lazy activation back until the template changes.
	waits bool
	// bound tells whether there is a binding; first, that it does not know the template's fingerprint yet.
	bound, first bool
}

// activationOf judges by the claim that stood on the template before this turn.
func activationOf(template *unstructured.Unstructured, claimer policy.Policy, current binding.Binding) activation {
	made := activation{bound: current.Object != nil, fingerprint: fingerprintOf(template, current)}
	if claimer.Spec.ActivationPreference != policyv1alpha1.LazyActivation {
		return made
	}
	seen := template.GetAnnotations()[names.AnnotationTemplateFingerprint]
	if made.bound {
		seen = current.GetAnnotations()[names.AnnotationTemplateFingerprint]
	}
	claim, _ := policy.ClaimOf(template)
	switch {
	case seen != "":
		made.waits = contentOf(seen) == made.fingerprint
	case made.bound:
		// The binding is from before there were fingerprints.
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
	if template.GetAnnotations()[names.AnnotationTemplateFingerprint] == wanted {
		return false
	}
	setAnnotation(template, names.AnnotationTemplateFingerprint, wanted)
	return true
}

// fingerprintOf spares the work where the binding was made from this very version of the template.
func fingerprintOf(template *unstructured.Unstructured, current binding.Binding) string {
	if current.Object != nil && current.Spec.Resource.UID == template.GetUID() && current.Spec.Resource.ResourceVersion == template.GetResourceVersion() {
		if known := current.GetAnnotations()[names.AnnotationTemplateFingerprint]; known != "" {
			return contentOf(known)
		}
	}
	return fingerprint(template)
}

// stamp is what a binding knows of its template: "content/generation". The generation of some kinds counts claims as well.
func (a activation) stamp(template *unstructured.Unstructured) string {
	return a.fingerprint + "/" + strconv.FormatInt(template.GetGeneration(), 10)
}

// contentOf leaves the generation aside, which counts changes of the status too for kinds without a subresource for it.
func contentOf(stamp string) string {
	content, _, _ := strings.Cut(stamp, "/")
	return content
}

// fingerprint sums up what users say in a template.
func fingerprint(template *unstructured.Unstructured) string {
	said := workload.Specification(template)
	marks := &metav1.ObjectMeta{Labels: template.GetLabels(), Annotations: template.GetAnnotations()}
	policy.Unclaim(marks)
	setAnnotation(marks, names.AnnotationTemplateFingerprint, "")
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
