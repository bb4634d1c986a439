package v1alpha2_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"testing"

	"github.com/google/go-cmp/cmp"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/internal/golden"
)

// The recorded objects come from the reference: every field of theirs must have a place in ours, and come out of it
// under the same name.
func TestRecordedObjectsKeepTheirFields(t *testing.T) {
	kinds := map[string]map[string]func() any{
		"placement": {
			"clusters":          func() any { return &[]clusterv1alpha1.Cluster{} },
			"spec":              func() any { return &workv1alpha2.ResourceBindingSpec{} },
			"status":            func() any { return &workv1alpha2.ResourceBindingStatus{} },
			"existingBindings":  func() any { return &[]workv1alpha2.ResourceBinding{} },
			"assigningBindings": func() any { return &[]workv1alpha2.ResourceBinding{} },
		},
		"general-estimator": {
			"cluster":             func() any { return &clusterv1alpha1.Cluster{} },
			"replicaRequirements": func() any { return &workv1alpha2.ReplicaRequirements{} },
			"components":          func() any { return &[]workv1alpha2.Component{} },
		},
		"override": {
			"cluster":                 func() any { return &clusterv1alpha1.Cluster{} },
			"overridePolicies":        func() any { return &[]policyv1alpha1.OverridePolicy{} },
			"clusterOverridePolicies": func() any { return &[]policyv1alpha1.ClusterOverridePolicy{} },
		},
		"policy-match": {
			"propagationPolicies":        func() any { return &[]policyv1alpha1.PropagationPolicy{} },
			"clusterPropagationPolicies": func() any { return &[]policyv1alpha1.ClusterPropagationPolicy{} },
		},
	}
	for file, inputs := range kinds {
		t.Run(file, func(t *testing.T) {
			compared := map[string]int{}
			for _, recorded := range golden.Load(t, file) {
				given := map[string]json.RawMessage{}
				if err := json.Unmarshal(recorded.In, &given); err != nil {
					t.Fatalf("%s: %v", recorded.ID, err)
				}
				for input, newObject := range inputs {
					if raw, ok := given[input]; ok {
						compared[input]++
						checkFields(t, recorded.ID+" "+input, raw, newObject())
					}
				}
			}
			for input := range inputs {
				if compared[input] == 0 {
					t.Errorf("no case has %s", input)
				}
			}
		})
	}
}

// checkFields decodes an object into our type and back, and compares the paths that hold a value.
func checkFields(t *testing.T, name string, raw []byte, object any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(object); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	encoded, err := json.Marshal(object)
	if err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	if diff := cmp.Diff(paths(t, raw), paths(t, encoded)); diff != "" {
		t.Errorf("%s: fields (-recorded +ours):\n%s", name, diff)
	}
}

// paths lists where a document holds something other than a zero value, which may be left out or written alike.
func paths(t *testing.T, document []byte) []string {
	t.Helper()
	var tree any
	if err := json.Unmarshal(document, &tree); err != nil {
		t.Fatal(err)
	}
	var found []string
	var walk func(path string, node any)
	walk = func(path string, node any) {
		switch value := node.(type) {
		case map[string]any:
			for key, child := range value {
				walk(path+"."+key, child)
			}
		case []any:
			for i, child := range value {
				walk(fmt.Sprintf("%s[%d]", path, i), child)
			}
		default:
			if zero := []any{nil, "", false, float64(0)}; !slices.Contains(zero, value) {
				found = append(found, path)
			}
		}
	}
	walk("", tree)
	sort.Strings(found)
	return found
}
