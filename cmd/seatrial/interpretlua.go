package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seatrial/seatrial/interpreter/declarative"
)

// customizationText is what an editor shows of a ResourceInterpreterCustomization: Lua, in which comments say whose scripts these are.
type customizationText struct {
	name, apiVersion, kind string
	// scripts are by the name of their operation; those that are missing or empty answer nothing.
	scripts map[string]string
}

// Marks of lines in that text.
const (
	nameMark       = "---@name:"
	apiVersionMark = "---@apiVersion:"
	kindMark       = "---@kind:"
	ruleMark       = "---@rule:"
	// remarkMark stands before what is told to the user and not kept.
	remarkMark = "--|"
)

// remarks are lines that are not kept.
func remarks(text string) string {
	var marked strings.Builder
	for line := range strings.SplitSeq(text, "\n") {
		marked.WriteString(strings.TrimRight(remarkMark+" "+line, " ") + "\n")
	}
	return marked.String()
}

// String has all operations, those without a script too; with their documents if wanted.
func (c customizationText) String(documents bool) string {
	var text strings.Builder
	for _, line := range [][2]string{{nameMark, c.name}, {apiVersionMark, c.apiVersion}, {kindMark, c.kind}} {
		text.WriteString(strings.TrimRight(line[0]+" "+line[1], " ") + "\n")
	}
	for _, operation := range declarative.Operations() {
		text.WriteString("\n" + ruleMark + " " + string(operation.Name) + "\n")
		if documents {
			text.WriteString(remarks(operation.Document().Text()))
		}
		if script := c.scripts[string(operation.Name)]; script != "" {
			text.WriteString(strings.TrimRight(script, "\n") + "\n")
		}
	}
	return text.String()
}

// parseCustomizationText reads such a text. Names of operations may be written in any case.
func parseCustomizationText(text string) (customizationText, error) {
	read, scripts, current := customizationText{scripts: map[string]string{}}, map[string][]string{}, ""
	heads := map[string]*string{nameMark: &read.name, apiVersionMark: &read.apiVersion, kindMark: &read.kind}
	for i, line := range strings.Split(text, "\n") {
		line = strings.TrimRight(line, "\r")
		mark, value, _ := strings.Cut(line, " ")
		value = strings.TrimSpace(value)
		switch {
		case strings.HasPrefix(line, remarkMark):
		case mark == ruleMark:
			place := slices.IndexFunc(operationNames(), func(name string) bool { return strings.EqualFold(name, value) })
			if place < 0 {
				return read, fmt.Errorf("line %d: there is no operation %q; use one of %s", i+1, value, strings.Join(operationNames(), ", "))
			}
			current = operationNames()[place]
			if _, twice := scripts[current]; twice {
				return read, fmt.Errorf("line %d: %s stands here a second time", i+1, current)
			}
			scripts[current] = []string{}
		case current != "":
			scripts[current] = append(scripts[current], line)
		case heads[mark] != nil:
			*heads[mark] = value
		case strings.TrimSpace(line) != "":
			return read, fmt.Errorf("line %d: %q stands before the first line with %s", i+1, line, ruleMark)
		}
	}
	for name, lines := range scripts {
		if script := strings.Trim(strings.Join(lines, "\n"), "\n"); strings.TrimSpace(script) != "" {
			read.scripts[name] = script + "\n"
		}
	}
	return read, nil
}

func (c customizationText) equal(other customizationText) bool {
	return c.name == other.name && c.apiVersion == other.apiVersion && c.kind == other.kind && maps.Equal(c.scripts, other.scripts)
}
