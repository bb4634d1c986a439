package eviction

import (
	"time"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// Look is the view of a binding whose clusters are these. What it may need of the template, Least, is left to the caller.
func Look(bound binding.Binding, clusters map[string]*clusterv1alpha1.Cluster, now time.Time) *View {
	return &View{
		Spec: bound.Spec, Decided: bound.Decided(), LetGo: !policy.Wants(bound), Once: Once(bound.Spec, bound.GetAnnotations()),
		Copies: bound.Status.AggregatedStatus, Now: now,
		Seen: func(cluster string) bool { return clusters[cluster] != nil && workload.Ready(clusters[cluster]) },
		Gone: func(cluster string) bool { return clusters[cluster] == nil },
	}
}
