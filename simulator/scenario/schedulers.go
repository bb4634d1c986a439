package scenario

import (
	"errors"
	"strings"

	"go.yaml.in/yaml/v3"
	configv1 "k8s.io/kube-scheduler/config/v1"
	strict "sigs.k8s.io/json"
	convert "sigs.k8s.io/yaml"

	"github.com/seatrial/seatrial/configfile"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
)

// configureSchedulers reads the configuration of the scheduler of the control plane, and that of the members' schedulers, which is to be
// right even when every member has one of its own.
func (p *planner) configureSchedulers() {
	p.kubeScheduler("", "")
	const field = "settings.scheduler.configuration"
	name := p.scenario.Settings.Scheduler.Configuration
	if name == "" {
		return
	}
	content := p.readable(p.scenario, field, name)
	if content == nil {
		return
	}
	read, err := framework.Load(name, content, nil)
	var faults *configfile.Error
	switch {
	case errors.As(err, &faults):
		for _, fault := range faults.Problems {
			fault.File = name
			p.list = append(p.list, fault)
		}
	case err != nil:
		p.add(field, "mend it", "%v", err)
	case len(read.Extenders) > 0:
		p.list = append(p.list, configfile.Problem{File: name, Field: "extenders", Text: "a simulation asks no server", Fix: "remove them"})
	default:
		p.plan.Scheduling = read
	}
}

// kubeScheduler is the configuration of a cluster's kube-scheduler: that of its own file, or that of all members. Field is the group of
// clusters; nil is the configuration that kube-scheduler has without one.
func (p *planner) kubeScheduler(field, name string) *configv1.KubeSchedulerConfiguration {
	field = join(field, "scheduler")
	if name == "" {
		field, name = "settings.scheduler.members", p.scenario.Settings.Scheduler.Members
	}
	if name == "" {
		return nil
	}
	if known, ok := p.schedulers[name]; ok {
		return known
	}
	p.schedulers[name] = nil
	content := p.readable(p.scenario, field, name)
	if content == nil {
		return nil
	}
	read := &configv1.KubeSchedulerConfiguration{}
	if !p.decodeConfiguration(name, content, read) {
		return nil
	}
	if _, err := kube.New(simulator.NewLoop(p.plan.Start), kube.Options{Scheduler: read}); err != nil {
		p.list = append(p.list, configfile.Problem{File: name, Text: err.Error(), Fix: "write what the simulated kube-scheduler has"})
		return nil
	}
	p.schedulers[name] = read
	return read
}

// decodeConfiguration reads a file of KubeSchedulerConfiguration.
func (p *problems) decodeConfiguration(name string, content []byte, into *configv1.KubeSchedulerConfiguration) bool {
	before := len(p.list)
	blame := func(line int, text, fix string) {
		p.list = append(p.list, configfile.Problem{File: name, Line: line, Text: text, Fix: fix})
	}
	var root yaml.Node
	asJSON, err := convert.YAMLToJSONStrict(content)
	if err != nil || yaml.Unmarshal(content, &root) != nil {
		blame(0, strings.TrimSpace("no YAML: "+errorText(err)), "write valid YAML")
		return false
	}
	unknown, err := strict.UnmarshalStrict(asJSON, into)
	for _, err := range append(unknown, err) {
		if err == nil {
			continue
		}
		var at strict.FieldError
		line := 1
		if errors.As(err, &at) {
			line = configfile.Line(&root, at.FieldPath())
		}
		blame(line, err.Error(), "write it as KubeSchedulerConfiguration has it")
	}
	if version := configv1.SchemeGroupVersion.String(); into.APIVersion != version || into.Kind != "KubeSchedulerConfiguration" {
		blame(1, "it is no KubeSchedulerConfiguration", "write apiVersion: "+version+" and kind: KubeSchedulerConfiguration")
	}
	return len(p.list) == before
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return strings.Join(strings.Fields(err.Error()), " ")
}
