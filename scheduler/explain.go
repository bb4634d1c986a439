package scheduler

import (
	"context"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Explanation tells why a binding goes where it goes.
type Explanation struct {
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// NotServed is empty, or why no scheduler of these settings looks at the binding.
	NotServed string `json:"notServed,omitempty"`
	// Stored are the targets the binding has, Decided those of a decision made now.
	Stored  []workv1alpha2.TargetCluster `json:"stored"`
	Decided []workv1alpha2.TargetCluster `json:"decided"`
	// Term is the affinity term in force.
	Term string `json:"term,omitempty"`
	// Obstacle is empty, or what stands in the way.
	Obstacle string `json:"obstacle,omitempty"`
	// Concessions say which spread constraints gave way.
	Concessions []string             `json:"concessions,omitempty"`
	Clusters    []ClusterExplanation `json:"clusters"`
	// InFlightExcluded says that capacities do not heed what was assigned and clusters do not report yet. The scheduler itself
	// heeds it.
	InFlightExcluded bool `json:"inFlightExcluded"`
}

// ClusterExplanation tells what was decided about one cluster.
type ClusterExplanation struct {
	Name string `json:"name"`
	// Leaving clusters are not judged.
	Leaving bool `json:"leaving,omitempty"`
	// Rejections are why the cluster was filtered out.
	Rejections []Reason `json:"rejections,omitempty"`
	Scores     []Score  `json:"scores,omitempty"`
	// Score is the sum of the scores.
	Score int64 `json:"score"`
	// Overflow is 0 for clusters of the affinity itself and counts its overflow affinities from 1.
	Overflow int `json:"overflow,omitempty"`
	// Capacity is how much the cluster can take in addition, in replicas or sets of components; absent when nobody knows or
	// nothing is divided by it.
	Capacity *int64 `json:"capacity,omitempty"`
	// Doubt is empty, or says that the capacity is not what the nodes of the cluster have now.
	Doubt *Doubt `json:"doubt,omitempty"`
	// Held is what the cluster has of the last decision.
	Held int64 `json:"held"`
	// Selected says that the spread constraints chose the cluster, Share how many replicas it gets.
	Selected bool  `json:"selected"`
	Share    int32 `json:"share"`
}

// Doubt says what a capacity stands for, and why.
type Doubt struct {
	// Kind is Summary, Stale or Partial.
	Kind   placement.DoubtKind `json:"kind"`
	Reason string              `json:"reason"`
}

// Reason is why one plugin rejects a cluster.
type Reason struct {
	Plugin string `json:"plugin"`
	Reason string `json:"reason"`
}

// Score is what one plugin gives a cluster.
type Score struct {
	Plugin string `json:"plugin"`
	Score  int64  `json:"score"`
}

// Explain makes a decision for a binding and tells how it came about. It waits for extenders and estimators as Decide does.
// Clusters are in ascending order of name.
func (o Options) Explain(ctx context.Context, bound binding.Binding, fleet *placement.Snapshot) Explanation {
	o = o.withDefaults()
	decision := o.Decide(ctx, bound, fleet)
	told := Explanation{
		Namespace: bound.GetNamespace(), Name: bound.GetName(), NotServed: o.refusal(bound),
		Stored: bound.Spec.Clusters, Decided: decision.Clusters, Term: decision.Term, Clusters: []ClusterExplanation{},
		Concessions: decision.Concessions, InFlightExcluded: !o.Overcommit,
	}
	if decision.Err != nil {
		told.Obstacle = makeLegible(&decision).Error()
	}
	doubts := map[string]*Doubt{}
	for _, doubt := range decision.Doubts {
		doubts[doubt.Cluster] = &Doubt{doubt.Kind, doubt.Reason}
	}
	for _, verdict := range decision.Verdicts() {
		cluster := explain(verdict)
		cluster.Doubt = doubts[cluster.Name]
		told.Clusters = append(told.Clusters, cluster)
	}
	return told
}

func explain(verdict placement.Verdict) ClusterExplanation {
	told := ClusterExplanation{
		Name: verdict.Cluster, Leaving: verdict.Terminating, Overflow: verdict.Tier, Held: verdict.Held, Selected: verdict.Selected, Share: verdict.Share,
	}
	for _, rejection := range verdict.Rejections {
		told.Rejections = append(told.Rejections, Reason{rejection.Plugin, rejection.Reason})
	}
	for _, score := range verdict.Scores {
		told.Scores = append(told.Scores, Score{score.Plugin, score.Score})
		told.Score += score.Score
	}
	judged := len(verdict.Rejections) == 0 && !verdict.Terminating
	if judged && verdict.Capacity != int64(placement.Unknown) && verdict.Capacity != int64(placement.Unlimited) {
		told.Capacity = &verdict.Capacity
	}
	return told
}
