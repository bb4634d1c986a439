package local

import (
	"slices"
	"testing"
)

func TestEachThirdMemberPulls(t *testing.T) {
	var pulling []string
	for _, spec := range fleetSpecs(7) {
		if pulls(spec.Name) {
			pulling = append(pulling, spec.Name)
		}
	}
	if want := []string{"member3", "member6"}; !slices.Equal(pulling, want) {
		t.Errorf("%q pull, want %q", pulling, want)
	}
	if pulls("my-own-cluster") || pulls("member0") {
		t.Error("a name without a number decides")
	}
}
