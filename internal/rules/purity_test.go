package rules

import (
	"go/ast"
	"go/types"
	"slices"
	"strings"
	"testing"
)

const (
	whyTime = "time is an argument (control.Deps.Clock) and waiting is control.Result.RequeueAfter: in the simulator an hour passes " +
		"in no time, and a recorded run must replay to the same bytes"
	whyChance = "chance is an argument (control.Deps.IDs, or a seeded source): the same seed must give the same bytes"
	whyGo     = "the driver alone runs things side by side: one turn at a time, run to completion, is what makes a run repeatable"
	whyWorld  = "the world is reached through control.Deps alone: in the simulator there is no other"
)

// impurity is a set of package-level names that give different answers to the same question.
type impurity struct {
	rule     string
	packages []string
	// names are those meant, or, when without is set, all but those.
	names   []string
	without bool
	why     string
}

var impurities = []impurity{
	{
		rule: "time", packages: []string{"time"}, why: whyTime,
		names: []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"},
	},
	{rule: "time", packages: []string{"k8s.io/apimachinery/pkg/apis/meta/v1"}, names: []string{"Now", "NowMicro"}, why: whyTime},
	{rule: "time", packages: []string{"k8s.io/utils/clock"}, names: []string{"RealClock"}, why: whyTime},
	{
		rule: "chance", packages: []string{"math/rand", "math/rand/v2"}, without: true, why: whyChance,
		names: []string{"New", "NewSource", "NewZipf", "NewPCG", "NewChaCha8", "Rand", "Source", "Source64", "Zipf", "PCG", "ChaCha8"},
	},
	{rule: "chance", packages: []string{"crypto/rand", "k8s.io/apimachinery/pkg/util/uuid"}, without: true, why: whyChance},
	{rule: "chance", packages: []string{"k8s.io/apimachinery/pkg/util/rand"}, names: []string{"SafeEncodeString"}, without: true, why: whyChance},
	{
		rule: "chance", packages: []string{"github.com/google/uuid"}, why: whyChance,
		names: []string{"New", "NewString", "NewRandom", "NewUUID", "NewV6", "NewV7", "NewDCEPerson", "NewDCEGroup", "NewDCESecurity"},
	},
	{
		rule: "world", packages: []string{"k8s.io/klog/v2"}, without: true, why: whyWorld,
		names: []string{"Logger", "FromContext", "LoggerWithName", "LoggerWithValues", "KObj", "KRef", "ObjectRef"},
	},
}

func (i impurity) has(object types.Object) bool {
	return slices.Contains(i.packages, object.Pkg().Path()) && slices.Contains(i.names, object.Name()) != i.without
}

// checkPurity looks at every name of another package that the typed packages of the tree use, whether called or passed on.
func (tr *tree) checkPurity() []finding {
	var found []finding
	for _, pkg := range tr.packages {
		if pkg.info == nil {
			continue
		}
		for _, file := range pkg.syntax {
			ast.Inspect(file, func(node ast.Node) bool {
				switch node := node.(type) {
				case *ast.GoStmt:
					found = append(found, tr.report("go", node.Pos(), "a goroutine: %s", whyGo))
				case *ast.Ident:
					found = append(found, tr.checkName(pkg, node)...)
				}
				return true
			})
		}
	}
	return found
}

func (tr *tree) checkName(pkg *source, name *ast.Ident) []finding {
	object := pkg.info.Uses[name]
	if object == nil || object.Pkg() == nil || object.Parent() != object.Pkg().Scope() {
		return nil // predeclared, or not at package level: a method of a clock or a source that was passed in
	}
	var found []finding
	for _, impure := range impurities {
		if impure.has(object) {
			found = append(found, tr.report(impure.rule, name.Pos(), "%s.%s: %s", object.Pkg().Name(), object.Name(), impure.why))
		}
	}
	// Its status codes and method names are good for anyone.
	if _, constant := object.(*types.Const); !constant && object.Pkg().Path() == "net/http" {
		found = append(found, tr.report("world", name.Pos(), "http.%s: %s", object.Name(), whyWorld))
	}
	return found
}

func TestPurity(t *testing.T) {
	source := load(t, wholeModule)
	source.check(t, pure)
	for _, f := range source.checkPurity() {
		t.Error(f)
	}
	for _, f := range source.checkOrder() {
		t.Error(f)
	}
}

// TestFoldersMatch holds the patterns that all rules are written in.
func TestFoldersMatch(t *testing.T) {
	set := folders{"a/...", "!a/b/...", "a/b/c", "d"}
	for folder, want := range map[string]bool{
		"a": true, "a/x": true, "a/b": false, "a/b/x": false, "a/b/c": true, "a/b/c/x": false, "ab": false, "d": true, "d/x": false, "": false,
	} {
		if got := set.has(folder); got != want {
			t.Errorf("%s holds %q: %v", strings.Join(set, " "), folder, got)
		}
	}
}
