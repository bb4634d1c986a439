package admission

import (
	"strings"
	"testing"

	"github.com/seatrial/seatrial/api/names"
)

// TestValidatePreferences: what a policy asks for in annotations is refused when the scheduler could not read it.
func TestValidatePreferences(t *testing.T) {
	for scope, object := range bothScopes(propagationSpec()) {
		viewOf(object).Default(true, counting())
		viewOf(object).Meta.Annotations = map[string]string{names.AnnotationPrefer: names.PreferCheap, names.AnnotationSpreadConstraints: `[{"spreadByField":"zone","minGroups":2}]`}
		wantFaults(t, scope+", well-formed", Validate(object, nil, Options{}))
		viewOf(object).Meta.Annotations = map[string]string{names.AnnotationPrefer: "cheap", names.AnnotationSpread: "all"}
		faults := Validate(object, nil, Options{})
		wantFaults(t, scope+", malformed", faults, "metadata.annotations")
		for _, want := range []string{names.AnnotationPrefer, names.AnnotationSpread, "; ", `write "Cheap"`} {
			if text := faults.ToAggregate().Error(); !strings.Contains(text, want) {
				t.Errorf("%s: %q lacks %s", scope, text, want)
			}
		}
	}
}
