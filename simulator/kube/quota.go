package kube

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/seatrial/seatrial/estimator"
)

// quota is a ResourceQuota. Only what pods take is counted; limits on the number of other objects never bind.
type quota struct {
	key      Key
	object   *corev1.ResourceQuota
	items    []quotaItem
	priority labels.Selector
	changed  bool
}

// quotaItem is one limited resource. A lasting one counts pods that have finished, too.
type quotaItem struct {
	name             corev1.ResourceName
	hard, used, told int64
	lasting          bool
}

// share is what a pod of a template takes of a quota, item by item. An unclear one says of some limited resource not what it
// takes, and is refused.
type share struct {
	quota   *quota
	amounts []int64
	unclear bool
}

// Back-off of controllers whose pods are refused, which doubles from the first to the last. Kubernetes begins with 5 ms; what
// happens within the first second is left out.
const (
	firstRefusal = 1280 * time.Millisecond
	lastRefusal  = 1000 * time.Second
)

// quotaSync is how often quotas are counted anew: only then are pods left out that should have ended on a silent node.
const quotaSync = 5 * time.Minute

// prioritySelected is the label by which the scope PriorityClass selects pods here.
const prioritySelected = "class"

func (c *Cluster) applyQuota(object *corev1.ResourceQuota) error {
	q := &quota{key: Key{KindResourceQuota, object.Namespace, object.Name}, object: object}
	if old := c.quota(q.key); old != nil && apiequality.Semantic.DeepEqual(old.object.Spec, object.Spec) {
		old.object = object
		return nil
	}
	for name, hard := range object.Spec.Hard {
		plain := strings.TrimPrefix(strings.TrimPrefix(string(name), "requests."), "limits.")
		item := quotaItem{name: name, hard: estimator.Integer(corev1.ResourceName(plain), hard), lasting: name == "count/pods", told: -1}
		q.items = append(q.items, item)
	}
	slices.SortFunc(q.items, func(a, b quotaItem) int { return strings.Compare(string(a.name), string(b.name)) })
	if err := q.readScopes(); err != nil {
		return fmt.Errorf("applying %s: %w", q.key, err)
	}
	c.deleteQuota(q.key)
	c.quotas = append(c.quotas, q)
	c.quotaVersion++
	slices.SortFunc(c.quotas, func(a, b *quota) int { return a.key.compare(b.key) })
	for of := range c.sets {
		if t := c.sets[of].template; t != nil && q.covers(t) {
			for _, id := range c.sets[of].pods {
				q.charge(q.shareOf(t), 1, true)
				if p := &c.pods[id]; !p.finished() && !p.is(podPardoned) {
					q.charge(q.shareOf(t), 1, false)
				}
			}
		}
	}
	q.changed = true
	return nil
}

func (c *Cluster) quota(key Key) *quota {
	for _, q := range c.quotas {
		if q.key == key {
			return q
		}
	}
	return nil
}

func (c *Cluster) deleteQuota(key Key) {
	c.quotas = slices.DeleteFunc(c.quotas, func(q *quota) bool { return q.key == key })
	c.quotaVersion++
}

// readScopes turns what the scopes say of priority classes into a selector.
func (q *quota) readScopes() error {
	selector := &metav1.LabelSelector{}
	if scopes := q.object.Spec.ScopeSelector; scopes != nil {
		for _, scope := range scopes.MatchExpressions {
			if scope.ScopeName == corev1.ResourceQuotaScopePriorityClass {
				selector.MatchExpressions = append(selector.MatchExpressions, metav1.LabelSelectorRequirement{
					Key: prioritySelected, Operator: metav1.LabelSelectorOperator(scope.Operator), Values: scope.Values})
			}
		}
	}
	var err error
	if q.priority, err = metav1.LabelSelectorAsSelector(selector); err != nil {
		return fmt.Errorf("spec.scopeSelector: %w", err)
	}
	return nil
}

// covers reports whether pods of a template are within all scopes of the quota.
func (q *quota) covers(t *template) bool {
	class := labels.Set{}
	if name := t.pod.PriorityClassName; name != "" {
		class[prioritySelected] = name
	}
	if t.namespace != q.key.Namespace || !q.priority.Matches(class) {
		return false
	}
	scopes := slices.Clone(q.object.Spec.Scopes)
	if selector := q.object.Spec.ScopeSelector; selector != nil {
		for _, scope := range selector.MatchExpressions {
			scopes = append(scopes, scope.ScopeName)
		}
	}
	for _, scope := range scopes {
		within := true
		switch scope {
		case corev1.ResourceQuotaScopeTerminating:
			within = t.pod.ActiveDeadlineSeconds != nil
		case corev1.ResourceQuotaScopeNotTerminating:
			within = t.pod.ActiveDeadlineSeconds == nil
		case corev1.ResourceQuotaScopeBestEffort:
			within = bestEffort(t.pod)
		case corev1.ResourceQuotaScopeNotBestEffort:
			within = !bestEffort(t.pod)
		case corev1.ResourceQuotaScopeCrossNamespacePodAffinity:
			within = t.crossesNamespaces()
		}
		if !within {
			return false
		}
	}
	return true
}

// bestEffort pods ask for neither cpu nor memory.
func bestEffort(spec *corev1.PodSpec) bool {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			for _, list := range []corev1.ResourceList{containers[i].Resources.Requests, containers[i].Resources.Limits} {
				if !list.Cpu().IsZero() || !list.Memory().IsZero() {
					return false
				}
			}
		}
	}
	return true
}

// crossesNamespaces reports whether an affinity term of the template looks at pods of named or selected namespaces.
func (t *template) crossesNamespaces() bool {
	crosses := func(term podTerm) bool {
		return term.within != nil || !slices.Equal(term.namespaces, []string{t.namespace})
	}
	return slices.ContainsFunc(t.need, crosses) || slices.ContainsFunc(t.avoid, crosses) ||
		slices.ContainsFunc(t.attract, func(w weighted) bool { return crosses(w.podTerm) })
}

// shares are those of a template in the quotas as they are now.
func (c *Cluster) shares(t *template) []share {
	if t.quotaVersion == c.quotaVersion {
		return t.shares
	}
	t.quotaVersion, t.shares = c.quotaVersion, nil
	for _, q := range c.quotas {
		if q.covers(t) {
			t.shares = append(t.shares, q.shareOf(t))
		}
	}
	return t.shares
}

func (q *quota) shareOf(t *template) share {
	pod := &corev1.Pod{Spec: *t.pod}
	requests := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{})
	limits := resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{})
	s := share{quota: q, amounts: make([]int64, len(q.items))}
	for i := range q.items {
		name := string(q.items[i].name)
		list, plain, limited := requests, strings.TrimPrefix(name, "requests."), false
		if after, ok := strings.CutPrefix(name, "limits."); ok {
			list, plain, limited = limits, after, true
		}
		switch {
		case name == "pods" || name == "count/pods":
			s.amounts[i] = 1
		case plain == "cpu" || plain == "memory" || plain == "ephemeral-storage" || plain != name:
			s.amounts[i] = estimator.Integer(corev1.ResourceName(plain), list[corev1.ResourceName(plain)])
			s.unclear = s.unclear || (plain == "cpu" || plain == "memory") && !stated(t.pod, corev1.ResourceName(plain), limited)
		}
	}
	return s
}

// stated reports whether every container says how much of a resource it requests, or what its limit is.
func stated(spec *corev1.PodSpec, name corev1.ResourceName, limited bool) bool {
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			list := containers[i].Resources.Requests
			if limited {
				list = containers[i].Resources.Limits
			}
			if _, ok := list[name]; !ok {
				return false
			}
		}
	}
	return true
}

// admits reports whether the quotas leave room for another pod of a template.
func (c *Cluster) admits(t *template) bool {
	for _, s := range c.shares(t) {
		if s.unclear {
			return false
		}
		for i, item := range s.quota.items {
			if s.amounts[i] > 0 && item.used+s.amounts[i] > item.hard {
				return false
			}
		}
	}
	return true
}

// charge counts a pod of a template for its quotas, or takes it off: in what it takes until it has finished, or in what lasts.
func (c *Cluster) charge(t *template, sign int64, lasting bool) {
	if len(c.quotas) == 0 {
		return
	}
	for _, s := range c.shares(t) {
		s.quota.charge(s, sign, lasting)
	}
}

func (q *quota) charge(s share, sign int64, lasting bool) {
	for i := range q.items {
		if q.items[i].lasting == lasting {
			q.items[i].used += sign * s.amounts[i]
		}
	}
	q.changed = true
}

// pardon frees what a pod takes that should have ended, and whose node does not answer.
func (c *Cluster) pardon(id int32) {
	p := &c.pods[id]
	c.charge(c.sets[p.set].template, -1, false)
	p.flags |= podPardoned
}

// refuse notes that a workload may not have another pod now, and plans when its controller asks again.
func (c *Cluster) refuse(id int32) {
	w := &c.works[id]
	w.refused = true
	c.touchStatus(id)
	if w.askAgain > c.now {
		return
	}
	wait := min(firstRefusal<<min(w.refusals, 10), lastRefusal)
	w.refusals++
	w.askAgain = c.now + int64(wait)
	c.timers.push(timer{at: w.askAgain, kind: kindAskAgain, id: id, gen: w.gen})
}

// askAgain lets the controller of a workload try to make the pods that were refused.
func (c *Cluster) askAgain(id int32) {
	if c.works[id].key.Kind == KindDaemonSet {
		c.wantDaemons(id)
	}
	c.touch(id)
}

// changedQuotas are those of which another use is made than was told, in the order of keys.
func (c *Cluster) changedQuotas() []Key {
	var keys []Key
	for _, q := range c.quotas {
		if !q.changed {
			continue
		}
		q.changed = false
		differs := false
		for i := range q.items {
			item := &q.items[i]
			differs = differs || item.used != item.told
			item.told = item.used
		}
		if differs {
			keys = append(keys, q.key)
		}
	}
	return keys
}

// Quota returns the status of a ResourceQuota, and whether it exists.
func (c *Cluster) Quota(key Key) (corev1.ResourceQuotaStatus, bool) {
	c.join()
	q := c.quota(key)
	if q == nil {
		return corev1.ResourceQuotaStatus{}, false
	}
	status := corev1.ResourceQuotaStatus{Hard: q.object.Spec.Hard, Used: corev1.ResourceList{}}
	for _, item := range q.items {
		used := resource.NewQuantity(item.used, q.object.Spec.Hard[item.name].Format)
		if strings.HasSuffix(string(item.name), "cpu") {
			used = resource.NewMilliQuantity(item.used, resource.DecimalSI)
		}
		status.Used[item.name] = *used
	}
	return status, true
}
