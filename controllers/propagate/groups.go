package propagate

import (
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// groupsOf are the groups that a template with these labels is in by its placement; nil for none.
func groupsOf(labels map[string]string, placement policyv1alpha1.Placement) *workv1alpha2.WorkloadAffinityGroups {
	if placement.WorkloadAffinity == nil {
		return nil
	}
	group := func(key string) string {
		if value, labelled := labels[key]; labelled {
			return key + "=" + value
		}
		return ""
	}
	var groups workv1alpha2.WorkloadAffinityGroups
	if term := placement.WorkloadAffinity.Affinity; term != nil {
		groups.AffinityGroup = group(term.GroupByLabelKey)
	}
	if term := placement.WorkloadAffinity.AntiAffinity; term != nil {
		groups.AntiAffinityGroup = group(term.GroupByLabelKey)
	}
	if groups == (workv1alpha2.WorkloadAffinityGroups{}) {
		return nil
	}
	return &groups
}
