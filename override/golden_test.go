package override

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/internal/golden"
)

type goldenInput struct {
	Object  *unstructured.Unstructured             `json:"object"`
	Cluster *clusterv1alpha1.Cluster               `json:"cluster"`
	Wide    []policyv1alpha1.ClusterOverridePolicy `json:"clusterOverridePolicies"`
	Local   []policyv1alpha1.OverridePolicy        `json:"overridePolicies"`
}

func (in *goldenInput) views() []Policy {
	var views []Policy
	for i := range in.Local {
		view, _ := Of(&in.Local[i])
		views = append(views, view)
	}
	for i := range in.Wide {
		view, _ := Of(&in.Wide[i])
		views = append(views, view)
	}
	return views
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "override") {
		t.Run(c.ID, func(t *testing.T) {
			var in goldenInput
			var want struct {
				Error          bool            `json:"error"`
				Panic          any             `json:"panic"`
				Object         json.RawMessage `json:"object"`
				AppliedCluster []string        `json:"appliedClusterPolicies"`
				Applied        []string        `json:"appliedPolicies"`
			}
			mustDecode(t, c.In, &in)
			mustDecode(t, c.Out, &want)
			before := in.Object.DeepCopy()
			result, err := Apply(in.Object, in.Cluster, in.views())
			if !reflect.DeepEqual(in.Object, before) {
				t.Error("the given manifest changed")
			}
			if wantError := want.Error || want.Panic != nil; (err != nil) != wantError {
				t.Fatalf("error %v, want one: %t (%s)", err, wantError, c.Message)
			}
			if err != nil {
				return
			}
			var expected any
			mustDecode(t, want.Object, &expected)
			if got := asJSON(t, result.Manifest); !reflect.DeepEqual(pruned(got), pruned(expected)) {
				t.Errorf("got  %s\nwant %s\nin %s", mustEncode(t, got), mustEncode(t, expected), c.In)
			}
			if got := policyNames(result.Cluster); !slices.Equal(got, want.AppliedCluster) {
				t.Errorf("cluster policies %q, want %q", got, want.AppliedCluster)
			}
			if got := policyNames(result.Namespaced); !slices.Equal(got, want.Applied) {
				t.Errorf("policies %q, want %q", got, want.Applied)
			}
		})
	}
}

func policyNames(applied []Applied) []string {
	var list []string
	for _, entry := range applied {
		list = append(list, entry.PolicyName)
	}
	return list
}

// pruned drops nulls and empty lists and objects, and reads texts that hold YAML documents of several lines or JSON objects as
// what they stand for.
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
		var document map[string]any
		if yaml.Unmarshal([]byte(value), &document) == nil && len(document) > 0 {
			return document
		}
	}
	return value
}

func asJSON(t *testing.T, value any) any {
	t.Helper()
	var tree any
	mustDecode(t, mustEncode(t, value), &tree)
	return tree
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
