package sandbox

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// run compiles a script and calls its function F.
func run(t testing.TB, source string, arguments ...any) ([]Result, error) {
	t.Helper()
	script, err := Compile("test", source)
	if err != nil {
		t.Fatalf("compiling: %v", err)
	}
	return NewRuntime(Options{Limits: DefaultLimits()}).Call(context.Background(), script, "F", 1, arguments...)
}

func TestLanguage(t *testing.T) {
	for _, test := range []struct {
		name, body string
		want       any
	}{
		{"concatenation", `return "a" .. 1 .. "b" .. 2.5`, "a1b2.5"},
		{"concatenation takes one value of a call", `local function two() return "x", "y" end return "a" .. two()`, "ax"},
		{"length", `local t = {1, 2, 3} return #t + #"four"`, int64(7)},
		{"assignment to a place", `local t = {} for i = 1, 5 do t[#t + 1] = i * i end return t`, []any{int64(1), int64(4), int64(9), int64(16), int64(25)}},
		{"swap", `local t = {1, 2} t[1], t[2] = t[2], t[1] return t`, []any{int64(2), int64(1)}},
		{"several values of a call", `local function two() return "x", "y" end local t = {} t[1], t[2] = two() return t`, []any{"x", "y"}},
		{"mixed targets", `local a, t = 1, {} local k = "b" a, t[k], t.c = 5, a, 7 t.a = a return t`, map[string]any{"a": int64(5), "b": int64(1), "c": int64(7)}},
		{"computed before assigned", `local i, t = 1, {} i, t[i] = i + 1, 20 return {i, t[1]}`, []any{int64(2), int64(20)}},
		{"removal from the end", `local t = {1, 2, 3} t[#t] = nil return {#t, t}`, []any{int64(2), []any{int64(1), int64(2)}}},
		{"removal while visiting", `local t = {1, 2, a = 1, b = 2} for k in pairs(t) do t[k] = nil end return next(t) == nil`, true},
		{"order of pairs", `local s = "" for k in pairs({c = 1, a = 2, b = 3}) do s = s .. k end return s`, "cab"},
		{"table library", `local t = {3, 1, 2} table.sort(t) table.insert(t, 4) table.insert(t, 1, 0) table.remove(t, 2) return table.concat(t, ",")`, "0,2,3,4"},
		{"sort by a function", `local t = {"bb", "a", "ccc"} table.sort(t, function(x, y) return #x > #y end) return table.concat(t)`, "cccbba"},
		{"sparse keys", `local t = {} t[1000660000] = "uid" t[0.5] = "half" return t[1000660000] .. t[0.5]`, "uidhalf"},
		{"caught error", `local ok, fault = pcall(function() error("no") end) return {ok, fault}`, []any{false, "test:1: no"}},
		{"text of a table", `return tostring({}) .. tostring(print)`, "tablefunction"},
		{"methods of strings", `return ("a,b"):upper():gsub(",", ";")`, "A;B"},
		{"global through _G", `x = 3 return _G.x`, int64(3)},
		{"vararg", `local function f(...) local t = {...} return #t, select("#", ...) end return f(1, 2, 3)`, int64(3)},
		{"many values", `local t = {} for i = 1, 5000 do t[i] = i end local function f(...) return select("#", ...), (select(5000, ...)) end return {f(unpack(t))}`, []any{int64(5000), int64(5000)}},
		{"long key", `local s = ("k"):rep(5000) local t = {[s] = 1} t[s .. "x"] = 2 return {t[s], t[s .. "x"], next({[s] = 3}) == s}`, []any{int64(1), int64(2), true}},
		{"function in a table", `local t = {a = {}} function t.a.f(x) return x + 1 end function t.a:g(x) return self.f(x) end return t.a:g(1)`, int64(2)},
		{"integral float", `return 6 / 2`, int64(3)},
		{"fraction", `return 7 / 2`, 3.5},
	} {
		t.Run(test.name, func(t *testing.T) {
			results, err := run(t, "function F() "+test.body+" end")
			if err != nil {
				t.Fatal(err)
			}
			got, err := results[0].Decoded()
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// long are two strings that are equal and not the same; many is a list.
const (
	long = `local s, r = ("0"):rep(999999) .. 1, ("0"):rep(999999) .. 1 `
	many = `local t = {} for i = 1, 10000 do t[i] = i end `
)

// TestLimits stops scripts that loop or explode. Every one of them would otherwise run for hours, end the process or fill the
// memory.
func TestLimits(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"endless loop", `while true do end`, "instructions"},
		{"endless loop that catches", `while true do pcall(function() while true do end end) end`, "instructions"},
		{"long loop", `for i = 1, 1e18 do end`, "instructions"},
		{"recursion", `local function f() return 1 + f() end f()`, "stack overflow"},
		{"doubling", `local s = "x" while true do s = s .. s end`, "a string of"},
		{"many strings", `local t = {} while true do t[#t + 1] = ("x"):rep(1000000) end`, "bytes"},
		{"repetition", `return ("x"):rep(1e15)`, "a string of"},
		{"repetition of much", `return ("x"):rep(1e6):rep(1e6)`, "a string of"},
		{"place far away", `local t = {} t[60000000] = 1`, "uses more than"},
		{"many places far away", `while true do local t = {} t[1000000] = 1 end`, "bytes"},
		{"insertion far away", `local t = {} table.insert(t, 60000000, 1)`, "outside of 1 to 1"},
		{"tables", `local t = {} while true do t = {t} end`, "bytes"},
		{"keys", `local t = {} local i = 0 while true do i = i + 1 t["k" .. i] = i end`, "uses more than"},
		{"gaps", `local t = {} t[1000000] = 1 t[1000000] = nil while true do local n = #t end`, "instructions"},
		{"removed keys", `local t = {} for i = 1, 100000 do t["k" .. i] = i end for i = 1, 100000 do t["k" .. i] = nil end while true do next(t) end`, "instructions"},
		{"insertion at the front", `local t = {} while true do table.insert(t, 1, 1) end`, "instructions"},
		{"backtracking", `return string.find(("a"):rep(40), ("a*"):rep(20) .. "b")`, "instructions"},
		{"deep pattern", `return string.find(("a"):rep(1000), ("(a"):rep(1000))`, "captures"},
		{"nested pattern", `return string.find(("a"):rep(1000), ("a?"):rep(1000))`, "too complex"},
		{"growing replacement", `local s = ("x"):rep(1000) return s:gsub("x", s:sub(1, 100)):gsub("x", s)`, "a string of"},
		{"wide format", `return string.format("%999999999d", 1)`, "too large"},
		{"long format", `return string.format(("%s"):rep(50), ("x"):rep(1e6), ("x"):rep(1e6))`, ""},
		{"unpacking", `return unpack({}, 1, 1e8)`, "registry overflow"},
		{"print", `while true do print(("x"):rep(1000)) end`, "bytes"},
		{"upper", `local s = ("x"):rep(1000000) while true do s:upper() end`, "bytes"},
		{"equality", long + `while s == r do end`, "instructions"},
		{"inequality", long + `while not (s ~= r) do end`, "instructions"},
		{"order", long + `while not (s < r) do end`, "instructions"},
		{"order of equals", long + `while s <= r and s >= r and not (s > r) do end`, "instructions"},
		{"long keys", long + `local t = {[s] = 1} while t[r] do end`, "instructions"},
		{"long keys in the way", long + `local t = {} while true do t[s] = 1 t[r] = nil end`, "instructions"},
		{"long keys of a new table", long + `while true do local t = {[s] = 1, [r] = 2} end`, "instructions"},
		{"visiting long keys", long + `local t = {[s] = 1, x = 2} while true do next(t, r) end`, "instructions"},
		{"long names of captures", long + `local t = {[r] = "x"} while true do s:gsub("^.*$", t) end`, "instructions"},
		{"adding long text", long + `while true do local x = s + r end`, "instructions"},
		{"negating long text", long + `while true do local x = -s end`, "instructions"},
		{"rounding long text", long + `while true do math.floor(s) end`, "bytes"},
		{"printing long numbers", long + `while true do string.format("%d", s) end`, "instructions"},
		{"sorting long text", `local t = {} for i = 1, 20 do t[i] = ("x"):rep(1000000) end while true do table.sort(t) end`, "instructions"},
		{"searching long text", long + `while true do ("y"):find(s) end`, "instructions"},
		{"many flags", `local f = "%" .. ("-"):rep(1000000) .. "d" while true do string.format(f, 1) end`, "instructions"},
		{"many empty captures", `local by = ("%1"):rep(500000) while true do ("x"):gsub("()", ""):gsub("(y?)", by) end`, "instructions"},
		{"long errors", long + `while true do pcall(error, s) end`, "bytes"},
		{"long assertions", long + `while true do pcall(assert, false, s) end`, "bytes"},
		{"long choices", long + `while true do pcall(select, s) end`, "instructions"},
		{"long libraries", long + `while true do pcall(require, s) end`, "instructions"},
		{"long keys of nothing", long + `local function f() return (nil)[s] end while true do pcall(f) end`, "instructions"},
		{"errors far down", `local function f(n) if n == 0 then while true do pcall(error) end end f(n - 1) return 1 end f(240)`, "instructions"},
		{"many results", many + `while true do local x = select("#", unpack(t)) end`, "instructions"},
		{"many arguments", many + `local function f(...) while true do local x = select(-1, ...) end end f(unpack(t))`, "instructions"},
		{"many places at once", many + `local function f(...) while true do local x = {...} end end f(unpack(t))`, "bytes"},
		{"many results handed up", many + `local function f(n) if n == 0 then return unpack(t) end return 1, f(n - 1) end while true do f(50) end`, "instructions"},
		{"sort", `local t = {} for i = 1, 100000 do t[i] = i end while true do table.sort(t) end`, "instructions"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := run(t, "function F()\n"+test.body+"\nend")
			if err == nil {
				t.Fatal("the script came to an end")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %q does not speak of %q", err, test.want)
			}
			var limit *LimitError
			if slices.Contains([]string{"instructions", "bytes", "uses more than"}, test.want) && !errors.As(err, &limit) {
				t.Errorf("error %q is no LimitError", err)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q has several lines", err)
			}
		})
	}
}

// TestForbidden has no way out of the sandbox, and none to an answer that differs from run to run.
func TestForbidden(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{`return os.time()`, "no clock"},
		{`return require("os").date()`, "no clock"},
		{`return math.random()`, "no random numbers"},
		{`return io.open("/etc/passwd")`, "nil"},
		{`return loadstring("return 1")`, "may not use"},
		{`return dofile("x")`, "may not use"},
		{`return setmetatable({}, {})`, "may not use"},
		{`return require("socket")`, `no module "socket"`},
		{`string.upper = nil`, "cannot be changed"},
		{`local k = "upper" string[k] = nil`, "cannot be changed"},
		{`table.insert(string, 1)`, "cannot be changed"},
		{`return coroutine.create(F)`, "nil"},
		{`return debug.getinfo(1)`, "nil"},
		{`return channel.make()`, "nil"},
		{`return string.dump(F)`, "may not use"},
		{`return collectgarbage()`, "may not use"},
		{`return getmetatable("").__index`, "may not use"},
	} {
		t.Run(test.body, func(t *testing.T) {
			_, err := run(t, "function F()\n"+test.body+"\nend")
			if err == nil || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(err.Error(), "test:2:") {
				t.Errorf("error %v, want one in line 2 that speaks of %q", err, test.want)
			}
		})
	}
}

// TestRaised tells users what a script raises, whatever that is.
func TestRaised(t *testing.T) {
	for _, test := range []struct{ body, want string }{
		{`error("no")`, "test:1: no"},
		{`error("no", 0)`, "no"},
		{`error({code = 1})`, "table"},
		{`error()`, ""},
		{`error("\255", 0)`, "?"},
		{`error(("x"):rep(100000), 0)`, strings.Repeat("x", maxMessage) + " ..."},
		{`assert(false, "asserted")`, "test:1: asserted"},
		{`local t = nil; t.x = 1`, "test:1: attempt to index a non-table object(nil) with key 'x'"},
		{`print(1 + {})`, "test:1: cannot perform add operation between number and table"},
	} {
		_, err := run(t, "function F() "+test.body+" end")
		if err == nil || test.want != "" && err.Error() != test.want {
			t.Errorf("%s: error %q, want %q", test.body, err, test.want)
		}
	}
}

// TestCallsShareNothing would fail if a machine kept what a script has set.
func TestCallsShareNothing(t *testing.T) {
	script, err := Compile("test", `count = (count or 0) + 1 function F() count = count + 1 return count end`)
	if err != nil {
		t.Fatal(err)
	}
	runtime := NewRuntime(Options{Limits: DefaultLimits()})
	for range 3 {
		results, err := runtime.Call(context.Background(), script, "F", 1)
		if err != nil {
			t.Fatal(err)
		}
		if got, _ := results[0].Number(); got != 2 {
			t.Errorf("counted to %v, want 2", got)
		}
	}
}

func TestCompileErrors(t *testing.T) {
	for _, test := range []struct{ name, source, want string }{
		{"syntax", "function F()\n  return 1 +\nend", `test:3: syntax error near "end"`},
		{"end", "function F()", "test: the script ends too early"},
		{"nesting", "x = " + strings.Repeat("(", 500) + "1" + strings.Repeat(")", 500), ""},
		{"unary nesting", "x = " + strings.Repeat("not ", 100_000/4) + "1", "nested deeper than 200"},
		{"names", "local t = {} return t." + strings.Repeat("x", maxName+1), ""},
		{"names of globals", strings.Repeat("x", maxName+1) + " = 1", "a name of 1025 bytes"},
		{"names read", "return " + strings.Repeat("x", maxName+1), "a name of 1025 bytes"},
		{"names of functions", "function t:" + strings.Repeat("x", maxName+1) + "() end", "a name of 1025 bytes"},
		{"names of methods", "t:" + strings.Repeat("x", maxName+1) + "()", "a name of 1025 bytes"},
		{"blocks", strings.Repeat("do ", 1000) + strings.Repeat("end ", 1000), "nested deeper than 200"},
		{"size", strings.Repeat(" ", maxSource+1), "at most"},
		{"locals", strings.Repeat("local x = 1 ", 300), "test"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Compile("test", test.source)
			if test.want == "" {
				if err != nil {
					t.Errorf("unexpected error %v", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
		})
	}
}

func TestDefines(t *testing.T) {
	script, err := Compile("test", `function A() end B = function() end local function C() end if x then function D() end end t.E = 1 function t.G() end`)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"A": true, "B": true, "C": false, "D": true, "E": false, "G": false} {
		if got := script.Defines(name); got != want {
			t.Errorf("%s: defined %t, want %t", name, got, want)
		}
	}
}

func TestModulesAndLibraries(t *testing.T) {
	module, err := Compile("module", `leak = 1 return {double = function(x) return x * 2 end, seen = own}`)
	if err != nil {
		t.Fatal(err)
	}
	script, err := Compile("test", `own = 1
		local module, go = require("module"), require("go")
		function F(x) return {module.double(x), leak == nil, module.seen == nil, go.join({"a", "b"})} end
		function G() return go.join(1) end`)
	if err != nil {
		t.Fatal(err)
	}
	runtime := NewRuntime(Options{
		Limits:  DefaultLimits(),
		Modules: map[string]*Script{"module": module},
		Libraries: map[string]Library{"go": {"join": func(arguments []any) (any, error) {
			list, ok := arguments[0].([]any)
			if !ok {
				return nil, errors.New("not a list")
			}
			return list[0].(string) + list[1].(string), nil
		}}},
	})
	results, err := runtime.Call(context.Background(), script, "F", 1, int64(21))
	if err != nil {
		t.Fatal(err)
	}
	got, err := results[0].Decoded()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{int64(42), true, true, "ab"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := runtime.Call(context.Background(), script, "G", 1); err == nil || err.Error() != "test:4: join: not a list" {
		t.Errorf("error %v", err)
	}
	if _, err := runtime.Call(context.Background(), script, "H", 1); err == nil || !strings.Contains(err.Error(), "does not define the function H") {
		t.Errorf("error %v", err)
	}
}

func TestContextEndsACall(t *testing.T) {
	script, err := Compile("test", `function F() while true do end end`)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	runtime := NewRuntime(Options{Limits: Limits{Instructions: 1 << 60, Bytes: 1 << 60}})
	if _, err := runtime.Call(ctx, script, "F", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want %v", err, context.Canceled)
	}
}

func TestPrint(t *testing.T) {
	script, err := Compile("test", `function F() print("a", 1, nil, {}) end`)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	runtime := NewRuntime(Options{Limits: DefaultLimits(), Print: func(line string) { lines = append(lines, line) }})
	if _, err := runtime.Call(context.Background(), script, "F", 0); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a\t1\tnil\ttable"}, lines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
