package workload

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/runtime"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/rawjson"
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

// EqualItems does so for two items of an aggregated status.
func EqualItems(a, b workv1alpha2.AggregatedStatusItem) bool {
	left, right := a.Status, b.Status
	a.Status, b.Status = nil, nil
	return a == b && EqualRaw(left, right)
}

// EqualManifests does so for the statuses of two manifests.
func EqualManifests(a, b workv1alpha1.ManifestStatus) bool {
	return a.Identifier == b.Identifier && a.Health == b.Health && EqualRaw(a.Status, b.Status)
}

// EqualEnablements compares what two clusters, or one at two times, say they serve.
func EqualEnablements(a, b []clusterv1alpha1.APIEnablement) bool {
	return slices.EqualFunc(a, b, func(a, b clusterv1alpha1.APIEnablement) bool {
		return a.GroupVersion == b.GroupVersion && slices.Equal(a.Resources, b.Resources)
	})
}

func sameJSON(a, b runtime.RawExtension) bool {
	if bytes.Equal(a.Raw, b.Raw) {
		return true
	}
	if rawjson.Canonical(a.Raw) && rawjson.Canonical(b.Raw) {
		return false
	}
	var left, right any
	if json.Unmarshal(a.Raw, &left) != nil || json.Unmarshal(b.Raw, &right) != nil {
		return false
	}
	return reflect.DeepEqual(left, right)
}
