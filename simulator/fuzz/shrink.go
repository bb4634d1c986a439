package fuzz

import (
	"context"
	"slices"
)

// Shrink leaves out of a scenario what its violation does not need: it tries ever smaller parts of its steps, as delta debugging
// does (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input", 2002), for at most a number of runs. A
// smaller scenario counts when the same invariant breaks. It returns the smallest found, with its result.
func Shrink(ctx context.Context, scenario Scenario, failed Result, options Options, runs int) (Scenario, Result, error) {
	s := &shrinker{ctx: ctx, options: options, left: runs, best: scenario, result: failed}
	if err := s.cutTail(); err != nil {
		return s.best, s.result, err
	}
	for parts := 2; len(s.best.Steps) > 1 && s.left > 0; {
		smaller, err := s.leaveOutOne(parts)
		if err != nil {
			return s.best, s.result, err
		}
		switch {
		case smaller:
			parts = max(parts-1, 2)
		case parts >= len(s.best.Steps):
			return s.best, s.result, s.dropClusters()
		default:
			parts = min(2*parts, len(s.best.Steps))
		}
	}
	return s.best, s.result, s.dropClusters()
}

type shrinker struct {
	ctx     context.Context
	options Options
	left    int
	best    Scenario
	result  Result
}

// fails runs a smaller scenario and keeps it when it fails likewise.
func (s *shrinker) fails(smaller Scenario) (bool, error) {
	if s.left <= 0 {
		return false, nil
	}
	s.left--
	result, err := Run(s.ctx, smaller, s.options)
	if err != nil {
		return false, err
	}
	if result.Violation == nil || result.Violation.Invariant != s.result.Violation.Invariant {
		return false, nil
	}
	s.best, s.result = smaller, result
	return true, nil
}

// cutTail leaves out what comes after the violation.
func (s *shrinker) cutTail() error {
	after := s.result.Violation.At.Sub(start)
	if after >= s.best.Duration.Duration {
		return nil
	}
	smaller := s.best
	smaller.Steps = slices.DeleteFunc(slices.Clone(smaller.Steps), func(step Step) bool { return step.At.Duration > after })
	_, err := s.fails(smaller)
	return err
}

// leaveOutOne tries to do without one of so many parts of the steps, the last first.
func (s *shrinker) leaveOutOne(parts int) (smaller bool, err error) {
	steps := s.best.Steps
	for part := parts - 1; part >= 0; part-- {
		from, to := part*len(steps)/parts, (part+1)*len(steps)/parts
		candidate := s.best
		candidate.Steps = slices.Concat(steps[:from], steps[to:])
		if smaller, err = s.fails(candidate); smaller || err != nil {
			return smaller, err
		}
	}
	return false, nil
}

// dropClusters leaves out clusters, the last first, with the steps about them.
func (s *shrinker) dropClusters() error {
	for i := len(s.best.Clusters) - 1; i >= 0 && len(s.best.Clusters) > 1; i-- {
		name := s.best.Clusters[i].Name
		candidate := s.best
		candidate.Clusters = slices.Delete(slices.Clone(s.best.Clusters), i, i+1)
		candidate.Steps = slices.DeleteFunc(slices.Clone(s.best.Steps), func(step Step) bool { return step.Cluster == name })
		if _, err := s.fails(candidate); err != nil {
			return err
		}
	}
	return nil
}
