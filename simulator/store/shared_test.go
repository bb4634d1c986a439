package store

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

func object(image string) map[string]any {
	return map[string]any{"kind": "Thing", "spec": map[string]any{
		"replicas": int64(3), "template": map[string]any{"image": image, "ports": []any{int64(80)}},
	}}
}

func template(tree map[string]any) map[string]any {
	return tree["spec"].(map[string]any)["template"].(map[string]any)
}

func TestSharedKeepsOneCopy(t *testing.T) {
	shared := NewShared()
	first, second, other := object("a"), object("a"), object("b")
	for _, tree := range []map[string]any{first, second, other} {
		shared.share(tree)
	}
	same := func(a, b map[string]any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }
	if !same(template(first), template(second)) || same(template(first), template(other)) {
		t.Error("equal parts are to be one, others not")
	}
	if !reflect.DeepEqual(other, object("b")) || !reflect.DeepEqual(second, object("a")) {
		t.Errorf("sharing changed %v or %v", second, other)
	}
}

func TestSharedForgets(t *testing.T) {
	shared := NewShared()
	for i := range 5 * generation {
		shared.share(object(fmt.Sprint(i)))
	}
	if kept := len(shared.young) + len(shared.old); kept > 2*generation {
		t.Errorf("keeps %d parts, want at most %d", kept, 2*generation)
	}
}

func TestSharedTexts(t *testing.T) {
	shared := NewShared()
	fresh := func() map[string]any {
		return map[string]any{strings.Repeat("k", 3): map[string]any{"list": []any{strings.Repeat("v", 3), int64(1), 2.0, nil, true}}}
	}
	long := strings.Repeat("x", longestText+1)
	first := shared.canonical(fresh()).(map[string]any)
	second := shared.canonical(fresh()).(map[string]any)
	if !reflect.DeepEqual(first, second) || !reflect.DeepEqual(first, canonicalTree(fresh())) {
		t.Errorf("sharing changed %v or %v", first, second)
	}
	if allocated := testing.AllocsPerRun(100, func() { shared.canonical("vvv") }); allocated > 1 {
		t.Errorf("a text that is known is allocated again: %v allocations", allocated)
	}
	if got := shared.canonical(long); got != long {
		t.Errorf("a long text became %q", got)
	}
	for i := range 5 * generation {
		shared.canonical(fmt.Sprint(i))
	}
	if kept := len(shared.texts.young) + len(shared.texts.old); kept > 2*generation {
		t.Errorf("keeps %d texts, want at most %d", kept, 2*generation)
	}
}
