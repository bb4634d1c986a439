package kube

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
)

// spread is a topology spread constraint. Without a selector it counts the pods of the set itself, as the scheduler's default
// constraints do.
type spread struct {
	key        int32
	skew       int32
	minDomains int32
	selector   labels.Selector
	// affinity and taints say which nodes count: those that the pod selects, those whose taints it tolerates.
	affinity, taints bool
	// system marks the built-in defaults, for which a node without the label counts as well.
	system bool
	// self is one when a pod of the template itself is among those that count.
	self int32
}

// podTerm is an affinity term: which pods, and around which nodes.
type podTerm struct {
	key        int32
	selector   labels.Selector
	namespaces []string
	within     labels.Selector
}

// weighted is a preferred term; anti-affinity weighs below zero.
type weighted struct {
	podTerm
	weight int32
}

// selects reports whether the term means pods of the template.
func (c *Cluster) selects(term *podTerm, t *template) bool {
	in := slices.Contains(term.namespaces, t.namespace)
	if !in && term.within != nil {
		in = term.within.Matches(labels.Set(c.namespaces[t.namespace]))
	}
	return in && term.selector.Matches(t.labels)
}

func (t *template) readPodTerms(c *Cluster, w *workload) error {
	if affinity := t.spec.Spec.Affinity; affinity != nil && affinity.PodAffinity != nil {
		if err := t.readTerms(c, affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution, &t.need); err != nil {
			return err
		}
		if err := t.readWeighted(c, affinity.PodAffinity.PreferredDuringSchedulingIgnoredDuringExecution, 1); err != nil {
			return err
		}
	}
	if affinity := t.spec.Spec.Affinity; affinity != nil && affinity.PodAntiAffinity != nil {
		if err := t.readTerms(c, affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution, &t.avoid); err != nil {
			return err
		}
		if err := t.readWeighted(c, affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution, -1); err != nil {
			return err
		}
	}
	return t.readSpread(c, w)
}

func (t *template) readTerms(c *Cluster, terms []corev1.PodAffinityTerm, to *[]podTerm) error {
	for i := range terms {
		term, err := t.readTerm(c, &terms[i])
		if err != nil {
			return err
		}
		*to = append(*to, term)
	}
	return nil
}

func (t *template) readWeighted(c *Cluster, terms []corev1.WeightedPodAffinityTerm, sign int32) error {
	for i := range terms {
		term, err := t.readTerm(c, &terms[i].PodAffinityTerm)
		if err != nil {
			return err
		}
		t.attract = append(t.attract, weighted{term, sign * terms[i].Weight})
	}
	return nil
}

func (t *template) readTerm(c *Cluster, term *corev1.PodAffinityTerm) (podTerm, error) {
	own, err := t.withKeys(term.LabelSelector, term.MatchLabelKeys, metav1.LabelSelectorOpIn)
	if err == nil {
		own, err = t.withKeys(own, term.MismatchLabelKeys, metav1.LabelSelectorOpNotIn)
	}
	if err != nil {
		return podTerm{}, fmt.Errorf("reading the pod affinity term for topology key %s: %w", term.TopologyKey, err)
	}
	read := podTerm{key: c.topology(term.TopologyKey), namespaces: term.Namespaces}
	if read.selector, err = metav1.LabelSelectorAsSelector(own); err != nil {
		return podTerm{}, fmt.Errorf("reading the label selector of the pod affinity term for topology key %s: %w", term.TopologyKey, err)
	}
	if term.NamespaceSelector != nil {
		c.selective = true
		if read.within, err = metav1.LabelSelectorAsSelector(term.NamespaceSelector); err != nil {
			return podTerm{}, fmt.Errorf("reading the namespace selector of the pod affinity term for topology key %s: %w", term.TopologyKey, err)
		}
	}
	if len(read.namespaces) == 0 && read.within == nil {
		read.namespaces = []string{t.namespace}
	}
	return read, nil
}

// withKeys adds the template's own values of some labels to a selector.
func (t *template) withKeys(of *metav1.LabelSelector, keys []string, operator metav1.LabelSelectorOperator) (*metav1.LabelSelector, error) {
	if len(keys) == 0 {
		return of, nil
	}
	if of == nil {
		return nil, fmt.Errorf("matchLabelKeys or mismatchLabelKeys need a labelSelector")
	}
	of = of.DeepCopy()
	for _, key := range keys {
		if value, ok := t.labels[key]; ok {
			of.MatchExpressions = append(of.MatchExpressions, metav1.LabelSelectorRequirement{Key: key, Operator: operator, Values: []string{value}})
		}
	}
	return of, nil
}

// readSpread reads the pod's own constraints, or gives it the defaults of the profile when it has none.
func (t *template) readSpread(c *Cluster, w *workload) error {
	constraints, system := t.spec.Spec.TopologySpreadConstraints, false
	if len(constraints) == 0 {
		if w.key.Kind == KindDaemonSet || w.key.Kind == KindJob {
			return nil
		}
		constraints, system = t.profile.spread, t.profile.systemSpread
	}
	for i := range constraints {
		constraint := &constraints[i]
		s := spread{
			key: c.topology(constraint.TopologyKey), skew: constraint.MaxSkew, minDomains: ptr.Deref(constraint.MinDomains, 1), system: system,
			affinity: ptr.Deref(constraint.NodeAffinityPolicy, corev1.NodeInclusionPolicyHonor) == corev1.NodeInclusionPolicyHonor,
			taints:   ptr.Deref(constraint.NodeTaintsPolicy, corev1.NodeInclusionPolicyIgnore) == corev1.NodeInclusionPolicyHonor,
			self:     1,
		}
		if constraint.LabelSelector != nil {
			own, err := t.withKeys(constraint.LabelSelector, constraint.MatchLabelKeys, metav1.LabelSelectorOpIn)
			if err == nil {
				s.selector, err = metav1.LabelSelectorAsSelector(own)
			}
			if err != nil {
				return fmt.Errorf("reading the topology spread constraint for %s: %w", constraint.TopologyKey, err)
			}
			if !s.selector.Matches(t.labels) {
				s.self = 0
			}
		}
		if constraint.WhenUnsatisfiable == corev1.ScheduleAnyway {
			t.soft = append(t.soft, s)
		} else {
			t.hard = append(t.hard, s)
		}
	}
	return nil
}

// loud templates have terms that pods coming later must heed.
func (t *template) loud() bool { return len(t.need)+len(t.avoid)+len(t.attract) > 0 }

// topology numbers a topology key. The first use of a key adds a column to the shapes.
func (c *Cluster) topology(key string) int32 { return c.shapes.topology(key) }

// SetNamespace tells the labels of a namespace, which affinity terms may select.
func (c *Cluster) SetNamespace(name string, labels map[string]string) {
	c.advance()
	c.setNamespace(name, labels)
}

func (c *Cluster) setNamespace(name string, labels map[string]string) {
	if old, known := c.namespaces[name]; known && maps.Equal(old, labels) {
		return
	}
	c.namespaces[name] = maps.Clone(labels)
	c.renamespace()
	c.poke()
}

// renamespace makes boards anew if any term looks at the labels of namespaces.
func (c *Cluster) renamespace() {
	if c.selective {
		c.restructure()
	}
}
