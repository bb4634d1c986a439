package render

import (
	"fmt"
	"testing"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/internal/byhand"
)

// BenchmarkTurn is a turn of a binding to ten clusters that finds all Works as they should be.
func BenchmarkTurn(b *testing.B) {
	plane := byhand.New(b, New(eviction.Defaults(), 1))
	var clusters []string
	for i := range 10 {
		clusters = append(clusters, fmt.Sprintf("m%d", i))
	}
	key := control.KeyOf(bound(plane, clusters...))
	plane.Turn(key)
	for b.Loop() {
		plane.Turn(key)
	}
}
