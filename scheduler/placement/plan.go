package placement

import (
	"fmt"
	"math"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// SpreadMode says which spread constraints count.
type SpreadMode int

const (
	// SpreadCompatible answers like the reference control plane where that gives an answer: beside a constraint on region or
	// cluster, those on provider, zone and label do not count. Alone, where the reference fails, they do.
	SpreadCompatible SpreadMode = iota
	// SpreadReference also fails where the reference fails.
	SpreadReference
	// SpreadEvery lets every constraint count.
	SpreadEvery
)

// constraint bounds the number of groups in use.
type constraint struct {
	field policyv1alpha1.SpreadFieldValue
	label string
	// least and most are numbers of groups.
	least, most int
	soft        bool
}

func (c *constraint) name() string {
	if c.field == "" {
		return "label " + c.label
	}
	return string(c.field)
}

// String reads "2 to 3 of zone".
func (c *constraint) String() string {
	if c.most == math.MaxInt32 {
		return fmt.Sprintf("at least %d of %s", c.least, c.name())
	}
	return fmt.Sprintf("%d to %d of %s", c.least, c.most, c.name())
}

// plan is how clusters are selected.
type plan struct {
	constraints []constraint
	// search lets every constraint count and maxima of 0 not; otherwise the selection is that of the reference.
	search bool
	// explicit says that the user asked for all constraints to count: clusters that cannot be counted are rejected.
	explicit bool
}

// plan collects the constraints that count.
func (r *Request) plan() plan {
	given := r.placement().SpreadConstraints
	every := r.Options.Spread == SpreadEvery || r.Preferences.EverySpread || len(r.Preferences.Spread) > 0
	if !every && (len(given) == 0 || r.weightsIgnoreSpread()) {
		return plan{}
	}
	p := plan{constraints: make([]constraint, 0, len(given)+len(r.Preferences.Spread))}
	supported := false
	for i := range given {
		next := constraintOf(&given[i])
		p.replace(next)
		supported = supported || next.field == policyv1alpha1.SpreadByFieldRegion || next.field == policyv1alpha1.SpreadByFieldCluster
	}
	for i := range r.Preferences.Spread {
		next := constraintOf(&r.Preferences.Spread[i].SpreadConstraint)
		next.soft = r.Preferences.Spread[i].WhenUnsatisfiable == ScheduleAnyway
		p.replace(next)
	}
	p.explicit = every
	p.search = every || !supported && r.Options.Spread != SpreadReference
	for i := range p.constraints {
		if !p.search {
			break
		}
		p.constraints[i].least = max(p.constraints[i].least, 1)
		if p.constraints[i].most == 0 {
			p.constraints[i].most = math.MaxInt32
		}
	}
	return p
}

func constraintOf(given *policyv1alpha1.SpreadConstraint) constraint {
	c := constraint{field: given.SpreadByField, label: given.SpreadByLabel, least: given.MinGroups, most: given.MaxGroups}
	if c.field != "" {
		c.label = ""
	}
	return c
}

// replace adds a constraint in place of an earlier one on the same field or label.
func (p *plan) replace(next constraint) {
	for i := range p.constraints {
		if p.constraints[i].field == next.field && p.constraints[i].label == next.label {
			p.constraints[i] = next
			return
		}
	}
	p.constraints = append(p.constraints, next)
}

// find returns the constraint on a field, or nil.
func (p *plan) find(field policyv1alpha1.SpreadFieldValue) *constraint {
	for i := range p.constraints {
		if p.constraints[i].field == field {
			return &p.constraints[i]
		}
	}
	return nil
}

// relax weakens the last constraint that may give way: one group less, at the end no constraint at all. It reports whether
// there was one.
func (p *plan) relax(available func(*constraint) int) bool {
	for i := len(p.constraints) - 1; i >= 0; i-- {
		c := &p.constraints[i]
		switch {
		case !c.soft:
			continue
		case c.least > 1:
			c.least = max(min(c.least-1, available(c)), 1)
		default:
			p.constraints = append(p.constraints[:i:i], p.constraints[i+1:]...)
		}
		return true
	}
	return false
}

// concessions says what a plan asks less than another.
func (p *plan) concessions(asked *plan) []string {
	var list []string
	for i := range asked.constraints {
		was, now := &asked.constraints[i], (*constraint)(nil)
		for j := range p.constraints {
			if p.constraints[j].field == was.field && p.constraints[j].label == was.label {
				now = &p.constraints[j]
			}
		}
		switch {
		case now == nil:
			list = append(list, fmt.Sprintf("no spread over %s instead of %s", was.name(), was))
		case now.least < was.least:
			list = append(list, fmt.Sprintf("%s instead of %s", now, was))
		}
	}
	return list
}
