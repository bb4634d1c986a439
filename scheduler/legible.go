package scheduler

import (
	"errors"
	"strings"

	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

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

// makeLegible is the error of a decision with all that users need to know, in a form that fits. Part of what it says may come
// from plugins, extenders and annotations.
func makeLegible(decision *placement.Decision) error {
	if decision.Err == nil {
		return nil
	}
	text := decision.Obstacle()
	var failed *framework.PluginError
	if errors.As(decision.Err, &failed) {
		text = decision.Err.Error() // Not the clusters stand in the way.
	}
	if len(text) <= maxMessage && !strings.ContainsAny(text, "\n\r\t") {
		return legible{decision.Err, text}
	}
	text = strings.ReplaceAll(text, "\n", "; ")
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + "..."
	}
	return legible{decision.Err, text}
}
