package placement

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Keys of field selectors.
const (
	fieldProvider = "provider"
	fieldRegion   = "region"
	fieldZone     = "zone"
)

// matcher is a cluster affinity prepared for one Snapshot.
type matcher struct {
	// impossible is set when a selector is malformed: such an affinity matches nothing.
	impossible bool
	// included is nil when every name is included.
	included rowSet
	excluded rowSet
	checks   []check
	// uncommon are requirements on label keys without a column.
	uncommon []labels.Requirement
}

// rowSet is a set of rows, one bit each; nil is the empty set.
type rowSet []uint64

func (r rowSet) has(row int32) bool {
	return r != nil && r[row>>6]&(1<<(row&63)) != 0
}

func (r rowSet) add(row int32) { r[row>>6] |= 1 << (row & 63) }

func (r rowSet) remove(row int32) { r[row>>6] &^= 1 << (row & 63) }

// both keeps the rows of two sets that are in both; a nil set does not count.
func (r rowSet) both(other rowSet) rowSet {
	for i := range r {
		other[i] &= r[i]
	}
	return other
}

// either joins two sets.
func (r rowSet) either(other rowSet) rowSet {
	for i := range r {
		other[i] |= r[i]
	}
	return other
}

// rowsNamed is the set of the named clusters that exist.
func (s *Snapshot) rowsNamed(names []string) rowSet {
	set := s.noRows()
	for _, name := range names {
		if row, ok := s.rows[name]; ok {
			set.add(row)
		}
	}
	return set
}

func (s *Snapshot) noRows() rowSet { return make(rowSet, (len(s.names)+63)/64) }

// rowsMatching is the set of the clusters that match an affinity; all without one (nil).
func (s *Snapshot) rowsMatching(affinity *policyv1alpha1.ClusterAffinity) rowSet {
	m := newMatcher(s, affinity)
	return m.rows(s)
}

// newMatcher prepares an affinity; without one (nil) everything matches.
func newMatcher(s *Snapshot, affinity *policyv1alpha1.ClusterAffinity) matcher {
	var m matcher
	if affinity == nil {
		return m
	}
	if len(affinity.ClusterNames) > 0 {
		m.included = s.rowsNamed(affinity.ClusterNames)
	}
	if len(affinity.ExcludeClusters) > 0 {
		m.excluded = s.rowsNamed(affinity.ExcludeClusters)
	}
	if affinity.LabelSelector != nil {
		m.addLabels(s, affinity.LabelSelector)
	}
	if affinity.FieldSelector != nil {
		m.addFields(s, affinity.FieldSelector.MatchExpressions)
	}
	return m
}

func (m *matcher) addLabels(s *Snapshot, wanted *metav1.LabelSelector) {
	m.addEqual(s, wanted.MatchLabels)
	if len(wanted.MatchExpressions) == 0 || m.impossible {
		return
	}
	selector, err := metav1.LabelSelectorAsSelector(&metav1.LabelSelector{MatchExpressions: wanted.MatchExpressions})
	if err != nil {
		m.impossible = true
		return
	}
	requirements, _ := selector.Requirements()
	for i := range requirements {
		at, ok := s.labels.index[requirements[i].Key()]
		if ok {
			m.checks = append(m.checks, newCheck(&s.labels.columns[at], "=", &requirements[i]))
		} else {
			m.uncommon = append(m.uncommon, requirements[i])
		}
	}
}

// addEqual wants labels of given values, the requirement that most selectors consist of. To prepare it here costs a fraction of
// what a labels.Requirement does.
func (m *matcher) addEqual(s *Snapshot, wanted map[string]string) {
	for key, value := range wanted {
		if len(content.IsLabelKey(key)) > 0 || len(content.IsLabelValue(value)) > 0 {
			m.impossible = true
			return
		}
		if at, ok := s.labels.index[key]; ok {
			m.checks = append(m.checks, newEqualCheck(&s.labels.columns[at], "="+value))
			continue
		}
		requirement, err := labels.NewRequirement(key, selection.Equals, []string{value})
		if err != nil {
			m.impossible = true
			return
		}
		m.uncommon = append(m.uncommon, *requirement)
	}
}

func (m *matcher) addFields(s *Snapshot, expressions []corev1.NodeSelectorRequirement) {
	for i := range expressions {
		if expressions[i].Key == fieldZone {
			m.checks = append(m.checks, zoneCheck(s, &expressions[i]))
			continue
		}
		operator, known := selectorOperators(expressions[i].Operator)
		requirement, err := labels.NewRequirement(expressions[i].Key, operator, expressions[i].Values)
		if !known || err != nil {
			m.impossible = true
			return
		}
		switch expressions[i].Key {
		case fieldProvider:
			m.checks = append(m.checks, newCheck(&s.provider, "", requirement))
		case fieldRegion:
			m.checks = append(m.checks, newCheck(&s.region, "", requirement))
		default:
			m.impossible = m.impossible || !requirement.Matches(labels.Set{})
		}
	}
}

func zoneCheck(s *Snapshot, requirement *corev1.NodeSelectorRequirement) check {
	accepted := make([]bool, len(s.zones.values.values))
	for i, zones := range s.zones.values.values {
		accepted[i] = zonesMatch(requirement, zones)
	}
	return check{rows: s.zones.rows, accepted: accepted}
}

func selectorOperators(operator corev1.NodeSelectorOperator) (selection.Operator, bool) {
	switch operator {
	case corev1.NodeSelectorOpIn:
		return selection.In, true
	case corev1.NodeSelectorOpNotIn:
		return selection.NotIn, true
	case corev1.NodeSelectorOpExists:
		return selection.Exists, true
	case corev1.NodeSelectorOpDoesNotExist:
		return selection.DoesNotExist, true
	case corev1.NodeSelectorOpGt:
		return selection.GreaterThan, true
	case corev1.NodeSelectorOpLt:
		return selection.LessThan, true
	}
	return "", false
}

// rows is the set of clusters that match.
func (m *matcher) rows(s *Snapshot) rowSet {
	set := s.noRows()
	if m.impossible {
		return set
	}
	for word := range set {
		first := word * 64
		end := min(first+64, len(s.names))
		bits := ^uint64(0) >> (64 - (end - first))
		if m.included != nil {
			bits &= m.included[word]
		}
		if m.excluded != nil {
			bits &^= m.excluded[word]
		}
		for i := range m.checks {
			bits &= m.checks[i].word(first, end)
		}
		set[word] = bits
	}
	if len(m.uncommon) == 0 {
		return set
	}
	for row := range int32(len(s.names)) {
		if set.has(row) && !m.hasUncommon(s.labels.objects[row]) {
			set.remove(row)
		}
	}
	return set
}

func (m *matcher) hasUncommon(object labels.Set) bool {
	for i := range m.uncommon {
		if !m.uncommon[i].Matches(object) {
			return false
		}
	}
	return true
}

// zonesMatch judges all zones of a cluster at once: In wants one of them among the values, NotIn none.
func zonesMatch(requirement *corev1.NodeSelectorRequirement, zones []string) bool {
	listed := func(zone string) bool { return slices.Contains(requirement.Values, zone) }
	switch requirement.Operator {
	case corev1.NodeSelectorOpIn:
		return slices.ContainsFunc(zones, listed)
	case corev1.NodeSelectorOpNotIn:
		return !slices.ContainsFunc(zones, listed)
	case corev1.NodeSelectorOpExists:
		return len(zones) > 0
	case corev1.NodeSelectorOpDoesNotExist:
		return len(zones) == 0
	}
	return false
}
