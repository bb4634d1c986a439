package inflight

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// Mark is the present end of the ledger, for Since.
func (l *Ledger) Mark() uint64 { return l.sequence }

// Since is what a cluster is to have that was assumed after the mark.
func (l *Ledger) Since(cluster string, mark uint64) []estimator.AssumedWorkload {
	account := l.clusters[cluster]
	if account == nil {
		return nil
	}
	var later []estimator.AssumedWorkload
	for _, e := range account.entries {
		if e.sequence > mark {
			component := e.component
			component.Replicas = int32(min(e.replicas, 1<<30))
			later = append(later, estimator.AssumedWorkload{Namespace: e.namespace, Components: []workv1alpha2.Component{component}})
		}
	}
	return later
}

// Displaced bounds from above how many of the replicas or sets that fit into a cluster no longer do beside the assumed
// workloads, wherever those run. On one node a pod takes the room of as many replicas as its largest request holds, rounded
// up; of a set it takes one component at a time.
func Displaced(assumed []estimator.AssumedWorkload, spec *workv1alpha2.ResourceBindingSpec) int64 {
	var lost int64
	for i := range assumed {
		for _, taken := range assumed[i].Components {
			most := int64(1)
			for _, unit := range componentsOf(spec) {
				most = max(most, roundedUp(requestOf(taken), requestOf(unit)))
			}
			lost += most * int64(taken.Replicas)
		}
	}
	return lost
}

func requestOf(component workv1alpha2.Component) corev1.ResourceList {
	if component.ReplicaRequirements == nil {
		return nil
	}
	return component.ReplicaRequirements.ResourceRequest
}

// roundedUp is how many units one amount covers in the resource where it covers most.
func roundedUp(amount, unit corev1.ResourceList) int64 {
	var most int64
	for name, size := range unit {
		part, wanted := value(name, amount[name]), value(name, size)
		if wanted > 0 && part > 0 {
			most = max(most, (part-1)/wanted+1)
		}
	}
	return most
}

// value counts CPU in thousandths.
func value(name corev1.ResourceName, quantity resource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return quantity.MilliValue()
	}
	return quantity.Value()
}
