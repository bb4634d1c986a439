package scheduler

import "strings"

// maxMessage is well below the 32 KiB that the API server lets a condition say.
const maxMessage = 8 << 10

// legible is an error that fits into a condition: one line, not too long.
type legible struct {
	error
	text string
}

// Error is the text that fits.
func (l legible) Error() string { return l.text }

// Unwrap is the error as it was.
func (l legible) Unwrap() error { return l.error }

// makeLegible leaves an error alone that fits. Part of what it says may come from plugins, extenders and annotations.
func makeLegible(err error) error {
	if err == nil {
		return nil
	}
	text := err.Error()
	if len(text) <= maxMessage && !strings.ContainsAny(text, "\n\r\t") {
		return err
	}
	text = strings.ReplaceAll(text, "\n", "; ")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return legible{err, text}
}
