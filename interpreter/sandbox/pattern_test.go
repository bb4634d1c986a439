package sandbox

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestPatterns has the examples of the Lua 5.1 manual and the corners of each item.
func TestPatterns(t *testing.T) {
	for _, test := range []struct {
		call string
		want []any
	}{
		{`string.find("hello", "l")`, []any{int64(3), int64(3)}},
		{`string.find("hello", "xyz")`, []any{}},
		{`string.find("a.b", ".", 1, true)`, []any{int64(2), int64(2)}},
		{`string.find("a+b", "%+")`, []any{int64(2), int64(2)}},
		{`string.find("hello", "l", -1)`, []any{}},
		{`string.find("hello", "", 10)`, []any{int64(6), int64(5)}},
		{`string.find("k=v", "(%w+)=(%w+)")`, []any{int64(1), int64(3), "k", "v"}},
		{`string.match("v1.28.3+k3s", "^v(%d+)%.(%d+)")`, []any{"1", "28"}},
		{`string.match("  trim  ", "^%s*(.-)%s*$")`, []any{"trim"}},
		{`string.match("[[x]]", "%[(%b[])%]")`, []any{"[x]"}},
		{`string.match("THE (quick) fox", "%((%a+)%)")`, []any{"quick"}},
		{`string.match("key = value", "(%a+)%s*=%s*(%a+)")`, []any{"key", "value"}},
		{`string.match("2024-01-31", "(%d%d%d%d)-(%d%d)-(%d%d)")`, []any{"2024", "01", "31"}},
		{`string.match("hello", "()ll()")`, []any{int64(3), int64(5)}},
		{`string.match([["it's"]], "([\"'])(.-)%1")`, []any{`"`, "it's"}},
		{`string.match("THE (quick) fox", "%f[%a]%a+%f[%A]", 5)`, []any{"quick"}},
		{`string.match("a-b_c", "[%w_-]+")`, []any{"a-b_c"}},
		{`string.match("x]y", "[]]")`, []any{"]"}},
		{`string.match("x^y", "[x^]+")`, []any{"x^"}},
		{`string.match("abc", "[^a-b]")`, []any{"c"}},
		{`string.match("color", "colou?r")`, []any{"color"}},
		{`string.match("aaa", "a-$")`, []any{"aaa"}},
		{`string.match("500m", "^(%d+)(%a*)$")`, []any{"500", "m"}},
		{`string.match("a$", "a%$")`, []any{"a$"}},
		{`string.match("a$b", "$b")`, []any{"$b"}},
		{`string.match("0x1F", "%x+$")`, []any{"1F"}},
		{`string.gsub("hello world", "(%w+)", "%1 %1")`, []any{"hello hello world world", int64(2)}},
		{`string.gsub("hello world", "%w+", "%0 %0", 1)`, []any{"hello hello world", int64(1)}},
		{`string.gsub("abc", "", "-")`, []any{"-a-b-c-", int64(4)}},
		{`string.gsub("abc", "b*", "-")`, []any{"-a--c-", int64(4)}},
		{`string.gsub("$name is $age", "%$(%w+)", {name = "x", age = 7})`, []any{"x is 7", int64(2)}},
		{`string.gsub("abc", "%w", function(c) if c == "b" then return "B" end end)`, []any{"aBc", int64(3)}},
		{`string.gsub("aaa", "^a", "b")`, []any{"baa", int64(1)}},
		{`string.gsub("a b", " ", "%%")`, []any{"a%b", int64(1)}},
		{`(function() local t = {} for k, v in string.gmatch("a=1, b=2", "(%w+)=(%w+)") do t[#t + 1] = k .. v end return unpack(t) end)()`, []any{"a1", "b2"}},
		{`(function() local n = 0 for w in string.gmatch("", "x*") do n = n + 1 end return n end)()`, []any{int64(1)}},
		{`string.format("%5.2f|%-4d|%04d|%s|%q|%x|%c|%%", 3.14159, 7, 42, "s", "q", 255, 65)`, []any{` 3.14|7   |0042|s|"q"|ff|A|%`}},
	} {
		t.Run(test.call, func(t *testing.T) {
			results, err := run(t, "function F() return {"+test.call+"} end")
			if err != nil {
				t.Fatal(err)
			}
			got, err := results[0].Decoded([]any{})
			if err != nil {
				t.Fatal(err)
			}
			if list, ok := got.(map[string]any); ok && len(list) == 0 {
				got = []any{}
			}
			if diff := cmp.Diff(any(test.want), got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPatternFaults(t *testing.T) {
	for _, call := range []string{
		`string.find("a", "[a")`, `string.find("a", "%")`, `string.find("a", "(a")`, `string.match("a", "a)")`, `string.find("a", "%1")`,
		`string.find("ab", "%b")`, `string.find("a", "%f")`, `string.gsub("a", "a", "%2")`, `string.gsub("a", "a", true)`,
		`string.gsub("a", "a", {a = {}})`, `string.find("a", "[%")`, `string.find("a", "[]")`, `string.find("a", "[^]")`,
		`string.format("%", 1)`, `string.format("%y", 1)`, `string.format("%d")`, `string.rep()`,
	} {
		if _, err := run(t, "function F() return "+call+" end"); err == nil {
			t.Errorf("%s: no error", call)
		}
	}
}
