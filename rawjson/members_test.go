package rawjson_test

import (
	"strings"
	"testing"

	"github.com/seatrial/seatrial/rawjson"
)

func TestMembers(t *testing.T) {
	for _, c := range []struct {
		data, members string
		ok            bool
	}{
		{`{}`, ``, true},
		{`{"a":1,"b":{"c":[null,"x"]},"d":"e"}`, `a=1 b={"c":[null,"x"]} d="e"`, true},
		{`{"a":1,"stop":2,"z":3}`, `a=1`, false},
		{`{"b":1,"a":2}`, `b=1`, false},
		{`{"a":1}x`, `a=1`, false},
		{`{"a":1`, ``, false},
		{`{"a":1;"b":2}`, ``, false},
		{`{"a":"\n"}`, ``, false},
		{`["a"]`, ``, false},
		{``, ``, false},
	} {
		var told []string
		ok := rawjson.Members([]byte(c.data), func(name, value []byte) bool {
			if string(name) == "stop" {
				return false
			}
			told = append(told, string(name)+"="+string(value))
			return true
		})
		if got := strings.Join(told, " "); got != c.members || ok != c.ok {
			t.Errorf("%s has the members %s (%t), want %s (%t)", c.data, got, ok, c.members, c.ok)
		}
	}
}

func TestText(t *testing.T) {
	for data, want := range map[string]string{`"a b"`: "a b", `""`: ""} {
		if got, ok := rawjson.Text([]byte(data)); !ok || got != want {
			t.Errorf("%s is %q, %t; want %q", data, got, ok, want)
		}
	}
	for _, data := range []string{``, `a`, `"a`, `"a"b`, `"\u0041"`, `1`} {
		if got, ok := rawjson.Text([]byte(data)); ok {
			t.Errorf("%s is taken for %q", data, got)
		}
	}
}
