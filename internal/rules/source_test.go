package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/seatrial/seatrial"

// The trees that tests load, by their folder seen from this package. Only a folder reaches into testdata.
const (
	wholeModule = "../.."
	brokenTree  = "testdata/broken"
)

// tree is a tree of packages that the rules judge: the module, or the fixture that breaks them.
type tree struct {
	// root is the import path that folders are relative to.
	root     string
	files    *token.FileSet
	packages []*source
	// exports finds compiled packages by import path; only what typed packages need is there.
	exports map[string]string
}

// source is the code of one package, without its tests.
type source struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string
	Export     string
	DepOnly    bool

	// folder is relative to the tree's root.
	folder string
	syntax []*ast.File
	// info is nil until the tree has checked the package's types.
	info *types.Info
}

// finding is one place where the source breaks one rule.
type finding struct {
	rule string
	at   token.Position
	text string
}

func (f finding) String() string {
	return fmt.Sprintf("%s:%d: %s (%s)", f.at.Filename, f.at.Line, f.text, f.rule)
}

// load parses every package of a tree.
func load(t *testing.T, folder string) *tree {
	t.Helper()
	root := path.Join(module, "internal/rules", folder)
	result := &tree{root: root, files: token.NewFileSet(), exports: map[string]string{}}
	for _, pkg := range list(t, "./"+folder+"/...") {
		pkg.folder = strings.TrimPrefix(strings.TrimPrefix(pkg.ImportPath, root), "/")
		for _, name := range pkg.GoFiles {
			file, err := parser.ParseFile(result.files, filepath.Join(pkg.Dir, name), nil, parser.ParseComments)
			if err != nil {
				t.Fatalf("parsing %s: %v", pkg.ImportPath, err)
			}
			pkg.syntax = append(pkg.syntax, file)
		}
		result.packages = append(result.packages, pkg)
	}
	if len(result.packages) == 0 {
		t.Fatalf("no packages below %s", root)
	}
	return result
}

// check resolves the types of the packages in scope; their dependencies come from the build cache.
func (tr *tree) check(t *testing.T, scope folders) {
	t.Helper()
	var paths []string
	for _, pkg := range tr.packages {
		if scope.has(pkg.folder) {
			paths = append(paths, pkg.ImportPath)
		}
	}
	if len(paths) == 0 {
		t.Fatalf("no packages of %s in %v", tr.root, scope)
	}
	for _, pkg := range list(t, append([]string{"-export", "-deps"}, paths...)...) {
		tr.exports[pkg.ImportPath] = pkg.Export
	}
	config := types.Config{Importer: importer.ForCompiler(tr.files, "gc", tr.compiled)}
	for _, pkg := range tr.packages {
		if !scope.has(pkg.folder) {
			continue
		}
		info := &types.Info{Uses: map[*ast.Ident]types.Object{}, Defs: map[*ast.Ident]types.Object{}, Types: map[ast.Expr]types.TypeAndValue{}}
		if _, err := config.Check(pkg.ImportPath, tr.files, pkg.syntax, info); err != nil {
			t.Fatalf("checking the types of %s: %v", pkg.ImportPath, err)
		}
		pkg.info = info
	}
}

func (tr *tree) compiled(importPath string) (io.ReadCloser, error) {
	export := tr.exports[importPath]
	if export == "" {
		return nil, fmt.Errorf("%s has not been compiled", importPath)
	}
	return os.Open(export)
}

func (tr *tree) report(rule string, at token.Pos, format string, args ...any) finding {
	return finding{rule: rule, at: tr.files.Position(at), text: fmt.Sprintf(format, args...)}
}

func list(t *testing.T, args ...string) []*source {
	t.Helper()
	fields := "-json=ImportPath,Name,Dir,GoFiles,Export,DepOnly"
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list", fields}, args...)...).Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w\n%s", err, exit.Stderr)
		}
		t.Fatalf("go list: %v", err)
	}
	var packages []*source
	for decoder := json.NewDecoder(bytes.NewReader(out)); decoder.More(); {
		pkg := &source{}
		if err := decoder.Decode(pkg); err != nil {
			t.Fatalf("reading the answer of go list: %v", err)
		}
		packages = append(packages, pkg)
	}
	return packages
}

// folders is a set of folders: "a/b" is that one, "a/b/..." the whole tree below it too, a leading "!" takes away again. The
// last pattern that matches counts.
type folders []string

func (f folders) has(folder string) bool {
	for _, pattern := range slices.Backward(f) {
		pattern, without := strings.CutPrefix(pattern, "!")
		if matches(pattern, folder) {
			return !without
		}
	}
	return false
}

func matches(pattern, name string) bool {
	if prefix, isTree := strings.CutSuffix(pattern, "/..."); isTree {
		return name == prefix || strings.HasPrefix(name, prefix+"/")
	}
	return name == pattern
}

// imported is one import of one package.
type imported struct {
	path string
	at   token.Pos
	// folder is set when the import is of the same tree.
	folder string
	own    bool
}

func (tr *tree) imports(pkg *source) []imported {
	var result []imported
	for _, file := range pkg.syntax {
		for _, spec := range file.Imports {
			one := imported{path: strings.Trim(spec.Path.Value, "`\""), at: spec.Pos()}
			one.folder, one.own = strings.CutPrefix(one.path, tr.root+"/")
			result = append(result, one)
		}
	}
	return result
}

// standard reports whether an import path is of the standard library: those alone have no dot in their first element.
func standard(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// verb is the folder of a controller, controllers/<verb>, that a folder lies in, or empty.
func verb(folder string) string {
	elements := strings.SplitN(folder, "/", 3)
	if len(elements) < 2 || elements[0] != "controllers" {
		return ""
	}
	return path.Join(elements[:2]...)
}
