// Command reflow joins the lines of a paragraph in the descriptions of CustomResourceDefinitions, in place. The line breaks
// come from source comments; clients such as kubectl explain wrap text to the width they have.
package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"

	"go.yaml.in/yaml/v3"
)

func main() {
	for _, path := range os.Args[1:] {
		if err := reflowFile(path); err != nil {
			fmt.Fprintf(os.Stderr, "reflowing %s: %v\n", path, err)
			os.Exit(1)
		}
	}
}

func reflowFile(path string) error {
	raw, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return err
	}
	reflowNode(&document)
	var out bytes.Buffer
	out.WriteString("---\n")
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(&document); err != nil {
		return err
	}
	return os.WriteFile(path, out.Bytes(), 0o644)
}

// reflowNode visits every description. A property may be called "description" too: then its value is no text.
func reflowNode(node *yaml.Node) {
	for i := 0; node.Kind == yaml.MappingNode && i+1 < len(node.Content); i += 2 {
		if value := node.Content[i+1]; node.Content[i].Value == "description" && value.Kind == yaml.ScalarNode {
			value.Value = joinLines(value.Value)
			value.Style = 0
		}
	}
	for _, child := range node.Content {
		reflowNode(child)
	}
}

// joinLines keeps paragraphs, and lists and indented lines as they are.
func joinLines(text string) string {
	var joined []string
	continues := false
	for _, line := range strings.Split(text, "\n") {
		keeps := line == "" || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "- ") || strings.HasPrefix(line, "* ")
		if continues && !keeps {
			joined[len(joined)-1] += " " + line
		} else {
			joined = append(joined, line)
		}
		continues = line != "" && !strings.HasPrefix(line, " ") && !strings.HasPrefix(line, "\t")
	}
	return strings.Join(joined, "\n")
}
