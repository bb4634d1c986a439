package configfile

import (
	"testing"

	"go.yaml.in/yaml/v3"
)

func TestError(t *testing.T) {
	err := &Error{File: "a.yaml", Problems: []Problem{
		{Text: "it is empty"},
		{Line: 3, Field: "spec.x", Text: "unknown", Fix: "remove it"},
		{File: "b.csv", Line: 7, Text: "too short"},
	}}
	const want = "a.yaml: it is empty\na.yaml:3: spec.x: unknown; remove it\nb.csv:7: too short"
	if got := err.Error(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestLine(t *testing.T) {
	var root yaml.Node
	if err := yaml.Unmarshal([]byte("base: &base\n  deep: 1\nlist:\n- a\n- name: b\n  other: c\nalias: *base\n"), &root); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]int{
		"": 1, "base": 1, "base.deep": 2, "list": 3, "list[0]": 4, "list[1].other": 6, "list[1].missing": 5, "list[7]": 3, "alias.deep": 2, "missing": 1,
	} {
		if got := Line(&root, field); got != want {
			t.Errorf("%q is in line %d, want %d", field, got, want)
		}
	}
	if got := Line(nil, "x"); got != 0 {
		t.Errorf("without a document: line %d", got)
	}
}
