package rawjson_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"math"
	"testing"

	"github.com/seatrial/seatrial/rawjson"
)

func TestCanonical(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":1,"b":[{"c":"x"},-2,true,null],"d":{}}`: true,
		`[]`: true, `0`: true, `"a b"`: true,
		`{"b":1,"a":1}`: false, `{"a":1,"a":1}`: false, `{"a": 1}`: false, `{"a":1.5}`: false, `{"a":"\u00e9"}`: false,
		`{"a":01}`: false, `{"a":1`: false, ``: false, `{"a":1}x`: false, `truex`: false, `{"a":"<"}`: false,
	} {
		if got := rawjson.Canonical([]byte(text)); got != want {
			t.Errorf("Canonical(%s) is %t", text, got)
		}
	}
}

// FuzzCanonical holds it to what it promises: what is canonical stays as it is.
func FuzzCanonical(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[{"c":"x"},-2,true,null],"d":{}}`))
	f.Add([]byte(`{"b":1,"a":"\u00e9"}`))
	f.Add([]byte(`[-0,1e5]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !rawjson.Canonical(data) {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.UseNumber()
		var content any
		if err := decoder.Decode(&content); err != nil {
			t.Fatalf("%s: %v", data, err)
		}
		if again, err := json.Marshal(content); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%s comes back as %s, %v", data, again, err)
		}
	})
}

func TestIntegers(t *testing.T) {
	for text, want := range map[string]map[string]int64{
		`{}`: {}, `{"a":0}`: {"a": 0}, `{"a":-7,"b":12}`: {"a": -7, "b": 12}, `{"a":9223372036854775807}`: {"a": math.MaxInt64},
		`{"a":9223372036854775808}`: nil, `{"a":1.0}`: nil, `{"a":"1"}`: nil, `{"a":null}`: nil, `{"a":{"b":1}}`: nil, `{"b":1,"a":1}`: nil,
		`{"a":1,"a":1}`: nil, `{"a":01}`: nil, `{"a":-0}`: nil, `{"a":+1}`: nil, `{"a":1_0}`: nil, `{"a":1`: nil, `{"a":1}x`: nil, `{"a":1,}`: nil, `{a:1}`: nil, `{`: nil,
		`[]`: nil, ``: nil, `{"a": 1}`: nil, `{"a"}`: nil, `{"a":}`: nil,
	} {
		got, ok := integers([]byte(text))
		if ok != (want != nil) || ok && !maps.Equal(got, want) {
			t.Errorf("Integers(%s) tells %v, %t", text, got, ok)
		}
	}
}

func integers(data []byte) (map[string]int64, bool) {
	got := map[string]int64{}
	ok := rawjson.Integers(data, func(name []byte, value int64) { got[string(name)] = value })
	return got, ok
}

// FuzzIntegers holds what is told of an object against what a decoder finds in it.
func FuzzIntegers(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":-20}`))
	f.Add([]byte(`{"a":01,"a":[]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, ok := integers(data)
		if !ok {
			return
		}
		var want map[string]int64
		if err := json.Unmarshal(data, &want); err != nil || !maps.Equal(got, want) {
			t.Errorf("%s tells %v, and is %v, %v", data, got, want, err)
		}
	})
}
