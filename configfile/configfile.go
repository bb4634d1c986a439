// Package configfile tells users what is wrong with a file they wrote: all of it at once, with line, field and what to do.
package configfile

import (
	"fmt"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is one thing that is wrong with a file.
type Problem struct {
	// File is another file than the one that was read first; empty for that one.
	File string
	// Field is its path, such as profiles[0].plugins.enabled[1].name; empty for the file as a whole.
	Field string
	// Line counts from 1; 0 when unknown.
	Line int
	// Text says what is wrong and Fix what to do about it.
	Text, Fix string
}

// Error lists all that was found to be wrong with a file.
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

// Line finds the line of a field, or that of the closest field around it; 0 without a document.
func Line(node *yaml.Node, field string) int {
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
		key, value := Child(node, step)
		if value == nil {
			break
		}
		line, node = key.Line, value
	}
	return line
}

// Child is the entry of a mapping by key, or of a sequence by index; nil when there is none.
func Child(node *yaml.Node, step string) (key, value *yaml.Node) {
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
