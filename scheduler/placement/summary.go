package placement

import (
	"errors"
	"fmt"
	"strings"
)

// Summary says in one line how many clusters fit, why the others do not, and what became of the replicas. Each cluster that
// does not fit is counted once, under the first plugin that rejects it.
func (d *Decision) Summary() string {
	if d.candidates == nil {
		return "no cluster was judged; nothing is placed"
	}
	return d.fitting() + "; " + d.outcome()
}

// fitting says how many clusters fit, and why the others do not.
func (d *Decision) fitting() string {
	text := fmt.Sprintf("%d/%d clusters fit", d.candidates.Len(), d.candidates.snapshot.Len())
	if unfit := d.unfit(); len(unfit) > 0 {
		text += ": " + strings.Join(unfit, ", ")
	}
	return text
}

// unfit counts the clusters by what keeps them out, in the order of the plugins.
func (d *Decision) unfit() []string {
	c := d.candidates
	var terminating int
	var byPlugin [filterPlugins]int
	foreign, foreignOrder := map[string]int{}, []string(nil)
	for row, plugins := range c.rejecting {
		switch {
		case c.snapshot.terminating[row]:
			terminating++
		case plugins != 0:
			byPlugin[plugins.first()]++
		default:
			for _, verdict := range c.foreign[int32(row)] {
				if verdict.Reason == "" {
					continue
				}
				if foreign[verdict.Plugin] == 0 {
					foreignOrder = append(foreignOrder, verdict.Plugin)
				}
				foreign[verdict.Plugin]++
				break
			}
		}
	}
	var parts []string
	add := func(count int, one, many string) {
		switch {
		case count == 1:
			parts = append(parts, "1 "+one)
		case count > 1:
			parts = append(parts, fmt.Sprintf("%d %s", count, many))
		}
	}
	for _, phrase := range unfitPhrases {
		add(byPlugin[phrase.plugin], phrase.one, phrase.many)
	}
	for _, plugin := range foreignOrder {
		add(foreign[plugin], "is rejected by "+plugin, "are rejected by "+plugin)
	}
	add(terminating, "is being removed", "are being removed")
	return parts
}

var unfitPhrases = [...]struct {
	plugin    Plugin
	one, many string
}{
	{ClusterAffinity, "does not match the affinity", "do not match the affinity"},
	{TaintToleration, "is tainted", "are tainted"},
	{APIEnablement, "does not serve the API", "do not serve the API"},
	{SpreadConstraint, "lacks a field or label to spread by", "lack a field or label to spread by"},
	{ClusterEviction, "is being left", "are being left"},
	{WorkloadAffinity, "lacks the workloads it goes with", "lack the workloads it goes with"},
	{WorkloadAntiAffinity, "runs a workload it keeps away from", "run a workload it keeps away from"},
}

// first is the plugin under which a cluster is counted: the first of the phrases.
func (s PluginSet) first() Plugin {
	for _, phrase := range unfitPhrases {
		if s.Has(phrase.plugin) {
			return phrase.plugin
		}
	}
	return ClusterAffinity
}

// outcome says what became of the replicas.
func (d *Decision) outcome() string {
	var fit *FitError
	switch {
	case errors.As(d.Err, &fit):
		return "nothing is placed"
	case d.Err != nil:
		return d.Err.Error()
	}
	var replicas int64
	for i := range d.Clusters {
		replicas += int64(d.Clusters[i].Replicas)
	}
	text := fmt.Sprintf("%d selected, %d get the workload", len(d.selected), len(d.Clusters))
	if replicas > 0 {
		text += fmt.Sprintf(" with %d replicas in total", replicas)
	}
	if len(d.Concessions) > 0 {
		text += " (" + strings.Join(d.Concessions, "; ") + ")"
	}
	return text
}
