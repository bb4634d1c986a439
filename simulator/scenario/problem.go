package scenario

import (
	"fmt"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/configfile"
)

// problems collects what is wrong with one file.
type problems struct {
	root *yaml.Node
	list []configfile.Problem
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
	p.list = append(p.list, configfile.Problem{
		Field: field, Line: configfile.Line(p.root, field), Text: fmt.Sprintf(format, args...), Fix: fix,
	})
}

func (p *problems) err(file string) error {
	if len(p.list) == 0 {
		return nil
	}
	return &configfile.Error{File: file, Problems: p.list}
}
