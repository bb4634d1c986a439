package nodes

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/selection"
)

// podTerm is an affinity term that has been read: which pods it means, and what makes nodes neighbours.
type podTerm struct {
	topologyKey string
	selector    labels.Selector
	namespaces  []string
	// namespaceSelector selects further namespaces by label; nil selects none.
	namespaceSelector labels.Selector
}

// readTerm reads the affinity term of a pod with the given namespace and labels.
func readTerm(term *corev1.PodAffinityTerm, namespace string, own labels.Labels) (podTerm, error) {
	selector, err := readSelector(term.LabelSelector, term.MatchLabelKeys, term.MismatchLabelKeys, own)
	if err != nil {
		return podTerm{}, fmt.Errorf("reading an affinity term for topology %s: %w", term.TopologyKey, err)
	}
	read := podTerm{topologyKey: term.TopologyKey, selector: selector, namespaces: term.Namespaces}
	if term.NamespaceSelector != nil {
		read.namespaceSelector, err = metav1.LabelSelectorAsSelector(term.NamespaceSelector)
		if err != nil {
			return podTerm{}, fmt.Errorf("reading the namespace selector of an affinity term for topology %s: %w", term.TopologyKey, err)
		}
	} else if len(term.Namespaces) == 0 {
		read.namespaces = []string{namespace}
	}
	return read, nil
}

// readSelector reads a label selector that is narrowed by values of the pod's own labels.
func readSelector(selector *metav1.LabelSelector, equal, different []string, own labels.Labels) (labels.Selector, error) {
	read, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return nil, err
	}
	if selector == nil {
		return read, nil
	}
	narrow := func(keys []string, operator selection.Operator) error {
		for _, key := range keys {
			if !own.Has(key) {
				continue
			}
			requirement, err := labels.NewRequirement(key, operator, []string{own.Get(key)})
			if err != nil {
				return err
			}
			read = read.Add(*requirement)
		}
		return nil
	}
	if err := narrow(equal, selection.In); err != nil {
		return nil, err
	}
	return read, narrow(different, selection.NotIn)
}

// means reports whether the term is about a pod.
func (t *podTerm) means(namespace string, namespaceLabels map[string]string, pod labels.Labels) bool {
	if !slices.Contains(t.namespaces, namespace) &&
		(t.namespaceSelector == nil || !t.namespaceSelector.Matches(labels.Set(namespaceLabels))) {
		return false
	}
	return t.selector.Matches(pod)
}

// groupLabels shows the labels of a group of pods.
type groupLabels struct {
	pods *podTable
	// pairs are the words of the group after the namespace.
	pairs group
}

// Has is part of labels.Labels.
func (l groupLabels) Has(key string) bool {
	_, ok := l.Lookup(key)
	return ok
}

// Get is part of labels.Labels.
func (l groupLabels) Get(key string) string {
	value, _ := l.Lookup(key)
	return value
}

// Lookup is part of labels.Labels.
func (l groupLabels) Lookup(key string) (string, bool) {
	for name, rest := l.pairs.next(); name != none; name, rest = rest.next() {
		var value int32
		value, rest = rest.next()
		if l.pods.words.rows[name].key == key {
			return l.pods.words.rows[value].key, true
		}
	}
	return "", false
}

// eachShape visits the shapes that some pod has.
func (x *Index) eachShape(visit func(id int32, s shape, namespace string, own groupLabels)) {
	for id := range x.pods.shapes.rows {
		if x.pods.shapes.rows[id].users == 0 {
			continue
		}
		namespace, pairs := x.pods.group(int32(id)).next()
		visit(int32(id), x.pods.shapes.rows[id].key, x.pods.words.rows[namespace].key, groupLabels{pods: &x.pods, pairs: pairs})
	}
}

// eachCell visits the known nodes on which a shape has pods.
func (x *Index) eachCell(shape int32, visit func(slot int32, pods int64)) {
	for id := x.pods.heads[shape]; id != none; id = x.pods.cells[id].next {
		if c := &x.pods.cells[id]; x.nodes.rows[c.node].class != unknown {
			visit(c.node, int64(c.count))
		}
	}
}

// domain is the value of a topology key on a known node.
func (x *Index) domain(slot int32, key string) (string, bool) {
	n := &x.nodes.rows[slot]
	if key == corev1.LabelHostname {
		return n.hostname, n.hostname != ""
	}
	value, ok := x.labels.sets[x.classes[n.class].key.labels].pairs[key]
	return value, ok
}
