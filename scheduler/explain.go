package scheduler

import (
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
	Obstacle string               `json:"obstacle,omitempty"`
	Clusters []ClusterExplanation `json:"clusters"`
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
	// Held is what the cluster has of the last decision.
	Held int64 `json:"held"`
	// Selected says that the spread constraints chose the cluster, Share how many replicas it gets.
	Selected bool  `json:"selected"`
	Share    int32 `json:"share"`
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

// Explain makes a decision for a binding and tells how it came about. Clusters are in ascending order of name.
func (o Options) Explain(bound binding.Binding, fleet *placement.Snapshot) Explanation {
	decision := o.Decide(bound, fleet)
	told := Explanation{
		Namespace: bound.GetNamespace(), Name: bound.GetName(), NotServed: o.refusal(bound),
		Stored: bound.Spec.Clusters, Decided: decision.Clusters, Term: decision.Term, Clusters: []ClusterExplanation{},
	}
	if decision.Err != nil {
		told.Obstacle = decision.Err.Error()
	}
	if _, err := placement.ParsePreferences(bound.GetAnnotations()); err != nil {
		// No cluster was judged.
		return told
	}
	for _, verdict := range decision.Verdicts() {
		told.Clusters = append(told.Clusters, explain(verdict))
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
