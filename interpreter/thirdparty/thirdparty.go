// Package thirdparty interprets kinds of popular projects that Kubernetes does not bring.
//
// For each kind scripts/<group>/<version>/<Kind>.lua has the functions of a ResourceInterpreterCustomization, all in one file.
// They share the libraries in scripts/*.lua. A user who wants another answer writes a customization, which comes first.
package thirdparty

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/seatrial/seatrial/interpreter/declarative"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

//go:embed scripts
var scripts embed.FS

// Interpreter knows all kinds. It never changes, and is compiled once in a process.
var Interpreter = sync.OnceValue(func() *declarative.Interpreter {
	made, err := load(scripts)
	if err != nil {
		// The scripts are part of the program, and its tests load them.
		panic(err)
	}
	return made
})

// load compiles the libraries at the root and the scripts below.
func load(files fs.FS) (*declarative.Interpreter, error) {
	options := declarative.Defaults()
	options.Modules = map[string]*sandbox.Script{}
	var customizations []*declarative.Customization
	err := fs.WalkDir(files, "scripts", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		source, err := fs.ReadFile(files, file)
		if err != nil {
			return err
		}
		name := strings.TrimSuffix(strings.TrimPrefix(file, "scripts/"), ".lua")
		script, err := sandbox.Compile(name, string(source))
		if err != nil {
			return fmt.Errorf("compiling %s: %w", file, err)
		}
		version, kind := path.Split(name)
		if version == "" {
			options.Modules[name] = script
			return nil
		}
		gvk := schema.FromAPIVersionAndKind(strings.TrimSuffix(version, "/"), kind)
		customizations = append(customizations, declarative.FromScript(name, gvk, script))
		return nil
	})
	if err != nil {
		return nil, err
	}
	made := declarative.New(options)
	made.Put(customizations...)
	return made, nil
}
