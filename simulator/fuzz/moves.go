package fuzz

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/api/names"
)

// rebalancers are so many at most at a time.
const rebalancers = 4

// moves asks for fresh placements of workloads, now and then for others of the same request, and for some that there are not.
func (g *generator) moves() {
	for g.at = g.size.calm; g.at < g.scenario.Duration.Duration-g.size.calm; g.at += g.within(g.size.requests) {
		request := g.rebalancer(g.random.IntN(rebalancers))
		if g.random.IntN(4) == 0 {
			g.step(Step{Do: Delete, Object: reference(request)})
			g.at += pick(g, paces)
		}
		g.step(Step{Do: Apply, Object: request})
	}
}

// rebalancer draws the workloads of a request, how many may move at once, and how long it stays when it is through.
func (g *generator) rebalancer(i int) *unstructured.Unstructured {
	made := object("apps.karmada.io/v1alpha1", "WorkloadRebalancer", "", fmt.Sprintf("r%d", i))
	made.SetAnnotations(map[string]string{names.AnnotationAtOnce: pick(g, []string{"1", "2", "50%", "100%"})})
	workloads := []any{}
	for range 1 + g.random.IntN(4) {
		chosen := pick(g, g.workloads)
		one := map[string]any{"apiVersion": chosen.GetAPIVersion(), "kind": chosen.GetKind(), "name": chosen.GetName()}
		if chosen.GetNamespace() != "" {
			one["namespace"] = chosen.GetNamespace()
		}
		switch g.random.IntN(6) {
		case 0:
			one["name"] = "missing"
		case 1:
			one["name"] = names.RebalanceEvery
		}
		workloads = append(workloads, one)
	}
	spec := map[string]any{"workloads": workloads}
	if g.random.IntN(3) > 0 {
		spec["ttlSecondsAfterFinished"] = pick(g, []int64{0, 20, 200})
	}
	made.Object["spec"] = spec
	return made
}
