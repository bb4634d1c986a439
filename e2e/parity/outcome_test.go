package parity

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/simulator/kube"
)

// outcome is what has become of each workload.
type outcome map[string]*tally

// tally counts the pods of a workload: those ready, on a node but not ready, without a node, asked to end, and those of a Job
// that have succeeded. groups counts those on nodes by group of nodes. untried pods no scheduler has looked at yet.
type tally struct {
	ready, unready, pending, ending, succeeded, untried int
	groups                                              map[string]int
}

func (o outcome) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(o)) {
		t := o[name]
		text := fmt.Sprintf("%s %d ready", name, t.ready)
		for _, more := range []struct {
			count int
			what  string
		}{{t.unready, "not ready"}, {t.pending, "pending"}, {t.ending, "ending"}, {t.succeeded, "succeeded"}, {t.untried, "untried"}} {
			if more.count > 0 {
				text += fmt.Sprintf(", %d %s", more.count, more.what)
			}
		}
		if len(t.groups) > 0 {
			text += " on"
			for _, group := range slices.Sorted(maps.Keys(t.groups)) {
				text += fmt.Sprintf(" %s:%d", group, t.groups[group])
			}
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, "; ")
}

// count adds up pods, by the label that names their workload.
func (p *play) count(pods []*corev1.Pod) outcome {
	o := outcome{}
	for _, pod := range pods {
		t := o.of(pod.Labels[appLabel])
		ready, tried := false, false
		for _, c := range pod.Status.Conditions {
			ready = ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
			tried = tried || c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse
		}
		switch {
		case pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed:
			continue
		case pod.DeletionTimestamp != nil:
			t.ending++
			continue
		case pod.Spec.NodeName == "":
			t.pending++
			if !tried {
				t.untried++
			}
			continue
		case ready:
			t.ready++
		default:
			t.unready++
		}
		group := strings.TrimPrefix(pod.Spec.NodeName, p.scene.name+"-")
		t.groups[group[:strings.LastIndexByte(group, '-')]]++
	}
	return o
}

// hold is how long an outcome must last: longer while the scheduler has not said of every pending pod that it tried.
func (o outcome) hold() time.Duration {
	for _, t := range o {
		if t.untried > 0 {
			return 5 * toHold
		}
	}
	return toHold
}

func (o outcome) of(name string) *tally {
	if o[name] == nil {
		o[name] = &tally{groups: map[string]int{}}
	}
	return o[name]
}

func (p *play) simulated() outcome {
	o := p.count(p.sim.Pods(p.scene.name, nil))
	for _, name := range p.jobs {
		if s, ok := p.sim.Status(kube.Key{Kind: kube.KindJob, Namespace: p.scene.name, Name: name}); ok {
			o.of(name).succeeded = int(s.Succeeded)
		}
	}
	return o
}

func (p *play) observed() outcome {
	p.Helper()
	list := &corev1.PodList{}
	p.must(p.real.List(p.Context(), list, client.InNamespace(p.scene.name)))
	pods := make([]*corev1.Pod, len(list.Items))
	for i := range list.Items {
		pods[i] = &list.Items[i]
	}
	o := p.count(pods)
	for _, name := range p.jobs {
		found := &batchv1.Job{}
		p.must(p.real.Get(p.Context(), client.ObjectKey{Namespace: p.scene.name, Name: name}, found))
		o.of(name).succeeded = int(found.Status.Succeeded)
	}
	return o
}

// differs says how one outcome differs from the other, beyond what the case leaves to chance.
func (p *play) differs(found, sim outcome) string {
	names := slices.Sorted(maps.Keys(found))
	for name := range maps.Keys(sim) {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, name := range names {
		r, s := found.of(name), sim.of(name)
		a, b := *r, *s
		a.groups, b.groups = nil, nil
		a.untried, b.untried = 0, 0
		if fmt.Sprint(a) != fmt.Sprint(b) || !p.sameGroups(r.groups, s.groups) {
			return name
		}
	}
	return ""
}

func (p *play) sameGroups(found, sim map[string]int) bool {
	switch {
	case p.scene.within > 0:
		for name := range p.groups {
			if d := found[name] - sim[name]; max(d, -d) > p.scene.within {
				return false
			}
		}
		return true
	case p.scene.draw != "":
		return slices.Equal(slices.Sorted(maps.Values(found)), slices.Sorted(maps.Values(sim)))
	}
	return maps.Equal(found, sim)
}

// rest brings the simulated cluster to rest, and waits until the real one has come to the same and stays so.
func (p *play) rest(what string, began time.Time) {
	p.Helper()
	limit, longest := toRest, toGiveUp
	if p.patient {
		limit, longest = toLose, toLose
	}
	start := p.loop.Now()
	p.settled = start
	p.loop.RunUntil(start.Add(limit))
	expected := p.simulated()
	var since time.Time
	for {
		found := p.observed()
		switch {
		case p.differs(found, expected) != "":
			since = time.Time{}
			if time.Since(began) > longest {
				p.Fatalf("after %q the real cluster differs in %s:\n      real: %v\n simulated: %v", what, p.differs(found, expected), found, expected)
			}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) > found.hold():
			p.last = found
			p.lines = append(p.lines, fmt.Sprintf("%s: %v (%.1f s, simulated %.1f s)", what, found, since.Sub(began).Seconds(), p.settled.Sub(start).Seconds()))
			return
		}
		time.Sleep(poll)
	}
}

// checkEnd holds a case to what it says it ends with, so that the table is worth what it claims.
func (p *play) checkEnd() {
	p.Helper()
	pending, all := 0, map[string]int{}
	for _, t := range p.last {
		pending += t.pending + t.unready + t.ending
		for group, pods := range t.groups {
			all[group] += pods
		}
	}
	skewed := false
	for a := range p.groups {
		for b := range p.groups {
			skewed = skewed || all[a]-all[b] > 1
		}
	}
	holds := map[end]bool{whole: pending == 0, waiting: pending > 0, skew: skewed, preempted: p.sim.Stats().Preempted > 0}
	if !holds[p.scene.ends] {
		p.Errorf("the case is said to end %s, and ends with %v", p.scene.ends, p.last)
	}
}
