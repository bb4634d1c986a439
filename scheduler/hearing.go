package scheduler

import (
	"context"
	"fmt"
	"slices"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/inflight"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// maxHearings bounds how often extenders are asked anew in one turn because clusters became candidates meanwhile.
const maxHearings = 3

// question is what extenders and estimators are to be asked about one attempt. It is taken from the fleet and the ledger at one
// moment, and asked when no lock is held any more.
type question struct {
	candidates *placement.CandidateSet
	estimate   estimator.Question
	// mark is where the ledger stood: what came later is not in the answers.
	mark uint64
	// err says what keeps it from being asked.
	err error
}

// hearing is what was heard about one attempt.
type hearing struct {
	rounds int
	// asked are the clusters extenders were asked about, ascending.
	asked    []string
	verdicts []placement.Foreign
	answers  map[string]estimator.Answer
	mark     uint64
	// err is why an extender gave no verdicts.
	err error
}

// hearings are kept by affinity term. Those of one turn serve no other: they age.
type hearings map[string]*hearing

func (h hearings) add(asked *question, heard *hearing) {
	term := asked.candidates.Request().Term
	if before := h[term]; before != nil {
		heard.rounds = before.rounds
	}
	heard.rounds++
	h[term] = heard
}

// asks tells whether candidates have to be asked about. A cluster that extenders have not seen is no candidate yet: they might
// reject it. Estimators only make an estimate better, and are asked once.
func (o Options) asks(candidates *placement.CandidateSet, heard *hearing) bool {
	switch {
	case o.Gather == nil && (o.Estimators == nil || candidates.Demand() == placement.DemandNone), candidates.Len() == 0:
		return false
	case heard == nil:
		return true
	}
	return heard.rounds < maxHearings && heard.err == nil && o.unseen(candidates, heard) > 0
}

// unseen counts the candidates that extenders were not asked about.
func (o Options) unseen(candidates *placement.CandidateSet, heard *hearing) int {
	if o.Gather == nil || heard == nil {
		return 0
	}
	count := 0
	for i := range candidates.Len() {
		if _, asked := slices.BinarySearch(heard.asked, candidates.Name(i)); !asked {
			count++
		}
	}
	return count
}

// failure is why a decision by what was heard would be unsound, nil when it is not.
func (h *hearing) failure(o Options, candidates *placement.CandidateSet) error {
	if h == nil {
		return nil
	}
	err := h.err
	if unseen := o.unseen(candidates, h); err == nil && unseen > 0 {
		err = fmt.Errorf("asking extenders: %d clusters became candidates while they were asked, %d times in a row; trying again", unseen, h.rounds)
	}
	if err == nil {
		return nil
	}
	return &framework.PluginError{Plugin: "extenders", Err: err}
}

func (h *hearing) apply(candidates *placement.CandidateSet) *placement.CandidateSet {
	if h == nil || len(h.verdicts) == 0 {
		return candidates
	}
	return candidates.Apply(h.verdicts...)
}

// nodes is what the estimator of a cluster said, less what was assigned since it was asked; placement.Unknown when it said
// nothing. A doubt says why that is not what the nodes are now.
func (h *hearing) nodes(cluster string, spec *workv1alpha2.ResourceBindingSpec, ledger *inflight.Ledger) (int32, *placement.Doubt) {
	var answer estimator.Answer
	asked := false
	if h != nil {
		answer, asked = h.answers[cluster]
	}
	switch {
	case !asked:
		return placement.Unknown, &placement.Doubt{Cluster: cluster, Kind: placement.DoubtSummary, Reason: "its estimator was not asked"}
	case answer.Err != nil:
		return placement.Unknown, &placement.Doubt{Cluster: cluster, Kind: placement.DoubtSummary, Reason: framework.Excerpt(answer.Err.Error())}
	case answer.Count < 0:
		return placement.Unknown, &placement.Doubt{Cluster: cluster, Kind: placement.DoubtSummary, Reason: fmt.Sprintf("its estimator counts %d", answer.Count)}
	}
	left := int64(answer.Count)
	if ledger != nil {
		left -= inflight.Displaced(ledger.Since(cluster, h.mark), spec)
	}
	count := int32(max(left, 0))
	switch {
	case answer.Stale:
		return count, &placement.Doubt{Cluster: cluster, Kind: placement.DoubtStale, Reason: "its estimator has lost sight of the nodes"}
	case answer.PodIgnored:
		return count, &placement.Doubt{Cluster: cluster, Kind: placement.DoubtPartial, Reason: "its estimator does not heed what pods ask of those around them"}
	}
	return count, nil
}

// question takes down what to ask.
func (o Options) question(bound binding.Binding, candidates *placement.CandidateSet, ledger *inflight.Ledger) *question {
	spec := candidates.Request().Spec
	q := &question{candidates: candidates, estimate: estimator.Question{
		Workload: bound.NamespacedName().String(), Namespace: bound.GetNamespace(), Requirements: spec.ReplicaRequirements,
	}}
	if candidates.Demand() == placement.DemandSets {
		q.estimate.Components = spec.Components
	}
	if o.Estimators != nil {
		q.estimate.Pod, q.err = estimator.ParsePodDemand(bound.GetAnnotations())
	}
	if ledger == nil {
		return q
	}
	q.mark = ledger.Mark()
	assumed := make(map[string][]estimator.AssumedWorkload, candidates.Len())
	for i := range candidates.Len() {
		if there := ledger.Assumed(candidates.Name(i)); len(there) > 0 {
			assumed[candidates.Name(i)] = there
		}
	}
	q.estimate.Assumed = func(cluster string) []estimator.AssumedWorkload { return assumed[cluster] }
	return q
}

// ask waits for extenders, then for the estimators of the clusters they leave.
func (o Options) ask(ctx context.Context, q *question) *hearing {
	heard := &hearing{asked: q.candidates.Names(), mark: q.mark, err: q.err}
	if heard.err != nil {
		return heard
	}
	if o.Gather != nil {
		if heard.verdicts, heard.err = o.Gather(ctx, q.candidates); heard.err != nil {
			return heard
		}
	}
	left := heard.apply(q.candidates)
	if o.Estimators == nil || left.Demand() == placement.DemandNone || left.Len() == 0 {
		return heard
	}
	clusters := left.Names()
	answers := o.Estimators.Estimate(ctx, q.estimate, clusters)
	heard.answers = make(map[string]estimator.Answer, len(clusters))
	for i, cluster := range clusters {
		if i < len(answers) {
			heard.answers[cluster] = answers[i]
		}
	}
	return heard
}
