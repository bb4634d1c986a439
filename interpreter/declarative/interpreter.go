// Package declarative interprets kinds by Lua scripts that users write into ResourceInterpreterCustomizations.
package declarative

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/sandbox"
)

// Options are what scripts may use.
type Options struct {
	Limits sandbox.Limits
	// Modules are libraries in Lua that scripts can require, besides kube.
	Modules map[string]*sandbox.Script
	// Print takes what scripts print; nil drops it.
	Print func(line string)
}

// Defaults are those of a control plane.
func Defaults() Options { return Options{Limits: sandbox.DefaultLimits()} }

// Interpreter answers by customizations. It is empty at first, and safe for concurrent use.
type Interpreter struct {
	runtime *sandbox.Runtime

	// changes guards the customizations by name.
	changes        sync.Mutex
	customizations map[string]*Customization
	// arranged is replaced, not changed, when a customization is.
	arranged atomic.Pointer[arrangement]
}

// arrangement has for each kind and operation the rules in the order of the names of their customizations.
type arrangement map[schema.GroupVersionKind]map[configv1alpha1.InterpreterOperation][]*rule

var (
	_ interpreter.Interpreter = (*Interpreter)(nil)
	_ interpreter.Observer    = (*Interpreter)(nil)
)

// New makes an interpreter without customizations.
func New(options Options) *Interpreter {
	made := &Interpreter{
		runtime: sandbox.NewRuntime(sandbox.Options{
			Limits: options.Limits, Print: options.Print, Modules: options.Modules,
			Libraries: map[string]sandbox.Library{"kube": kube()},
		}),
		customizations: map[string]*Customization{},
	}
	made.arranged.Store(&arrangement{})
	return made
}

// Observe takes over a ResourceInterpreterCustomization as it is now. Other objects are none of its business.
func (i *Interpreter) Observe(old, current runtime.Object) {
	if customization, ok := current.(*configv1alpha1.ResourceInterpreterCustomization); ok {
		i.Put(Compile(customization))
		return
	}
	if customization, ok := old.(*configv1alpha1.ResourceInterpreterCustomization); ok && current == nil {
		i.Remove(customization.Name)
	}
}

// Put adds customizations, each in the place of the one with its name.
func (i *Interpreter) Put(customizations ...*Customization) {
	i.changes.Lock()
	defer i.changes.Unlock()
	for _, customization := range customizations {
		i.customizations[customization.Name] = customization
	}
	i.arrange()
}

// Remove takes the customization of a name away, if there is one.
func (i *Interpreter) Remove(name string) {
	i.changes.Lock()
	defer i.changes.Unlock()
	delete(i.customizations, name)
	i.arrange()
}

// arrange sorts the rules by kind and operation. Among several the customization with the first name wins, as in the
// reference; only dependencies add up.
func (i *Interpreter) arrange() {
	kinds := arrangement{}
	for _, name := range slices.Sorted(maps.Keys(i.customizations)) {
		customization := i.customizations[name]
		operations := kinds[customization.Kind]
		if operations == nil {
			operations = map[configv1alpha1.InterpreterOperation][]*rule{}
			kinds[customization.Kind] = operations
		}
		for operation, rule := range customization.rules {
			operations[operation] = append(operations[operation], rule)
		}
	}
	i.arranged.Store(&kinds)
}

// Kinds lists the kinds that have customizations, by group, version and kind.
func (i *Interpreter) Kinds() []schema.GroupVersionKind {
	return slices.SortedFunc(maps.Keys(*i.arranged.Load()), func(a, b schema.GroupVersionKind) int {
		return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Kind, b.Kind))
	})
}

// Supports tells whether a customization has a script for the operation, be it one that does not load.
func (i *Interpreter) Supports(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) bool {
	return len(i.rulesFor(gvk, operation)) > 0
}

func (i *Interpreter) rulesFor(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) []*rule {
	return (*i.arranged.Load())[gvk][operation]
}

// call asks a script. It takes arguments as the sandbox does.
func (i *Interpreter) call(ctx context.Context, asked *rule, results int, arguments ...any) ([]sandbox.Result, error) {
	if asked.fault != nil {
		return nil, asked.fault
	}
	return i.runtime.Call(ctx, asked.script, asked.operation.Function, results, arguments...)
}

// first finds the rule that answers for a kind.
func (i *Interpreter) first(gvk schema.GroupVersionKind, operation configv1alpha1.InterpreterOperation) (*rule, error) {
	rules := i.rulesFor(gvk, operation)
	if len(rules) == 0 {
		return nil, &interpreter.UnsupportedError{Operation: operation, Kind: gvk}
	}
	return rules[0], nil
}

// Error says which customization failed, at what, and on which object.
type Error struct {
	Customization   string
	Operation       configv1alpha1.InterpreterOperation
	Kind            schema.GroupVersionKind
	Namespace, Name string
	Err             error
}

func (e *Error) Error() string {
	name := e.Name
	if e.Namespace != "" {
		name = e.Namespace + "/" + name
	}
	return fmt.Sprintf("customization %s: %s of %s %s: %v", e.Customization, e.Operation, e.Kind.Kind, name, e.Err)
}

func (e *Error) Unwrap() error { return e.Err }
