// Package live may know every verb, the real clients and the real time.
package live

import (
	"time"

	_ "k8s.io/client-go/kubernetes"

	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/controllers/execute"
)

// Start is a driver's right.
var Start = time.Now()
