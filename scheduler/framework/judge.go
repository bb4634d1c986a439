package framework

import (
	"errors"
	"fmt"
	"slices"
	"time"

	status "k8s.io/kube-scheduler/framework"

	"github.com/seatrial/seatrial/scheduler/placement"
)

// Candidates filters and scores the clusters of a batch, first by the built-in plugins, then as Judge does.
func (p *Profile) Candidates(request placement.Request, batch *placement.Batch) (*placement.CandidateSet, error) {
	began := p.start()
	return p.judge(batch.Candidates(request), began)
}

// Judge runs the Filter plugins of the profile, then its Score plugins on what they leave, and weighs the scores. An error is
// a *PluginError that names the plugin and the cluster; it fails the decision.
func (p *Profile) Judge(candidates *placement.CandidateSet) (*placement.CandidateSet, error) {
	return p.judge(candidates, p.start())
}

func (p *Profile) judge(candidates *placement.CandidateSet, began time.Time) (*placement.CandidateSet, error) {
	request := candidates.Request()
	candidates, err := p.filter(&request, candidates)
	began = p.passed(pointFilter, err, began)
	if err != nil {
		return nil, err
	}
	candidates, err = p.score(&request, candidates)
	p.passed(pointScore, err, began)
	return candidates, err
}

func (p *Profile) filter(request *placement.Request, candidates *placement.CandidateSet) (*placement.CandidateSet, error) {
	for _, plugin := range p.filters {
		var rejected []placement.Foreign
		if err := p.call(plugin, pointFilter, func() (err error) {
			rejected, err = filter(plugin, request, candidates)
			return err
		}); err != nil {
			return nil, err
		}
		candidates = apply(candidates, rejected)
	}
	return candidates, nil
}

func (p *Profile) score(request *placement.Request, candidates *placement.CandidateSet) (*placement.CandidateSet, error) {
	scores := p.reweigh(candidates)
	for i := range p.scorers {
		plugin := &p.scorers[i]
		if err := p.call(plugin, pointScore, func() error {
			given, err := plugin.scores(request, candidates)
			scores = append(scores, given...)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return apply(candidates, scores), nil
}

// apply saves the copy when nothing is said.
func apply(candidates *placement.CandidateSet, verdicts []placement.Foreign) *placement.CandidateSet {
	if len(verdicts) == 0 {
		return candidates
	}
	return candidates.Apply(verdicts...)
}

func filter(plugin FilterPlugin, request *placement.Request, candidates *placement.CandidateSet) ([]placement.Foreign, error) {
	var rejected []placement.Foreign
	for i := range candidates.Len() {
		reason, _, err := read(plugin.Filter(request, candidates.Cluster(i)), plugin)
		if err != nil {
			return nil, fmt.Errorf("filtering cluster %s by plugin %s: %w", candidates.Name(i), plugin.Name(), err)
		}
		if reason != "" {
			rejected = append(rejected, placement.Foreign{Cluster: candidates.Name(i), Plugin: plugin.Name(), Reason: reason})
		}
	}
	return rejected, nil
}

// read turns a status into a reason to reject, empty for none, or an error. Skipped says that the plugin stood aside.
func read(result *status.Status, plugin Plugin) (reason string, skipped bool, err error) {
	switch code := result.Code(); code {
	case status.Success:
		return "", false, nil
	case status.Skip:
		return "", true, nil
	case status.Unschedulable, status.UnschedulableAndUnresolvable, status.Pending:
		if reason = Excerpt(result.Message()); reason == "" {
			reason = "rejected by plugin " + plugin.Name()
		}
		return reason, false, nil
	case status.Error:
		if err = result.AsError(); err.Error() == "" {
			err = errors.New("the plugin failed without a reason")
		}
		return "", false, err
	default:
		return "", false, fmt.Errorf("code %d has no meaning here", int(code))
	}
}

// scores are those of all candidates times the weight. A plugin that skips the request at one of them gives none.
func (p *weighedPlugin) scores(request *placement.Request, candidates *placement.CandidateSet) ([]placement.Foreign, error) {
	given := make([]ClusterScore, 0, candidates.Len())
	for i := range candidates.Len() {
		score, result := p.Score(request, candidates.Cluster(i))
		skipped, err := p.passed(result)
		if err != nil {
			return nil, fmt.Errorf("scoring cluster %s by plugin %s: %w", candidates.Name(i), p.Name(), err)
		}
		if skipped {
			return nil, nil
		}
		given = append(given, ClusterScore{candidates.Name(i), score})
	}
	if normalizer, ok := p.ScorePlugin.(ScoreNormalizer); ok {
		if _, err := p.passed(normalizer.NormalizeScores(request, given)); err != nil {
			return nil, fmt.Errorf("normalizing scores of plugin %s: %w", p.Name(), err)
		}
	}
	verdicts := make([]placement.Foreign, len(given))
	for i, score := range given {
		if score.Cluster != candidates.Name(i) {
			return nil, fmt.Errorf("normalizing scores of plugin %s: it changed the clusters of the list", p.Name())
		}
		if score.Score < status.MinScore || score.Score > status.MaxScore {
			return nil, fmt.Errorf("scoring cluster %s by plugin %s: %d is not between %d and %d",
				score.Cluster, p.Name(), score.Score, status.MinScore, status.MaxScore)
		}
		verdicts[i] = placement.Foreign{Cluster: score.Cluster, Plugin: p.Name(), Score: score.Score * p.weight}
	}
	return verdicts, nil
}

// passed reads the status of scoring, where nothing can be rejected.
func (p *weighedPlugin) passed(result *status.Status) (skipped bool, err error) {
	reason, skipped, err := read(result, p)
	if err == nil && reason != "" {
		err = fmt.Errorf("only filters reject clusters: %s", reason)
	}
	return skipped, err
}

// reweigh adds what built-in scores lack: the core has counted them once.
func (p *Profile) reweigh(candidates *placement.CandidateSet) []placement.Foreign {
	if len(p.weighed) == 0 || candidates.Len() == 0 {
		return nil
	}
	decision := placement.Assign(candidates, nil)
	var more []placement.Foreign
	for _, verdict := range decision.Verdicts() {
		for _, score := range verdict.Scores {
			at := slices.IndexFunc(p.weighed, func(w weighedBuiltin) bool { return w.plugin.String() == score.Plugin })
			if at >= 0 && score.Score != 0 {
				extra := score.Score * (p.weighed[at].weight - 1)
				more = append(more, placement.Foreign{Cluster: verdict.Cluster, Plugin: score.Plugin, Score: extra})
			}
		}
	}
	return more
}
