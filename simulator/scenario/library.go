package scenario

import (
	"embed"
	"fmt"
	"path"
	"slices"
	"strings"
)

//go:embed library/*.yaml
var library embed.FS

//go:embed schema.json
var publishedSchema []byte

// Schema is the JSON schema of scenarios.
func Schema() []byte { return slices.Clone(publishedSchema) }

// Library lists the names of the scenarios that come with the program, sorted.
func Library() []string {
	entries, err := library.ReadDir("library")
	if err != nil {
		panic(fmt.Sprintf("reading what was compiled in: %v", err))
	}
	var names []string
	for _, entry := range entries {
		names = append(names, strings.TrimSuffix(entry.Name(), ".yaml"))
	}
	return names
}

// FromLibrary reads a scenario of the library, and its text.
func FromLibrary(name string) (*Scenario, []byte, error) {
	content, err := library.ReadFile(path.Join("library", name+".yaml"))
	if err != nil {
		return nil, nil, fmt.Errorf("there is no scenario %s in the library; there are %s", name, strings.Join(Library(), ", "))
	}
	read, err := Load(name+".yaml", content, nil)
	return read, content, err
}
