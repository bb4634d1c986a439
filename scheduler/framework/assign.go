package framework

import (
	"errors"
	"fmt"
	"slices"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Assign runs the Select plugins of the profile, the core, and the Assign plugins on what it decided. Capacity answers the
// candidates as in placement.Assign. What a plugin does wrong is the error of the decision, a *PluginError, and the decision
// then has no clusters.
func (p *Profile) Assign(candidates *placement.CandidateSet, capacity []int32) placement.Decision {
	if capacity != nil && len(capacity) != candidates.Len() || len(p.selectors)+len(p.assigners) == 0 {
		return placement.Assign(candidates, capacity)
	}
	request := candidates.Request()
	candidates, capacity, err := p.selects(&request, candidates, capacity)
	decision := placement.Assign(candidates, capacity)
	if err != nil {
		decision.Clusters, decision.Err = nil, err
	}
	if decision.Err != nil || !divided(&request) {
		return decision
	}
	began := p.start()
	for _, plugin := range p.assigners {
		if decision.Err = p.call(plugin, pointAssign, func() (err error) {
			decision.Clusters, err = assignBy(plugin, &request, &decision)
			return err
		}); decision.Err != nil {
			decision.Clusters, decision.Err = nil, verdictOf(decision.Err)
			break
		}
	}
	p.passed(pointAssign, decision.Err, began)
	return decision
}

// verdictOf tells a plugin that finds no room from one that fails.
func verdictOf(err error) error {
	var full *placement.UnschedulableError
	if errors.As(err, &full) {
		return full
	}
	return err
}

// selects narrows the candidates; with an error they are those the failing plugin got.
func (p *Profile) selects(request *placement.Request, candidates *placement.CandidateSet, capacity []int32) (*placement.CandidateSet, []int32, error) {
	began := p.start()
	for _, plugin := range p.selectors {
		var rejected []placement.Foreign
		if err := p.call(plugin, pointSelect, func() (err error) {
			if rejected, err = selectBy(plugin, request, candidates, capacity); err != nil {
				err = fmt.Errorf("selecting clusters by plugin %s: %w", plugin.Name(), err)
			}
			return err
		}); err != nil {
			p.passed(pointSelect, err, began)
			return candidates, capacity, err
		}
		candidates, capacity = narrow(candidates, capacity, rejected)
	}
	p.passed(pointSelect, nil, began)
	return candidates, capacity, nil
}

// selectBy lists the candidates that the plugin rejects.
func selectBy(plugin SelectPlugin, request *placement.Request, candidates *placement.CandidateSet, capacity []int32) ([]placement.Foreign, error) {
	if candidates.Len() == 0 {
		return nil, nil
	}
	list := make([]Candidate, candidates.Len())
	for i := range list {
		list[i] = Candidate{Cluster: candidates.Cluster(i), Capacity: placement.Unknown}
		if capacity != nil {
			list[i].Capacity = capacity[i]
		}
	}
	keep, result := plugin.Select(request, list)
	reason, skipped, err := read(result, plugin)
	if err != nil || skipped {
		return nil, err
	}
	if reason != "" {
		keep = nil
	} else {
		reason = "not selected by plugin " + plugin.Name()
	}
	kept := make(map[string]bool, len(keep))
	for _, name := range keep {
		kept[name] = true
	}
	var rejected []placement.Foreign
	for i := range list {
		if name := candidates.Name(i); !kept[name] {
			rejected = append(rejected, placement.Foreign{Cluster: name, Plugin: plugin.Name(), Reason: reason})
		}
		delete(kept, candidates.Name(i))
	}
	for _, name := range keep {
		if kept[name] {
			return nil, fmt.Errorf("cluster %q is not a candidate", name)
		}
	}
	return rejected, nil
}

// narrow leaves the candidates that are not rejected, with their capacities.
func narrow(candidates *placement.CandidateSet, capacity []int32, rejected []placement.Foreign) (*placement.CandidateSet, []int32) {
	next := apply(candidates, rejected)
	if capacity == nil || next == candidates {
		return next, capacity
	}
	kept := make([]int32, 0, next.Len())
	for i, answer := range capacity {
		if at := len(kept); at < next.Len() && next.Name(at) == candidates.Name(i) {
			kept = append(kept, answer)
		}
	}
	return next, kept
}

// divided reports whether the request divides replicas among clusters: elsewhere there is nothing to move.
func divided(request *placement.Request) bool {
	wanted := request.Spec.Placement
	return request.Spec.Replicas > 0 && len(request.Spec.Components) < 2 && wanted != nil && wanted.ReplicaScheduling != nil &&
		wanted.ReplicaScheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided
}

// assignBy checks what the plugin makes of the division: the spread constraints and the number of replicas still hold.
func assignBy(plugin AssignPlugin, request *placement.Request, decision *placement.Decision) ([]workv1alpha2.TargetCluster, error) {
	var selected []string
	for _, verdict := range decision.Verdicts() {
		if verdict.Selected {
			selected = append(selected, verdict.Cluster)
		}
	}
	assigned, result := plugin.Assign(request, slices.Clone(selected), slices.Clone(decision.Clusters))
	reason, skipped, err := read(result, plugin)
	switch {
	case err != nil:
		return nil, fmt.Errorf("assigning replicas by plugin %s: %w", plugin.Name(), err)
	case reason != "":
		return nil, &placement.UnschedulableError{Message: reason}
	case skipped:
		return decision.Clusters, nil
	}
	if err := sound(assigned, selected, decision.Clusters); err != nil {
		return nil, fmt.Errorf("assigning replicas by plugin %s: %w", plugin.Name(), err)
	}
	return slices.Clone(assigned), nil
}

// sound checks targets against the selected clusters, in ascending order, and the division they replace.
func sound(targets []workv1alpha2.TargetCluster, selected []string, before []workv1alpha2.TargetCluster) error {
	var sum, want int64
	for i := range before {
		want += int64(before[i].Replicas)
	}
	seen := make(map[string]bool, len(targets))
	for i := range targets {
		target := &targets[i]
		if _, ok := slices.BinarySearch(selected, target.Name); !ok {
			return fmt.Errorf("cluster %q was not selected", target.Name)
		}
		if seen[target.Name] {
			return fmt.Errorf("cluster %s is listed twice", target.Name)
		}
		if target.Replicas < 0 {
			return fmt.Errorf("cluster %s gets %d replicas", target.Name, target.Replicas)
		}
		seen[target.Name] = true
		sum += int64(target.Replicas)
	}
	if sum != want {
		return fmt.Errorf("%d replicas are assigned, not %d", sum, want)
	}
	return nil
}
