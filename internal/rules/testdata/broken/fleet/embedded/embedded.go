// Package embedded takes its settings from a command.
package embedded

import _ "github.com/seatrial/seatrial/internal/rules/testdata/broken/cmd/tool/flags" // want "cmd"
