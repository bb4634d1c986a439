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

// TestValidateFloor: a floor that nobody could read is refused, with what to write instead.
func TestValidateFloor(t *testing.T) {
	for scope, object := range bothScopes(propagationSpec()) {
		viewOf(object).Default(true, counting())
		for _, text := range []string{"", "3", "0", "80%", "100%"} {
			viewOf(object).Meta.Annotations = map[string]string{names.AnnotationFloor: text}
			wantFaults(t, scope+", "+text, Validate(object, nil, Options{}))
		}
		for _, text := range []string{"all", "0.8", "-1", "80 %", "99999999999"} {
			viewOf(object).Meta.Annotations = map[string]string{names.AnnotationFloor: text}
			faults := Validate(object, object, Options{})
			wantFaults(t, scope+", "+text, faults, "metadata.annotations[seatrial.io/availability-floor]")
			if told := faults.ToAggregate().Error(); !strings.Contains(told, `"`+text+`": give a number of replicas, such as 3, or a part`) {
				t.Errorf("%s, %s: %s", scope, text, told)
			}
		}
	}
}

// TestValidateStatefulMoves: there is one way beside the default.
func TestValidateStatefulMoves(t *testing.T) {
	for scope, object := range bothScopes(propagationSpec()) {
		viewOf(object).Default(true, counting())
		for text, faults := range map[string][]string{"": nil, names.MakeBeforeBreak: nil, "Never": {"metadata.annotations[seatrial.io/stateful-moves]"}} {
			viewOf(object).Meta.Annotations = map[string]string{names.AnnotationStatefulMoves: text}
			wantFaults(t, scope+", "+text, Validate(object, nil, Options{}), faults...)
		}
	}
}
