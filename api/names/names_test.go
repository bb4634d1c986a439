package names

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seatrial/seatrial/internal/golden"
)

// rule applies one naming rule to recorded positional arguments.
type rule func(args []string) (any, error)

func text(f func(args []string) string) rule {
	return func(args []string) (any, error) { return f(args), nil }
}

var rules = map[string]rule{
	"GenerateBindingName":             text(func(a []string) string { return Binding(a[0], a[1]) }),
	"GenerateBindingReferenceKey":     text(func(a []string) string { return ReferenceKey(a[0], a[1]) }),
	"GenerateDerivedServiceName":      text(func(a []string) string { return DerivedService(a[0]) }),
	"GenerateEndpointSliceName":       text(func(a []string) string { return ImportedEndpointSlice(a[0], a[1]) }),
	"GenerateEstimatorDeploymentName": text(func(a []string) string { return Estimator(DefaultEstimatorPrefix, a[0]) }),
	"GenerateEstimatorServiceName":    text(func(a []string) string { return Estimator(a[0], a[1]) }),
	"GenerateExecutionSpaceName":      text(func(a []string) string { return ExecutionSpace(a[0]) }),
	"GenerateImpersonationSecretName": text(func(a []string) string { return ImpersonationSecret(a[0]) }),
	"GeneratePolicyName":              text(func(a []string) string { return PromotedPolicy(a[0], a[1], a[2]) }),
	"GenerateRoleName":                text(func(a []string) string { return MemberRole(a[0]) }),
	"GenerateServiceAccountName":      text(func(a []string) string { return ServiceAccount(a[0]) }),
	"GenerateWorkName":                text(func(a []string) string { return Work(a[0], a[1], a[2]) }),
	"NamespacedKey":                   text(func(a []string) string { return NamespacedKey(a[0], a[1]) }),
	"GetClusterName":                  func(a []string) (any, error) { return ClusterOfExecutionSpace(a[0]) },
	"IsReservedNamespace":             func(a []string) (any, error) { return IsReservedNamespace(a[0]), nil },
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "names") {
		var in struct {
			Func string   `json:"func"`
			Args []string `json:"args"`
		}
		var want struct {
			Value any `json:"value"`
			Error any `json:"error"`
		}
		mustDecode(t, c.In, &in)
		mustDecode(t, c.Out, &want)
		apply, known := rules[in.Func]
		if !known {
			t.Errorf("%s: no rule for %s", c.ID, in.Func)
			continue
		}
		got, err := apply(in.Args)
		if (err != nil) != (want.Error != nil) {
			t.Errorf("%s: %s%q: error %v, want error %v", c.ID, in.Func, in.Args, err, want.Error)
		} else if err == nil && got != want.Value {
			t.Errorf("%s: %s%q = %v, want %v", c.ID, in.Func, in.Args, got, want.Value)
		}
	}
}

func mustDecode(t *testing.T, raw json.RawMessage, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
}

func TestDispatchedEndpointSlice(t *testing.T) {
	if got := DispatchedEndpointSlice("web-x2f", "member1"); got != "member1-web-x2f" {
		t.Errorf("got %q", got)
	}
}

func FuzzExecutionSpaceInverse(f *testing.F) {
	f.Add("member1")
	f.Add("")
	f.Fuzz(func(t *testing.T, cluster string) {
		space := ExecutionSpace(cluster)
		back, err := ClusterOfExecutionSpace(space)
		if err != nil || back != cluster {
			t.Errorf("%q -> %q -> %q, %v", cluster, space, back, err)
		}
		if !IsReservedNamespace(space) {
			t.Errorf("execution space %q is not reserved", space)
		}
	})
}

func FuzzHashAlphabet(f *testing.F) {
	f.Add("default/nginx")
	f.Fuzz(func(t *testing.T, input string) {
		hash := Hash(input)
		if utf8.RuneCountInString(hash) < 1 || len(hash) > 10 || strings.Trim(hash, "456789bcdf") != "" {
			t.Errorf("Hash(%q) = %q leaves the alphabet", input, hash)
		}
	})
}
