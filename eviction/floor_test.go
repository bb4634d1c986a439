package eviction

import (
	"math"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/seatrial/seatrial/api/names"
)

func TestLeast(t *testing.T) {
	rolling := func(most any) map[string]any {
		return map[string]any{"strategy": map[string]any{"type": "RollingUpdate", "rollingUpdate": map[string]any{"maxUnavailable": most}}}
	}
	for _, c := range []struct {
		name     string
		kind     string
		spec     map[string]any
		replicas int32
		part     float64
		want     int64
	}{
		{"a quarter may be away", "Deployment", nil, 11, 0, 9},
		{"none may be away", "Deployment", rolling(int64(0)), 11, 0, 11},
		{"a number may be away", "Deployment", rolling(int64(3)), 11, 0, 8},
		{"a part may be away", "Deployment", rolling("50%"), 11, 0, 6},
		{"all are recreated at once", "Deployment", map[string]any{"strategy": map[string]any{"type": "Recreate"}}, 11, 0, 1},
		{"nobody can tell", "Deployment", rolling("many"), 11, 0, 11},
		{"no Deployment at all", "Deployment", map[string]any{"replicas": "many"}, 11, 0, 11},
		{"one at a time", "StatefulSet", nil, 11, 0, 10},
		{"one is the least", "StatefulSet", nil, 1, 0, 1},
		{"as the installation says", "Deployment", rolling(int64(0)), 11, 0.8, 9},
		{"a part that makes 55.00000000000001", "Deployment", nil, 100, 0.55, 55},
	} {
		template := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "apps/v1", "kind": c.kind}}
		if c.spec != nil {
			template.Object["spec"] = c.spec
		}
		options := Options{Floor: c.part}
		if got := options.Least(template, c.replicas); got != c.want {
			t.Errorf("%s: %d of %d, want %d", c.name, got, c.replicas, c.want)
		}
	}
}

// TestRaised: a policy may raise the floor of ten replicas, and not lower it.
func TestRaised(t *testing.T) {
	for policy, want := range map[string]int64{"": 8, "100%": 10, "85%": 9, "9": 9, "5": 8, "50%": 8, "200%": 10, "99": 10, "0": 8} {
		if got, err := Raised(8, policy, 10); got != want || err != nil {
			t.Errorf("%q: %d, %v, want %d", policy, got, err, want)
		}
	}
	for _, policy := range []string{"all", "-1", "80 %", "0.8"} {
		if got, err := Raised(8, policy, 10); got != 8 || err == nil || !strings.Contains(err.Error(), names.AnnotationFloor) {
			t.Errorf("%q: %d, %v", policy, got, err)
		}
	}
}

// TestBeyondCanBeAdded: a roll-out may allow as many as there are numbers.
func TestBeyondCanBeAdded(t *testing.T) {
	options, template := Options{Surge: intstr.FromInt32(math.MaxInt32)}, &unstructured.Unstructured{Object: map[string]any{"kind": "StatefulSet"}}
	if beyond := options.Beyond(template, 10); beyond != math.MaxInt32-10 {
		t.Errorf("%d beyond 10 replicas", beyond)
	}
}
