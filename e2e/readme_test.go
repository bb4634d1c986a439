package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// rows are the table of the README, a line for each case.
func rows() []string {
	var lines []string
	for _, c := range allCases() {
		var runs, reasons []string
		for _, env := range []environment{onSimulated, onEmbedded, onKind} {
			if reason, not := c.not[env]; not {
				reasons = append(reasons, fmt.Sprintf("not %s: %s", env, reason))
			} else {
				runs = append(runs, string(env))
			}
		}
		where := strings.Join(append([]string{strings.Join(runs, ", ")}, reasons...), "; ")
		lines = append(lines, fmt.Sprintf("| %s | %s | %s | %s |", c.promise, c.name, strings.Join(c.labels, ", "), where))
	}
	return lines
}

// TestReadme holds the table of the README to the table of cases.
func TestReadme(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	const head = "| promise | case | labels | runs on |\n|---|---|---|---|\n"
	_, after, found := strings.Cut(string(text), head)
	if !found {
		t.Fatalf("README.md has no table that begins with\n%s", head)
	}
	table, _, _ := strings.Cut(after, "\n\n")
	got, want := strings.Split(strings.TrimSpace(table), "\n"), rows()
	for i, line := range want {
		if !slices.Contains(got, line) {
			before := "at the top"
			if i > 0 {
				before = "after the line of " + allCases()[i-1].name
			}
			t.Errorf("README.md lacks this line, %s:\n%s", before, line)
		}
	}
	for _, line := range got {
		if !slices.Contains(want, line) {
			t.Errorf("README.md has a line of no case; take it out:\n%s", line)
		}
	}
	if !t.Failed() && !slices.Equal(got, want) {
		t.Error("the lines of README.md are in another order than the cases")
	}
}

// TestCasesAreWhole finds rows that nobody can choose, or that say nothing.
func TestCasesAreWhole(t *testing.T) {
	names := map[string]bool{}
	for _, c := range allCases() {
		if c.name == "" || c.promise == "" || len(c.labels) == 0 || c.run == nil || names[c.name] || strings.ContainsAny(c.promise, "|\n") {
			t.Errorf("case %q is not whole, or there are two of that name: %+v", c.name, c)
		}
		names[c.name] = true
		for env, reason := range c.not {
			if reason == "" || !slices.Contains([]environment{onSimulated, onEmbedded, onKind}, env) {
				t.Errorf("case %s does not run on %q for the reason %q", c.name, env, reason)
			}
		}
		if len(c.not) == 3 {
			t.Errorf("case %s runs nowhere", c.name)
		}
	}
}

// TestSpacesAreOfOneCase: cases that run side by side on one fleet would find the namespaces of each other.
func TestSpacesAreOfOneCase(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	made := regexp.MustCompile(`f\.(?:space\(|ship\("\w+", )"([^"]+)"\)`)
	in := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range made.FindAllStringSubmatch(string(text), -1) {
			if other, known := in[found[1]]; known {
				t.Errorf("the namespace %s is that of a case in %s and of one in %s", found[1], other, file)
			}
			in[found[1]] = file
		}
	}
	if len(in) == 0 {
		t.Error("no case makes a namespace")
	}
}
