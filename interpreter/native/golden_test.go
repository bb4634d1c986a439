package native

import (
	"context"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	testclock "k8s.io/utils/clock/testing"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/internal/golden"
)

// now stands for "$NOW" of the vectors.
var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type goldenInput struct {
	Op           string                              `json:"op"`
	Object       *unstructured.Unstructured          `json:"object"`
	Observed     *unstructured.Unstructured          `json:"observed"`
	Replica      int64                               `json:"replica"`
	Items        []workv1alpha2.AggregatedStatusItem `json:"items"`
	FeatureGates map[string]bool                     `json:"featureGates"`
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "interpreter") {
		t.Run(c.ID, func(t *testing.T) {
			var in goldenInput
			mustDecode(t, c.In, &in)
			var want map[string]any
			mustDecode(t, c.Out, &want)
			before := in.Object.DeepCopy()

			got, err := answer(in)
			if wantError := want["error"] != nil; (err != nil) != wantError {
				t.Fatalf("%s of %s: error %v, want one: %v", in.Op, in.Object.GetKind(), err, wantError)
			} else if wantError {
				return
			}
			if have, expected := normal(t, got), normal(t, want); !equal(have, expected) {
				t.Errorf("%s of %s:\n got %s\nwant %s", in.Op, in.Object.GetKind(), mustEncode(t, have), mustEncode(t, expected))
			}
			if !reflect.DeepEqual(before, in.Object) {
				t.Errorf("%s of %s changed its argument", in.Op, in.Object.GetKind())
			}
		})
	}
}

// answer runs one case and names the result like the vectors do.
func answer(in goldenInput) (map[string]any, error) {
	ctx := context.Background()
	native := New(Options{
		Clock: testclock.NewFakePassiveClock(now), QuotaRequirements: in.FeatureGates["ResourceQuotaEstimate"],
	})
	switch in.Op {
	case "InterpretReplica":
		replicas, requirements, err := native.Replicas(ctx, in.Object)
		return map[string]any{"replicas": replicas, "requirements": requirements}, err
	case "ReviseReplica":
		object, err := native.ReviseReplica(ctx, in.Object, in.Replica)
		return map[string]any{"object": object}, err
	case "Retain":
		object, err := native.Retain(ctx, in.Object, in.Observed)
		return map[string]any{"object": object}, err
	case "AggregateStatus":
		object, err := native.AggregateStatus(ctx, in.Object, in.Items)
		if err != nil {
			return nil, err
		}
		return map[string]any{"status": object.Object["status"]}, nil
	case "InterpretDependency":
		list, err := native.Dependencies(ctx, in.Object)
		return map[string]any{"dependencies": list}, err
	case "InterpretStatus":
		status, err := native.ReflectStatus(ctx, in.Object)
		return map[string]any{"status": status}, err
	default:
		healthy, err := native.Health(ctx, in.Object)
		return map[string]any{"healthy": healthy}, err
	}
}

// normal is the JSON form of a value without nulls, empty lists and empty objects, and with the time of the test for "$NOW".
func normal(t *testing.T, value any) any {
	t.Helper()
	var tree any
	mustDecode(t, mustEncode(t, value), &tree)
	return pruned(tree)
}

func pruned(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, child := range value {
			if child = pruned(child); child == nil {
				delete(value, key)
			} else {
				value[key] = child
			}
		}
		if len(value) == 0 {
			return nil
		}
	case []any:
		if len(value) == 0 {
			return nil
		}
		for i := range value {
			value[i] = pruned(value[i])
		}
	case string:
		if value == "$NOW" {
			return now.Format(time.RFC3339)
		}
	}
	return value
}

// equal compares normal values; texts that are quantities compare by value, and lists of references as sets.
func equal(a, b any) bool {
	switch a := a.(type) {
	case map[string]any:
		b, same := b.(map[string]any)
		if !same || len(a) != len(b) {
			return false
		}
		for key := range a {
			if key == "dependencies" {
				if !sameSet(a[key], b[key]) {
					return false
				}
			} else if !equal(a[key], b[key]) {
				return false
			}
		}
		return true
	case []any:
		b, same := b.([]any)
		if !same || len(a) != len(b) {
			return false
		}
		for i := range a {
			if !equal(a[i], b[i]) {
				return false
			}
		}
		return true
	case string:
		b, same := b.(string)
		return same && (a == b || sameQuantity(a, b))
	default:
		return a == b
	}
}

func sameSet(a, b any) bool {
	left, _ := a.([]any)
	right, _ := b.([]any)
	if len(left) != len(right) {
		return false
	}
	for _, entry := range left {
		found := false
		for _, other := range right {
			found = found || reflect.DeepEqual(entry, other)
		}
		if !found {
			return false
		}
	}
	return true
}

func sameQuantity(a, b string) bool {
	left, errLeft := resource.ParseQuantity(a)
	right, errRight := resource.ParseQuantity(b)
	return errLeft == nil && errRight == nil && left.Cmp(right) == 0
}

func mustDecode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
}

func mustEncode(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatalf("encoding %v: %v", value, err)
	}
	return raw
}
