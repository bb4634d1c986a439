package scheduler

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// settled is a scheduler that knows so many clusters, a third of them of the tier gold.
func settled(options Options, size int) (*scheduler, control.Deps) {
	clusters := make([]clusterv1alpha1.Cluster, size)
	for i := range clusters {
		made := roomy(fmt.Sprintf("m%04d", i), int64(100+i))
		made.Labels = map[string]string{"tier": []string{"gold", "silver", "bronze"}[i%3]}
		clusters[i] = *made
	}
	made := newScheduler(options)
	made.fleet.Sync(clusters)
	return made, control.Deps{Clock: testclock.NewFakePassiveClock(time.Unix(1, 0))}
}

// BenchmarkSettle decides on one binding over and over, in a fleet of a hundred clusters; the estimators answer at once.
func BenchmarkSettle(b *testing.B) {
	for name, options := range map[string]Options{
		"plain": {Name: "default-scheduler"},
		"estimators": {Name: "default-scheduler", Estimators: estimateFunc(func(_ estimator.Question, clusters []string) []estimator.Answer {
			return make([]estimator.Answer, len(clusters))
		})},
	} {
		b.Run(name, func(b *testing.B) {
			made, deps := settled(options, 100)
			bound := asking(20)
			b.ReportAllocs()
			for b.Loop() {
				_, undo := made.settle(b.Context(), deps, bound)
				undo()
			}
		})
	}
}

// BenchmarkShared decides on bindings of one policy, which selects a third of the fleet by a label; alone, nothing is kept from
// one decision for the next.
func BenchmarkShared(b *testing.B) {
	for _, size := range []int{100, 1000} {
		for _, alone := range []bool{false, true} {
			name := "shared"
			if alone {
				name = "alone"
			}
			b.Run(fmt.Sprintf("%s/%d", name, size), func(b *testing.B) {
				made, deps := settled(Options{Name: "default-scheduler"}, size)
				bindings := make([]binding.Binding, 16)
				for i := range bindings {
					bindings[i] = asking(20)
					bindings[i].Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{
						LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "gold"}},
					}
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					if alone {
						made.batch = placement.NewBatch(made.fleet.Current())
					}
					_, undo := made.settle(b.Context(), deps, bindings[i%len(bindings)])
					undo()
				}
			})
		}
	}
}
