package store

import (
	"bytes"
	"testing"
)

func TestIsSorted(t *testing.T) {
	for text, want := range map[string]bool{
		`{"a":1,"b":[{"c":"x"},-2,true,null],"d":{}}`: true,
		`[]`: true, `0`: true, `"a b"`: true,
		`{"b":1,"a":1}`: false, `{"a":1,"a":1}`: false, `{"a": 1}`: false, `{"a":1.5}`: false, `{"a":"\u00e9"}`: false,
		`{"a":01}`: false, `{"a":1`: false, ``: false, `{"a":1}x`: false, `truex`: false, `{"a":"<"}`: false,
	} {
		if got := isSorted([]byte(text)); got != want {
			t.Errorf("isSorted(%s) is %t", text, got)
		}
	}
}

// FuzzIsSorted holds it to what it promises: what is sorted stays as it is.
func FuzzIsSorted(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[{"c":"x"},-2,true,null],"d":{}}`))
	f.Add([]byte(`{"b":1,"a":"\u00e9"}`))
	f.Add([]byte(`[-0,1e5]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if !isSorted(data) {
			return
		}
		sorted, err := sortedJSON(data)
		if err != nil || !bytes.Equal(sorted, data) {
			t.Errorf("%s comes back as %s, %v", data, sorted, err)
		}
	})
}
