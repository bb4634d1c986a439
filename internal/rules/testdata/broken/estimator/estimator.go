// Package estimator asks its own server.
package estimator

import (
	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/estimator/rpc" // want "core" "closure"
)
