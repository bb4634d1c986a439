// Package placement knows more than its arguments.
package placement

import (
	_ "k8s.io/api/core/v1"
	_ "sigs.k8s.io/controller-runtime/pkg/client" // want "core"
	_ "sort"

	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/control" // want "core"
	_ "github.com/seatrial/seatrial/internal/rules/testdata/broken/estimator"
)
