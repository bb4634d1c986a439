package framework

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
	strict "sigs.k8s.io/json"
	convert "sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/configfile"
)

// Configuration is what a configuration file says, with its plugins made.
type Configuration struct {
	// Profiles are in the order of the file; there is at least one, and no two have the same SchedulerName.
	Profiles []Profile
	// Extenders are those of all profiles, in the order in which they are asked.
	Extenders []Extender
}

// Load reads a configuration file (YAML or JSON). Name is what errors call it. Whatever is wrong with it, from a misspelt field
// to arguments that a plugin refuses, is reported at once as a *configfile.Error.
func Load(name string, content []byte, registry Registry) (*Configuration, error) {
	for _, plugin := range registry.names() {
		if _, taken := builtin(plugin); taken && registry[plugin] != nil {
			return nil, fmt.Errorf("registering plugin %s: a built-in plugin has this name", plugin)
		}
	}
	found := &problems{}
	read := found.decode(content)
	if read == nil {
		return nil, found.err(name)
	}
	loaded := &Configuration{}
	found.header(read)
	seen := map[string]int{}
	for i := range read.Profiles {
		field := fmt.Sprintf("profiles[%d]", i)
		found.schedulerName(field, &read.Profiles[i], i, seen)
		b := builder{problems: found, registry: registry, field: field, entry: &read.Profiles[i]}
		loaded.Profiles = append(loaded.Profiles, b.build())
	}
	for i := range read.Extenders {
		loaded.Extenders = append(loaded.Extenders, found.extender(fmt.Sprintf("extenders[%d]", i), &read.Extenders[i]))
	}
	if err := found.err(name); err != nil {
		return nil, err
	}
	return loaded, nil
}

// decode turns the content into a document, nil when it cannot be read as one. YAML's own parser knows the lines, the JSON decoder the paths of fields.
func (p *problems) decode(content []byte) *document {
	if len(content) > maxBytes {
		p.add("", "", "%d bytes are more than the %d a configuration may have", len(content), maxBytes)
		return nil
	}
	var root yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	switch err := decoder.Decode(&root); {
	case errors.Is(err, io.EOF):
		p.add("", "write one with apiVersion, kind and profiles", "the file is empty")
		return nil
	case err != nil:
		p.syntax(err)
		return nil
	}
	p.root = &root
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		p.add("", "keep one document and remove the separator ---", "the file has more than one document")
		return nil
	}
	asJSON, err := convert.YAMLToJSONStrict(content)
	if err != nil {
		p.syntax(err)
		return nil
	}
	read := &document{}
	unknown, err := strict.UnmarshalStrict(asJSON, read)
	if err != nil {
		p.mistyped(err)
		return nil
	}
	for _, err := range unknown {
		p.misspelt(err)
	}
	return read
}

var yamlLine = regexp.MustCompile(`line (\d+): `)

// syntax reports an error of a YAML parser, which may name a line.
func (p *problems) syntax(err error) {
	problem := configfile.Problem{Text: strings.Join(strings.Fields(err.Error()), " "), Fix: "write valid YAML"}
	if match := yamlLine.FindStringSubmatch(problem.Text); match != nil {
		problem.Line, _ = strconv.Atoi(match[1])
		problem.Text = strings.Replace(problem.Text, match[0], "", 1)
	}
	p.list = append(p.list, problem)
}

func (p *problems) mistyped(err error) {
	var mismatch *json.UnmarshalTypeError
	if !errors.As(err, &mismatch) {
		p.add("", "", "%v", err)
		return
	}
	wanted := mismatch.Type.Kind().String()
	switch wanted {
	case "struct":
		wanted = "mapping"
	case "slice":
		wanted = "list"
	case "int64":
		wanted = "whole number"
	}
	p.add(mismatch.Field, "write a "+wanted, "a %s cannot stand here", mismatch.Value)
}

// hint says more about fields that other schedulers have.
func hint(name string) string {
	switch name {
	case "enableHTTPS":
		return "write https:// in urlPrefix"
	case "bindVerb":
		return "remove it: clusters are not bound by extenders"
	case "preemptVerb":
		return "remove it: nothing is preempted on clusters"
	case "managedResources":
		return "remove it: extenders are asked about every workload"
	case "multiPoint":
		return "list plugins under enabled and disabled"
	}
	return "check its spelling and place, or remove it"
}

func (p *problems) misspelt(err error) {
	var at strict.FieldError
	if !errors.As(err, &at) {
		p.add("", "", "%v", err)
		return
	}
	path := at.FieldPath()
	what, _, _ := strings.Cut(err.Error(), ` "`)
	p.add(path, hint(path[strings.LastIndex(path, ".")+1:]), "%s", what)
}

func (p *problems) header(read *document) {
	if read.APIVersion != apiVersion {
		p.add("apiVersion", "write "+apiVersion, "unknown version %q", read.APIVersion)
	}
	if read.Kind != kind {
		p.add("kind", "write "+kind, "unknown kind %q", read.Kind)
	}
	if len(read.Profiles) == 0 {
		p.add("profiles", "add a profile with a schedulerName", "no profile")
	}
}

func (p *problems) schedulerName(field string, entry *profileEntry, i int, seen map[string]int) {
	name := entry.SchedulerName
	if earlier, ok := seen[name]; ok && name != "" {
		p.add(field+".schedulerName", "give each profile a name of its own", "profiles[%d] has the name %q too", earlier, name)
	}
	if name == "" {
		p.add(field+".schedulerName", "name the bindings it serves, such as default-scheduler", "no scheduler name")
	}
	seen[name] = i
}
