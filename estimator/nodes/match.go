package nodes

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/estimator"
)

// filter says which nodes a demand can use. It gives the answers of nodeaffinity and of FindMatchingUntoleratedTaint of
// component-helpers, but looks at each label value and each taint set once instead of at each node.
type filter struct {
	// labels and taints are the sets that pass, as far as sets can tell.
	labels bitset
	taints bitset
	// hostname is what the node selector asks for, if single is set.
	hostname *string
	// required are the affinities that look at names of nodes, each met by one of its terms.
	required [][]nodeTerm
	// single is set when nodes of one class can differ.
	single bool
}

// nodeTerm is a node selector term whose requirements are all met by a node: by its label set, host name and name.
type nodeTerm struct {
	labels    bitset
	hostnames []labels.Requirement
	fields    fields.Selector
}

func (f *filter) class(key classKey) bool {
	return f.labels.has(key.labels) && f.taints.has(key.taints)
}

// filterFor compiles a node claim and the node affinity of volumes.
func (x *Index) filterFor(selector map[string]string, required *corev1.NodeSelector, tolerations []corev1.Toleration, volumes []estimator.Volume) filter {
	f := filter{labels: slices.Clone(x.labels.all), taints: x.taints.tolerated(tolerations)}
	for key, value := range selector {
		if key == corev1.LabelHostname {
			f.hostname, f.single = &value, true
			continue
		}
		f.labels.and(x.labels.equal(key, value))
	}
	f.require(&x.labels, required)
	for _, volume := range volumes {
		if volume.NodeAffinity != nil {
			f.require(&x.labels, volume.NodeAffinity.Required)
		}
	}
	return f
}

// require narrows the filter to nodes that meet one term or more; nil narrows nothing.
func (f *filter) require(t *labelTable, required *corev1.NodeSelector) {
	if required == nil {
		return
	}
	var terms []nodeTerm
	single := false
	union := make(bitset, len(t.all))
	for i := range required.NodeSelectorTerms {
		term, ok := t.term(&required.NodeSelectorTerms[i])
		if !ok {
			continue
		}
		union.or(term.labels)
		if terms = append(terms, term); len(term.hostnames) > 0 || term.fields != nil {
			single = true
		}
	}
	f.labels.and(union)
	if single {
		f.required, f.single = append(f.required, terms), true
	}
}

// term compiles a node selector term. A term that is empty or cannot be read is met by no node.
func (t *labelTable) term(given *corev1.NodeSelectorTerm) (term nodeTerm, ok bool) {
	if len(given.MatchExpressions) == 0 && len(given.MatchFields) == 0 {
		return term, false
	}
	term.labels = slices.Clone(t.all)
	for i := range given.MatchExpressions {
		requirement := readRequirement(&given.MatchExpressions[i])
		if requirement == nil {
			return term, false
		}
		if requirement.Key() == corev1.LabelHostname {
			term.hostnames = append(term.hostnames, *requirement)
		} else {
			term.labels.and(t.matching(requirement))
		}
	}
	var selectors []fields.Selector
	for _, field := range given.MatchFields {
		selector := readField(&field)
		if selector == nil {
			return term, false
		}
		selectors = append(selectors, selector)
	}
	if len(selectors) > 0 {
		term.fields = fields.AndSelectors(selectors...)
	}
	return term, true
}

// readField returns nil for what is not a valid requirement of a field.
func readField(field *corev1.NodeSelectorRequirement) fields.Selector {
	switch {
	case len(field.Values) != 1:
		return nil
	case field.Operator == corev1.NodeSelectorOpIn:
		return fields.OneTermEqualSelector(field.Key, field.Values[0])
	case field.Operator == corev1.NodeSelectorOpNotIn:
		return fields.OneTermNotEqualSelector(field.Key, field.Values[0])
	default:
		return nil
	}
}

// meets reports whether a node with a label set meets the term.
func (term *nodeTerm) meets(n *node, set int32) bool {
	if !term.labels.has(set) {
		return false
	}
	own := &oneLabel{key: corev1.LabelHostname, value: n.hostname, absent: n.hostname == ""}
	for i := range term.hostnames {
		if !term.hostnames[i].Matches(own) {
			return false
		}
	}
	return term.fields == nil || term.fields.Matches(nodeName(n.name))
}

// nodeName shows the one field of a node that selectors can look at.
type nodeName string

// Has is part of fields.Fields.
func (nodeName) Has(field string) bool { return field == metav1.ObjectNameField }

// Get is part of fields.Fields.
func (n nodeName) Get(field string) string {
	if field != metav1.ObjectNameField {
		return ""
	}
	return string(n)
}

// claims reports whether one known node is one that the demand asks for, whatever its taints.
func (x *Index) claims(f *filter, slot int32) bool {
	n := &x.nodes.rows[slot]
	set := x.classes[n.class].key.labels
	if !f.labels.has(set) || f.hostname != nil && (n.hostname == "" || n.hostname != *f.hostname) {
		return false
	}
	for _, terms := range f.required {
		if !slices.ContainsFunc(terms, func(term nodeTerm) bool { return term.meets(n, set) }) {
			return false
		}
	}
	return true
}

// passes reports whether one known node can be used.
func (x *Index) passes(f *filter, slot int32) bool {
	return f.taints.has(x.classes[x.nodes.rows[slot].class].key.taints) && x.claims(f, slot)
}

// tolerated are the taint sets without a taint that nothing tolerates.
func (t *taintTable) tolerated(tolerations []corev1.Toleration) bitset {
	found := make(bitset, (len(t.sets)+63)/64)
	for id := range t.sets {
		if _, untolerated := schedulinghelpers.FindMatchingUntoleratedTaint(
			klog.Logger{}, t.sets[id].taints, tolerations, nil, false); !untolerated {
			found.set(int32(id))
		}
	}
	return found
}

func (t *labelTable) equal(key, value string) bitset {
	if entry := t.keys[key]; entry != nil {
		if i, ok := entry.byName[value]; ok {
			return entry.values[i].sets
		}
	}
	return nil
}

// readRequirement returns nil for what is not a valid requirement.
func readRequirement(expression *corev1.NodeSelectorRequirement) *labels.Requirement {
	operator := operatorOf(expression.Operator)
	if operator == "" {
		return nil
	}
	requirement, err := labels.NewRequirement(expression.Key, operator, expression.Values)
	if err != nil {
		return nil
	}
	return requirement
}

func operatorOf(operator corev1.NodeSelectorOperator) selection.Operator {
	switch operator {
	case corev1.NodeSelectorOpIn:
		return selection.In
	case corev1.NodeSelectorOpNotIn:
		return selection.NotIn
	case corev1.NodeSelectorOpExists:
		return selection.Exists
	case corev1.NodeSelectorOpDoesNotExist:
		return selection.DoesNotExist
	case corev1.NodeSelectorOpGt:
		return selection.GreaterThan
	case corev1.NodeSelectorOpLt:
		return selection.LessThan
	default:
		return ""
	}
}
