package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

// tableOf are the rows of the table in a section of docs/security.md whose first cell is code.
func tableOf(t *testing.T, section string, columns int) [][]string {
	t.Helper()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	_, within, found := strings.Cut(string(text), "\n## "+section+"\n")
	if !found {
		t.Fatalf("docs/security.md has no section %s", section)
	}
	within, _, _ = strings.Cut(within, "\n## ")
	var all [][]string
	for line := range strings.Lines(within) {
		if !strings.HasPrefix(line, "| `") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != columns {
			t.Fatalf("%q has %d cells, want %d", line, len(cells), columns)
		}
		for i := range cells {
			if cells[i] = strings.TrimSpace(cells[i]); cells[i] == "" {
				t.Errorf("%q has an empty cell", line)
			}
		}
		all = append(all, cells)
	}
	return all
}

var (
	inCode = regexp.MustCompile("`([^`]*)`")
	// places are flags that say where a process listens.
	places = regexp.MustCompile(`(^|-)(bind-address|secure-port|server-port|listen-address|listen-port)$`)
)

func codes(cell string) []string {
	var found []string
	for _, match := range inCode.FindAllStringSubmatch(cell, -1) {
		found = append(found, match[1])
	}
	return found
}

// TestEveryListenerIsListed compares where the components listen by their flags with the table of docs/security.md, both ways.
func TestEveryListenerIsListed(t *testing.T) {
	listens := map[string]string{}
	for name, command := range componentCommands() {
		command.Flags().VisitAll(func(flag *pflag.Flag) {
			if places.MatchString(flag.Name) && !strings.HasPrefix(flag.Usage, ignoredUsage) {
				listens[name+" --"+flag.Name] = flag.DefValue
			}
		})
	}
	listed := map[string]string{}
	for _, row := range tableOf(t, "Listeners", 6) {
		flags, values := codes(row[1]), codes(row[2])
		if len(flags) == 0 || len(flags) != len(values) {
			t.Fatalf("%q: %d flags and %d defaults", row, len(flags), len(values))
		}
		for _, component := range codes(row[0]) {
			for i, flag := range flags {
				listed[component+" "+flag] = strings.Trim(values[i], `"`)
			}
		}
	}
	for _, listener := range slices.Sorted(maps.Keys(listens)) {
		if value, there := listed[listener]; !there || value != listens[listener] {
			t.Errorf("seatrial %s (%q unless given) is not in the table, or with %q: say who may connect, how they are known, and what others get", listener, listens[listener], value)
		}
	}
	for _, listener := range slices.Sorted(maps.Keys(listed)) {
		if _, there := listens[listener]; !there {
			t.Errorf("the table lists seatrial %s, which nobody opens", listener)
		}
	}
}

// TestEveryOpenerOfListenersIsListed: sockets that no flag tells of are opened by code that the table names.
func TestEveryOpenerOfListenersIsListed(t *testing.T) {
	opens := regexp.MustCompile(`\b(net\.Listen(Packet|TCP|UDP|Unix)?\(|tls\.Listen\(|ListenConfig\b|ListenAndServe(TLS)?\(|NewSecureServingOptions\(|(ctrl)?webhook\.NewServer\(|HealthProbeBindAddress:|PprofBindAddress\b|metricsserver\.Options\{)`)
	tests := func(path string) bool { return strings.HasSuffix(path, "_test.go") || strings.HasPrefix(path, "e2e/") }
	root := os.DirFS("../..")
	found := map[string]bool{}
	err := fs.WalkDir(root, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (path != "." && strings.HasPrefix(entry.Name(), ".") || entry.Name() == "testdata" || path == "bin") {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() || filepath.Ext(path) != ".go" || tests(path) {
			return nil
		}
		text, err := fs.ReadFile(root, path)
		if err == nil && opens.Match(text) {
			found[filepath.Dir(path)] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range tableOf(t, "Code that listens", 2) {
		for _, folder := range codes(row[0]) {
			listed[folder] = true
		}
	}
	if !maps.Equal(found, listed) {
		t.Errorf("listeners are opened in %q, and docs/security.md lists %q", slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(listed)))
	}
}
