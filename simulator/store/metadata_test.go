package store

import (
	"strings"
	"testing"
)

func TestPassedAnnotations(t *testing.T) {
	known := passed{}
	known.learn(map[string]string{"a.io/x": "1", "b": "2"})
	for _, c := range []struct {
		name        string
		annotations map[string]string
		want        bool
	}{
		{"none", nil, true},
		{"known with other values", map[string]string{"a.io/x": "é", "b": ""}, true},
		{"one that is not known", map[string]string{"b": "2", "c": "3"}, false},
		{"too large to be sure", map[string]string{"b": strings.Repeat("x", smallAnnotations)}, false},
	} {
		if got := known.covers(c.annotations); got != c.want {
			t.Errorf("%s: %t, want %t", c.name, got, c.want)
		}
	}
	many := map[string]string{}
	for i := range mostPassed {
		many[strings.Repeat("x", i+1)] = ""
	}
	if known.learn(many); len(known.keys) > mostPassed {
		t.Errorf("%d keys are remembered", len(known.keys))
	}
}
