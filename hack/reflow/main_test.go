package main

import "testing"

func TestJoinLines(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"one paragraph":        {"first\nsecond\nthird", "first second third"},
		"paragraphs stay":      {"first\nsecond\n\nthird\nfourth", "first second\n\nthird fourth"},
		"list items stay":      {"one of\n- a\n- b that\ngoes on", "one of\n- a\n- b that goes on"},
		"indented lines stay":  {"like\n  code\n  more\nafter", "like\n  code\n  more\nafter"},
		"nothing to join":      {"alone", "alone"},
		"blank line at an end": {"first\n", "first\n"},
	} {
		if got := joinLines(c.text); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}
