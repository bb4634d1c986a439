package scenario

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v3"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	strict "sigs.k8s.io/json"
	convert "sigs.k8s.io/yaml"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/configfile"
)

// manifest reads the objects of a manifest.
func (p *problems) manifest(s *Scenario, field string, m *Manifest) []client.Object {
	switch {
	case m.File != "" && m.Inline != "":
		p.add(field, "keep one of file and inline", "it has both file and inline")
	case m.File != "":
		if content := p.readable(s, field+".file", m.File); content != nil {
			return p.objects(m.File, field, content)
		}
	case m.Inline != "":
		return p.objects("", field+".inline", []byte(m.Inline))
	default:
		p.add(field, "add a file, or inline text", "it has neither file nor inline")
	}
	return nil
}

// objects decodes all YAML documents of a text. File is the one it stands in; empty for text within the scenario.
func (p *problems) objects(file, field string, content []byte) []client.Object {
	if p.kinds == nil {
		p.kinds = runtime.NewScheme()
		if err := scheme.AddToScheme(p.kinds); err != nil {
			p.add(field, "", "collecting the known kinds: %v", err)
			return nil
		}
	}
	reader := &manifestReader{problems: p, file: file, field: field, kinds: p.kinds}
	if file == "" {
		reader.firstLine = configfile.Line(p.root, field)
	}
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			reader.blame(0, err.Error(), "write valid YAML")
			return nil
		}
		reader.document(node.Content[0])
	}
	if len(reader.found) == 0 && len(p.list) == 0 {
		reader.blame(0, "no object", "write at least one")
	}
	return reader.found
}

type manifestReader struct {
	problems    *problems
	file, field string
	// firstLine is that of the field which holds the text; 0 for a file.
	firstLine int
	kinds     *runtime.Scheme
	found     []client.Object
}

func (r *manifestReader) blame(line int, text, fix string) {
	if r.file == "" {
		line += r.firstLine
	}
	r.problems.list = append(r.problems.list, configfile.Problem{File: r.file, Field: r.field, Line: line, Text: text, Fix: fix})
}

func (r *manifestReader) document(node *yaml.Node) {
	if node.ShortTag() == "!!null" {
		return
	}
	text, err := yaml.Marshal(node)
	if err != nil {
		r.blame(node.Line, err.Error(), "write valid YAML")
		return
	}
	asJSON, err := convert.YAMLToJSONStrict(text)
	if err != nil {
		r.blame(node.Line, strings.Join(strings.Fields(err.Error()), " "), "write valid YAML")
		return
	}
	var head struct {
		metav1.TypeMeta `json:",inline"`
		Items           []Raw `json:"items"`
	}
	if _, err := strict.UnmarshalStrict(asJSON, &head); err != nil || head.APIVersion == "" || head.Kind == "" {
		r.blame(node.Line, "no object of Kubernetes", "write apiVersion and kind")
		return
	}
	if head.Kind == "List" {
		for _, item := range head.Items {
			r.object(node, item.content)
		}
		return
	}
	r.object(node, asJSON)
}

func (r *manifestReader) object(node *yaml.Node, content []byte) {
	var head metav1.TypeMeta
	if _, err := strict.UnmarshalStrict(content, &head); err != nil {
		r.blame(node.Line, err.Error(), "write an object")
		return
	}
	object, err := r.empty(head.GroupVersionKind())
	if err != nil {
		r.blame(node.Line, err.Error(), "write a kind that is an object")
		return
	}
	unknown, err := strict.UnmarshalStrict(content, object)
	for _, err := range append(unknown, err) {
		if err != nil {
			r.fault(node, head.Kind, err)
		}
	}
	if object.GetName() == "" {
		r.blame(node.Line, head.Kind+" without a name", "add metadata.name")
		return
	}
	r.found = append(r.found, object)
}

func (r *manifestReader) fault(node *yaml.Node, kind string, err error) {
	var at strict.FieldError
	line, fix := node.Line, "write it as "+kind+" has it"
	if errors.As(err, &at) {
		line, fix = configfile.Line(node, at.FieldPath()), "check its spelling and place, or remove it"
	}
	r.blame(line, fmt.Sprintf("%s: %v", kind, err), fix)
}

// empty makes an object of a kind. Kinds that nobody knows here are kept as they are.
func (r *manifestReader) empty(gvk schema.GroupVersionKind) (client.Object, error) {
	made, err := r.kinds.New(gvk)
	if err != nil {
		return &unstructured.Unstructured{}, nil //nolint:nilerr // an unknown kind is no mistake
	}
	object, ok := made.(client.Object)
	if !ok {
		return nil, fmt.Errorf("%s is no object that can be stored", gvk.Kind)
	}
	return object, nil
}

// propagation reads the policy of generated workloads.
func (p *problems) propagation(field string, raw Raw) *policyv1alpha1.PropagationSpec {
	if raw.empty() {
		return nil
	}
	spec := &policyv1alpha1.PropagationSpec{}
	unknown, err := strict.UnmarshalStrict(raw.content, spec)
	if err != nil {
		p.add(field, "write it as the spec of a PropagationPolicy", "%v", err)
		return nil
	}
	for _, err := range unknown {
		var at strict.FieldError
		if errors.As(err, &at) {
			p.add(join(field, at.FieldPath()), "check its spelling and place, or remove it", "unknown field")
		}
	}
	if len(spec.ResourceSelectors) > 0 {
		p.add(field+".resourceSelectors", "remove them", "they are filled in")
	}
	return spec
}
