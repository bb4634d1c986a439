package main

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

// TestTaintEdits applies arguments to a cluster with two taints.
func TestTaintEdits(t *testing.T) {
	for name, c := range map[string]struct {
		arguments string
		overwrite bool
		want      string
		failure   string
	}{
		"added":                 {arguments: "b=1:NoSchedule c:NoExecute", want: "a=x:NoSchedule a=x:NoExecute b=1:NoSchedule c:NoExecute"},
		"one effect taken away": {arguments: "a:NoExecute-", want: "a=x:NoSchedule"},
		"a key taken away":      {arguments: "a-", want: ""},
		"the same":              {arguments: "a=x:NoSchedule", want: "a=x:NoSchedule a=x:NoExecute"},
		"changed":               {arguments: "a=y:NoSchedule", overwrite: true, want: "a=y:NoSchedule a=x:NoExecute"},
		"changed by mistake":    {arguments: "a=y:NoSchedule", failure: "it has the taint a=x:NoSchedule; --overwrite replaces the value"},
		"not there":             {arguments: "b-", failure: "there is no taint b"},
		"named twice":           {arguments: "b=1:NoSchedule b-", failure: `taint "b-": its key and effect are named twice`},
		"no effect":             {arguments: "b=1", failure: `taint "b=1": the EFFECT is missing`},
		"another effect":        {arguments: "b=1:Never", failure: `taint "b=1:Never": EFFECT "Never": use NoSchedule`},
		"no key":                {arguments: "=1:NoSchedule", failure: `taint "=1:NoSchedule": KEY "": `},
		"a bad value":           {arguments: "b=ü:NoSchedule", failure: `VALUE "ü": `},
		"a value taken away":    {arguments: "a=x:NoSchedule-", failure: "a taint is taken away by KEY- or KEY:EFFECT-"},
	} {
		t.Run(name, func(t *testing.T) {
			var taints []corev1.Taint
			edit, err := parseTaintEdit(strings.Fields(c.arguments))
			if err == nil {
				edit.overwrite = c.overwrite
				taints, err = edit.apply([]corev1.Taint{
					{Key: "a", Value: "x", Effect: corev1.TaintEffectNoSchedule}, {Key: "a", Value: "x", Effect: corev1.TaintEffectNoExecute},
				})
			}
			if c.failure != "" {
				if err == nil || !strings.Contains(err.Error(), c.failure) {
					t.Fatalf("the error is %v, want %q", err, c.failure)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for i := range taints {
				got = append(got, taints[i].ToString())
			}
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("the taints are %q, want %q", text, c.want)
			}
		})
	}
}

// FuzzTaintEdit: whatever is typed is refused with an error or gives taints that are whole.
func FuzzTaintEdit(f *testing.F) {
	for _, seed := range []string{"a=x:NoSchedule", "a-", "a:NoExecute-", "=:", ":-", "a=b=c:NoSchedule", "example.com/a:NoExecute"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		edit, err := parseTaintEdit([]string{text})
		if err != nil {
			return
		}
		if len(edit.added)+len(edit.removed) != 1 {
			t.Fatalf("%q is %d changes", text, len(edit.added)+len(edit.removed))
		}
		for _, taint := range edit.added {
			if taint.Key == "" || taint.Effect == "" {
				t.Errorf("%q adds %+v", text, taint)
			}
		}
	})
}

// TestTaintTakesTheKindOrNot: the word clusters may stand before the name, as in kubectl.
func TestTaintTakesTheKindOrNot(t *testing.T) {
	for given, want := range map[string]string{"": "", "clusters": "", "cluster member1 a-": "member1 a-", "member1 a-": "member1 a-", "clusters clusters a-": "clusters a-"} {
		if got := strings.Join(withoutKind(strings.Fields(given)), " "); got != want {
			t.Errorf("of %q it takes %q, want %q", given, got, want)
		}
	}
}
