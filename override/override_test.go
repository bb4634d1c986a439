package override

import (
	"encoding/json"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

func TestParseImage(t *testing.T) {
	const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	for text, want := range map[string]Image{
		"nginx":                    {Repository: "nginx"},
		"team/app":                 {Repository: "team/app"},
		"localhost/app:v1":         {Registry: "localhost", Repository: "app", Tag: "v1"},
		"reg.example:5000/a/b:1.2": {Registry: "reg.example:5000", Repository: "a/b", Tag: "1.2"},
		"reg.example/a@" + digest:  {Registry: "reg.example", Repository: "a", Digest: digest},
	} {
		got, err := ParseImage(text)
		if err != nil || got != want {
			t.Errorf("%q: %+v, %v; want %+v", text, got, err, want)
		}
		if got.String() != text {
			t.Errorf("%q turned into %q", text, got)
		}
	}
	for _, text := range []string{"", ":v1", "UPPER", "a b", "reg.example/:v1"} {
		if got, err := ParseImage(text); err == nil {
			t.Errorf("%q passed as %+v", text, got)
		}
	}
}

// FuzzParseImage checks that whatever parses has a written form that parses to the same parts.
func FuzzParseImage(f *testing.F) {
	for _, text := range []string{"nginx", "a/b:c", "localhost:5000/a:b@sha256:" + strings.Repeat("0", 64), "a.b/c", ":", "@"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		image, err := ParseImage(text)
		if err != nil {
			return
		}
		again, err := ParseImage(image.String())
		if err != nil || again != image {
			t.Errorf("%q: %+v became %+v, %v", text, image, again, err)
		}
	})
}

// FuzzFieldOverrider feeds documents, pointers and values: an error is fine, a crash or a changed input is not.
func FuzzFieldOverrider(f *testing.F) {
	f.Add("/data/a", "/x/y", `{"x":{"y":1}}`, `2`, true)
	f.Add("/data/a", "/0", "- a\n- b\n", `"c"`, false)
	f.Add("/data/~1", "/-", "[", `null`, false)
	f.Add("data", "", "", ``, true)
	f.Fuzz(func(t *testing.T, path, subPath, document, value string, asJSONDocument bool) {
		if value != "" && !json.Valid([]byte(value)) {
			t.Skip("admission refuses values that are no JSON")
		}
		manifest := &unstructured.Unstructured{Object: map[string]any{"data": map[string]any{"a": document}}}
		overrider := policyv1alpha1.FieldOverrider{FieldPath: path}
		raw := apiextensionsv1.JSON{Raw: []byte(value)}
		if asJSONDocument {
			overrider.JSON = []policyv1alpha1.JSONPatchOperation{{SubPath: subPath, Operator: "replace", Value: raw}}
		} else {
			overrider.YAML = []policyv1alpha1.YAMLPatchOperation{{SubPath: subPath, Operator: "add", Value: raw}}
		}
		changed, err := applyOverriders(manifest, &policyv1alpha1.Overriders{FieldOverrider: []policyv1alpha1.FieldOverrider{overrider}})
		if (changed == nil) == (err == nil) {
			t.Errorf("manifest %v with error %v", changed, err)
		}
		if data, _, _ := unstructured.NestedString(manifest.Object, "data", "a"); data != document {
			t.Errorf("the given manifest changed: %q", data)
		}
	})
}

func newCluster() *clusterv1alpha1.Cluster {
	cluster := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member1", Labels: map[string]string{"env": "prod"}}}
	cluster.Spec.Provider, cluster.Spec.Zones = "p1", []string{"z1", "z2"}
	return cluster
}

func TestTargets(t *testing.T) {
	field := func(key string, operator corev1.NodeSelectorOperator, values ...string) policyv1alpha1.ClusterAffinity {
		return policyv1alpha1.ClusterAffinity{FieldSelector: &policyv1alpha1.FieldSelector{
			MatchExpressions: []corev1.NodeSelectorRequirement{{Key: key, Operator: operator, Values: values}},
		}}
	}
	label := func(value string) *metav1.LabelSelector {
		return &metav1.LabelSelector{MatchLabels: map[string]string{"env": value}}
	}
	for name, c := range map[string]struct {
		affinity policyv1alpha1.ClusterAffinity
		want     bool
	}{
		"everything":       {policyv1alpha1.ClusterAffinity{}, true},
		"named":            {policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}}, true},
		"not named":        {policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member2"}}, false},
		"named, excluded":  {policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}, ExcludeClusters: []string{"member1"}}, false},
		"label":            {policyv1alpha1.ClusterAffinity{LabelSelector: label("prod")}, true},
		"named, unlabeled": {policyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1"}, LabelSelector: label("test")}, false},
		"provider":         {field("provider", corev1.NodeSelectorOpIn, "p1"), true},
		"no region":        {field("region", corev1.NodeSelectorOpIn, ""), false},
		"region elsewhere": {field("region", corev1.NodeSelectorOpNotIn, "r1"), true},
		"one of the zones": {field("zone", corev1.NodeSelectorOpIn, "z1"), false},
		"all zones":        {field("zone", corev1.NodeSelectorOpIn, "z1", "z2", "z3"), true},
		"zone not in":      {field("zone", corev1.NodeSelectorOpNotIn, "z2"), false},
	} {
		if got := Targets(&c.affinity, newCluster()); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestAnnotationsAreSortedByPolicy(t *testing.T) {
	result := Result{Namespaced: []Applied{{PolicyName: "b"}, {PolicyName: "a"}}}
	annotations, err := result.Annotations()
	want := `[{"policyName":"a","overriders":{}},{"policyName":"b","overriders":{}}]`
	if err != nil || len(annotations) != 1 || annotations[names.AnnotationAppliedOverrides] != want {
		t.Errorf("annotations %v, error %v; want only %s", annotations, err, want)
	}
}

func TestApplyWithoutPolicyAnswersTheManifest(t *testing.T) {
	manifest := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	result, err := Apply(manifest, newCluster(), nil)
	if err != nil || result.Manifest != manifest {
		t.Errorf("manifest %v, error %v", result.Manifest, err)
	}
}

func TestApplyFailsAsAWhole(t *testing.T) {
	manifest := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap"}}
	policy := &policyv1alpha1.ClusterOverridePolicy{ObjectMeta: metav1.ObjectMeta{Name: "broken"}}
	policy.Spec.Overriders.Plaintext = []policyv1alpha1.PlaintextOverrider{
		{Path: "/data", Operator: "add", Value: apiextensionsv1.JSON{Raw: []byte(`{}`)}},
		{Path: "/nowhere/else", Operator: "remove"},
	}
	view, _ := Of(policy)
	result, err := Apply(manifest, newCluster(), []Policy{view})
	if err == nil || result.Manifest != nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("manifest %v, error %v", result.Manifest, err)
	}
	if _, found := manifest.Object["data"]; found {
		t.Error("half of the patch reached the given manifest")
	}
}
