package webhook

import (
	"encoding/json"
	"reflect"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	k8sjson "k8s.io/apimachinery/pkg/util/json"
)

func value(t *testing.T, text string) any {
	t.Helper()
	var made any
	if err := k8sjson.Unmarshal([]byte(text), &made); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return made
}

func TestGraft(t *testing.T) {
	for _, c := range []struct{ name, onto, before, after, want string }{
		{"no change", `{"a":1,"new":2}`, `{"a":1}`, `{"a":1}`, `{"a":1,"new":2}`},
		{"unknown fields stay", `{"a":{"b":1,"new":2}}`, `{"a":{"b":1}}`, `{"a":{"b":3}}`, `{"a":{"b":3,"new":2}}`},
		{"zeros of Go types stay away", `{"a":1}`, `{"a":1,"status":{}}`, `{"a":2,"status":{}}`, `{"a":2}`},
		{"into what Go types add", `{}`, `{"spec":{}}`, `{"spec":{"a":1}}`, `{"spec":{"a":1}}`},
		{"removed", `{"a":1,"b":2,"new":3}`, `{"a":1,"b":2}`, `{"b":2}`, `{"b":2,"new":3}`},
		{"element of a list", `[{"a":1,"new":2},{"a":3}]`, `[{"a":1},{"a":3}]`, `[{"a":1,"n":""},{"a":4}]`, `[{"a":1,"new":2,"n":""},{"a":4}]`},
		{"longer list", `[{"a":1,"new":2}]`, `[{"a":1}]`, `[{"a":1},{"a":2}]`, `[{"a":1},{"a":2}]`},
		{"null in a list", `[{"data":{"k":"v"}}]`, `[{"data":{"k":"v"}}]`, `[{"data":null}]`, `[{"data":null}]`},
		{"other type", `{"a":[1]}`, `{"a":[1]}`, `{"a":{"b":1}}`, `{"a":{"b":1}}`},
		{"large numbers", `{"a":9007199254740993}`, `{"a":9007199254740993}`, `{"a":9007199254740993,"b":1}`, `{"a":9007199254740993,"b":1}`},
	} {
		got := graft(value(t, c.onto), value(t, c.before), value(t, c.after))
		if !reflect.DeepEqual(got, value(t, c.want)) {
			text, err := json.Marshal(got)
			t.Errorf("%s: %s (%v), want %s", c.name, text, err, c.want)
		}
	}
}

// FuzzGraft: onto what was read, a change is the change, and its patch leads there.
func FuzzGraft(f *testing.F) {
	f.Add(`{"a":[{"b":1}]}`, `{"a":[{"b":2,"c":null}]}`)
	f.Add(`[]`, `{}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		var was, is any
		if k8sjson.Unmarshal([]byte(before), &was) != nil || k8sjson.Unmarshal([]byte(after), &is) != nil {
			return
		}
		if got := graft(was, was, is); !reflect.DeepEqual(got, is) {
			t.Errorf("%s to %s became %v", before, after, got)
		}
		operations := patch("", was, is)
		if len(operations) == 0 || operations[0].Path == "" {
			return
		}
		encoded, err := json.Marshal(operations)
		if err != nil {
			t.Fatal(err)
		}
		decoded, err := jsonpatch.DecodePatch(encoded)
		if err != nil {
			t.Fatal(err)
		}
		patched, err := decoded.Apply([]byte(before))
		if err != nil || !reflect.DeepEqual(value(t, string(patched)), is) {
			t.Errorf("%s patched with %s is %s (%v), want %s", before, encoded, patched, err, after)
		}
	})
}
