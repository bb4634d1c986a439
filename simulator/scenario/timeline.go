package scenario

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// maxActions is more than any run can show.
const maxActions = 2_000_000

// step is an event that happens once, or an arrival.
type step struct {
	at time.Duration
	// event is its place in the timeline; -1 for an arrival.
	event, occurrence int
	action            Action
}

// expandTimeline turns events into actions. Steps are taken in the order of time, for what an event selects depends on what has
// come and gone before.
func (p *planner) expandTimeline() {
	p.fleet.part()
	steps := p.steps()
	chances := make([]rand.Source, len(p.scenario.Timeline))
	for i := range chances {
		chances[i] = source(p.plan.Seed, fmt.Sprintf("timeline[%d]", i))
	}
	for i := range steps {
		s := &steps[i]
		if s.event < 0 {
			p.follow(&s.action)
			p.plan.Actions = append(p.plan.Actions, s.action)
			continue
		}
		event := &p.scenario.Timeline[s.event]
		action := Action{At: s.at, Name: event.Name, Field: index("timeline", s.event)}
		if !p.resolve(&action, event, chances[s.event]) {
			continue
		}
		action.Name = orWord(action.Name, action.describe())
		p.plan.Actions = append(p.plan.Actions, action)
		p.undo(&action, event)
	}
	slices.SortStableFunc(p.plan.Actions, func(a, b Action) int { return cmp.Compare(a.At, b.At) })
}

// steps are all arrivals and all occurrences of events within the duration, in the order of time.
func (p *planner) steps() []step {
	var steps []step
	for _, arrival := range p.arrivals {
		if arrival.At <= p.plan.Duration {
			steps = append(steps, step{at: arrival.At, event: -1, action: arrival})
		}
	}
	for i := range p.scenario.Timeline {
		event := &p.scenario.Timeline[i]
		chance := source(p.plan.Seed, fmt.Sprintf("timeline[%d].at", i))
		for n, at := range event.times(p.plan.Duration, chance) {
			steps = append(steps, step{at: at, event: i, occurrence: n})
		}
		if len(steps) > maxActions {
			p.add(index("timeline", i), "repeat it less often", "more than %d actions", maxActions)
			return nil
		}
	}
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(a.at, b.at) })
	return steps
}

// times when an event happens, up to the end.
func (e *Event) times(end time.Duration, chance rand.Source) []time.Duration {
	var times []time.Duration
	if !e.Until.empty() {
		end = min(end, e.Until.Duration)
	}
	repeated := !e.Every.empty() || e.Between != nil
	at := e.At.Duration
	if e.Between != nil && e.At.empty() {
		at = e.Between.Duration(chance)
	}
	for n := 1; at <= end && n <= maxActions+1; n++ {
		happens := at
		if e.Jitter != nil {
			happens += e.Jitter.Duration(chance)
		}
		if happens <= end {
			times = append(times, happens)
		}
		if !repeated || n == e.Times {
			break
		}
		if e.Between != nil {
			at += max(e.Between.Duration(chance), time.Millisecond)
		} else {
			at += e.Every.Duration
		}
	}
	return times
}

// follow keeps the models in step with an arrival.
func (p *planner) follow(action *Action) {
	for _, object := range action.Objects {
		p.load.apply(object)
	}
	for i := range action.Targets {
		target := &action.Targets[i]
		key := keyOf(target.Kind, target.Namespace, target.Name)
		if action.Verb == Delete {
			p.load.remove(key)
		} else if entry := p.load.workloads[key]; entry != nil {
			entry.target.Replicas = target.Replicas
		}
	}
}

// resolve fills in what an event does now. It reports whether that is anything.
func (p *planner) resolve(a *Action, e *Event, chance rand.Source) bool {
	_, given := e.verbs()
	a.Verb = Verb(given[0])
	switch a.Verb {
	case Fail, Pause, Partition, Heal, RemoveCluster:
		selection := map[Verb]*Clusters{Fail: e.Fail, Pause: e.Pause, Partition: e.Partition, Heal: e.Heal, RemoveCluster: e.RemoveCluster}[a.Verb]
		if !p.onClusters(a, selection, given[0], chance) {
			return false
		}
		if a.Verb == RemoveCluster {
			for _, name := range a.Clusters {
				delete(p.fleet.clusters, name)
			}
		}
		return true
	case AddCluster:
		made := p.grow(a.Field+".addCluster", e.AddCluster)
		for i, c := range made {
			if i > 0 {
				p.plan.Actions = append(p.plan.Actions, Action{At: a.At, Verb: AddCluster, Name: "addCluster " + made[i-1].Name, Field: a.Field, Added: made[i-1]})
			}
			a.Added = c
			mine := *c
			mine.Nodes = slices.Clip(c.Nodes)
			p.fleet.clusters[c.Name] = &mine
		}
		return len(made) > 0
	case SetTaint, Untaint:
		of := e.Taint
		if of == nil {
			of = e.Untaint
		}
		a.Taint = of.Taint.object()
		return p.onClusters(a, &of.Clusters, given[0]+".clusters", chance)
	case SetPrice:
		a.Price = price(e.SetPrice.Price)
		return p.onClusters(a, &e.SetPrice.Clusters, "setPrice.clusters", chance)
	case ScaleTo, RollOut, SetLoad, Apply, Delete:
		return p.resolveObjects(a, e, chance)
	case SlowDown, Disturb, FaultyEstim, Stop:
		return p.resolveFault(a, e, chance)
	}
	return p.resolveNodes(a, e, chance)
}

// onClusters selects clusters. A selection that can never mean any is a mistake; one that means none now does nothing.
func (p *planner) onClusters(a *Action, s *Clusters, field string, chance rand.Source) bool {
	for _, c := range p.fleet.choose(s, chance) {
		a.Clusters = append(a.Clusters, c.Name)
	}
	if len(a.Clusters) == 0 {
		p.add(join(a.Field, field), "select clusters that there are at "+a.At.String(), "it selects no cluster")
	}
	return len(a.Clusters) > 0
}

func (p *planner) resolveNodes(a *Action, e *Event, chance rand.Source) bool {
	if a.Verb == AddNodes {
		return p.addNodes(a, e.AddNodes, chance)
	}
	selection := map[Verb]*Nodes{
		FailNodes: e.FailNodes, HealNodes: e.HealNodes, Cordon: e.Cordon, Drain: e.Drain, Uncordon: e.Uncordon, RemoveNodes: e.RemoveNodes,
	}[a.Verb]
	field := string(a.Verb)
	if a.Verb == TaintNodes {
		selection, field, a.Taint = &e.TaintNodes.Nodes, "taintNodes.nodes", e.TaintNodes.Taint.object()
	}
	chosen := p.fleet.chooseNodes(selection, chance)
	a.Nodes = byCluster(chosen)
	if len(chosen) == 0 {
		p.add(join(a.Field, field), "select nodes that there are at "+a.At.String(), "it selects no node")
		return false
	}
	if a.Verb == RemoveNodes {
		for _, group := range a.Nodes {
			of := p.fleet.clusters[group.Cluster]
			of.Nodes = slices.DeleteFunc(slices.Clone(of.Nodes), func(n Node) bool { return slices.Contains(group.Names, n.Name) })
		}
	}
	return true
}

func (p *planner) addNodes(a *Action, n *NewNodes, chance rand.Source) bool {
	for _, c := range p.fleet.choose(&n.Clusters, chance) {
		at := slices.IndexFunc(c.Pools, func(pool *Pool) bool { return n.Pool == "" || pool.Name == n.Pool })
		if at < 0 {
			p.add(a.Field+".addNodes.pool", "name a pool of cluster "+c.Name, "there is no pool %q", n.Pool)
			return false
		}
		// Names go on where they are highest: a name is never given twice.
		added := c.extend(c.Pools[at], n.Count)
		for i := range added {
			added[i].Name = fmt.Sprintf("%s-%s-%d-%d", c.Name, c.Pools[at].Name, a.At.Milliseconds(), i+1)
		}
		a.Nodes = append(a.Nodes, NodesOf{Cluster: c.Name, Added: slices.Clone(added)})
	}
	if len(a.Nodes) == 0 {
		p.add(a.Field+".addNodes.clusters", "select clusters that there are at "+a.At.String(), "it selects no cluster")
	}
	return len(a.Nodes) > 0
}

func (p *planner) resolveObjects(a *Action, e *Event, chance rand.Source) bool {
	switch a.Verb {
	case Apply:
		a.Objects = p.manifest(p.scenario, a.Field+".apply", e.Apply)
		p.follow(a)
		return len(a.Objects) > 0
	case Delete:
		gv, err := schema.ParseGroupVersion(e.Delete.APIVersion)
		if err != nil {
			p.add(a.Field+".delete.apiVersion", "write it as in apps/v1", "%v", err)
			return false
		}
		a.Targets = []Target{{APIVersion: gv.String(), Kind: e.Delete.Kind, Namespace: e.Delete.Namespace, Name: e.Delete.Name}}
		p.follow(a)
		return true
	}
	selection, field := e.RollOut, "rollOut"
	switch a.Verb {
	case ScaleTo:
		selection, field = &e.Scale.Workloads, "scale.workloads"
	case SetLoad:
		selection, field = &e.Load.Workloads, "load.workloads"
		a.Metric, a.Amount = orWord(e.Load.Metric, string(corev1.ResourceCPU)), e.Load.Amount.MilliValue()
	}
	chosen := p.load.choose(selection, chance)
	for _, entry := range chosen {
		if a.Verb == ScaleTo {
			entry.target.Replicas = e.Scale.of(entry.target.Replicas)
		}
		a.Targets = append(a.Targets, entry.target)
	}
	if len(chosen) == 0 {
		p.add(join(a.Field, field), "select workloads that there are at "+a.At.String(), "it selects no workload")
	}
	return len(chosen) > 0
}

// maxReplicas keeps sums of replicas and time exact.
const maxReplicas = 1_000_000

func (s *Scale) of(replicas int32) int32 {
	scaled := float64(replicas)
	switch {
	case s.To != nil:
		scaled = float64(*s.To)
	case s.Factor > 0:
		scaled = math.Round(s.Factor * scaled)
	default:
		scaled += float64(s.By)
	}
	return int32(min(max(scaled, 0), maxReplicas))
}

func (p *planner) resolveFault(a *Action, e *Event, chance rand.Source) bool {
	var selection *Clusters
	field := string(a.Verb) + ".clusters"
	switch a.Verb {
	case SlowDown:
		selection, a.ControlPlane, a.Factor = &e.SlowAPI.Clusters, e.SlowAPI.ControlPlane, e.SlowAPI.Factor
	case Disturb:
		selection, a.ControlPlane, a.Fault, a.Rate, a.Delay = &e.Disturb.Clusters, e.Disturb.ControlPlane, e.Disturb.Fault, 1, e.Disturb.Delay.Duration
		if !e.Disturb.Rate.empty() {
			a.Rate = e.Disturb.Rate.Value
		}
	case FaultyEstim:
		selection, a.EstimatorFault, a.Factor = &e.Estimator.Clusters, e.Estimator.Fault, e.Estimator.Factor
	case Stop:
		a.Component = e.Crash.Component
		return true
	}
	return a.ControlPlane || p.onClusters(a, selection, field, chance)
}

// undo plans the end of what lasts for a time. A component that crashed starts again at once without one.
func (p *planner) undo(a *Action, e *Event) {
	if e.For.empty() && a.Verb != Stop {
		return
	}
	back := *a
	back.At += e.For.Duration
	back.Verb = undone()[string(a.Verb)]
	back.Name = "end of " + a.Name
	if a.Verb == Stop {
		back.Name = back.describe()
	}
	if back.At <= p.plan.Duration {
		p.plan.Actions = append(p.plan.Actions, back)
	}
}

// describe tells what an action does, in a few words.
func (a *Action) describe() string {
	text := string(a.Verb)
	switch {
	case a.Added != nil:
		return text + " " + a.Added.Name
	case len(a.Nodes) > 0:
		count := 0
		var clusters []string
		for _, group := range a.Nodes {
			count += len(group.Names) + len(group.Added)
			clusters = append(clusters, group.Cluster)
		}
		return fmt.Sprintf("%s: %d of %s", text, count, few(clusters))
	case a.ControlPlane:
		text += " control plane"
	case a.Component != "":
		text += " " + string(a.Component)
	case len(a.Clusters) > 0:
		text += " " + few(a.Clusters)
	case len(a.Objects) > 0:
		text += " " + describe(a.Objects)
	case len(a.Targets) > 0:
		var targets []string
		for _, target := range a.Targets {
			targets = append(targets, target.Name)
		}
		text += " " + few(targets)
	}
	if a.Fault != "" {
		text += ": " + string(a.Fault)
	}
	if a.Taint != (corev1.Taint{}) {
		text += ": " + a.Taint.ToString()
	}
	return text
}

// few lists the first names.
func few(names []string) string {
	const most = 3
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, ", ")
}
