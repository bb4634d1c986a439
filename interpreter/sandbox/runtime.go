package sandbox

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	lua "github.com/yuin/gopher-lua"
)

const (
	// maxCalls is how deep calls may be nested, and maxRegistry how many values all of them may hold in registers.
	maxCalls    = 256
	maxRegistry = 64 << 10
	// maxMessage is how many bytes of an error that a script raises are told.
	maxMessage = 1 << 10
)

// Options say what scripts find in a Runtime.
type Options struct {
	Limits Limits
	// Libraries are the modules that scripts can require, by name.
	Libraries map[string]Library
	// Modules are libraries written in Lua: what such a script returns is what require answers, fresh in every call.
	Modules map[string]*Script
	// Print takes what scripts print, a line at a time; nil drops it.
	Print func(line string)
}

// Library are Go functions by the names that scripts call them by. They take and return values as Call does; an error is
// raised in the script.
type Library map[string]func(arguments []any) (any, error)

// Runtime runs scripts. It is safe for concurrent use.
type Runtime struct {
	options  Options
	machines sync.Pool
}

// NewRuntime makes a runtime. Calls share nothing but what Options hold.
func NewRuntime(options Options) *Runtime {
	r := &Runtime{options: options}
	r.machines.New = func() any { return newMachine(&r.options) }
	return r
}

// machine is a Lua state with its libraries, which scripts can read and not change.
type machine struct {
	state *lua.LState
	// behind is the metatable that puts the shared globals behind those of every call.
	behind *lua.LTable
}

// Call runs the script, which defines functions, and calls one of them. Arguments are values as JSON decodes them: nil, bool,
// int64, float64, string, []any and map[string]any; they are not changed. There are as many results as asked for.
//
// A script that reaches a limit ends in an error that wraps a *LimitError.
func (r *Runtime) Call(ctx context.Context, script *Script, function string, results int, arguments ...any) ([]Result, error) {
	on := r.machines.Get().(*machine)
	m := newMeter(ctx, on.state, r.options.Limits)
	m.check()
	values, err := on.call(m, script, function, results, arguments)
	if err != nil {
		// What an error leaves behind in a machine is not worth knowing.
		on.state.Close()
		return nil, m.explain(err)
	}
	on.state.RemoveContext()
	r.machines.Put(on)
	answers := make([]Result, len(values))
	for i, value := range values {
		answers[i] = Result{value: value, meter: m}
	}
	return answers, nil
}

func (on *machine) call(m *meter, script *Script, function string, results int, arguments []any) ([]lua.LValue, error) {
	l := on.state
	l.SetContext(m)
	globals := on.freshGlobals()
	if err := l.CallByParam(lua.P{Fn: load(l, script, globals), Protect: true}); err != nil {
		return nil, err
	}
	called, ok := globals.RawGetString(function).(*lua.LFunction)
	if !ok {
		return nil, fmt.Errorf("%s: the script does not define the function %s", script.name, function)
	}
	given := make([]lua.LValue, len(arguments))
	for i, argument := range arguments {
		value, err := m.toLua(l, argument, 0)
		if err != nil {
			return nil, fmt.Errorf("argument %d: %w", i+1, err)
		}
		given[i] = value
	}
	m.grant(m.given)
	if err := l.CallByParam(lua.P{Fn: called, NRet: results, Protect: true}, given...); err != nil {
		return nil, err
	}
	answers := make([]lua.LValue, results)
	for i := range answers {
		answers[i] = l.Get(i + 1)
	}
	l.SetTop(0)
	return answers, nil
}

func load(l *lua.LState, script *Script, globals *lua.LTable) *lua.LFunction {
	function := l.NewFunctionFromProto(script.proto)
	function.Env = globals
	return function
}

// freshGlobals are empty before those that all calls share, so that nothing a script sets outlives its call.
func (on *machine) freshGlobals() *lua.LTable {
	globals := on.state.CreateTable(0, 4)
	globals.RawSetString("_G", globals)
	globals.Metatable = on.behind
	return globals
}

// presentable is a message as a condition or event can carry it: scripts may raise anything.
func presentable(message string) string {
	if len(message) > maxMessage {
		message = message[:maxMessage] + " ..."
	}
	return strings.ToValidUTF8(message, "?")
}

// explain tells what ended a call, without a stack trace.
func (m *meter) explain(err error) error {
	var fault *lua.ApiError
	if !errors.As(err, &fault) {
		return err
	}
	message := text(fault.Object)
	if fault.Object == nil || fault.Object == lua.LNil {
		message = fault.Error()
	}
	message, _, _ = strings.Cut(message, "\nstack traceback")
	if m.failure == nil {
		return errors.New(presentable(message))
	}
	if place, ok := strings.CutSuffix(message, m.failure.Error()); ok {
		return fmt.Errorf("%s%w", place, m.failure)
	}
	return m.failure
}
