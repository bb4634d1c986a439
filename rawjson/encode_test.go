package rawjson_test

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"

	k8sjson "k8s.io/apimachinery/pkg/util/json"

	"github.com/seatrial/seatrial/rawjson"
)

// TestEncode holds the encoder to encoding/json, byte for byte.
func TestEncode(t *testing.T) {
	for _, tree := range []any{
		nil, true, false, "", "plain", "a \"quote\" \\ <tag> & \x00 \x7f é \u2028", int64(0), int64(math.MinInt64), 1.5, 1e21, 3, map[string]any(nil), []any(nil),
		map[string]any{}, []any{}, map[string]any{"b": []any{nil, "x", map[string]any{"<": int64(-1)}}, "a": map[string]any{"é": []any{}}},
		map[string]any{"labels": map[string]string{"b": "1", "a": "2"}}, "broken \xff",
	} {
		want, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rawjson.Encode(tree); err != nil || string(got) != string(want) {
			t.Errorf("%#v is encoded as %s, %v; want %s", tree, got, err, want)
		}
	}
	for _, tree := range []any{math.NaN(), map[string]any{"a": []any{math.Inf(1)}}, map[string]any{"a": func() {}}} {
		if got, err := rawjson.Encode(tree); err == nil {
			t.Errorf("%#v is encoded as %s, which is no JSON", tree, got)
		}
	}
}

// FuzzDecode holds the decoder to those of API machinery, and to what is canonical.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{"a":[1,-2,"x",null],"b":{"c":true,"d":false}}`, `{"b":1,"a":2}`, `[]`, `{}`, `0`, `-0`, `01`, `9223372036854775808`, `"é"`, `nul`, `{"a":1,}`, ` 1`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, ok := rawjson.Decode(data)
		if canonical := rawjson.Canonical(data); ok && !canonical {
			t.Errorf("%s is decoded, and not canonical", data)
		}
		if !ok {
			return
		}
		var want any
		if err := k8sjson.Unmarshal(data, &want); err != nil || !reflect.DeepEqual(tree, want) {
			t.Errorf("%s is decoded as %#v; want %#v, %v", data, tree, want, err)
		}
	})
}

func TestDecode(t *testing.T) {
	for _, data := range []string{`{"a":[1,-2,"x",null,[],{}],"b":{"c":true,"d":false}}`, `0`, `"a b"`, `9223372036854775807`} {
		var want any
		if err := k8sjson.Unmarshal([]byte(data), &want); err != nil {
			t.Fatal(err)
		}
		if tree, ok := rawjson.Decode([]byte(data)); !ok || !reflect.DeepEqual(tree, want) {
			t.Errorf("%s is decoded as %#v, %t; want %#v", data, tree, ok, want)
		}
	}
	for _, data := range []string{``, `{`, `[1`, `[1 ,2]`, `{"a"}`, `{"a":1,}`, `{"b":1,"a":2}`, `1.5`, `01`, `-0`, `9223372036854775808`, `"\n"`, `nul`, `truefalse`, `[]x`} {
		if tree, ok := rawjson.Decode([]byte(data)); ok {
			t.Errorf("%s is decoded as %#v", data, tree)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, seed := range []string{`{"a":[1,2.5,"x<",null],"b":{"c":true}}`, `"\u2028é"`, `[]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var tree any
		if json.Unmarshal(data, &tree) != nil {
			return
		}
		want, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := rawjson.Encode(tree); err != nil || string(got) != string(want) {
			t.Errorf("encoded as %s, %v; want %s", got, err, want)
		}
	})
}
