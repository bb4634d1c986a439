package nodes

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
	schedulinghelpers "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// filter says which nodes a demand can use.
type filter struct {
	// labels and taints are the sets that pass.
	labels bitset
	taints bitset
	// single is set when a node must be looked at by itself, because its name or host name is asked for.
	single *singleFilter
}

// singleFilter is the claim as component-helpers read it, for one node at a time.
type singleFilter struct {
	affinities []nodeaffinity.RequiredNodeAffinity
}

func (f *filter) class(key classKey) bool {
	return f.labels.has(key.labels) && f.taints.has(key.taints)
}

// filterFor compiles a node claim and the node affinity of volumes.
func (x *Index) filterFor(selector map[string]string, required *corev1.NodeSelector, tolerations []corev1.Toleration, volumes []Volume) filter {
	f := filter{taints: x.taints.tolerated(tolerations)}
	single := byNode(selector, required)
	for _, volume := range volumes {
		if volume.NodeAffinity != nil {
			single = single || byNode(nil, volume.NodeAffinity.Required)
		}
	}
	if single {
		f.labels = slices.Clone(x.labels.all)
		f.single = newSingleFilter(selector, required, volumes)
		return f
	}
	f.labels = x.labels.claimed(selector, required)
	for _, volume := range volumes {
		if volume.NodeAffinity != nil && volume.NodeAffinity.Required != nil {
			f.labels.and(x.labels.anyTerm(volume.NodeAffinity.Required.NodeSelectorTerms))
		}
	}
	return f
}

// byNode reports whether a claim asks for what sets one node apart from others of its class.
func byNode(selector map[string]string, required *corev1.NodeSelector) bool {
	if _, ok := selector[corev1.LabelHostname]; ok {
		return true
	}
	if required == nil {
		return false
	}
	for i := range required.NodeSelectorTerms {
		term := &required.NodeSelectorTerms[i]
		if len(term.MatchFields) > 0 {
			return true
		}
		for k := range term.MatchExpressions {
			if term.MatchExpressions[k].Key == corev1.LabelHostname {
				return true
			}
		}
	}
	return false
}

func newSingleFilter(selector map[string]string, required *corev1.NodeSelector, volumes []Volume) *singleFilter {
	affinity := func(selector map[string]string, required *corev1.NodeSelector) nodeaffinity.RequiredNodeAffinity {
		return nodeaffinity.NewRequiredNodeAffinity(selector, &corev1.Affinity{
			NodeAffinity: &corev1.NodeAffinity{RequiredDuringSchedulingIgnoredDuringExecution: required},
		})
	}
	f := &singleFilter{affinities: []nodeaffinity.RequiredNodeAffinity{affinity(selector, required)}}
	for _, volume := range volumes {
		if volume.NodeAffinity != nil && volume.NodeAffinity.Required != nil {
			f.affinities = append(f.affinities, affinity(nil, volume.NodeAffinity.Required))
		}
	}
	return f
}

// matches shows one node to the claim. A term that cannot be read matches no node.
func (f *singleFilter) matches(n *node, pairs map[string]string) bool {
	object := &corev1.Node{}
	object.Name = n.name
	object.Labels = pairs
	if n.hostname != "" {
		object.Labels = make(map[string]string, len(pairs)+1)
		for key, value := range pairs {
			object.Labels[key] = value
		}
		object.Labels[corev1.LabelHostname] = n.hostname
	}
	for _, affinity := range f.affinities {
		if ok, err := affinity.Match(object); err != nil || !ok {
			return false
		}
	}
	return true
}

// claims reports whether one known node is one that the demand asks for, whatever its taints.
func (x *Index) claims(f *filter, slot int32) bool {
	n := &x.nodes.rows[slot]
	set := x.classes[n.class].key.labels
	return f.labels.has(set) && (f.single == nil || f.single.matches(n, x.labels.sets[set].pairs))
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

// claimed are the label sets that meet a node selector and a required node affinity.
func (t *labelTable) claimed(selector map[string]string, required *corev1.NodeSelector) bitset {
	found := slices.Clone(t.all)
	for key, value := range selector {
		found.and(t.equal(key, value))
	}
	if required != nil {
		found.and(t.anyTerm(required.NodeSelectorTerms))
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

// anyTerm are the label sets that meet one term or more. A term that is empty or cannot be read meets none.
func (t *labelTable) anyTerm(terms []corev1.NodeSelectorTerm) bitset {
	found := make(bitset, len(t.all))
	for i := range terms {
		if len(terms[i].MatchExpressions) == 0 {
			continue
		}
		met := slices.Clone(t.all)
		for k := range terms[i].MatchExpressions {
			requirement := readRequirement(&terms[i].MatchExpressions[k])
			if requirement == nil {
				met = nil
				break
			}
			met.and(t.matching(requirement))
		}
		found.or(met)
	}
	return found
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
