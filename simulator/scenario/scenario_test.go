package scenario

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/configfile"
	"github.com/seatrial/seatrial/simulator/report"
)

const head = `apiVersion: simulator.seatrial.io/v1alpha1
kind: Scenario
metadata: {name: test}
duration: 1h
`

const smallFleet = `fleet:
  clusters:
    - {name: "m{n}", count: 3, region: eu, zones: [a, b], pools: [{count: 4, cpu: 8}]}
`

func load(t *testing.T, text string, files fstest.MapFS) *Scenario {
	t.Helper()
	read, err := Load("test.yaml", []byte(text), files)
	if err != nil {
		t.Fatal(err)
	}
	return read
}

func planned(t *testing.T, text string, files fstest.MapFS) *Plan {
	t.Helper()
	plan, err := load(t, text, files).Plan(1)
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// TestProblems loads what is wrong in one way each, and compares the whole line that is told.
func TestProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"empty":           {"", "test.yaml: the file is empty; write one with apiVersion, kind, metadata, duration and fleet"},
		"no YAML":         {"a: [", "test.yaml:1: yaml: did not find expected node content; write valid YAML"},
		"two documents":   {head + smallFleet + "---\na: 1\n", "test.yaml: the file has more than one document; keep one document and remove the separator ---"},
		"a list":          {"[1]", "test.yaml:1: a list cannot stand here; write a mapping"},
		"another version": {strings.Replace(head, "v1alpha1", "v2", 1) + smallFleet, `test.yaml:1: apiVersion: unknown version "simulator.seatrial.io/v2"; write simulator.seatrial.io/v1alpha1`},
		"no fleet":        {head + "fleet: {}\n", "test.yaml:5: fleet: the fleet has no clusters; add clusters, or a snapshot"},
		"misspelt field":  {head + smallFleet + "timelime: []\n", "test.yaml:8: timelime: unknown field; write timeline"},
		"misspelt deep": {head + smallFleet + "timeline:\n  - at: 5m\n    fail: {regoin: eu}\n",
			"test.yaml:10: timeline[0].fail.regoin: unknown field; write region"},
		"text for a number": {head + "fleet: {clusters: [{name: a, count: many}]}\n", "test.yaml:5: fleet.clusters[0].count: a text cannot stand here; write a whole number"},
		"number for text":   {head + "fleet: {clusters: [{name: 7}]}\n", `test.yaml:5: fleet.clusters[0].name: a number cannot stand here; write it in quotes: "7"`},
		"a bad duration":    {strings.Replace(head, "1h", "soon", 1) + smallFleet, `test.yaml:4: duration: "soon" is no duration; write a duration such as 90s, 5m or 1h30m`},
		"a bad quantity":    {head + "fleet: {clusters: [{name: a, pools: [{cpu: 8 cores}]}]}\n", `test.yaml:5: fleet.clusters[0].pools[0].cpu: "8 cores" is no quantity; write a quantity such as 500m, 4 or 16Gi`},
		"a bad time":        {head + smallFleet + "start: yesterday\n", `test.yaml:8: start: "yesterday" is no time; write a time such as 2026-01-01T00:00:00Z`},
		"an unknown word":   {head + "fleet: {clusters: [{name: a, syncMode: Drag}]}\n", `test.yaml:5: fleet.clusters[0].syncMode: unknown "Drag"; write one of Push, Pull`},
		"many of one name":  {head + "fleet: {clusters: [{name: a, count: 2}]}\n", "test.yaml:5: fleet.clusters[0].name: 2 of them cannot all be called a; write a name with {n}, such as a-{n}"},
		"nothing happens":   {head + smallFleet + "timeline: [{at: 5m}]\n", "test.yaml:8: timeline[0]: nothing happens; add one of fail, pause, partition, heal, addCluster, removeCluster, taint, untaint, setPrice, failNodes, healNodes, cordon, drain, uncordon, taintNodes, addNodes, removeNodes, scale, rollOut, load, apply, delete, slowAPI, disturb, estimator, crash"},
		"two things at once": {head + smallFleet + "timeline: [{at: 5m, fail: {}, heal: {}}]\n",
			"test.yaml:8: timeline[0]: fail and heal happen at once; write an event for each"},
		"after the end": {head + smallFleet + "timeline: [{at: 2h, fail: {}}]\n", "test.yaml:8: timeline[0].at: 2h is after the end; write a time within the duration of 1h"},
		"for good":      {head + smallFleet + "timeline: [{at: 5m, for: 5m, scale: {by: 1}}]\n", "test.yaml:8: timeline[0].for: scale lasts for good; remove it"},
		"no mean":       {head + smallFleet + "timeline: [{between: {shape: Normal, mean: 5m}, fail: {}}]\n", "test.yaml:8: timeline[0].between: Normal needs deviation; add deviation"},
		"wrong unit":    {head + smallFleet + "timeline: [{between: {mean: 5}, fail: {}}]\n", "test.yaml:8: timeline[0].between.mean: 5 is a number; write a duration"},
		"no number":     {head + smallFleet + "workloads: [{name: a, replicas: many}]\n", `test.yaml:8: workloads[0].replicas: "many" is no amount; write a number, a part such as 80%, or a duration such as 2m`},
		"plain unit":    {head + smallFleet + "workloads: [{name: a, replicas: 5m}]\n", "test.yaml:8: workloads[0].replicas: 5m is a duration; write a number"},
		"not of a shape": {head + smallFleet + "workloads: [{name: a, replicas: {mean: 5, deviation: 2}}]\n",
			"test.yaml:8: workloads[0].replicas.deviation: Constant has no deviation; remove it, or write another shape"},
		"a bound": {head + smallFleet + "settings: {api: {serviceTime: {shape: LogNormal, mean: 5ms, deviation: 2ms, max: 1s}}}\n",
			"test.yaml:8: settings.api.serviceTime.max: times of this sort have no bounds; remove it, or write shape: Uniform"},
		"two autoscalers": {head + "fleet: {clusters: [{name: a, pools: [{autoscaling: {max: 2, delay: 30s}}, {name: b, autoscaling: {max: 2}}]}]}\n",
			"test.yaml:5: fleet.clusters[0].pools[1].autoscaling: it scales otherwise than the pools before; give all pools of a cluster the same delay and idleAfter"},
		"half a replica": {head + smallFleet + "settings: {rebalance: {surge: 0.25}}\n",
			"test.yaml:8: settings.rebalance.surge: 0.25 is no number of replicas from 1 on; write a number such as 2, or a part such as 25%"},
		"looks for good": {head + smallFleet + "settings: {descheduler: {interval: 0s}}\n",
			"test.yaml:8: settings.descheduler.interval: 0s is no interval; write a duration such as 90s, 5m or 1h30m"},
		"no part":      {head + smallFleet + "settings: {eviction: {floor: 3}}\n", "test.yaml:8: settings.eviction.floor: 3 is no part; write a part such as 55%"},
		"no estimator": {head + smallFleet + "timeline: [{estimator: {fault: Error}}]\n", "test.yaml:8: timeline[0].estimator: nobody is asked for estimates; add settings.estimator.source: Nodes"},
		"no timeout":   {head + smallFleet + "settings: {estimator: {timeout: 3s}}\n", "test.yaml:8: settings.estimator.timeout: nobody is asked for estimates; add source: Nodes, or remove it"},
		"no bound":     {head + smallFleet + "expect: [{measure: Moves}]\n", "test.yaml:8: expect[0]: Moves has no bound; add atLeast or atMost"},
		"wrong bound":  {head + smallFleet + "expect: [{measure: Recovery, atMost: 90%}]\n", "test.yaml:8: expect[0].atMost: 90% is no duration; write a duration such as 2m"},
		"no such gate": {head + smallFleet + "settings: {featureGates: {FailOver: true}}\n", "test.yaml:8: settings.featureGates.FailOver: unknown feature gate; write Failover"},
		"no file":      {head + smallFleet + "manifests: [{file: web.yaml}]\n", "test.yaml:8: manifests[0].file: open web.yaml: file does not exist; write a path relative to the scenario, without .."},
		"policy field": {head + smallFleet + "workloads: [{name: a, policy: {placment: {}}}]\n",
			"test.yaml:8: workloads[0].policy.placment: unknown field; check its spelling and place, or remove it"},
		"inline manifest": {head + smallFleet + "manifests:\n  - inline: |\n      apiVersion: apps/v1\n      kind: Deployment\n      metadata: {name: a}\n      spec: {replica: 1}\n",
			`test.yaml:13: manifests[0].inline: Deployment: unknown field "spec.replica"; check its spelling and place, or remove it`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Load("test.yaml", []byte(c.text), fstest.MapFS{})
			if err == nil || err.Error() != c.want {
				t.Errorf("told\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// TestAllProblems holds that everything is told at once.
func TestAllProblems(t *testing.T) {
	_, err := Load("test.yaml", []byte(`apiVersion: simulator.seatrial.io/v1alpha1
kind: Scenarios
metadata: {name: Test Me}
duration: 1
fleet: {clusters: [{nam: a}]}
timeline:
  - {at: 5m, fial: {}}
  - {at: x, fail: {pick: 5m}}
expect: [{measure: Moves, atMost: 10%}]
`), nil)
	var all *configfile.Error
	if !errors.As(err, &all) {
		t.Fatalf("told %v", err)
	}
	var fields []string
	for _, problem := range all.Problems {
		fields = append(fields, fmt.Sprintf("%d %s", problem.Line, problem.Field))
		if problem.Fix == "" {
			t.Errorf("%s has no fix", problem.Field)
		}
	}
	want := []string{
		"5 fleet.clusters[0].nam", "7 timeline[0].fial", "4 duration", "5 fleet.clusters[0].name", "8 timeline[1].at",
		"2 kind", "3 metadata.name", "7 timeline[0]", "8 timeline[1].fail.pick", "9 expect[0].atMost",
	}
	if diff := cmp.Diff(want, fields); diff != "" {
		t.Errorf("problems (-want +got):\n%s\n%v", diff, err)
	}
}

// TestPlanProblems tells what cannot be done when it should happen.
func TestPlanProblems(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"no such region": {"timeline: [{at: 5m, fail: {region: us}}]\n", "test.yaml:8: timeline[0].fail: it selects no cluster; select clusters that there are at 5m0s"},
		"gone already":   {"timeline: [{at: 5m, removeCluster: {}}, {at: 6m, fail: {names: [m1]}}]\n", "test.yaml:8: timeline[1].fail: it selects no cluster; select clusters that there are at 6m0s"},
		"no such node":   {"timeline: [{at: 5m, drain: {zone: c}}]\n", "test.yaml:8: timeline[0].drain: it selects no node; select nodes that there are at 5m0s"},
		"no workload":    {"timeline: [{at: 5m, scale: {by: 1}}]\n", "test.yaml:8: timeline[0].scale.workloads: it selects no workload; select workloads that there are at 5m0s"},
		"same name":      {"timeline: [{at: 5m, addCluster: {name: m1}}]\n", "test.yaml:8: timeline[0].addCluster.name: there is another cluster m1; give each cluster a name of its own"},
		"no such pool":   {"timeline: [{at: 5m, addNodes: {pool: gpu, count: 1}}]\n", `test.yaml:8: timeline[0].addNodes.pool: there is no pool "gpu"; name a pool of cluster m1`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := load(t, head+smallFleet+c.text, nil).Plan(1)
			if err == nil || err.Error() != c.want {
				t.Errorf("told\n%v\nwant\n%s", err, c.want)
			}
		})
	}
}

// tell writes the actions of a plan, a line each.
func tell(plan *Plan) string {
	var lines []string
	for i := range plan.Actions {
		a := &plan.Actions[i]
		line := fmt.Sprintf("%s %s", a.At, a.Name)
		for _, target := range a.Targets {
			line += fmt.Sprintf(" %s=%d", target.Name, target.Replicas)
		}
		for _, nodes := range a.Nodes {
			line += " " + strings.Join(nodes.Names, ",")
			for _, added := range nodes.Added {
				line += " +" + added.Name
			}
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// TestTimeline expands each kind of event.
func TestTimeline(t *testing.T) {
	const load = "workloads: [{name: \"web-{n}\", count: 3, replicas: {mean: 4}}]\n"
	for name, c := range map[string]struct{ events, want string }{
		"for a time":      {"[{at: 5m, for: 10m, fail: {names: [m1]}}]", "5m0s fail m1\n15m0s end of fail m1"},
		"every":           {"[{at: 5m, every: 20m, pause: {names: [m1]}}]", "5m0s pause m1\n25m0s pause m1\n45m0s pause m1"},
		"until":           {"[{at: 5m, every: 20m, until: 30m, pause: {names: [m1]}}]", "5m0s pause m1\n25m0s pause m1"},
		"times":           {"[{at: 5m, every: 1m, times: 2, heal: {}}]", "5m0s heal m1, m2, m3\n6m0s heal m1, m2, m3"},
		"in order":        {"[{at: 9m, heal: {names: [m1]}}, {at: 5m, fail: {names: [m1]}}]", "5m0s fail m1\n9m0s heal m1"},
		"crash":           {"[{at: 5m, crash: {component: scheduler}}]", "5m0s crash scheduler\n5m0s restart scheduler"},
		"longer crash":    {"[{at: 5m, for: 30s, crash: {component: scheduler}}]", "5m0s crash scheduler\n5m30s restart scheduler"},
		"nodes of a zone": {"[{at: 5m, failNodes: {clusters: {names: [m2]}, zone: b}}]", "5m0s failNodes: 2 of m2 m2-default-2,m2-default-4"},
		"nodes come and go": {"[{at: 5m, removeNodes: {clusters: {names: [m2]}, zone: b}}, {at: 6m, addNodes: {clusters: {names: [m2]}, count: 1}}, {at: 7m, drain: {clusters: {names: [m2]}}}]",
			"5m0s removeNodes: 2 of m2 m2-default-2,m2-default-4\n6m0s addNodes: 1 of m2  +m2-default-360000-1\n7m0s drain: 3 of m2 m2-default-1,m2-default-3,m2-default-360000-1"},
		"scales follow each other": {"[{at: 5m, scale: {workloads: {names: [web-1]}, factor: 1.5}}, {at: 6m, scale: {workloads: {names: [web-1]}, by: -1}}, {at: 7m, scale: {workloads: {names: [web-1]}, to: 0}}]",
			"5m0s scale web-1 web-1=6\n6m0s scale web-1 web-1=5\n7m0s scale web-1 web-1=0"},
		"what is deleted is not scaled": {"[{at: 5m, delete: {apiVersion: apps/v1, kind: Deployment, namespace: default, name: web-2}}, {at: 6m, scale: {by: 1}}]",
			"5m0s delete web-2 web-2=0\n6m0s scale web-1, web-3 web-1=5 web-3=5"},
		"faults": {"[{at: 5m, for: 1m, disturb: {controlPlane: true, fault: Conflict, rate: 5%}}, {at: 6m, slowAPI: {clusters: {names: [m1]}, factor: 3}}]",
			"5m0s disturb control plane: Conflict\n6m0s end of disturb control plane: Conflict\n6m0s slowAPI m1"},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, tell(planned(t, head+smallFleet+load+"timeline: "+c.events+"\n", nil))); diff != "" {
				t.Errorf("actions (-want +got):\n%s", diff)
			}
		})
	}
}

// TestPlanIsFixed holds that a seed fixes a plan, that another seed gives another, and that planning leaves the scenario alone.
func TestPlanIsFixed(t *testing.T) {
	for _, name := range []string{"spot-reclaim", "flapping-cluster", "even-spread", "zone-loss"} {
		read, _, err := FromLibrary(name)
		if err != nil {
			t.Fatal(err)
		}
		first, err := read.Plan(1)
		if err != nil {
			t.Fatal(err)
		}
		again, err := read.Plan(1)
		if err != nil {
			t.Fatal(err)
		}
		other, err := read.Plan(2)
		if err != nil {
			t.Fatal(err)
		}
		ignore := cmp.FilterValues(func(a, b report.Objective) bool { return true }, cmp.Ignore())
		exporter := cmp.Exporter(func(reflect.Type) bool { return true })
		if diff := cmp.Diff(first, again, exporter, ignore); diff != "" {
			t.Errorf("%s: the second plan (-first +second):\n%s", name, diff)
		}
		if tell(first) == tell(other) && cmp.Equal(first.Objects, other.Objects, exporter) {
			t.Errorf("%s: another seed gives the same", name)
		}
		if name == "spot-reclaim" && len(first.Clusters[0].Nodes) != 6 {
			t.Errorf("the timeline changed the clusters of the beginning: %d nodes", len(first.Clusters[0].Nodes))
		}
	}
}

// TestDistributions draws many and looks at their mean and bounds.
func TestDistributions(t *testing.T) {
	seconds := func(value float64) Amount { return Amount{text: "x", Value: value, Unit: Span} }
	for name, c := range map[string]struct {
		d    Distribution
		mean float64
	}{
		"constant":    {Distribution{Mean: seconds(5)}, 5},
		"uniform":     {Distribution{Shape: uniformly, Min: seconds(2), Max: seconds(4)}, 3},
		"exponential": {Distribution{Shape: exponential, Mean: seconds(60)}, 60},
		"normal":      {Distribution{Shape: normal, Mean: seconds(60), Deviation: seconds(5)}, 60},
		"log-normal":  {Distribution{Shape: logNormal, Mean: seconds(10), Deviation: seconds(5)}, 10},
		"pareto":      {Distribution{Shape: pareto, Min: seconds(2), Tail: 3}, 3},
		"bounded":     {Distribution{Shape: normal, Mean: seconds(10), Deviation: seconds(50), Min: seconds(10), Max: seconds(10)}, 10},
	} {
		chance := source(1, name)
		const draws = 20000
		var sum float64
		for range draws {
			value := c.d.Draw(chance)
			if value < c.d.Min.Value || c.d.Max.Value > 0 && value > c.d.Max.Value {
				t.Fatalf("%s: drew %v", name, value)
			}
			sum += value
		}
		if math.Abs(sum/draws/c.mean-1) > 0.03 {
			t.Errorf("%s: the mean of %d is %v, want %v", name, draws, sum/draws, c.mean)
		}
	}
}

// TestArrivals holds when generated workloads come and go.
func TestArrivals(t *testing.T) {
	plan := planned(t, head+smallFleet+`workloads:
  - {name: "u-{n}", count: 4, namespaces: [x, y], arrival: {process: Uniform, at: 10m, over: 20m}, lifetime: {mean: 12m}, cpu: 100m, policy: {placement: {}}}
  - {name: "p-{n}", count: 200, arrival: {process: Poisson, perMinute: 10}}
floor: 50%
`, nil)
	var uniform []string
	poisson := 0
	var last time.Duration
	for _, line := range strings.Split(tell(plan), "\n") {
		if strings.Contains(line, "u-") {
			uniform = append(uniform, line)
		} else {
			poisson++
		}
	}
	for i := range plan.Actions {
		if plan.Actions[i].At < last {
			t.Errorf("action %d is before the one before", i)
		}
		last = plan.Actions[i].At
	}
	want := []string{"10m0s create u-1", "15m0s create u-2", "20m0s create u-3", "22m0s delete u-1 u-1=0", "25m0s create u-4", "27m0s delete u-2 u-2=0", "32m0s delete u-3 u-3=0", "37m0s delete u-4 u-4=0"}
	if diff := cmp.Diff(want, uniform); diff != "" {
		t.Errorf("uniform arrivals (-want +got):\n%s", diff)
	}
	if poisson != 200 || last < 14*time.Minute || last > 37*time.Minute {
		t.Errorf("%d Poisson arrivals, the last at %s", poisson, last)
	}
	var kinds []string
	for _, object := range plan.Objects {
		kinds = append(kinds, kindName(object)+" "+object.GetNamespace()+"/"+object.GetName())
	}
	if diff := cmp.Diff([]string{"Namespace /x", "Namespace /y", "PropagationPolicy x/u", "PropagationPolicy y/u"}, kinds); diff != "" {
		t.Errorf("objects at the beginning (-want +got):\n%s", diff)
	}
	if part, _ := plan.FloorOf("x", "u-1", nil); part != 0.5 {
		t.Errorf("floor %v", part)
	}
}

// TestSnapshot makes clusters of Cluster and Node objects, and keeps other objects.
func TestSnapshot(t *testing.T) {
	const snapshot = `apiVersion: v1
kind: List
items:
  - {apiVersion: cluster.karmada.io/v1alpha1, kind: Cluster, metadata: {name: a}, spec: {region: eu, syncMode: Pull}}
  - {apiVersion: v1, kind: Node, metadata: {name: n1, annotations: {simulator.seatrial.io/cluster: a}, labels: {topology.kubernetes.io/zone: z}}, status: {allocatable: {cpu: 4}}}
  - {apiVersion: v1, kind: Node, metadata: {name: n2, annotations: {simulator.seatrial.io/cluster: a}}, status: {allocatable: {cpu: "4"}}}
  - {apiVersion: v1, kind: Node, metadata: {name: n3, annotations: {simulator.seatrial.io/cluster: a}}, status: {allocatable: {cpu: 8}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {replicas: 3}
`
	files := fstest.MapFS{"fleet.yaml": {Data: []byte(snapshot)}}
	plan := planned(t, head+"fleet: {snapshot: fleet.yaml}\ntimeline: [{at: 5m, scale: {by: 1}}]\n", files)
	if len(plan.Clusters) != 1 || len(plan.Clusters[0].Nodes) != 3 || len(plan.Clusters[0].Pools) != 2 || plan.Clusters[0].SyncMode != "Pull" {
		t.Fatalf("clusters %+v", plan.Clusters)
	}
	node := plan.Clusters[0].Nodes[0].Object(plan.Clusters[0].Region)
	if node.Labels[corev1.LabelTopologyZone] != "z" || node.Labels[corev1.LabelTopologyRegion] != "eu" || node.Status.Allocatable.Cpu().Value() != 4 {
		t.Errorf("node %+v", node)
	}
	if got := tell(plan); got != "5m0s scale web web=4" || len(plan.Objects) != 2 {
		t.Errorf("%d objects, actions %s", len(plan.Objects), got)
	}
	files["fleet.yaml"].Data = []byte(strings.ReplaceAll(snapshot, "cluster: a}", "cluster: b}"))
	_, err := load(t, head+"fleet: {snapshot: fleet.yaml}\n", files).Plan(1)
	if err == nil || !strings.Contains(err.Error(), `fleet.yaml: Node n1 belongs to cluster "b", which is not there; name a cluster of the snapshot in the annotation`) {
		t.Errorf("told %v", err)
	}
}

// TestTraces replays the same history from each format, and tells what is wrong with a line.
func TestTraces(t *testing.T) {
	csv := "time,action,namespace,name,replicas,cpu,memory\n2026-01-01T00:00:00Z,arrive,x,a,2,500m,1Gi\n2026-01-01T00:10:00Z,scale,x,a,5,,\n2026-01-01T00:20:00Z,delete,x,a,,,\n"
	jsonl := `{"time":"0","action":"arrive","namespace":"x","name":"a","replicas":2,"cpu":"500m","memory":"1Gi"}
{"time":"600","action":"scale","namespace":"x","name":"a","replicas":5}

{"time":"20m","action":"delete","namespace":"x","name":"a"}`
	for format, content := range map[string]string{"CSV": csv, "JSONL": jsonl} {
		files := fstest.MapFS{"t": {Data: []byte(content)}}
		plan := planned(t, head+smallFleet+"traces: [{format: "+format+", file: t, at: 5m, speed: 2, floor: 1}]\n", files)
		if got, want := tell(plan), "5m0s create a\n10m0s scale a a=5\n15m0s delete a a=0"; got != want {
			t.Errorf("%s: %s, want %s", format, got, want)
		}
		made := plan.Actions[0].Objects[0].(*appsv1.Deployment)
		if *made.Spec.Replicas != 2 || made.Spec.Template.Spec.Containers[0].Resources.Requests.Cpu().MilliValue() != 500 {
			t.Errorf("%s: made %+v", format, made.Spec)
		}
		if _, replicas := plan.FloorOf("x", "a", made.Labels); replicas != 1 {
			t.Errorf("%s: floor %d", format, replicas)
		}
	}
	for want, content := range map[string]string{
		`t:3: traces[0]: scale of default/b, which has not arrived; mend the trace`:                                                         "time,action,namespace,name,replicas,cpu,memory\n1,arrive,,a,1,,\n2,scale,,b,1,,\n",
		`t:2: traces[0]: cpu "much" is no quantity; write one such as 500m or 1Gi; mend the trace`:                                          "time,action,namespace,name,replicas,cpu,memory\n1,arrive,,a,1,much,\n",
		`t:2: traces[0]: "noon" is no time; write seconds, a duration such as 5m, or a moment such as 2026-01-01T00:00:00Z; mend the trace`: "time,action,namespace,name,replicas,cpu,memory\nnoon,arrive,,a,1,,\n",
		`t:3: traces[0]: time "2026-01-01T00:00:00Z" is before the first, or of another sort; mend the trace`:                               "time,action,namespace,name,replicas,cpu,memory\n1,arrive,,a,1,,\n2026-01-01T00:00:00Z,arrive,,b,1,,\n",
		`t:1: traces[0]: the header is ["a"], not ["time" "action" "namespace" "name" "replicas" "cpu" "memory"]; mend the trace`:           "a\n",
	} {
		_, err := load(t, head+smallFleet+"traces: [{format: CSV, file: t}]\n", fstest.MapFS{"t": {Data: []byte(content)}}).Plan(1)
		if err == nil || err.Error() != want {
			t.Errorf("told\n%v\nwant\n%s", err, want)
		}
	}
}

// TestOpenB deals the nodes of a published trace to clusters and replays its tasks.
func TestOpenB(t *testing.T) {
	dir := filepath.Join("..", "..", "estimator", "openb", "testdata")
	plan := planned(t, strings.Replace(head, "1h", "8760h", 1)+"fleet: {}\ntraces: [{format: OpenB, file: tasks.csv, nodes: nodes.csv, clusters: 5, name: \"gpu-{n}\", speed: 100}]\n", mapFS(t, dir, "tasks.csv", "nodes.csv"))
	nodes, arrivals, leaves := 0, len(plan.Objects), 0
	for _, c := range plan.Clusters {
		nodes += len(c.Nodes)
	}
	for i := range plan.Actions {
		if plan.Actions[i].Verb == Delete {
			leaves++
		} else {
			arrivals++
		}
	}
	if len(plan.Clusters) != 5 || nodes != 24 || arrivals < 160 || leaves < 100 {
		t.Errorf("%d clusters, %d nodes, %d arrivals, %d departures", len(plan.Clusters), nodes, arrivals, leaves)
	}
}

func mapFS(t *testing.T, dir string, names ...string) fstest.MapFS {
	t.Helper()
	files := fstest.MapFS{}
	for _, name := range names {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = &fstest.MapFile{Data: content}
	}
	return files
}

// TestSet varies fields, and tells what cannot be set.
func TestSet(t *testing.T) {
	read := load(t, head+smallFleet+"timeline: [{at: 5m, fail: {names: [m1]}}]\n", nil)
	varied, err := read.Set("settings.eviction.rate", "5")
	if err != nil || *varied.Settings.Eviction.Rate != 5 || read.Settings.Eviction.Rate != nil {
		t.Errorf("rate %v, before %v, %v", varied.Settings.Eviction.Rate, read.Settings.Eviction.Rate, err)
	}
	varied, err = varied.Set("timeline[0].fail", "{region: eu, pick: 2}")
	if err != nil || varied.Timeline[0].Fail.Region != "eu" || *varied.Settings.Eviction.Rate != 5 {
		t.Errorf("event %+v, %v", varied.Timeline[0], err)
	}
	for change, want := range map[[2]string]string{
		{"settings.evicton.rate", "5"}: "settings.evicton: unknown field; write eviction",
		{"timeline[4].at", "5m"}:       "setting timeline[4].at: there is no 4 in timeline",
		{"duration", "never"}:          `duration: "never" is no duration`,
		{"seed", ""}:                   "setting seed: there is no value; write seed=VALUE",
		{"", "1"}:                      "no field",
	} {
		if _, err := read.Set(change[0], change[1]); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%s: told %v, want %s", change[0], change[1], err, want)
		}
	}
	v, err := ParseVariation(`timeline[0].fail={names: [m1, m2]},{region: "a,b"}`)
	if diff := cmp.Diff(Variation{"timeline[0].fail", []string{"{names: [m1, m2]}", `{region: "a,b"}`}}, v); diff != "" || err != nil {
		t.Errorf("variation %v (-want +got):\n%s", err, diff)
	}
	if _, err := ParseVariation("seed"); err == nil || !strings.Contains(err.Error(), "write FIELD=VALUE") {
		t.Errorf("told %v", err)
	}
}

// TestObjectives turns each sort of expectation into one of the report.
func TestObjectives(t *testing.T) {
	plan := planned(t, head+smallFleet+`expect:
  - {measure: Availability, atLeast: 99.9%, workloads: {labels: {app: web}}, from: 5m, by: 30m}
  - {measure: Recovery, quantile: 90%, atMost: 2m}
  - {name: quiet end, measure: Pending, atMost: 0, at: 1h}
  - {invariant: NoOrphans}
  - {invariant: "*"}
`, nil)
	var told []string
	for _, o := range plan.Objectives {
		line := fmt.Sprintf("%s|%s|%v|%s..%s|%s", o.Name, o.Measure, o.Quantile, o.From, o.Until, o.Subject)
		if o.AtLeast != nil {
			line += fmt.Sprintf("|>=%v", *o.AtLeast)
		}
		if o.AtMost != nil {
			line += fmt.Sprintf("|<=%v", *o.AtMost)
		}
		told = append(told, line)
	}
	want := []string{
		"Availability of app=web >= 99.9% from 5m by 30m|Availability|0|5m0s..30m0s||>=0.999",
		"Recovery 90% <= 2m|Recovery|0.9|0s..0s||<=120",
		"quiet end|Pending|0|1h0m0s..1h0m0s||<=0",
		"invariant NoOrphans|Invariant|0|0s..0s|NoOrphans|<=0",
		"every invariant holds|Invariant|0|0s..0s||<=0",
	}
	if diff := cmp.Diff(want, told); diff != "" {
		t.Errorf("objectives (-want +got):\n%s", diff)
	}
	selects := plan.Objectives[0].Select
	if !selects(report.Workload{Labels: map[string]string{"app": "web"}}) || selects(report.Workload{Labels: map[string]string{"app": "db"}}) {
		t.Error("the first one selects others than app=web")
	}
}

// FuzzLoad holds that nothing makes Load or Plan panic, and that every problem says what to do.
func FuzzLoad(f *testing.F) {
	for _, name := range Library()[:6] {
		_, content, err := FromLibrary(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	f.Add([]byte(head + "fleet: &a {clusters: [{name: x, <<: *a}]}"))
	f.Add([]byte(head + smallFleet + "traces: [{format: CSV, file: t}]\nworkloads: [{name: a, count: 3000000000000}]"))
	files := fstest.MapFS{"t": {Data: []byte("time,action,namespace,name,replicas,cpu,memory\n1,arrive,,a,1,,\n")}}
	f.Fuzz(func(t *testing.T, content []byte) {
		read, err := Load("f.yaml", content, files)
		if err == nil {
			if size := len(read.Fleet.Clusters) + len(read.Workloads); size > 10 || large(read) {
				return
			}
			_, err = read.Plan(1)
		}
		var told *configfile.Error
		if err != nil && !errors.As(err, &told) {
			t.Errorf("told %v, which is no *configfile.Error", err)
		}
	})
}

// large keeps the fuzzer from waiting for plans that take long because they are large.
func large(s *Scenario) bool {
	size := 0
	count := func(g *ClusterGroup) {
		nodes := 3
		for i := range g.Pools {
			nodes += g.Pools[i].Count
		}
		size += max(g.Count, 1) * nodes
	}
	for i := range s.Fleet.Clusters {
		count(&s.Fleet.Clusters[i])
	}
	for i := range s.Workloads {
		size += s.Workloads[i].Count
	}
	for i := range s.Timeline {
		e := &s.Timeline[i]
		if e.AddCluster != nil {
			count(e.AddCluster)
		}
		if e.AddNodes != nil {
			size += e.AddNodes.Count
		}
		if (!e.Every.empty() || e.Between != nil) && (e.Times == 0 || e.Times > 20) {
			size += 1000
		}
	}
	return size > 500
}

// TestSample holds that places are different, in order, as many as asked for, and drawn alike.
func TestSample(t *testing.T) {
	const total, rounds = 20, 20000
	var times [total]int
	chance := source(1, "sample")
	for range rounds {
		chosen := sample(total, &Amount{text: "25%", Unit: Percent, Value: 0.25}, chance)
		if len(chosen) != 5 {
			t.Fatalf("%d places", len(chosen))
		}
		for i, at := range chosen {
			if i > 0 && chosen[i-1] >= at {
				t.Fatalf("places %v", chosen)
			}
			times[at]++
		}
	}
	for at, count := range times {
		if math.Abs(float64(count)/(rounds/4)-1) > 0.1 {
			t.Errorf("place %d was drawn %d times of %d", at, count, rounds)
		}
	}
	if sample(3, &Amount{}, chance) != nil || sample(3, &Amount{text: "7", Value: 7}, chance) != nil {
		t.Error("all of them are not nil")
	}
}

// FuzzFiles holds that no file which a scenario names makes it panic.
func FuzzFiles(f *testing.F) {
	f.Add([]byte("time,action,namespace,name,replicas,cpu,memory\n1,arrive,,a,1,1,1Gi\n2s,scale,,a,5,,\n"))
	f.Add([]byte(`{"time":"0","action":"arrive","name":"a","replicas":2}` + "\n" + `{"time":"9","action":"delete","name":"a"}`))
	f.Add([]byte("name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,pod_phase,creation_time,deletion_time,scheduled_time\nt,1,1,1,500,A10|P100,LS,Running,0,1,\n"))
	f.Add([]byte("apiVersion: v1\nkind: List\nitems:\n- {apiVersion: cluster.karmada.io/v1alpha1, kind: Cluster, metadata: {name: a}}\n- {apiVersion: v1, kind: Node, metadata: {name: n, annotations: {simulator.seatrial.io/cluster: a}}}\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		files := fstest.MapFS{"t": {Data: content}}
		for _, use := range []string{
			"traces: [{format: CSV, file: t}]\n", "traces: [{format: JSONL, file: t}]\n", "traces: [{format: OpenB, file: t}]\n", "manifests: [{file: t}]\n", "",
		} {
			text := head + smallFleet + use
			if use == "" {
				text = head + "fleet: {snapshot: t}\n"
			}
			read, err := Load("f.yaml", []byte(text), files)
			if err == nil {
				_, err = read.Plan(1)
			}
			var told *configfile.Error
			if err != nil && !errors.As(err, &told) {
				t.Errorf("told %v, which is no *configfile.Error", err)
			}
		}
	})
}

// TestSchedulerFiles reads configurations of schedulers, and tells what is wrong with them by their own lines.
func TestSchedulerFiles(t *testing.T) {
	const (
		plane   = "apiVersion: scheduler.seatrial.io/v1alpha1\nkind: SchedulerConfiguration\nprofiles: [{schedulerName: other}]\n"
		members = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n"
	)
	content := head + "fleet: {clusters: [{name: a}, {name: b, scheduler: own.yaml}]}\nsettings: {scheduler: {configuration: plane.yaml, members: members.yaml}}\n"
	for name, c := range map[string]struct{ plane, members, own, want string }{
		"right":         {plane, members, members + "percentageOfNodesToScore: 50\n", ""},
		"plane":         {"apiVersion: x\n" + strings.SplitAfterN(plane, "\n", 2)[1], members, members, `plane.yaml:1: apiVersion: unknown version "x"`},
		"extenders":     {plane + "extenders: [{urlPrefix: http://a, filterVerb: f}]\n", members, members, "plane.yaml: extenders: a simulation asks no server; remove them"},
		"no YAML":       {plane, "a: [", members, "members.yaml: no YAML"},
		"unknown field": {plane, members, members + "profiles:\n- plugin: {}\n", `own.yaml:4: unknown field "profiles[0].plugin"`},
		"another kind":  {plane, "kind: Pod\n", members, "members.yaml:1: it is no KubeSchedulerConfiguration"},
		"plugin":        {plane, members, members + "profiles: [{plugins: {score: {enabled: [{name: Foo}]}}}]\n", `own.yaml: reading the scheduler configuration: profiles[0]: plugin "Foo" is not simulated`},
	} {
		t.Run(name, func(t *testing.T) {
			files := fstest.MapFS{"plane.yaml": {Data: []byte(c.plane)}, "members.yaml": {Data: []byte(c.members)}, "own.yaml": {Data: []byte(c.own)}}
			read, err := Load("test.yaml", []byte(content), files)
			if err != nil {
				t.Fatal(err)
			}
			plan, err := read.Plan(1)
			if c.want != "" {
				if err == nil || !strings.HasPrefix(err.Error(), c.want) {
					t.Errorf("the error is %v, want %s", err, c.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			own := plan.Clusters[1].Scheduler
			if plan.Scheduling.Profiles[0].SchedulerName != "other" || plan.Clusters[0].Scheduler == nil || *own.PercentageOfNodesToScore != 50 {
				t.Errorf("schedulers: %+v, %+v, %+v", plan.Scheduling, plan.Clusters[0].Scheduler, own)
			}
		})
	}
}

// TestPlainDistribution writes a constant as a number or a duration.
func TestPlainDistribution(t *testing.T) {
	plan := planned(t, head+smallFleet+"workloads: [{name: a, replicas: 20, lifetime: 10m, policy: {}}]\ntimeline: [{between: 7m, times: 2, failNodes: {pick: 1}}]\n", nil)
	var at []time.Duration
	for _, action := range plan.Actions {
		at = append(at, action.At)
	}
	if !slices.Equal(at, []time.Duration{7 * time.Minute, 10 * time.Minute, 14 * time.Minute}) {
		t.Errorf("actions at %v", at)
	}
	deployment, ok := plan.Objects[len(plan.Objects)-1].(*appsv1.Deployment)
	if !ok || *deployment.Spec.Replicas != 20 {
		t.Errorf("the workload is %+v", plan.Objects)
	}
}
