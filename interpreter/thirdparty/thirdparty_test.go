package thirdparty

import (
	"encoding/json"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/declarative"
)

var update = flag.Bool("update", false, "write the answers into testdata, for a person to judge")

// sample is a kind as users have it, and what the interpreter must say about it.
type sample struct {
	// Desired is a template, Observed the object in a member with its status.
	Desired  map[string]any `json:"desired"`
	Observed map[string]any `json:"observed"`
	// Reports are statuses by cluster, in the order of the clusters.
	Reports []report `json:"reports"`
	// Revise is the number of replicas to set.
	Revise int64 `json:"revise,omitempty"`
	// Health are statuses and how they are judged.
	Health []judgement `json:"health"`

	Want answers `json:"want"`
}

type report struct {
	Cluster string `json:"cluster"`
	Status  any    `json:"status"`
}

type judgement struct {
	Status  any  `json:"status"`
	Healthy bool `json:"healthy"`
}

// answers have an entry for each operation that a kind supports.
type answers struct {
	Replicas     *int32 `json:"replicas,omitempty"`
	Requirements any    `json:"requirements,omitempty"`
	Components   any    `json:"components,omitempty"`
	// Revised and Retained are what changes in the template.
	Revised  any `json:"revised,omitempty"`
	Retained any `json:"retained,omitempty"`
	// Reported is the status to report of the observed object, Aggregated the status of the template.
	Reported   any `json:"reported,omitempty"`
	Aggregated any `json:"aggregated,omitempty"`
	// Dependencies read Kind/namespace/name.
	Dependencies []string `json:"dependencies,omitempty"`
}

func TestSamples(t *testing.T) {
	interpreter := Interpreter()
	for _, kind := range interpreter.Kinds() {
		t.Run(kind.String(), func(t *testing.T) {
			given := read(t, kind)
			desired := object(t, kind, given.Desired)
			got := answer(t, interpreter, desired, given)
			if *update {
				given.Want = got
				write(t, fileOf(kind), given)
				return
			}
			if diff := cmp.Diff(generic(t, given.Want), generic(t, got)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if interpreter.Supports(kind, configv1alpha1.InterpreterOperationInterpretHealth) {
				judge(t, interpreter, kind, given)
			}
		})
	}
}

func fileOf(kind schema.GroupVersionKind) string {
	return filepath.Join("testdata", kind.Group, kind.Version, kind.Kind+".yaml")
}

func read(t *testing.T, kind schema.GroupVersionKind) sample {
	t.Helper()
	raw, err := os.ReadFile(fileOf(kind))
	if err != nil {
		t.Fatalf("the kind has no sample: %v", err)
	}
	var given sample
	if err := yaml.UnmarshalStrict(raw, &given); err != nil {
		t.Fatalf("%s: %v", fileOf(kind), err)
	}
	return given
}

// answer asks every operation that the kind supports.
func answer(t *testing.T, made *declarative.Interpreter, desired *unstructured.Unstructured, given sample) answers {
	t.Helper()
	ctx, kind := t.Context(), desired.GroupVersionKind()
	observed := object(t, kind, given.Observed)
	items := make([]workv1alpha2.AggregatedStatusItem, 0, len(given.Reports))
	for _, one := range given.Reports {
		items = append(items, workv1alpha2.AggregatedStatusItem{ClusterName: one.Cluster, Status: &runtime.RawExtension{Raw: encode(t, one.Status)}})
	}
	var got answers
	for _, operation := range []struct {
		name configv1alpha1.InterpreterOperation
		ask  func() error
	}{
		{configv1alpha1.InterpreterOperationInterpretReplica, func() error {
			replicas, requirements, err := made.Replicas(ctx, desired)
			got.Replicas, got.Requirements = &replicas, generic(t, requirements)
			return err
		}},
		{configv1alpha1.InterpreterOperationInterpretComponent, func() error {
			components, err := made.Components(ctx, desired)
			got.Components = generic(t, components)
			return err
		}},
		{configv1alpha1.InterpreterOperationReviseReplica, func() error {
			revised, err := made.ReviseReplica(ctx, desired, given.Revise)
			got.Revised = difference(t, desired, revised)
			return err
		}},
		{configv1alpha1.InterpreterOperationRetain, func() error {
			retained, err := made.Retain(ctx, desired, observed)
			got.Retained = difference(t, desired, retained)
			return err
		}},
		{configv1alpha1.InterpreterOperationInterpretStatus, func() error {
			status, err := made.ReflectStatus(ctx, observed)
			got.Reported = generic(t, status)
			return err
		}},
		{configv1alpha1.InterpreterOperationAggregateStatus, func() error {
			aggregated, err := made.AggregateStatus(ctx, desired, items)
			if err == nil {
				got.Aggregated = generic(t, aggregated.Object["status"])
			}
			return err
		}},
		{configv1alpha1.InterpreterOperationInterpretDependency, func() error {
			dependencies, err := made.Dependencies(ctx, desired)
			for _, reference := range dependencies {
				got.Dependencies = append(got.Dependencies, reference.Kind+"/"+reference.Namespace+"/"+reference.Name)
			}
			return err
		}},
	} {
		if !made.Supports(kind, operation.name) {
			continue
		}
		if err := operation.ask(); err != nil {
			t.Errorf("%s: %v", operation.name, err)
		}
	}
	return got
}

func judge(t *testing.T, made *declarative.Interpreter, kind schema.GroupVersionKind, given sample) {
	t.Helper()
	seen := map[bool]bool{}
	for place, one := range given.Health {
		judged := object(t, kind, given.Observed)
		judged.Object["status"] = one.Status
		healthy, err := made.Health(t.Context(), judged)
		if err != nil || healthy != one.Healthy {
			t.Errorf("health %d: %t, error %v", place, healthy, err)
		}
		seen[one.Healthy] = true
	}
	if !seen[true] || !seen[false] {
		t.Error("the sample needs a healthy status and one that is not")
	}
}

// TestBareObjects asks everything about objects that have next to nothing in them, as users write them.
func TestBareObjects(t *testing.T) {
	made := Interpreter()
	for _, kind := range made.Kinds() {
		bare := object(t, kind, map[string]any{
			"metadata": map[string]any{"name": "bare"}, "spec": map[string]any{"template": map[string]any{"spec": map[string]any{}}},
		})
		ctx := t.Context()
		check := func(operation configv1alpha1.InterpreterOperation, err error) {
			if err != nil && !interpreter.IsUnsupported(err) {
				t.Errorf("%s of %s: %v", operation, kind, err)
			}
		}
		_, _, err := made.Replicas(ctx, bare)
		check(configv1alpha1.InterpreterOperationInterpretReplica, err)
		_, err = made.Components(ctx, bare)
		check(configv1alpha1.InterpreterOperationInterpretComponent, err)
		_, err = made.ReviseReplica(ctx, bare, 2)
		check(configv1alpha1.InterpreterOperationReviseReplica, err)
		_, err = made.Retain(ctx, bare, bare)
		check(configv1alpha1.InterpreterOperationRetain, err)
		_, err = made.ReflectStatus(ctx, bare)
		check(configv1alpha1.InterpreterOperationInterpretStatus, err)
		for _, items := range [][]workv1alpha2.AggregatedStatusItem{nil, {}, {{ClusterName: "one"}}} {
			_, err = made.AggregateStatus(ctx, bare, items)
			check(configv1alpha1.InterpreterOperationAggregateStatus, err)
		}
		_, err = made.Dependencies(ctx, bare)
		check(configv1alpha1.InterpreterOperationInterpretDependency, err)
		healthy, err := made.Health(ctx, bare)
		check(configv1alpha1.InterpreterOperationInterpretHealth, err)
		if healthy {
			t.Errorf("%s is healthy without a status", kind)
		}
	}
}

// TestManyClusters sums up the reports of a large fleet, which must stay within the limits of scripts.
func TestManyClusters(t *testing.T) {
	made := Interpreter()
	for _, kind := range made.Kinds() {
		if !made.Supports(kind, configv1alpha1.InterpreterOperationAggregateStatus) {
			continue
		}
		given := read(t, kind)
		var items []workv1alpha2.AggregatedStatusItem
		for i := range 1000 {
			one := given.Reports[i%len(given.Reports)]
			items = append(items, workv1alpha2.AggregatedStatusItem{
				ClusterName: fmt.Sprintf("member%d", i), Status: &runtime.RawExtension{Raw: encode(t, one.Status)},
			})
		}
		if _, err := made.AggregateStatus(t.Context(), object(t, kind, given.Desired), items); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// TestScriptsAreComplete finds files of no kind and functions that no operation calls.
func TestScriptsAreComplete(t *testing.T) {
	made := Interpreter()
	err := fs.WalkDir(scripts, "scripts", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.Count(file, "/") < 3 {
			return err
		}
		raw, err := fs.ReadFile(scripts, file)
		if err != nil {
			return err
		}
		parts := strings.Split(strings.TrimSuffix(file, ".lua"), "/")
		kind := schema.GroupVersionKind{Group: parts[1], Version: parts[2], Kind: parts[3]}
		for _, operation := range declarative.Operations() {
			defined := strings.Contains(string(raw), "\nfunction "+operation.Function+"(")
			if supported := made.Supports(kind, operation.Name); supported != defined {
				t.Errorf("%s defines %s: %t; supported: %t", file, operation.Function, defined, supported)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func object(t *testing.T, kind schema.GroupVersionKind, content map[string]any) *unstructured.Unstructured {
	t.Helper()
	made := &unstructured.Unstructured{}
	if err := made.UnmarshalJSON(encode(t, merge(content, kind))); err != nil {
		t.Fatal(err)
	}
	return made
}

func merge(content map[string]any, kind schema.GroupVersionKind) map[string]any {
	merged := map[string]any{"metadata": map[string]any{"name": "sample", "namespace": "shop", "generation": 2}}
	for key, value := range content {
		merged[key] = value
	}
	merged["apiVersion"], merged["kind"] = kind.GroupVersion().String(), kind.Kind
	return merged
}

func difference(t *testing.T, from, to *unstructured.Unstructured) any {
	t.Helper()
	if to == nil {
		return nil
	}
	patch, err := jsonpatch.CreateMergePatch(encode(t, from.Object), encode(t, to.Object))
	if err != nil {
		t.Fatal(err)
	}
	var decoded any
	if err := json.Unmarshal(patch, &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	raw, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// generic is a value as JSON decodes it.
func generic(t *testing.T, value any) any {
	t.Helper()
	var decoded any
	if err := json.Unmarshal(encode(t, value), &decoded); err != nil {
		t.Fatal(err)
	}
	return decoded
}

func write(t *testing.T, file string, content sample) {
	t.Helper()
	raw, err := yaml.Marshal(content)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, raw, 0o644); err != nil {
		t.Fatal(err)
	}
}
