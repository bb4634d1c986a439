package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seatrial/seatrial/configfile"
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// Set returns the scenario with one field changed, such as settings.eviction.rate or fleet.clusters[0].count. The value is read as
// YAML. The field may be one that is not given so far; entries of lists must be there. The scenario itself stays as it is.
func (s *Scenario) Set(path, text string) (*Scenario, error) {
	var root, changed yaml.Node
	if err := yaml.Unmarshal(s.content, &root); err != nil {
		return nil, fmt.Errorf("setting %s: %w", path, err)
	}
	if err := yaml.Unmarshal([]byte(text), &changed); err != nil {
		return nil, fmt.Errorf("setting %s: %q is no YAML: %w", path, text, err)
	}
	if len(changed.Content) == 0 {
		return nil, fmt.Errorf("setting %s: there is no value; write %s=VALUE", path, path)
	}
	if err := set(root.Content[0], path, changed.Content[0]); err != nil {
		return nil, fmt.Errorf("setting %s: %w", path, err)
	}
	content, err := yaml.Marshal(&root)
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", path, err)
	}
	varied, err := Load(s.name, content, s.files)
	if err != nil {
		return nil, fmt.Errorf("setting %s to %s: %w", path, text, err)
	}
	return varied, nil
}

func set(node *yaml.Node, path string, changed *yaml.Node) error {
	steps := strings.FieldsFunc(path, func(r rune) bool { return r == '.' || r == '[' || r == ']' })
	if len(steps) == 0 {
		return fmt.Errorf("no field; write one such as settings.eviction.rate")
	}
	for i, step := range steps {
		if node.Kind == yaml.AliasNode {
			return fmt.Errorf("%s is an alias; change what it stands for", strings.Join(steps[:i], "."))
		}
		_, next := configfile.Child(node, step)
		if next == nil {
			if node.Kind != yaml.MappingNode {
				return fmt.Errorf("there is no %s in %s", step, strings.Join(steps[:i], "."))
			}
			next = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
			node.Content = append(node.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: step}, next)
		}
		node = next
	}
	*node = *changed
	return nil
}

// Variation is a field with the values that it takes in turn.
type Variation struct {
	Path   string
	Values []string
}

// ParseVariation reads key=a,b,c. Commas within brackets and quotes part nothing.
func ParseVariation(text string) (Variation, error) {
	path, list, ok := strings.Cut(text, "=")
	if !ok || path == "" || list == "" {
		return Variation{}, fmt.Errorf("%s: write FIELD=VALUE,VALUE..., such as settings.eviction.rate=0.5,5", strconv.Quote(text))
	}
	v := Variation{Path: path}
	depth, from := 0, 0
	var quote rune
	for i, r := range list {
		switch {
		case quote != 0:
			if r == quote {
				quote = 0
			}
		case r == '"' || r == '\'':
			quote = r
		case strings.ContainsRune("[{", r):
			depth++
		case strings.ContainsRune("]}", r):
			depth--
		case r == ',' && depth == 0:
			v.Values, from = append(v.Values, list[from:i]), i+1
		}
	}
	v.Values = append(v.Values, list[from:])
	return v, nil
}
