package controlplane_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seatrial/seatrial/api/names"
)

// TestEveryEventReasonIsTold: each reason is used by a controller.
func TestEveryEventReasonIsTold(t *testing.T) {
	used := usedReasons(t, "controllers", "scheduler", "binding")
	for _, reason := range reasons(t) {
		failure := strings.TrimSuffix(reason, "Succeed") + "Failed"
		end := names.EventOfEnd(strings.TrimPrefix(failure, "Event"))
		told := used[reason] || used[failure] && end != "" && "Event"+end == reason
		if !told {
			t.Errorf("no controller uses %s", reason)
		}
	}
}

// reasons are the names of the constants.
func reasons(t *testing.T) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "../api/names/events.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	ast.Inspect(file, func(node ast.Node) bool {
		if constant, ok := node.(*ast.ValueSpec); ok {
			all = append(all, constant.Names[0].Name)
		}
		return true
	})
	if len(all) < 50 {
		t.Fatalf("found %d reasons only", len(all))
	}
	return all
}

var selector = regexp.MustCompile(`\bnames\.(Event\w+)`)

func usedReasons(t *testing.T, folders ...string) map[string]bool {
	t.Helper()
	used := map[string]bool{}
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join("..", folder), func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			for _, match := range selector.FindAllSubmatch(source, -1) {
				used[string(match[1])] = true
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return used
}
