package placement

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
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
	labels   labels.Selector
	// providers and regions say for every number of the dictionary whether it is accepted; nil accepts all.
	providers []bool
	regions   []bool
	zones     []corev1.NodeSelectorRequirement
}

// rowSet is a set of rows, one bit each; nil is the empty set.
type rowSet []uint64

func (r rowSet) has(row int32) bool {
	return r != nil && r[row>>6]&(1<<(row&63)) != 0
}

func (r rowSet) add(row int32) { r[row>>6] |= 1 << (row & 63) }

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
		selector, err := metav1.LabelSelectorAsSelector(affinity.LabelSelector)
		m.impossible = err != nil
		if err == nil && !selector.Empty() {
			m.labels = selector
		}
	}
	if affinity.FieldSelector != nil {
		m.addFields(s, affinity.FieldSelector.MatchExpressions)
	}
	return m
}

func (m *matcher) addFields(s *Snapshot, expressions []corev1.NodeSelectorRequirement) {
	for i := range expressions {
		if expressions[i].Key == fieldZone {
			m.zones = append(m.zones, expressions[i])
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
			m.providers = narrow(m.providers, s.providers.values, requirement)
		case fieldRegion:
			m.regions = narrow(m.regions, s.regions.values, requirement)
		default:
			m.impossible = m.impossible || !requirement.Matches(labels.Set{})
		}
	}
}

// narrow drops the values that a requirement does not accept. An empty value counts as a field that does not exist.
func narrow(accepted []bool, values []string, requirement *labels.Requirement) []bool {
	if accepted == nil {
		accepted = make([]bool, len(values))
		for i := range accepted {
			accepted[i] = true
		}
	}
	for i, value := range values {
		field := labels.Set{}
		if value != "" {
			field[requirement.Key()] = value
		}
		accepted[i] = accepted[i] && requirement.Matches(field)
	}
	return accepted
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

func (m *matcher) matches(s *Snapshot, row int32) bool {
	if m.impossible || m.excluded.has(row) || (m.included != nil && !m.included.has(row)) {
		return false
	}
	if m.labels != nil && !m.labels.Matches(s.labels[row]) {
		return false
	}
	if m.providers != nil && !m.providers[s.provider[row]] {
		return false
	}
	if m.regions != nil && !m.regions[s.region[row]] {
		return false
	}
	for i := range m.zones {
		if !zonesMatch(&m.zones[i], s.clusters[row].Spec.Zones) {
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
