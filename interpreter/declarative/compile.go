package declarative

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

// Customization are the compiled scripts for one kind.
type Customization struct {
	Name string
	Kind schema.GroupVersionKind
	// rules are by operation.
	rules map[configv1alpha1.InterpreterOperation]*rule
}

// rule answers one operation.
type rule struct {
	// name is that of the customization.
	name      string
	operation Operation
	script    *sandbox.Script
	// fault is why there is no script. Objects then fail with it: an answer of someone else would be a wrong one.
	fault error
}

// Compile compiles every script of a customization. A script that is none takes its operation out of service, and the others
// go on; Validate tells which.
func Compile(object *configv1alpha1.ResourceInterpreterCustomization) *Customization {
	target := object.Spec.Target
	compiled := &Customization{
		Name: object.Name, Kind: schema.FromAPIVersionAndKind(target.APIVersion, target.Kind),
		rules: map[configv1alpha1.InterpreterOperation]*rule{},
	}
	for _, operation := range Operations() {
		text := operation.script(&object.Spec.Customizations)
		if text == "" {
			continue
		}
		script, err := sandbox.Compile(object.Name+"/"+operation.Field, text)
		compiled.rules[operation.Name] = &rule{name: object.Name, operation: operation, script: script, fault: err}
	}
	return compiled
}

// FromScript makes a customization of one script that defines the functions of several operations.
func FromScript(name string, kind schema.GroupVersionKind, script *sandbox.Script) *Customization {
	compiled := &Customization{Name: name, Kind: kind, rules: map[configv1alpha1.InterpreterOperation]*rule{}}
	for _, operation := range Operations() {
		if script.Defines(operation.Function) {
			compiled.rules[operation.Name] = &rule{name: name, operation: operation, script: script}
		}
	}
	return compiled
}

// Validate names the scripts of a customization that do not load, or do not define the function that is asked for.
func Validate(object *configv1alpha1.ResourceInterpreterCustomization) field.ErrorList {
	var faults field.ErrorList
	compiled := Compile(object)
	for _, operation := range Operations() {
		rule, present := compiled.rules[operation.Name]
		if !present {
			continue
		}
		at := field.NewPath("spec", "customizations", operation.Field, "luaScript")
		switch {
		case rule.fault != nil:
			faults = append(faults, field.Invalid(at, field.OmitValueType{}, rule.fault.Error()))
		case !rule.script.Defines(operation.Function):
			faults = append(faults, field.Invalid(at, field.OmitValueType{}, fmt.Sprintf("must define the function %s", operation.Function)))
		}
	}
	return faults
}

// Operations are those that the customization answers, in the order of their fields.
func (c *Customization) Operations() []Operation {
	var answered []Operation
	for _, operation := range Operations() {
		if _, ok := c.rules[operation.Name]; ok {
			answered = append(answered, operation)
		}
	}
	return answered
}
