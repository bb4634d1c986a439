package placement

import (
	"errors"
	"fmt"
	"strings"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Obstacle says in one line what stands in the way of a decision, and for how many clusters; empty for one that succeeded.
// It begins with the text of Err, which stays that of the reference and may say too little: which constraint asks for the
// impossible, and how many clusters there were to choose from.
func (d *Decision) Obstacle() string {
	var fit *FitError
	switch {
	case d.Err == nil:
		return ""
	case errors.As(d.Err, &fit), d.candidates == nil, d.candidates.Len() == 0:
		return d.Err.Error()
	}
	return fmt.Sprintf("%s (%s)", d.Err, strings.Join(append(d.contradictions(), d.fitting()), "; "))
}

// contradictions lists the spread constraints that no fleet can meet, or that ask for more groups than there are.
func (d *Decision) contradictions() []string {
	plan := d.candidates.request.plan()
	a := assignment{snapshot: d.candidates.snapshot}
	var list []string
	for i := range plan.constraints {
		c := &plan.constraints[i]
		if !plan.search && c.field != policyv1alpha1.SpreadByFieldRegion && c.field != policyv1alpha1.SpreadByFieldCluster {
			continue // It does not count.
		}
		switch {
		case c.most < 0 || c.least < 0:
			list = append(list, fmt.Sprintf("spread over %s: minGroups %d and maxGroups %d must not be negative", c.name(), c.least, c.most))
		case c.most == 0:
			list = append(list, fmt.Sprintf("spread over %s: maxGroups is missing or 0 and lets no group in", c.name()))
		case c.most < c.least:
			list = append(list, fmt.Sprintf("spread over %s: minGroups %d is more than maxGroups %d", c.name(), c.least, c.most))
		default:
			if there := a.available(c, d.candidates.candidates); there < c.least {
				list = append(list, fmt.Sprintf("spread over %s: minGroups is %d, and the clusters that fit make %d", c.name(), c.least, there))
			}
		}
	}
	return list
}
