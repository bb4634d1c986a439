package sandbox

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestConversion(t *testing.T) {
	object := map[string]any{
		"list": []any{}, "object": map[string]any{}, "int": int64(3), "float": float64(3), "fraction": 0.5, "yes": true, "text": "é",
		"large": int64(9007199254740993), "nested": []any{map[string]any{"list": []any{}, "object": map[string]any{}}},
	}
	for _, test := range []struct {
		name, body string
		want       any
	}{
		{"untouched", `return o`, object},
		{"moved", `return {a = o.list, b = o.object, c = o.large, d = o.nested}`, map[string]any{
			"a": []any{}, "b": map[string]any{}, "c": int64(9007199254740993), "d": object["nested"]}},
		{"new where the original is empty", `o.list, o.object = {}, {} return {list = o.list, object = o.object}`, map[string]any{
			"list": []any{}, "object": map[string]any{}}},
		{"new elsewhere", `return {unknown = {}, known = 1, list2 = {{}}}`, map[string]any{"known": int64(1), "list2": []any{map[string]any{}}}},
		{"emptied", `o.nested[1] = nil return {nested = o.nested}`, map[string]any{}},
		{"integers", `return {o.int + 1, o.float, o.int / 2, -0}`, []any{int64(4), int64(3), 1.5, int64(0)}},
		{"nothing", `return {}`, map[string]any{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			results, err := run(t, "function F(o) "+test.body+" end", object)
			if err != nil {
				t.Fatal(err)
			}
			got, err := results[0].Decoded(object)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestConversionFaults(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"itself", `local t = {} t.a = t return t`, "a table that contains itself"},
		{"deep", `local t = {} for i = 1, 1000 do t = {t} end return t`, "nested deeper"},
		{"many times over", `local t = {} for i = 1, 60 do t = {t, t} end return t`, "bytes"},
		{"function", `return {a = {print}}`, "a[0]: a function is no data"},
		{"not a number", `return {a = 0/0}`, "a: the number NaN"},
		{"infinite", `return {a = {b = 1/0}}`, "a.b: the number +Inf"},
		{"too large", `return {a = 2^60 + 5}`, "beyond 2^53"},
		{"ambiguous", `return {a = o[1]}`, "beyond 2^53"},
		{"hole", `return {a = {1, nil, 3}}`, "a: a list with place 3 but without place 2"},
		{"mixed", `return {a = {1, x = 2}}`, `the key "x"`},
		{"key", `return {a = {[true] = 1}}`, "a table with a boolean as key"},
		{"encoding", `return {a = "\255"}`, "is not UTF-8"},
	} {
		t.Run(test.name, func(t *testing.T) {
			results, err := run(t, "function F(o)\n"+test.body+"\nend", []any{int64(9007199254740993), int64(9007199254740992)})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := results[0].Decoded(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, error %v, want %q", got, err, test.want)
			}
		})
	}
}

// TestRoundTrip gives back what scripts do not touch, whatever it is.
func TestRoundTrip(t *testing.T) {
	script, err := Compile("test", `function F(o) return {o} end`)
	if err != nil {
		t.Fatal(err)
	}
	runtime := NewRuntime(Options{Limits: DefaultLimits()})
	random := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		value := randomValue(random, 4)
		results, err := runtime.Call(context.Background(), script, "F", 1, value)
		if err != nil {
			t.Fatal(err)
		}
		got, err := results[0].Decoded([]any{value})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(any([]any{value}), got); diff != "" {
			t.Fatalf("(-want +got):\n%s", diff)
		}
	}
}

func randomValue(random *rand.Rand, depth int) any {
	if depth == 0 {
		return []any{random.Int64() - random.Int64(), random.Float64(), "text", true}[random.IntN(4)]
	}
	switch random.IntN(3) {
	case 0:
		list := []any{}
		for range random.IntN(4) {
			list = append(list, randomValue(random, depth-1))
		}
		return list
	default:
		object := map[string]any{}
		for range random.IntN(4) {
			object[string(rune('a'+random.IntN(26)))] = randomValue(random, depth-1)
		}
		return object
	}
}

func FuzzConversion(f *testing.F) {
	f.Add(`{["a"] = {1, 2, {}}}`)
	f.Add(`{[1] = 2, [3] = 4}`)
	f.Add(`{{{{}}}, x = {[true] = 1}}`)
	f.Fuzz(func(t *testing.T, expression string) {
		script, err := Compile("fuzz", "function F(o) return "+expression+" end")
		if err != nil {
			return
		}
		runtime := NewRuntime(Options{Limits: Limits{Instructions: 100_000, Bytes: 1 << 20}})
		results, err := runtime.Call(context.Background(), script, "F", 1, map[string]any{"a": []any{int64(1) << 60}})
		if err != nil {
			return
		}
		_, _ = results[0].Decoded()
	})
}

// FuzzScript must not hang, panic or take more memory than its limits allow, and must answer the same when asked again.
func FuzzScript(f *testing.F) {
	f.Add(`function F(o) o.a = o.b .. #o.c return o end`)
	f.Add(`local t = {} for i = 1, 10 do t[i], t[-i] = i, {i} end F = function() return t end`)
	f.Add(`function F(...) return select(2, ...), ("x"):rep(3):gsub(".", "%0%0") end`)
	f.Add(`goto a ::a:: while true do break end repeat local x = 1 until x F = print`)
	f.Add(`function F(o) for k, v in pairs(o) do o[k] = nil o[#o + 1] = v end return table.concat(o, string.format("%5s", "é")) end`)
	f.Add(`function F() return pcall(error, {1}), xpcall(F, error), unpack({1, 2}), string.find("a(b)", "%((.-)%)") end`)
	f.Fuzz(func(t *testing.T, source string) {
		script, err := Compile("fuzz", source)
		if err != nil {
			return
		}
		runtime := NewRuntime(Options{Limits: Limits{Instructions: 100_000, Bytes: 1 << 20}})
		object := map[string]any{"a": "x", "b": "y", "c": []any{int64(1), "z"}, "d": map[string]any{}}
		ask := func() (any, string) {
			results, err := runtime.Call(context.Background(), script, "F", 1, object)
			if err != nil {
				return nil, err.Error()
			}
			value, err := results[0].Decoded(object)
			if err != nil {
				return nil, err.Error()
			}
			return value, ""
		}
		first, firstFault := ask()
		second, secondFault := ask()
		if diff := cmp.Diff(first, second); diff != "" || firstFault != secondFault {
			t.Errorf("two answers: %q, %q\n%s", firstFault, secondFault, diff)
		}
	})
}

func BenchmarkCall(b *testing.B) {
	script, err := Compile("test", `function F(o) return o.spec.replicas end`)
	if err != nil {
		b.Fatal(err)
	}
	runtime := NewRuntime(Options{Limits: DefaultLimits()})
	object := map[string]any{"spec": map[string]any{"replicas": int64(3)}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runtime.Call(context.Background(), script, "F", 1, object); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkInstructions(b *testing.B) {
	script, err := Compile("test", `function F(n) local s = 0 for i = 1, n do s = s + i end return s end`)
	if err != nil {
		b.Fatal(err)
	}
	runtime := NewRuntime(Options{Limits: DefaultLimits()})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := runtime.Call(context.Background(), script, "F", 1, int64(100_000)); err != nil {
			b.Fatal(err)
		}
	}
}
