package fuzz

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/seatrial/seatrial/fleet"
)

// oftener are faults that come once more, for some controllers follow what seldom changes.
var oftener = []Action{SlowWatch, LostWatch, RepeatWatch}

// drawing is the first of the random streams that scenarios are drawn from.
const drawing = 10

// patient is how long a fault that is meant for one controller waits for its turns.
const patient = 20 * time.Minute

// steps that follow each other closely are this far apart: less than a delivery, about one, and more.
var paces = []time.Duration{0, time.Millisecond, 2 * time.Millisecond, 5 * time.Millisecond, 30 * time.Millisecond, 500 * time.Millisecond, 3 * time.Second}

// generator draws a scenario. It knows what it has applied, so that most of what it does next makes sense.
type generator struct {
	size     Size
	random   *rand.Rand
	scenario Scenario
	at       time.Duration
	// namespaces are those that workloads are in.
	namespaces []string
	// kindsFrom is where the kinds of the workloads begin.
	kindsFrom int
	// workloads and policies are the last applied form of each, present or deleted.
	workloads, policies, overrides []*unstructured.Unstructured
	// given are what tenants are given, likewise.
	given []*unstructured.Unstructured
	// controllers are aimed at in turn by each kind of fault.
	controllers []string
	aimed       map[Action]int
}

// Generate draws the scenario of a seed. A large one has at least 5 clusters, 20 workloads under policies of all kinds, quotas and
// roles, changes over more than 30 minutes, and 32 faults or more, of all kinds; a small one has 2 clusters, 3 workloads, changes
// over 4 minutes and 9 faults. What is drawn for itself does not depend on what else is drawn.
func Generate(seed uint64, size Size, controllers []string) Scenario {
	g := &generator{size: size, controllers: controllers, namespaces: namespaces[:size.namespaces], aimed: map[Action]int{}}
	g.scenario.Seed, g.scenario.Size = seed, size.name
	for i, draw := range []func(){g.users, g.tenants, g.moves, g.faults} {
		g.random = rand.New(rand.NewPCG(seed, uint64(drawing+i)))
		draw()
	}
	slices.SortStableFunc(g.scenario.Steps, func(a, b Step) int { return cmp.Compare(a.At.Duration, b.At.Duration) })
	return g.scenario
}

// users make a fleet and what runs on it, and change it.
func (g *generator) users() {
	g.fleet()
	g.begin()
	g.change()
}

func (g *generator) fleet() {
	providers, regions := []string{"aws", "gcp", "azure"}, []string{"east", "west", "north"}
	for i := range g.size.clusters.draw(g.random) {
		region := regions[i%len(regions)]
		g.scenario.Clusters = append(g.scenario.Clusters, fleet.Spec{
			Name: fmt.Sprintf("member%d", i+1), Role: fleet.Member, Provider: pick(g, providers), Region: region, Zones: []string{region + "-a"},
			Nodes:   fleet.NodePool{Count: 2 + g.random.IntN(3), CPU: pick(g, []string{"4", "8", "16"}), Memory: "64Gi", Pods: "110"},
			Startup: fleet.Startup{Delay: time.Duration(1+g.random.IntN(20)) * time.Second, Jitter: time.Second},
		})
	}
}

// begin applies namespaces, workloads and policies, all within half a minute and in any order.
func (g *generator) begin() {
	for _, cluster := range g.scenario.Clusters {
		g.step(Step{Do: Label, Cluster: cluster.Name, Labels: map[string]string{"tier": pick(g, []string{"gold", "silver"})}})
	}
	for _, namespace := range g.namespaces[1:] {
		g.step(Step{Do: Apply, Object: object("v1", "Namespace", "", namespace)})
	}
	if g.size.offset {
		g.kindsFrom = g.random.IntN(len(kindsOfWorkloads) * len(g.namespaces))
	}
	for i := range g.size.workloads.draw(g.random) {
		g.workloads = append(g.workloads, g.workload(i))
	}
	for kind := range placementKinds {
		for _, namespace := range g.governed() {
			g.policies = append(g.policies, g.policy(namespace, kind))
		}
	}
	for i := range g.size.overrides {
		g.overrides = append(g.overrides, g.override(i))
	}
	g.overrides = append(g.overrides, taintPolicy("t0", "NotIn", map[string]any{"key": "failing", "effect": "NoSchedule"}))
	all := slices.Concat(g.workloads, g.policies, g.overrides)
	g.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, made := range all {
		g.step(Step{Do: Apply, Object: made.DeepCopy()})
		g.at += pick(g, paces[:6])
	}
}

// governed are the namespaces that have a policy of a kind, an empty name for all together.
func (g *generator) governed() []string {
	all := append(slices.Clone(g.namespaces), "")
	if g.size.everywhere {
		return all
	}
	return []string{pick(g, all)}
}

// change does what users do, in bursts.
func (g *generator) change() {
	end := time.Duration(g.size.minutes.draw(g.random)) * time.Minute
	g.scenario.Duration = metav1.Duration{Duration: end}
	for g.at = g.size.calm; g.at < end-g.size.calm; g.at += g.within(g.size.bursts) {
		for range 1 + g.random.IntN(4) {
			g.one()
			g.at += pick(g, paces)
		}
	}
}

func (g *generator) within(longest time.Duration) time.Duration {
	return time.Duration(g.random.Int64N(int64(longest)))
}

// one is one change.
func (g *generator) one() {
	workload, policy := g.random.IntN(len(g.workloads)), g.random.IntN(len(g.policies))
	cluster := pick(g, g.scenario.Clusters).Name
	switch g.random.IntN(18) {
	case 0, 1, 2:
		g.step(Step{Do: Scale, Object: reference(g.workloads[workload]), Replicas: int64(1 + g.random.IntN(20))})
	case 3, 4:
		g.workloads[workload] = g.workload(workload)
		g.step(Step{Do: Apply, Object: g.workloads[workload].DeepCopy()})
	case 5, 6:
		g.recreate(g.workloads[workload])
	case 7, 8, 9:
		old := g.policies[policy]
		g.policies[policy] = g.policyNamed(old.GetNamespace(), old.GetName(), g.random.IntN(placementKinds))
		g.step(Step{Do: Apply, Object: g.policies[policy].DeepCopy()})
	case 10:
		g.recreate(g.policies[policy])
	case 11:
		g.recreate(g.overrides[g.random.IntN(len(g.overrides))])
	case 12:
		g.step(Step{Do: Label, Cluster: cluster, Labels: map[string]string{"tier": pick(g, []string{"gold", "silver"})}})
	case 13:
		g.step(Step{Do: Taint, Cluster: cluster, Effect: pick(g, []corev1.TaintEffect{corev1.TaintEffectNoSchedule, corev1.TaintEffectNoExecute})})
		g.later(Step{Do: Untaint, Cluster: cluster}, 3*time.Minute)
	case 14:
		g.step(Step{Do: Unjoin, Cluster: cluster})
		g.later(Step{Do: Join, Cluster: cluster}, 2*time.Minute)
	case 15:
		g.step(Step{Do: DeleteCopy, Cluster: cluster, Object: reference(g.workloads[workload])})
	case 16:
		namespace := object("v1", "Namespace", "", pick(g, g.namespaces[1:]))
		namespace.SetLabels(map[string]string{"team": fmt.Sprint(g.random.IntN(100))})
		g.step(Step{Do: Apply, Object: namespace})
	case 17:
		g.byHand(g.workloads[workload], cluster)
	}
}

// recreate deletes an object and applies it again, at once or later.
func (g *generator) recreate(made *unstructured.Unstructured) {
	g.step(Step{Do: Delete, Object: reference(made)})
	again := Step{Do: Apply, Object: made.DeepCopy()}
	if g.random.IntN(2) == 0 {
		g.at += pick(g, paces)
		g.step(again)
		return
	}
	g.later(again, 2*time.Minute)
}

// byHand deletes what a controller made: the binding of a workload or its Work in a cluster.
func (g *generator) byHand(made *unstructured.Unstructured, cluster string) {
	target := bindingOf(made)
	if g.random.IntN(2) == 0 {
		target = workOf(made, cluster)
	}
	g.step(Step{Do: Delete, Object: target})
}

// faults strike between the first minute and the last: those at large, those meant for one controller, and some more. Those meant
// for one come early, for they wait.
func (g *generator) faults() {
	span := g.scenario.Duration.Duration - g.size.fading
	if g.size.once {
		for _, kind := range atLarge() {
			g.fault(kind, span, false)
		}
	}
	for _, aimed := range g.size.aimed {
		for range aimed.times {
			g.fault(aimed.kind, span/2, true)
		}
	}
	some := g.size.some
	if g.size.once {
		some = g.random.IntN(5)
	}
	for range some {
		g.fault(pick(g, atLarge()), span, false)
	}
	if g.size.once {
		for _, kind := range oftener {
			g.fault(kind, span, false)
		}
	}
}

// atLarge are the faults that are not always meant for one controller.
func atLarge() []Action {
	return slices.DeleteFunc(Faults(), func(kind Action) bool { return kind == Crash || kind == PlaneDown })
}

func (g *generator) fault(kind Action, within time.Duration, aimed bool) {
	step := Step{
		Do: kind, At: metav1.Duration{Duration: 20*time.Second + g.within(within)},
		For: metav1.Duration{Duration: 5*time.Second + time.Duration(g.random.Int64N(int64(95*time.Second)))},
	}
	g.aim(&step, aimed)
	g.scenario.Steps = append(g.scenario.Steps, step)
}

// aim chooses what a fault hits, and how hard.
func (g *generator) aim(step *Step, aimed bool) {
	if aimed {
		step.Controller, step.For = g.next(step.Do), metav1.Duration{Duration: patient}
	}
	member := g.random.IntN(len(g.scenario.Clusters))
	name := g.scenario.Clusters[member].Name
	switch step.Do {
	case BadEstimator, StaleEstimator:
		step.Cluster = name
	case Kill, Pause, Partition:
		step.Cluster = name
		if g.random.IntN(3) == 0 {
			step.For.Duration *= 4
		}
	case LoseNode:
		step.Cluster, step.Node = name, nodeName(name, g.random.IntN(g.scenario.Clusters[member].Nodes.Count))
		step.For = metav1.Duration{Duration: time.Minute + 2*step.For.Duration}
	case SlowWatch, LostWatch, RepeatWatch, Conflict, Refuse, SlowAPI, ClockSkew:
		if !aimed && g.random.IntN(3) == 0 {
			step.Cluster = name
		}
		g.gauge(step)
	case PlaneDown:
		step.For = metav1.Duration{Duration: 5*time.Second + time.Duration(g.random.Int64N(int64(95*time.Second)))}
		step.Writes = 1 + g.random.IntN(2)
	case Crash:
		step.Writes = pick(g, []int{1, 1, 1, 2, 2, 3})
		step.Delay = metav1.Duration{Duration: time.Duration(g.random.IntN(20000)) * time.Millisecond}
	}
}

// gauge draws how hard a fault in calls, deliveries or clocks hits.
func (g *generator) gauge(step *Step) {
	delay := func(least, most int) {
		step.Delay = metav1.Duration{Duration: time.Duration(least+g.random.IntN(most-least)) * time.Millisecond}
	}
	switch step.Do {
	case SlowWatch, LostWatch:
		delay(10, 8000)
		step.Rate = pick(g, []float64{0.3, 1})
	case RepeatWatch:
		step.Rate = pick(g, []float64{0.3, 1})
	case Conflict, SlowAPI, Refuse:
		step.Rate = pick(g, []float64{0.2, 0.4, 0.8})
		if step.Controller != "" {
			step.Rate = pick(g, []float64{0.4, 0.6, 0.8})
		} else if step.Do == SlowAPI {
			delay(1, 300)
		}
	case ClockSkew:
		delay(-180000, 180000)
	}
}

// next is the controller that a kind of fault is meant for next.
func (g *generator) next(kind Action) string {
	at := slices.IndexFunc(g.size.aimed, func(f aimedFault) bool { return f.kind == kind })
	first := g.scenario.Seed % uint64(len(g.controllers)) * uint64(g.size.aimed[at].times)
	if g.size.scattered {
		first = uint64(g.random.IntN(len(g.controllers)))
	}
	for {
		chosen := g.controllers[(int(first)+g.aimed[kind])%len(g.controllers)]
		g.aimed[kind]++
		if reaches(kind, chosen) && (g.scenario.EnforceQuotas || chosen != enforcement) {
			return chosen
		}
	}
}

func (g *generator) step(step Step) {
	step.At = metav1.Duration{Duration: g.at}
	g.scenario.Steps = append(g.scenario.Steps, step)
}

func (g *generator) later(step Step, within time.Duration) {
	step.At = metav1.Duration{Duration: g.at + time.Duration(g.random.Int64N(int64(within)))}
	g.scenario.Steps = append(g.scenario.Steps, step)
}

func pick[T any](g *generator, from []T) T { return from[g.random.IntN(len(from))] }
