package store

import (
	"reflect"
	"testing"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
)

type completed struct {
	Mode     string            `json:"mode,omitempty"`
	Count    int               `json:"count"`
	Limit    *int              `json:"limit"`
	Parts    []completedPart   `json:"parts,omitempty"`
	One      *completedPart    `json:"one,omitempty"`
	Whole    completedPart     `json:"whole"`
	Labels   map[string]string `json:"labels,omitempty"`
	Untaught runtime.RawExtension
}

type completedPart struct {
	Kind string `json:"kind,omitempty"`
	Name string `json:"name,omitempty"`
}

// TestLacking holds what is said about Go values to what happens to their trees.
func TestLacking(t *testing.T) {
	text := func(value string) structuralschema.Structural {
		s := structuralschema.Structural{}
		if value != "" {
			s.Default = structuralschema.JSON{Object: value}
		}
		return s
	}
	number := structuralschema.Structural{Generic: structuralschema.Generic{Type: "integer"}}
	number.Default = structuralschema.JSON{Object: int64(3)}
	part := structuralschema.Structural{Properties: map[string]structuralschema.Structural{"kind": text("plain"), "name": text("")}}
	s := &structuralschema.Structural{Properties: map[string]structuralschema.Structural{
		"mode": text("auto"), "count": number, "limit": number, "parts": {Items: &part}, "one": part, "whole": part, "labels": {},
	}}
	lacks := lackingOf(reflect.TypeFor[completed](), s)
	full := completed{Mode: "x", Limit: ptr.To(1), Whole: completedPart{Kind: "k"}}
	for _, change := range []func(*completed){
		func(*completed) {},
		func(c *completed) { c.Mode = "" },
		func(c *completed) { c.Count = 1 },
		func(c *completed) { c.Limit = nil },
		func(c *completed) { c.Whole.Kind = "" },
		func(c *completed) { c.One = &completedPart{Name: "a"} },
		func(c *completed) { c.One = &completedPart{Kind: "a"} },
		func(c *completed) { c.Parts = []completedPart{{Kind: "a"}, {Name: "b"}} },
		func(c *completed) { c.Parts = []completedPart{{Kind: "a"}, {Kind: "b"}} },
		func(c *completed) { c.Labels = map[string]string{"a": "b"} },
	} {
		value := full
		change(&value)
		before, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&value)
		if err != nil {
			t.Fatal(err)
		}
		after := runtime.DeepCopyJSON(before)
		defaulting.Default(after, s)
		if got, want := lacks(reflect.ValueOf(&value).Elem()), !reflect.DeepEqual(before, after); got != want {
			t.Errorf("%+v lacks something: %t, want %t", value, got, want)
		}
	}
	s.Properties["unheard"] = text("of")
	if lacks := lackingOf(reflect.TypeFor[completed](), s); !lacks(reflect.ValueOf(&full).Elem()) {
		t.Error("nothing is missing of what the type cannot hold")
	}
	if lackingOf(reflect.TypeFor[completed](), &structuralschema.Structural{Properties: map[string]structuralschema.Structural{"mode": text("")}}) != nil {
		t.Error("a schema without defaults has something to look for")
	}
}
