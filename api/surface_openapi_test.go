package api_test

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/gengo/v2"
	"k8s.io/gengo/v2/generator"
	"k8s.io/gengo/v2/types"
	"k8s.io/kube-openapi/cmd/openapi-gen/args"
	"k8s.io/kube-openapi/pkg/common"
	"k8s.io/kube-openapi/pkg/generators"
	"k8s.io/kube-openapi/pkg/util"
	"k8s.io/kube-openapi/pkg/validation/spec"

	"github.com/seatrial/seatrial/apiserver/openapi"
)

const (
	ownModule = "github.com/seatrial/seatrial/"
	// definitionsFile holds the OpenAPI definitions behind ResourceRegistry, which no server of this module publishes.
	definitionsFile = "zz_generated.openapi_test.go"
)

var update = flag.Bool("update", false, "write "+definitionsFile+" anew")

// registryTypes are the types behind ResourceRegistry.
var registryTypes = map[string]bool{
	ownModule + "api/search/v1alpha1.BackendStoreConfig":     true,
	ownModule + "api/search/v1alpha1.OpenSearchConfig":       true,
	ownModule + "api/search/v1alpha1.ResourceRegistry":       true,
	ownModule + "api/search/v1alpha1.ResourceRegistrySpec":   true,
	ownModule + "api/search/v1alpha1.ResourceRegistryStatus": true,
	ownModule + "api/search/v1alpha1.ResourceSelector":       true,
	ownModule + "api/policy/v1alpha1.ClusterAffinity":        true,
	ownModule + "api/policy/v1alpha1.FieldSelector":          true,
	ownModule + "api/cluster/v1alpha1.LocalSecretReference":  true,
	"k8s.io/api/core/v1.NodeSelectorRequirement":             true,
	"k8s.io/apimachinery/pkg/apis/meta/v1.Condition":         true,
	"k8s.io/apimachinery/pkg/apis/meta/v1.LabelSelector":     true,
	"k8s.io/apimachinery/pkg/apis/meta/v1.ObjectMeta":        true,
}

// definitions holds a schema for each type in JSON form, with references as "$ref": name.
type definitions map[string]map[string]any

// aggregatedDefinitions joins the definitions that the API server for clusters publishes with those in definitionsFile.
func aggregatedDefinitions(t *testing.T) definitions {
	t.Helper()
	// Types of other modules go by their model name; one without a slash is such a name already.
	reference := func(name string) spec.Ref {
		if strings.Contains(name, "/") && !strings.HasPrefix(name, ownModule) {
			name = util.ToRESTFriendlyName(name)
		}
		return spec.MustCreateRef(name)
	}
	generated := openapi.Definitions(reference)
	maps.Copy(generated, GetOpenAPIDefinitions(reference))
	all := definitions{}
	for name, definition := range generated {
		described := definition.Schema
		if v2, isSet := described.Extensions[common.ExtensionV2Schema].(spec.Schema); isSet {
			described = v2
		}
		decoded, err := asMap(described)
		if err != nil {
			t.Fatalf("OpenAPI definition of %s: %v", name, err)
		}
		all[name] = decoded
	}
	return all
}

// expand returns a schema without references. Types of this module are put in place; of other types only the name, the type
// and the extensions are given, since their fields are not ours.
func (d definitions) expand(described map[string]any) (map[string]any, error) {
	expanded := maps.Clone(described)
	if name, isRef := described["$ref"].(string); isRef {
		delete(expanded, "$ref")
		target, known := d[name]
		if !known {
			return nil, fmt.Errorf("no OpenAPI definition for %s", name)
		}
		if strings.HasPrefix(name, ownModule) {
			target = maps.Clone(target)
			maps.Copy(target, expanded)
			return d.expand(target)
		}
		expanded["ref"] = shortName(name)
		for keyword, value := range target {
			if keyword == "type" || strings.HasPrefix(keyword, "x-") {
				expanded[keyword] = value
			}
		}
		return expanded, nil
	}
	for _, keyword := range []string{"items", "additionalProperties"} {
		if below, isSchema := expanded[keyword].(map[string]any); isSchema {
			inner, err := d.expand(below)
			if err != nil {
				return nil, err
			}
			expanded[keyword] = inner
		}
	}
	if properties, isSet := expanded["properties"].(map[string]any); isSet {
		properties = maps.Clone(properties)
		for name, property := range properties {
			below, err := d.expand(property.(map[string]any))
			if err != nil {
				return nil, fmt.Errorf("property %s: %w", name, err)
			}
			properties[name] = below
		}
		expanded["properties"] = properties
	}
	return expanded, nil
}

// shortName reduces the name of a type to what the surface gives: folder, version and type, as in "meta.v1.ObjectMeta".
func shortName(name string) string {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' || r == '.' })
	return strings.Join(parts[max(0, len(parts)-3):], ".")
}

// aggregatedSchemas returns the expanded schema of each aggregated kind that the surface lists.
func aggregatedSchemas(t *testing.T, recorded surface) map[schema.GroupVersionKind]map[string]any {
	t.Helper()
	all := aggregatedDefinitions(t)
	schemas := map[schema.GroupVersionKind]map[string]any{}
	for _, resource := range recorded.Resources {
		if resource.Source != "aggregated" {
			continue
		}
		folder, _, _ := strings.Cut(resource.Group, ".")
		for _, version := range resource.Versions {
			name := fmt.Sprintf("%sapi/%s/%s.%s", ownModule, folder, version.Name, resource.Kind)
			expanded, err := all.expand(map[string]any{"$ref": name})
			if err != nil {
				t.Fatalf("OpenAPI schema of %s: %v", resource.Kind, err)
			}
			kind := schema.GroupVersionKind{Group: resource.Group, Version: version.Name, Kind: resource.Kind}
			schemas[kind] = expanded
		}
	}
	return schemas
}

func aggregatedFacts(t *testing.T, recorded surface) factSet {
	t.Helper()
	facts := factSet{}
	for kind, expanded := range aggregatedSchemas(t, recorded) {
		facts.addSchema(kind.Kind, kind.Version, expanded)
	}
	return facts
}

// TestDefinitionsAreFresh generates the OpenAPI definitions anew and compares them with the committed file.
func TestDefinitionsAreFresh(t *testing.T) {
	dir := t.TempDir()
	if err := generateDefinitions(dir); err != nil {
		t.Fatalf("generating OpenAPI definitions: %v", err)
	}
	want, err := os.ReadFile(filepath.Join(dir, definitionsFile))
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(definitionsFile, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(definitionsFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, have) {
		t.Errorf("%s is stale, write it anew with: go test ./api -run %s -update (-have +generated):\n%s",
			definitionsFile, t.Name(), cmp.Diff(string(have), string(want)))
	}
}

// TestServedDefinitionsAreFresh generates the OpenAPI definitions of the aggregated API server anew and compares them.
func TestServedDefinitionsAreFresh(t *testing.T) {
	const file = "zz_generated.openapi.go"
	dir := t.TempDir()
	command := exec.CommandContext(t.Context(), "go", "tool", "openapi-gen",
		"--output-dir", dir, "--output-pkg", ownModule+"apiserver/openapi", "--output-file", file,
		"--report-filename", filepath.Join(dir, "violations"),
		ownModule+"api/cluster/v1alpha1", ownModule+"api/search/v1alpha1", ownModule+"api/policy/v1alpha1")
	if output, err := command.CombinedOutput(); err != nil {
		t.Fatalf("running openapi-gen: %v\n%s", err, output)
	}
	want, err := os.ReadFile(filepath.Join(dir, file))
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join("..", "apiserver", "openapi", file))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(have), string(want)); diff != "" {
		t.Errorf("apiserver/openapi is stale, run hack/generate-openapi.sh (-have +generated):\n%s", diff)
	}
}

// generateDefinitions runs the generator of Kubernetes' OpenAPI definitions for registryTypes. The command line tool takes only
// types that carry a marker, which those of other modules do not.
func generateDefinitions(dir string) error {
	arguments := args.New()
	arguments.OutputDir = dir
	arguments.OutputPkg = ownModule + "api_test"
	arguments.OutputFile = definitionsFile
	arguments.ReportFilename = filepath.Join(dir, "violations")
	header := []byte("// Code generated by openapi-gen. DO NOT EDIT.\n\n")
	targets := func(c *generator.Context) []generator.Target {
		found := generators.GetOpenAPITargets(c, arguments, header)
		for _, target := range found {
			target.(*generator.SimpleTarget).FilterFunc = func(_ *generator.Context, candidate *types.Type) bool {
				return registryTypes[candidate.Name.String()]
			}
		}
		return found
	}
	patterns := []string{
		ownModule + "api/search/v1alpha1", ownModule + "api/policy/v1alpha1", ownModule + "api/cluster/v1alpha1",
		"k8s.io/api/core/v1", "k8s.io/apimachinery/pkg/apis/meta/v1",
	}
	return gengo.Execute(generators.NameSystems(), generators.DefaultNameSystem(), targets, gengo.StdBuildTag, patterns)
}
