package policy

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// TestFormerKinds follows the note on a policy through changes of its selectors.
func TestFormerKinds(t *testing.T) {
	selecting := func(note string, kinds ...string) Policy {
		made := &policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{"mine": "stays"}}}
		if note != "" {
			made.Annotations[names.AnnotationFormerKinds] = note
		}
		for _, kind := range kinds {
			selector := policyv1alpha1.ResourceSelector{APIVersion: "apps/v1", Kind: kind}
			if kind == "ConfigMap" {
				selector.APIVersion = "v1"
			}
			made.Spec.ResourceSelectors = append(made.Spec.ResourceSelectors, selector)
		}
		view, _ := Of(made)
		return view
	}
	for name, c := range map[string]struct {
		before, after Policy
		want          string
	}{
		"a kind goes":                       {selecting("", "Deployment", "ConfigMap"), selecting("", "Deployment"), "v1/ConfigMap"},
		"another takes its place":           {selecting("", "Deployment"), selecting("", "ConfigMap", "ConfigMap"), "apps/v1/Deployment"},
		"a kind comes":                      {selecting("", "Deployment"), selecting("", "Deployment", "ConfigMap"), ""},
		"a second kind goes":                {selecting("v1/ConfigMap", "Deployment"), selecting("v1/ConfigMap", "DaemonSet"), "v1/ConfigMap,apps/v1/Deployment"},
		"it comes back":                     {selecting("v1/ConfigMap", "Deployment"), selecting("v1/ConfigMap", "Deployment", "ConfigMap"), ""},
		"a user writes all of it":           {selecting("v1/ConfigMap", "Deployment"), selecting("", "DaemonSet"), "v1/ConfigMap,apps/v1/Deployment"},
		"the note was seen to":              {selecting("v1/ConfigMap", "Deployment"), selecting("", "Deployment"), ""},
		"the same kind by another selector": {selecting("", "Deployment", "Deployment"), selecting("", "Deployment"), ""},
		"a note that says nothing":          {selecting("x,,/,a/", "Deployment"), selecting("x", "Deployment", "ConfigMap"), ""},
	} {
		given := c.after.GetAnnotations()
		size := len(given)
		c.after.NoteFormerKinds(c.before)
		if note := c.after.GetAnnotations()[names.AnnotationFormerKinds]; note != c.want && c.want != "" || len(c.after.FormerKinds()) > 0 && c.want == "" {
			t.Errorf("%s: %q, want %q", name, note, c.want)
		}
		if c.after.GetAnnotations()["mine"] != "stays" || len(given) != size {
			t.Errorf("%s: of %v became %v", name, given, c.after.GetAnnotations())
		}
	}
}
