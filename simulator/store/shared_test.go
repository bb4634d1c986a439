package store

import (
	"fmt"
	"reflect"
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
