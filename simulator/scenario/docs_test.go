package scenario

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestPageOfExamples loads and plans the examples of the documentation, and holds that it lists the library and every measure.
func TestPageOfExamples(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "scenarios.md"))
	if err != nil {
		t.Fatal(err)
	}
	page := string(content)
	examples := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(page, -1)
	if len(examples) < 2 {
		t.Errorf("%d examples", len(examples))
	}
	for _, example := range examples {
		if plan := planned(t, example[1], nil); len(plan.Actions) == 0 {
			t.Errorf("nothing happens in %s", plan.Name)
		}
	}
	for _, name := range Library() {
		read, _, err := FromLibrary(name)
		if err != nil {
			t.Fatal(err)
		}
		needs := strings.Join(words(read.Requires...), ", ")
		line := fmt.Sprintf("| [%s](../simulator/scenario/library/%s.yaml) | %s | %s |", name, name, read.Metadata.Labels["theme"], needs)
		if !strings.Contains(page, strings.ReplaceAll(line, "|  |", "| |")) {
			t.Errorf("the page has no line\n%s", line)
		}
	}
	for _, named := range append(Measure("").values(), (&Event{}).verbNames()...) {
		if !strings.Contains(page, "`"+named+"`") {
			t.Errorf("the page does not tell of %s", named)
		}
	}
}

// TestPageOfComplaints holds that each complaint the documentation lists has a scenario, and that those exist.
func TestPageOfComplaints(t *testing.T) {
	content, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulate.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(content), "| Complaint | Scenario |\n| --- | --- |\n")
	table, _, _ := strings.Cut(after, "\n\n")
	rows := strings.Split(table, "\n")
	if len(rows) < 18 {
		t.Errorf("%d complaints:\n%s", len(rows), table)
	}
	link := regexp.MustCompile(`\[([a-z-]+)\]\(\.\./simulator/scenario/library/([a-z-]+)\.yaml\)`)
	for _, row := range rows {
		named := link.FindAllStringSubmatch(row, -1)
		if len(named) == 0 {
			t.Errorf("no scenario for %s", row)
		}
		for _, scenario := range named {
			if scenario[1] != scenario[2] || !slices.Contains(Library(), scenario[1]) {
				t.Errorf("the library has no scenario %s of %s", scenario[0], row)
			}
		}
	}
}

func (e *Event) verbNames() []string {
	names, _ := e.verbs()
	return names
}
