package kube

import (
	"fmt"

	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// budget is a PodDisruptionBudget.
type budget struct {
	key      Key
	selector labels.Selector
	object   *policyv1.PodDisruptionBudget
}

func (c *Cluster) applyBudget(object *policyv1.PodDisruptionBudget) error {
	key := Key{KindPodDisruptionBudget, object.Namespace, object.Name}
	read, err := metav1.LabelSelectorAsSelector(object.Spec.Selector)
	if err != nil {
		return fmt.Errorf("applying %s: reading its selector: %w", key, err)
	}
	c.deleteBudget(key)
	c.budgets = append(c.budgets, &budget{key: key, selector: read, object: object})
	return nil
}

func (c *Cluster) deleteBudget(key Key) {
	for i, b := range c.budgets {
		if b.key == key {
			c.budgets = append(c.budgets[:i], c.budgets[i+1:]...)
			return
		}
	}
}

// allowed is how many more healthy pods the budget lets go, and whether the healthy ones are enough now.
func (c *Cluster) allowed(b *budget) (disruptions int, enough bool) {
	healthy, expected := 0, 0
	counted := map[int32]bool{}
	for of := range c.sets {
		s := &c.sets[of]
		if s.template == nil || !b.selects(s.template) {
			continue
		}
		healthy += int(s.ready)
		if !counted[s.work] {
			counted[s.work] = true
			expected += int(c.expected(&c.works[s.work]))
		}
	}
	var desired int
	switch spec := &b.object.Spec; {
	case spec.MaxUnavailable != nil:
		unavailable, err := intstr.GetScaledValueFromIntOrPercent(spec.MaxUnavailable, expected, true)
		if err != nil {
			return 0, false
		}
		desired = max(expected-unavailable, 0)
	case spec.MinAvailable != nil:
		available, err := intstr.GetScaledValueFromIntOrPercent(spec.MinAvailable, expected, true)
		if err != nil {
			return 0, false
		}
		desired = available
	default:
		desired = 1
	}
	return max(healthy-desired, 0), healthy >= desired
}

func (b *budget) selects(t *template) bool {
	return t.namespace == b.key.Namespace && b.selector.Matches(t.labels)
}

// mayEvict reports whether every budget lets a pod go.
func (c *Cluster) mayEvict(id int32) bool {
	p := &c.pods[id]
	if !p.shown() && p.phase != ready && p.phase != starting {
		return true
	}
	for _, b := range c.budgets {
		if !b.selects(c.sets[p.set].template) {
			continue
		}
		disruptions, enough := c.allowed(b)
		if p.shown() && disruptions < 1 {
			return false
		}
		always := b.object.Spec.UnhealthyPodEvictionPolicy != nil && *b.object.Spec.UnhealthyPodEvictionPolicy == policyv1.AlwaysAllow
		if !p.shown() && !always && !enough {
			return false
		}
	}
	return true
}

// violating marks those pods whose budgets do not allow as many as stand before them in the list.
func (c *Cluster) violating(ids []int32) map[int32]bool {
	violating := map[int32]bool{}
	if len(c.budgets) == 0 {
		return violating
	}
	left := make([]int, len(c.budgets))
	for i, b := range c.budgets {
		left[i], _ = c.allowed(b)
	}
	for _, id := range ids {
		for i, b := range c.budgets {
			if b.selects(c.sets[c.pods[id].set].template) {
				left[i]--
				violating[id] = violating[id] || left[i] < 0
			}
		}
	}
	return violating
}
