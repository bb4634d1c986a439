package sandbox

import (
	"fmt"
	"strings"
	"testing"

	lua "github.com/yuin/gopher-lua"
)

// TestOperatorsAsBefore compares operators that are rewritten or metered with those of the Lua machine.
func TestOperatorsAsBefore(t *testing.T) {
	values := []string{"nil", "true", "false", "0", "7", "-3", "0.5", `""`, `"a"`, `"ab"`, `"b"`, `"10"`, `" 2 "`, `"0x10"`, `"-3"`, "{}"}
	plain := lua.NewState()
	defer plain.Close()
	runtime := NewRuntime(Options{Limits: DefaultLimits()})
	for _, operator := range []string{"==", "~=", "<", "<=", ">", ">=", "+", "-", "*", "/", "%", "^"} {
		for _, a := range values {
			for _, b := range values {
				source := fmt.Sprintf("function F() local a, b = %s, %s return tostring(a %s b) end", a, b, operator)
				if operator == "-" && b == "nil" {
					source = fmt.Sprintf("function F() local a = %s return tostring(-a) end", a)
				}
				want, fault := asPlain(t, plain, source)
				script, err := Compile("test", source)
				if err != nil {
					t.Fatal(err)
				}
				results, err := runtime.Call(t.Context(), script, "F", 1)
				if (err != nil) != (fault != nil) {
					t.Errorf("%s: error %v, want %v", source, err, fault)
					continue
				}
				if err != nil {
					if strings.Contains(err.Error(), "compare") && !strings.Contains(fault.Error(), err.Error()) {
						t.Errorf("%s: error %v, want %v", source, err, fault)
					}
					continue
				}
				if got := results[0].value.String(); got != want {
					t.Errorf("%s: %s, want %s", source, got, want)
				}
			}
		}
	}
}

// asPlain runs a script as it is.
func asPlain(t *testing.T, plain *lua.LState, source string) (string, error) {
	t.Helper()
	function, err := plain.Load(strings.NewReader(source), "test")
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.CallByParam(lua.P{Fn: function, Protect: true}); err != nil {
		t.Fatal(err)
	}
	if err := plain.CallByParam(lua.P{Fn: plain.GetGlobal("F"), NRet: 1, Protect: true}); err != nil {
		return "", err
	}
	defer plain.Pop(1)
	return plain.Get(-1).String(), nil
}

// TestOperandsInOrder: operands are worked out from left to right, each once.
func TestOperandsInOrder(t *testing.T) {
	for _, operator := range []string{"==", "~=", "<", "<=", ">", ">="} {
		results, err := run(t, fmt.Sprintf(`function F()
			local seen = ""
			local function see(x) seen = seen .. x return x, "more" end
			local _ = see("a") %s see("b")
			return seen
		end`, operator))
		if err != nil {
			t.Fatal(err)
		}
		if got := results[0].value.String(); got != "ab" {
			t.Errorf("%s works out %q", operator, got)
		}
	}
}
