// Package control breaks nothing.
package control

import "time"

// Result waits as it should.
type Result struct{ RequeueAfter time.Duration }
