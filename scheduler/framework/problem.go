package framework

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/seatrial/seatrial/configfile"
)

// problems collects what is wrong with one file.
type problems struct {
	root *yaml.Node
	list []configfile.Problem
}

func (p *problems) add(field, fix, format string, args ...any) {
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
