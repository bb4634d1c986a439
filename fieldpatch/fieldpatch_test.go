package fieldpatch_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/seatrial/seatrial/fieldpatch"
)

type status struct {
	Ready int      `json:"ready,omitempty"`
	Phase string   `json:"phase,omitempty"`
	Names []string `json:"names,omitempty"`
}

// What the patches do to objects is told by the conformance table of the store, which real API servers pass as well.
func TestBetween(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after status
		want          string
	}{
		{"nothing", status{Ready: 1}, status{Ready: 1}, `{}`},
		{"a new field", status{}, status{Ready: 1}, `{"ready":1}`},
		{"another value", status{Ready: 1, Phase: "a"}, status{Ready: 2, Phase: "a"}, `{"ready":2}`},
		{"a field that goes", status{Ready: 1, Phase: "a"}, status{Ready: 1}, `{"phase":null}`},
		{"a list, whole", status{Names: []string{"a", "b"}}, status{Names: []string{"a"}}, `{"names":["a"]}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			fields := fieldpatch.Between(&c.before, &c.after)
			got, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, string(got)); diff != "" {
				t.Errorf("between the two (-want +got):\n%s", diff)
			}
		})
	}
}
