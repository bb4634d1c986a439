// Package execute breaks nothing.
package execute

import _ "github.com/seatrial/seatrial/internal/rules/testdata/broken/control"
