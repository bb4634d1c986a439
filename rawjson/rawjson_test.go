package rawjson_test

import (
	"bytes"
	"encoding/json"
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
