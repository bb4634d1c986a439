// Package api_test checks the wire types of every API group against the recorded API surface of the reference control plane.
package api_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"sort"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/scheme"
)

// ours lists where the project differs from the surface on purpose. A key without Fact stands for all facts of its path.
var ours = []factKey{
	// The status is that of a HorizontalPodAutoscaler, whose conditions have got this optional field since the recording.
	{Kind: "FederatedHPA", Version: "v1alpha1", Path: "status.conditions[].observedGeneration"},
}

// surfaceFile is the recorded API surface.
var surfaceFile = filepath.Join("..", "testdata", "api-surface.json")

// surface is the recorded API surface: structural facts without any text.
type surface struct {
	Note      string            `json:"note"`
	Resources []surfaceResource `json:"resources"`
}

type surfaceResource struct {
	CRDName    string            `json:"crdName"`
	Group      string            `json:"group"`
	Kind       string            `json:"kind"`
	ListKind   string            `json:"listKind"`
	Plural     string            `json:"plural"`
	Singular   string            `json:"singular"`
	Scope      string            `json:"scope"`
	ShortNames []string          `json:"shortNames"`
	Categories []string          `json:"categories"`
	Labels     map[string]string `json:"labels"`
	Conversion map[string]any    `json:"conversion"`
	// Source is "crd", or "aggregated" for a kind of an aggregated API server.
	Source   string           `json:"source"`
	Versions []surfaceVersion `json:"versions"`
}

type surfaceVersion struct {
	Name             string         `json:"name"`
	Served           bool           `json:"served"`
	Storage          bool           `json:"storage"`
	Deprecated       bool           `json:"deprecated"`
	Columns          []any          `json:"additionalPrinterColumns"`
	SelectableFields []any          `json:"selectableFields"`
	Subresources     map[string]any `json:"subresources"`
	// Paths are the URLs of an aggregated kind with their methods.
	Paths map[string][]string `json:"paths"`
	// Fields are the facts of each field by its path.
	Fields map[string]map[string]any `json:"fields"`
}

// readSurface decodes the surface strictly: a part that no fact is made of must not go unnoticed.
func readSurface(t *testing.T) surface {
	t.Helper()
	raw, err := os.ReadFile(surfaceFile)
	if err != nil {
		t.Fatalf("reading the API surface: %v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	var recorded surface
	if err := decoder.Decode(&recorded); err != nil {
		t.Fatalf("decoding the API surface: %v", err)
	}
	return recorded
}

// facts returns what the surface says about the kinds of one source. Of an aggregated kind only the fields count here, since
// the rest is not in its types: names, columns, subresources and paths are up to the API server that serves it.
func (s surface) facts(source string) factSet {
	facts := factSet{}
	for _, resource := range s.Resources {
		if resource.Source != source {
			continue
		}
		isCRD := source == "crd"
		if isCRD {
			facts.addResource(resource.facts())
		}
		for _, version := range resource.Versions {
			if isCRD {
				facts.addVersion(resource.Kind, version.facts())
			}
			for path, keywords := range version.Fields {
				facts.addField(resource.Kind, version.Name, path, keywords)
			}
		}
	}
	return facts
}

func (r surfaceResource) facts() resourceFacts {
	return resourceFacts{
		CRDName: r.CRDName, Group: r.Group, Kind: r.Kind, ListKind: r.ListKind, Plural: r.Plural, Singular: r.Singular,
		Scope: r.Scope, ShortNames: r.ShortNames, Categories: r.Categories, Labels: r.Labels, Conversion: r.Conversion,
	}
}

func (v surfaceVersion) facts() versionFacts {
	return versionFacts{
		Name: v.Name, Served: v.Served, Storage: v.Storage, Deprecated: v.Deprecated, Columns: v.Columns,
		SelectableFields: v.SelectableFields, Subresources: v.Subresources,
	}
}

// difference is a fact that two sets do not share. A missing fact is nil.
type difference struct {
	Key            factKey
	Surface, Types any
}

func (d difference) String() string {
	return fmt.Sprintf("%s: surface %s, ours %s", d.Key, factText(d.Surface), factText(d.Types))
}

func factText(value any) string {
	if value == nil {
		return "has none"
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return fmt.Sprintf("%#v", value)
	}
	return string(raw)
}

// compare returns the differences between two sets of facts, sorted by key.
func compare(surface, types factSet) []difference {
	var differences []difference
	for key, want := range surface {
		if got := types[key]; !reflect.DeepEqual(want, got) {
			differences = append(differences, difference{key, want, got})
		}
	}
	for key, got := range types {
		if _, known := surface[key]; !known {
			differences = append(differences, difference{key, nil, got})
		}
	}
	sort.Slice(differences, func(i, j int) bool { return differences[i].Key.String() < differences[j].Key.String() })
	return differences
}

// except removes the differences that are listed as our own, and returns the entries of the list that match none.
func except(differences []difference, listed []factKey) (remaining []difference, unused []factKey) {
	used := map[factKey]bool{}
	for _, d := range differences {
		path := d.Key
		path.Fact = ""
		isListed := false
		for _, key := range []factKey{d.Key, path} {
			if slices.Contains(listed, key) {
				used[key], isListed = true, true
			}
		}
		if !isListed {
			remaining = append(remaining, d)
		}
	}
	for _, key := range listed {
		if !used[key] {
			unused = append(unused, key)
		}
	}
	return remaining, unused
}

// TestSurface holds the generated CustomResourceDefinitions and the types of the aggregated kinds against the recorded
// surface: every kind, version and field with every fact, no more and no less.
func TestSurface(t *testing.T) {
	recorded := readSurface(t)
	definitions := crdFacts(t, loadCRDs(t))
	aggregated := aggregatedFacts(t, recorded)

	differences := compare(recorded.facts("crd"), definitions)
	differences = append(differences, compare(recorded.facts("aggregated"), aggregated)...)
	remaining, unused := except(differences, ours)
	for _, d := range remaining {
		t.Error(d)
	}
	for _, key := range unused {
		t.Errorf("%s is listed as ours, but equals the surface", key)
	}
}

// TestEveryFieldIsDescribed makes sure that "kubectl explain" has an answer for every field.
func TestEveryFieldIsDescribed(t *testing.T) {
	described := 0
	check := func(kind, version string, schema map[string]any) {
		walkSchema(".", schema, false, func(path string, keywords map[string]any) {
			text, _ := keywords["description"].(string)
			switch {
			case path == "metadata", strings.HasSuffix(path, "[]"), strings.HasSuffix(path, "{}"):
			case strings.TrimSpace(text) == "":
				t.Errorf("%s %s %s has no description", kind, version, path)
			default:
				described++
			}
		})
	}
	for _, crd := range loadCRDs(t) {
		for _, version := range crd.Spec.Versions {
			schema, err := asMap(version.Schema.OpenAPIV3Schema)
			if err != nil {
				t.Fatalf("schema of %s: %v", crd.Name, err)
			}
			check(crd.Spec.Names.Kind, version.Name, schema)
		}
	}
	for kind, schema := range aggregatedSchemas(t, readSurface(t)) {
		check(kind.Kind, kind.Version, schema)
	}
	if described == 0 {
		t.Fatal("no field was looked at")
	}
}

// TestEveryKindIsRegistered makes sure that the scheme knows every kind and version of the surface with its list.
func TestEveryKindIsRegistered(t *testing.T) {
	registered := runtime.NewScheme()
	if err := scheme.AddToScheme(registered); err != nil {
		t.Fatalf("registering kinds: %v", err)
	}
	for _, resource := range readSurface(t).Resources {
		for _, version := range resource.Versions {
			for _, kind := range []string{resource.Kind, resource.Kind + "List"} {
				gvk := schema.GroupVersionKind{Group: resource.Group, Version: version.Name, Kind: kind}
				if !registered.Recognizes(gvk) {
					t.Errorf("%s is not registered", gvk)
				}
			}
		}
	}
}

// TestCRDsAreFresh generates the CustomResourceDefinitions anew and compares them with the embedded ones. The conversion of
// kinds with several versions is not generated from the types.
func TestCRDsAreFresh(t *testing.T) {
	generated := generateCRDs(t)
	for _, embedded := range loadCRDs(t) {
		fresh := generated[embedded.Name]
		delete(generated, embedded.Name)
		embedded.Spec.Conversion = nil
		if !reflect.DeepEqual(embedded, fresh) {
			t.Errorf("definition %s is not what the types generate, run hack/generate.sh", embedded.Name)
		}
	}
	for name := range generated {
		t.Errorf("definition %s is missing, run hack/generate.sh", name)
	}
}

// generateCRDs runs controller-gen for all groups that are served from CustomResourceDefinitions.
func generateCRDs(t *testing.T) map[string]*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	directories, err := filepath.Glob(filepath.Join("*", "v*"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	arguments := []string{"tool", "controller-gen", "crd", "output:crd:dir=" + dir}
	for _, directory := range directories {
		if group := filepath.Dir(directory); group != "cluster" && group != "search" {
			arguments = append(arguments, "paths=./"+directory)
		}
	}
	if output, err := exec.CommandContext(t.Context(), "go", arguments...).CombinedOutput(); err != nil {
		t.Fatalf("running controller-gen: %v\n%s", err, output)
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if output, err := exec.CommandContext(t.Context(), "go", append([]string{"run", "../hack/reflow"}, files...)...).CombinedOutput(); err != nil {
		t.Fatalf("reflowing descriptions: %v\n%s", err, output)
	}
	generated := map[string]*apiextensionsv1.CustomResourceDefinition{}
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(raw, crd); err != nil {
			t.Fatalf("decoding %s: %v", file, err)
		}
		generated[crd.Name] = crd
	}
	return generated
}

func crdFacts(t *testing.T, crds []*apiextensionsv1.CustomResourceDefinition) factSet {
	t.Helper()
	facts := factSet{}
	for _, crd := range crds {
		if err := facts.addCRD(crd); err != nil {
			t.Fatal(err)
		}
	}
	return facts
}

func loadCRDs(t *testing.T) []*apiextensionsv1.CustomResourceDefinition {
	t.Helper()
	definitions, err := crds.Load()
	if err != nil {
		t.Fatalf("loading CustomResourceDefinitions: %v", err)
	}
	return definitions
}
