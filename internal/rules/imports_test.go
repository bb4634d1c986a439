package rules

import (
	"encoding/json"
	"os/exec"
	"slices"
	"testing"
)

// Which folders are what. A pattern that no longer matches a package fails TestFoldersExist, and a package that pure code
// imports must be listed here itself, so the sets follow the tree.
var (
	// pure code runs in both drivers. Everything from outside reaches it as an argument.
	pure = folders{
		"agent", "api/...", "autoscale/...", "binding/...", "configfile", "control/...", "controlplane", "controllers/...", "!controllers/live/...", "estimator/...", "!estimator/rpc/...",
		"eviction/...", "fieldpatch", "rawjson", "fleet", "interpreter/...", "!interpreter/webhook/...", "override/...", "policy/...", "rebalance/...", "scheduler/...", "!scheduler/framework/extender/...", "simulator/...", "!simulator/store/conformance/...",
		"workload/...",
	}
	// core is the code that decides: data in, data out.
	core = folders{"scheduler/placement/...", "estimator/...", "!estimator/rpc/..."}
	// drivers run controllers, which know of none of them.
	drivers = folders{"controllers/live/...", "simulator/...", "fleet/..."}
)

// What the core may import. klog is there for the zero Logger that component-helpers want to be given; its functions are not.
var (
	coreLibraries = folders{
		"gonum.org/v1/gonum/...", "k8s.io/api/...", "k8s.io/apimachinery/...", "k8s.io/component-helpers/...", "k8s.io/klog/v2",
		"k8s.io/utils/ptr",
	}
	coreFolders = folders{"api/...", "rawjson", "scheduler/placement/...", "estimator/...", "!estimator/rpc/..."}
)

// outside reaches the world, waits for it, or starts goroutines.
var outside = folders{
	"os/...", "syscall/...", "net", "net/rpc/...", "google.golang.org/grpc/...", "golang.org/x/sync/errgroup",
	"k8s.io/apimachinery/pkg/util/wait",
	"k8s.io/client-go/...", "!k8s.io/client-go/kubernetes/scheme", "!k8s.io/client-go/util/jsonpath",
	"sigs.k8s.io/controller-runtime", "sigs.k8s.io/controller-runtime/pkg/...", "!sigs.k8s.io/controller-runtime/pkg/client/...",
	"!sigs.k8s.io/controller-runtime/pkg/controller/controllerutil", "!sigs.k8s.io/controller-runtime/pkg/conversion",
	"!sigs.k8s.io/controller-runtime/pkg/scheme", "sigs.k8s.io/controller-runtime/pkg/client/config",
}

var emptyNames = []string{"util", "utils", "helper", "helpers", "common", "misc"}

type importRule struct {
	name   string
	breaks func(from *source, to imported) bool
	why    string
}

var importRules = []importRule{
	{
		name: "core",
		breaks: func(from *source, to imported) bool {
			if to.own {
				return core.has(from.folder) && !coreFolders.has(to.folder)
			}
			return core.has(from.folder) && !standard(to.path) && !coreLibraries.has(to.path)
		},
		why: "placement and estimation are pure functions: they import api types, the standard library, gonum, apimachinery and component-helpers",
	},
	{
		name: "verbs",
		breaks: func(from *source, to imported) bool {
			own, other := verb(from.folder), verb(to.folder)
			return own != "" && other != "" && own != other && own != "controllers/live"
		},
		why: "controllers know each other through the objects they write; what two of them need is a pure package of its own",
	},
	{
		name: "drivers",
		breaks: func(from *source, to imported) bool {
			return pure.has(from.folder) && !drivers.has(from.folder) && to.own && drivers.has(to.folder)
		},
		why: "what runs in both drivers knows neither of them, nor a fleet",
	},
	{
		name: "closure",
		breaks: func(from *source, to imported) bool {
			return pure.has(from.folder) && to.own && !pure.has(to.folder)
		},
		why: "pure code imports only pure code; if the imported package is pure, say so in the folders of internal/rules",
	},
	{
		name: "outside",
		breaks: func(from *source, to imported) bool {
			return pure.has(from.folder) && !to.own && outside.has(to.path)
		},
		why: "this code runs in the simulator, which has no network, no processes and no time but its own: what it needs comes through control.Deps",
	},
	{
		name:   "cmd",
		breaks: func(_ *source, to imported) bool { return to.own && matches("cmd/...", to.folder) },
		why:    "cmd is flags and wiring; what another package needs does not belong there",
	},
}

func (tr *tree) checkImports() []finding {
	var found []finding
	for _, pkg := range tr.packages {
		for _, to := range tr.imports(pkg) {
			for _, rule := range importRules {
				if rule.breaks(pkg, to) {
					found = append(found, tr.report(rule.name, to.at, "%s imports %s: %s", pkg.folder, to.path, rule.why))
				}
			}
		}
		if slices.Contains(emptyNames, pkg.Name) {
			found = append(found, tr.report("names", pkg.syntax[0].Name.Pos(), "package name %s says nothing: name it after what it does", pkg.Name))
		}
	}
	return found
}

func TestImports(t *testing.T) {
	for _, f := range load(t, wholeModule).checkImports() {
		t.Error(f)
	}
}

// TestFoldersExist keeps a renamed folder from slipping out of the rules.
func TestFoldersExist(t *testing.T) {
	packages := load(t, wholeModule).packages
	for _, pattern := range slices.Concat(pure, core, drivers, coreFolders) {
		if pattern[0] == '!' {
			continue
		}
		if !slices.ContainsFunc(packages, func(pkg *source) bool { return matches(pattern, pkg.folder) }) {
			t.Errorf("%q matches no package of the module", pattern)
		}
	}
}

// replaced lists the replace directives of a go.mod. With one of them `go install` of the module fails, and users build
// something else than what was tested.
func replaced(t *testing.T, file string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json", file).Output()
	if err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	var content struct {
		Replace []struct{ Old struct{ Path string } }
	}
	if err := json.Unmarshal(out, &content); err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	var paths []string
	for _, replace := range content.Replace {
		paths = append(paths, replace.Old.Path)
	}
	return paths
}

func TestNoReplace(t *testing.T) {
	if paths := replaced(t, "../../go.mod"); len(paths) > 0 {
		t.Errorf("go.mod replaces %v: `go install %s/cmd/...@version` refuses such a module", paths, module)
	}
	if paths := replaced(t, "testdata/replaced.mod"); !slices.Equal(paths, []string{"example.com/fork"}) {
		t.Errorf("found %v replaced in testdata/replaced.mod", paths)
	}
}
