package rules

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"testing"
)

var (
	wantComment = regexp.MustCompile(`// want ("[a-z" ]+")`)
	wantRule    = regexp.MustCompile(`"([a-z]+)"`)
)

// TestRulesCatch runs every rule over testdata/broken: each line that says `// want "rule"` must be found by that rule, and
// no other line.
func TestRulesCatch(t *testing.T) {
	fixture := load(t, brokenTree)
	fixture.check(t, pure)
	var got []string
	for _, f := range slices.Concat(fixture.checkImports(), fixture.checkPurity(), fixture.checkOrder()) {
		got = append(got, fmt.Sprintf("%s:%d %s", filepath.Base(f.at.Filename), f.at.Line, f.rule))
	}
	var want []string
	for _, pkg := range fixture.packages {
		for _, file := range pkg.syntax {
			for _, group := range file.Comments {
				at := fixture.files.Position(group.Pos())
				for _, comment := range wantComment.FindAllStringSubmatch(group.List[0].Text, -1) {
					for _, rule := range wantRule.FindAllStringSubmatch(comment[1], -1) {
						want = append(want, fmt.Sprintf("%s:%d %s", filepath.Base(at.Filename), at.Line, rule[1]))
					}
				}
			}
		}
	}
	for _, f := range got {
		if !slices.Contains(want, f) {
			t.Errorf("%s was found where the fixture breaks no such rule", f)
		}
	}
	for _, f := range want {
		if !slices.Contains(got, f) {
			t.Errorf("%s was not found", f)
		}
	}
	for _, rule := range rules() {
		if !slices.ContainsFunc(want, func(f string) bool { return regexp.MustCompile(` ` + rule + `$`).MatchString(f) }) {
			t.Errorf("the fixture does not break the rule %q: nothing proves that it can fail", rule)
		}
	}
}

func rules() []string {
	names := []string{"names", "go", "order"}
	for _, rule := range importRules {
		names = append(names, rule.name)
	}
	for _, impure := range impurities {
		names = append(names, impure.rule)
	}
	return names
}
