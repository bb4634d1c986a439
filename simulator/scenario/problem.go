package scenario

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"
)

// Problem is one thing that is wrong with a scenario.
type Problem struct {
	// File is another file than the scenario itself; empty for the scenario.
	File string
	// Field is its path, such as timeline[3].fail.region; empty for the file as a whole.
	Field string
	// Line counts from 1; 0 when unknown.
	Line int
	// Text says what is wrong and Fix what to do about it.
	Text, Fix string
}

// Error lists all that was found to be wrong with a scenario.
type Error struct {
	File     string
	Problems []Problem
}

// Error has one line for each problem: file:line: field: what is wrong; what to do.
func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, problem := range e.Problems {
		var text strings.Builder
		if problem.File != "" {
			text.WriteString(problem.File)
		} else {
			text.WriteString(e.File)
		}
		if problem.Line > 0 {
			fmt.Fprintf(&text, ":%d", problem.Line)
		}
		if problem.Field != "" {
			text.WriteString(": " + problem.Field)
		}
		text.WriteString(": " + problem.Text)
		if problem.Fix != "" {
			text.WriteString("; " + problem.Fix)
		}
		lines[i] = text.String()
	}
	return strings.Join(lines, "\n")
}

// problems collects what is wrong with one file.
type problems struct {
	root *yaml.Node
	list []Problem
	// blamed fields are not told of twice.
	blamed map[string]bool
	// kinds that objects can have, once one is read.
	kinds *runtime.Scheme
}

func (p *problems) add(field, fix, format string, args ...any) {
	if p.blamed[field] && field != "" {
		return
	}
	if p.blamed == nil {
		p.blamed = map[string]bool{}
	}
	p.blamed[field] = true
	p.list = append(p.list, Problem{Field: field, Line: lineOf(p.root, field), Text: fmt.Sprintf(format, args...), Fix: fix})
}

func (p *problems) err(file string) error {
	if len(p.list) == 0 {
		return nil
	}
	return &Error{File: file, Problems: p.list}
}

// lineOf finds the line of a field, or that of the closest field around it; 0 without a document.
func lineOf(node *yaml.Node, field string) int {
	if node == nil {
		return 0
	}
	if node.Kind == yaml.DocumentNode && len(node.Content) > 0 {
		node = node.Content[0]
	}
	line := node.Line
	for _, step := range strings.FieldsFunc(field, func(r rune) bool { return r == '.' || r == '[' || r == ']' }) {
		if node.Kind == yaml.AliasNode {
			node = node.Alias
		}
		key, value := child(node, step)
		if value == nil {
			break
		}
		line, node = key.Line, value
	}
	return line
}

// child is the entry of a mapping by key, or of a sequence by index.
func child(node *yaml.Node, step string) (key, value *yaml.Node) {
	switch node.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(node.Content); i += 2 {
			if node.Content[i].Value == step {
				return node.Content[i], node.Content[i+1]
			}
		}
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(node.Content) {
			return node.Content[i], node.Content[i]
		}
	}
	return nil, nil
}
