// Package render calls what it should only share objects with.
package render

import (
	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/control"
	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/controllers/execute" // want "verbs"
	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/controllers/live"    // want "verbs" "drivers" "closure"
	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/simulator"           // want "drivers"
)
