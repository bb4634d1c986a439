package scheduler

import (
	"fmt"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
)

// BenchmarkSettle decides on one binding over and over, in a fleet of a hundred clusters; the estimators answer at once.
func BenchmarkSettle(b *testing.B) {
	var clusters []clusterv1alpha1.Cluster
	for i := range 100 {
		clusters = append(clusters, *roomy(fmt.Sprintf("m%02d", i), int64(100+i)))
	}
	for name, options := range map[string]Options{
		"plain": {Name: "default-scheduler"},
		"estimators": {Name: "default-scheduler", Estimators: estimateFunc(func(_ estimator.Question, clusters []string) []estimator.Answer {
			return make([]estimator.Answer, len(clusters))
		})},
	} {
		b.Run(name, func(b *testing.B) {
			made := newScheduler(options)
			made.fleet.Sync(clusters)
			deps := control.Deps{Clock: testclock.NewFakePassiveClock(time.Unix(1, 0))}
			bound := asking(20)
			b.ReportAllocs()
			for b.Loop() {
				_, undo := made.settle(b.Context(), deps, bound)
				undo()
			}
		})
	}
}
