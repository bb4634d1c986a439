package binding

import (
	"strings"
	"testing"
	"unicode/utf8"
)

// TestLongMessagesAreShortened: between two characters, and to what a status can hold.
func TestLongMessagesAreShortened(t *testing.T) {
	for _, c := range []struct {
		name, message string
		want          int
	}{
		{"short", "no room", 7},
		{"just right", strings.Repeat("x", longestMessage), longestMessage},
		{"long", strings.Repeat("x", longestMessage+1), longestMessage},
		{"long in wide characters", strings.Repeat("ü€", longestMessage), longestMessage - 1},
	} {
		got := Shortened(c.message)
		if len(got) > longestMessage || len(got) < c.want-3 || !utf8.ValidString(got) {
			t.Errorf("%s: %d bytes, valid: %t", c.name, len(got), utf8.ValidString(got))
		}
		if cut := len(c.message) > longestMessage; cut != strings.HasSuffix(got, " ...") {
			t.Errorf("%s: ends in %q", c.name, got[len(got)-5:])
		}
	}
}
