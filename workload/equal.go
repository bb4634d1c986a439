package workload

import (
	"bytes"
	"encoding/json"
	"reflect"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"
)

// semantic compares raw objects as JSON values: an API server gives them back with their keys in another order.
var semantic = func() (equalities interface{ DeepEqual(a, b any) bool }) {
	copied := equality.Semantic.Copy()
	if err := copied.AddFunc(sameJSON); err != nil {
		panic(err)
	}
	return copied
}()

// Equal compares API objects by meaning: quantities by value, times by instant, raw objects as JSON.
func Equal(a, b any) bool { return semantic.DeepEqual(a, b) }

// EqualRaw does so for one raw object, which may be nil.
func EqualRaw(a, b *runtime.RawExtension) bool {
	if a == nil || b == nil {
		return a == b
	}
	return sameJSON(*a, *b)
}

func sameJSON(a, b runtime.RawExtension) bool {
	if bytes.Equal(a.Raw, b.Raw) {
		return true
	}
	var left, right any
	if json.Unmarshal(a.Raw, &left) != nil || json.Unmarshal(b.Raw, &right) != nil {
		return false
	}
	return reflect.DeepEqual(left, right)
}
