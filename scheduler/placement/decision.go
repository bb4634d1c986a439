package placement

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Decision is the outcome of one attempt.
type Decision struct {
	// Term is the affinity term that was in force.
	Term string
	// Clusters is the new list of targets, in the order in which it is to be stored; empty with an error.
	Clusters []workv1alpha2.TargetCluster
	// Err is nil on success, a *FitError when no cluster passes the filters, an *UnschedulableError when capacity is
	// missing, another error otherwise.
	Err error
	// Concessions say in words which spread constraints gave way, and how far.
	Concessions []string
	// Kept is empty, or why clusters that are to be evicted are still among the targets. The caller sets it: that others cannot
	// take their place comes out of another attempt.
	Kept string
	// Doubts are about capacities that are less certain than the caller asked for, in ascending order of cluster name. The
	// caller adds them: Assign knows numbers only.
	Doubts []Doubt

	candidates *CandidateSet
	estimated  []candidate
	selected   []candidate
}

// Doubt says why the capacity of one cluster is less certain than it could be.
type Doubt struct {
	Cluster string
	Kind    DoubtKind
	Reason  string
}

// DoubtKind tells what a capacity in doubt stands for.
type DoubtKind string

const (
	// DoubtSummary is by the resource summary of the cluster alone: nobody looked at its nodes.
	DoubtSummary DoubtKind = "Summary"
	// DoubtStale is by the nodes as they were at an earlier moment.
	DoubtStale DoubtKind = "Stale"
	// DoubtPartial is by the nodes, but not by all the workload asks of them.
	DoubtPartial DoubtKind = "Partial"
)

// UnschedulableError says that the clusters cannot take all replicas now.
type UnschedulableError struct {
	Message string
}

// Error is the message.
func (e *UnschedulableError) Error() string { return e.Message }

// FitError says that no cluster passes the filters.
type FitError struct {
	// Total counts the clusters of the fleet, terminating ones included.
	Total int
	// Rejections are the reasons by cluster, in ascending order of name. Terminating clusters are not judged.
	Rejections []ClusterRejections
	// Foreign says that some cluster passes all filters of this package, and others reject it.
	Foreign bool
}

// ClusterRejections are all reasons why one cluster was left out.
type ClusterRejections struct {
	Cluster    string
	Rejections []Rejection
}

// Rejection is the reason of one plugin.
type Rejection struct {
	Plugin string
	Reason string
}

// Error counts the clusters by their first reason.
func (e *FitError) Error() string {
	if len(e.Rejections) == 0 {
		return fmt.Sprintf("0/%d clusters are available: no cluster exists.", e.Total)
	}
	counts := map[string]int{}
	for _, cluster := range e.Rejections {
		counts[cluster.Rejections[0].Reason]++
	}
	parts := make([]string, 0, len(counts))
	for reason, count := range counts {
		parts = append(parts, fmt.Sprintf("%d %s", count, reason))
	}
	slices.Sort(parts)
	return fmt.Sprintf("0/%d clusters are available: %s.", e.Total, strings.Join(parts, ", "))
}

// Verdict explains what was decided about one cluster.
type Verdict struct {
	Cluster string
	// Terminating clusters are not judged.
	Terminating bool
	// Rejections are the reasons of all plugins that reject the cluster; none for a candidate.
	Rejections []Rejection
	// Scores are the scores of a candidate by plugin.
	Scores []Score
	// Tier is 0 for the clusters of the affinity itself and counts its overflow affinities from 1.
	Tier int
	// Capacity is the estimate the division worked with, in replicas or sets, and Held what the cluster had before.
	Capacity int64
	Held     int64
	// Selected says that the spread constraints chose the cluster.
	Selected bool
	// Share is the number of replicas assigned.
	Share int32
}

// Score is what one plugin gave to a cluster.
type Score struct {
	Plugin string
	Score  int64
}

// Verdicts explains every cluster of the snapshot, in ascending order of name. A decision that failed before any cluster was
// judged has none.
func (d *Decision) Verdicts() []Verdict {
	c := d.candidates
	if c == nil {
		return nil
	}
	verdicts := make([]Verdict, len(c.snapshot.names))
	for row := range verdicts {
		verdicts[row] = Verdict{
			Cluster:     c.snapshot.names[row],
			Terminating: c.snapshot.terminating[row],
			Rejections:  c.rejections(int32(row)),
		}
	}
	judged := d.estimated
	if judged == nil {
		judged = c.candidates
	}
	for i := range judged {
		candidate := &judged[i]
		verdict := &verdicts[candidate.row]
		verdict.Scores = c.scores(candidate)
		verdict.Tier = int(candidate.tier)
		verdict.Capacity, verdict.Held = int64(candidate.capacity), int64(candidate.held)
	}
	for i := range d.selected {
		verdicts[d.selected[i].row].Selected = true
	}
	for i := range d.Clusters {
		verdicts[c.snapshot.rows[d.Clusters[i].Name]].Share = d.Clusters[i].Replicas
	}
	return verdicts
}

// PriceList is that of the snapshot the decision was made on, 0 for one that failed before any cluster was judged.
func (d *Decision) PriceList() uint64 {
	if d.candidates == nil {
		return 0
	}
	return d.candidates.snapshot.PriceList()
}

// Move is a change of the replicas of one cluster.
type Move struct {
	Cluster string
	// From and To are the replicas before and after; Leaves and Enters tell a cluster with no replicas from one without the
	// workload.
	From, To       int32
	Enters, Leaves bool
}

// Moves compares the last decision of the request with the new one, in ascending order of cluster name. Clusters that stay
// as they are do not appear. A failed decision moves nothing.
func (d *Decision) Moves() []Move {
	if d.Err != nil || d.candidates == nil {
		return nil
	}
	byCluster := map[string]Move{}
	for _, before := range d.candidates.request.Spec.Clusters {
		byCluster[before.Name] = Move{Cluster: before.Name, From: before.Replicas, Leaves: true}
	}
	for _, after := range d.Clusters {
		move, known := byCluster[after.Name]
		move.Cluster, move.To, move.Enters, move.Leaves = after.Name, after.Replicas, !known, false
		byCluster[after.Name] = move
	}
	moves := make([]Move, 0, len(byCluster))
	for _, move := range byCluster {
		if move.From != move.To || move.Enters || move.Leaves {
			moves = append(moves, move)
		}
	}
	slices.SortFunc(moves, func(a, b Move) int { return strings.Compare(a.Cluster, b.Cluster) })
	return moves
}

func (c *CandidateSet) rejections(row int32) []Rejection {
	var list []Rejection
	for plugin := range filterPlugins {
		if c.rejecting[row].Has(plugin) {
			list = append(list, Rejection{plugin.String(), c.filter.reason(plugin, row)})
		}
	}
	for _, verdict := range c.foreign[row] {
		if verdict.Reason != "" {
			list = append(list, Rejection{verdict.Plugin, verdict.Reason})
		}
	}
	return list
}

func (c *CandidateSet) scores(candidate *candidate) []Score {
	scores := []Score{{ClusterAffinity.String(), 0}, {ClusterLocality.String(), c.localityOf(candidate.row)}}
	if c.request.scores(ClusterPrice) {
		own := candidate.score - c.localityOf(candidate.row)
		for _, verdict := range c.foreign[candidate.row] {
			own -= verdict.Score
		}
		scores = append(scores, Score{ClusterPrice.String(), own})
	}
	for _, verdict := range c.foreign[candidate.row] {
		scores = append(scores, Score{verdict.Plugin, verdict.Score})
	}
	slices.SortStableFunc(scores, func(a, b Score) int { return cmp.Compare(a.Plugin, b.Plugin) })
	return scores
}

func (c *CandidateSet) fitError() *FitError {
	err := &FitError{Total: c.snapshot.Len()}
	for row, name := range c.snapshot.names {
		if !c.snapshot.terminating[row] {
			err.Rejections = append(err.Rejections, ClusterRejections{name, c.rejections(int32(row))})
			err.Foreign = err.Foreign || c.rejecting[row] == 0
		}
	}
	return err
}
