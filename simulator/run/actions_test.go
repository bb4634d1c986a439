package run

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// base is a fleet of three clusters with a divided workload, for a timeline to follow.
const base = `
apiVersion: simulator.seatrial.io/v1alpha1
kind: Scenario
metadata: {name: actions}
duration: 30m
fleet:
  clusters:
    - {name: "m{n}", count: 3, region: eu, zones: [a, b], pools: [{count: 4, cpu: 4, memory: 16Gi, price: 1}]}
workloads:
  - name: web
    replicas: {mean: 12}
    cpu: 500m
    policy:
      placement:
        replicaScheduling:
          replicaSchedulingType: Divided
          replicaDivisionPreference: Weighted
          weightPreference: {dynamicWeight: AvailableReplicas}
timeline:
`

// autoscaled has the workload use half of what it requests.
const autoscaled = `- {at: 5m, apply: {inline: "{apiVersion: autoscaling.karmada.io/v1alpha1, kind: FederatedHPA, metadata: {name: web, namespace: default}, spec: {scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, minReplicas: 2, maxReplicas: 30, metrics: [{type: Resource, resource: {name: cpu, target: {type: Utilization, averageUtilization: 50}}}]}}"}}`

func inline(t *testing.T, content string) *scenario.Plan {
	t.Helper()
	read, err := scenario.Load("inline.yaml", []byte(content), nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := read.Plan(1)
	if err != nil {
		t.Fatal(err)
	}
	if missing := Missing(made); len(missing) > 0 {
		t.Fatalf("it needs %v", missing)
	}
	return made
}

func clusterOf(t *testing.T, told *report.Report, name string) report.ClusterResult {
	t.Helper()
	for _, c := range told.Clusters {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("the report has no cluster %s", name)
	return report.ClusterResult{}
}

// TestActions does one thing to a fleet, and sees what comes of it.
func TestActions(t *testing.T) {
	for _, c := range []struct {
		name, timeline string
		holds          func(*testing.T, *report.Report) bool
	}{
		{"scale", `- {at: 10m, scale: {to: 20}}`, func(_ *testing.T, r *report.Report) bool { return r.Total.Ready == 20 && r.Total.Pending == 0 }},
		{"roll out", `- {at: 10m, rollOut: {}}`, func(_ *testing.T, r *report.Report) bool {
			return r.Total.Ready == 12 && r.ControlPlane.PodStarts >= 24 && r.Total.PodsLost == 0
		}},
		{"delete", `- {at: 10m, delete: {apiVersion: apps/v1, kind: Deployment, namespace: default, name: web}}`,
			func(t *testing.T, r *report.Report) bool {
				return r.Workloads[0].Deleted && r.Total.Ready == 0 && clusterOf(t, r, "m1").Ready == 0
			}},
		{"apply", `- {at: 10m, apply: {inline: "{apiVersion: apps/v1, kind: Deployment, metadata: {name: lone}, spec: {replicas: 2, selector: {matchLabels: {a: b}}, template: {metadata: {labels: {a: b}}, spec: {containers: [{name: c, image: i}]}}}}"}}`,
			func(_ *testing.T, r *report.Report) bool { return r.Total.Workloads == 2 && r.Total.Pending == 2 }},
		{"load doubles", autoscaled + `
  - {at: 10m, load: {amount: 6}}`, func(_ *testing.T, r *report.Report) bool { return r.Total.Ready == 24 && r.Total.Pending == 0 }},
		{"load falls and comes back", autoscaled + `
  - {at: 10m, load: {workloads: {names: [web]}, metric: cpu, amount: 1500m}}
  - {at: 25m, load: {amount: 3}}`, func(_ *testing.T, r *report.Report) bool {
			return r.Total.Ready == 12 && r.ControlPlane.PodStarts == 18
		}},
		{"no load that anybody scales by", autoscaled + `
  - {at: 10m, load: {metric: requests, amount: 6}}`, func(_ *testing.T, r *report.Report) bool {
			return r.Total.Ready == 12 && r.ControlPlane.PodStarts == 12
		}},
		{"fail and heal", `- {at: 10m, for: 10m, fail: {names: [m1]}}`, func(t *testing.T, r *report.Report) bool {
			states := clusterOf(t, r, "m1").States
			return r.Total.PodsLost == 4 && r.Total.Ready == 12 && len(states) == 3 && states[1].State == report.ClusterFailed && states[1].From == 600
		}},
		{"partition", `- {at: 10m, for: 10m, partition: {names: [m1]}}`, func(_ *testing.T, r *report.Report) bool {
			return r.Total.PodsLost == 0 && r.Total.Availability == 1
		}},
		{"pause", `- {at: 10m, for: 10m, pause: {names: [m1]}}`, func(_ *testing.T, r *report.Report) bool { return r.Total.Availability == 1 }},
		{"fail nodes", `- {at: 10m, failNodes: {clusters: {names: [m1]}, zone: a}}`, func(_ *testing.T, r *report.Report) bool {
			return r.Total.PodsLost > 0 && r.Total.Ready == 12
		}},
		{"drain", `- {at: 10m, for: 10m, drain: {clusters: {names: [m2]}, pick: 2}}`, func(_ *testing.T, r *report.Report) bool {
			return r.ControlPlane.PodStarts > 12 && r.Total.Ready == 12
		}},
		{"taint nodes", `- {at: 10m, taintNodes: {nodes: {clusters: {names: [m2]}, pick: 2}, taint: {key: broken, effect: NoExecute}}}`,
			func(_ *testing.T, r *report.Report) bool { return r.ControlPlane.PodStarts > 12 && r.Total.Ready == 12 }},
		{"add and remove nodes", "- {at: 5m, addNodes: {clusters: {names: [m1]}, count: 3}}\n  - {at: 10m, removeNodes: {clusters: {names: [m2]}, pick: 1}}",
			func(t *testing.T, r *report.Report) bool {
				return clusterOf(t, r, "m1").Nodes == 7 && clusterOf(t, r, "m2").Nodes == 3 && r.Total.Ready == 12
			}},
		{"add a cluster", `- {at: 5m, addCluster: {name: m4, pools: [{count: 2}]}}`, func(t *testing.T, r *report.Report) bool {
			return clusterOf(t, r, "m4").Nodes == 2
		}},
		{"remove a cluster", `- {at: 10m, removeCluster: {names: [m3]}}`, func(t *testing.T, r *report.Report) bool {
			states := clusterOf(t, r, "m3").States
			return r.Total.Ready == 12 && states[len(states)-1].State == report.ClusterRemoved
		}},
		{"cluster taint and price", "- {at: 5m, for: 5m, taint: {clusters: {names: [m1]}, taint: {key: a, effect: NoSchedule}}}\n  - {at: 7m, setPrice: {clusters: {names: [m1]}, price: 3}}\n  - {at: 8m, scale: {by: 6}}",
			func(_ *testing.T, r *report.Report) bool { return len(r.Marks) == 4 && r.Total.Ready == 18 }},
		{"crash of the scheduler", "- {at: 5m, for: 10m, crash: {component: scheduler}}\n  - {at: 6m, scale: {to: 24}}", func(_ *testing.T, r *report.Report) bool {
			return r.Total.Ready == 24 && r.Total.PendingReplicaSeconds > 12*9*60
		}},
		{"slow API", "- {at: 5m, for: 10m, slowAPI: {controlPlane: true, factor: 1000}}\n  - {at: 6m, scale: {to: 24}}", func(_ *testing.T, r *report.Report) bool {
			return r.Total.Ready == 24 && r.ControlPlane.QueueTime.Max > 2
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			began := time.Now()
			told := execute(t, inline(t, base+"  "+c.timeline+"\n")).Report
			if !c.holds(t, told) {
				t.Errorf("unexpected: %+v\ncontrol plane %+v\nclusters %+v", told.Total, told.ControlPlane, told.Clusters)
			}
			if len(told.Marks) < strings.Count(c.timeline, "at:") {
				t.Errorf("marks: %+v", told.Marks)
			}
			t.Log(time.Since(began))
		})
	}
}

// TestMissing tells what cannot be played.
func TestMissing(t *testing.T) {
	read, err := scenario.Load("inline.yaml", []byte(base+`  - {at: 1m, addCluster: {name: late, syncMode: Pull}}
requires: [pull, estimator, eviction]
settings:
  featureGates: {ResourceQuotaEstimate: true, MultiClusterService: false, Failover: true}
  rebalance: {surge: 1}
`), nil)
	if err != nil {
		t.Fatal(err)
	}
	made, err := read.Plan(1)
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(Missing(made), "; "); got != "feature gate ResourceQuotaEstimate" {
		t.Errorf("missing %q", got)
	}
}

// TestSettingsOfEviction loses a cluster: without the gate nothing moves, with it as soon and as fast as the settings say.
func TestSettingsOfEviction(t *testing.T) {
	content := strings.Replace(base, "name: web\n", "name: \"web-{n}\"\n    count: 4\n", 1) + "  - {at: 10m, fail: {names: [m1]}}\n"
	for _, c := range []struct {
		name, settings     string
		moves              bool
		soonest, recovered float64
	}{
		{"off", "", false, 0, 0},
		{"defaults", "settings: {featureGates: {Failover: true}}", true, 300, 400},
		{"soon", "settings: {featureGates: {Failover: true}, eviction: {tolerationNotReady: 1m, tolerationUnreachable: 1m}}", true, 60, 160},
		{"slowly", "settings: {featureGates: {Failover: true}, eviction: {tolerationNotReady: 1m, tolerationUnreachable: 1m, rate: 0.01}}", true, 300, 600},
		{"without", "settings: {featureGates: {Failover: true}, controllers: ['*', -taintManager]}", false, 0, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			total := execute(t, inline(t, content+c.settings)).Report.Total
			if moved := total.Moves > 0; moved != c.moves || total.PodsLost == 0 {
				t.Fatalf("%d moves of %d lost pods", total.Moves, total.PodsLost)
			}
			if longest := total.Recovery.Max; c.moves && (longest < c.soonest || longest > c.recovered) {
				t.Errorf("recovered after %v s, want %v to %v", longest, c.soonest, c.recovered)
			}
		})
	}
}

// TestEstimatorThatHangs lets a decision wait for the timeout of an estimator, and replicas for the one that comes after it.
func TestEstimatorThatHangs(t *testing.T) {
	wait := func(timeout string) (queued, missing float64) {
		told := execute(t, inline(t, base+"  - {at: 5m, for: 20m, estimator: {clusters: {names: [m1]}, fault: Timeout}}\n  - {at: 10m, scale: {to: 18}}\n  - {at: 10m1s, scale: {to: 24}}\n"+
			"settings: {estimator: {source: Nodes, timeout: "+timeout+"}}\n")).Report
		if told.Total.Ready != 24 {
			t.Errorf("with %s, %d replicas are ready", timeout, told.Total.Ready)
		}
		for i, desired := range told.Timeline.Desired {
			missing += (desired - told.Timeline.Ready[i]) * told.Timeline.Width
		}
		return told.ControlPlane.QueueTime.Max, missing
	}
	shortest, few := wait("1s")
	longest, many := wait("20s")
	if shortest > 2 || longest < 20 || longest > 22 {
		t.Errorf("decisions waited for %v and %v s", shortest, longest)
	}
	// Six replicas are asked for a second after the decision on others has begun.
	if many-few < 6*17 {
		t.Errorf("replica seconds were missing: %v and %v", few, many)
	}
}

// TestSchedulersOfMembers packs one cluster and spreads over another: their kube-schedulers are configured.
func TestSchedulersOfMembers(t *testing.T) {
	files := fstest.MapFS{"pack.yaml": {Data: []byte(`apiVersion: kubescheduler.config.k8s.io/v1
kind: KubeSchedulerConfiguration
profiles:
- schedulerName: default-scheduler
  plugins: {score: {disabled: [{name: "*"}], enabled: [{name: NodeResourcesFit}]}}
  pluginConfig:
  - {name: NodeResourcesFit, args: {scoringStrategy: {type: MostAllocated, resources: [{name: cpu, weight: 1}]}}}
`)}}
	content := strings.Replace(base, "clusters:\n", "clusters:\n    - {name: packed, scheduler: pack.yaml, zones: [a], pools: [{count: 4, cpu: 4, memory: 16Gi}]}\n", 1) +
		"  - {at: 10m, failNodes: {clusters: {names: [packed]}, pick: 1}}\n"
	read, err := scenario.Load("packed.yaml", []byte(content), files)
	if err != nil {
		t.Fatal(err)
	}
	lost := map[int64]bool{}
	for seed := range uint64(6) {
		made, err := read.Plan(seed)
		if err != nil {
			t.Fatal(err)
		}
		lost[execute(t, made).Report.Total.PodsLost] = true
	}
	if !lost[0] || !lost[3] {
		t.Errorf("pods lost with one node of four: %v; want all of a packed node, or none of an empty one", lost)
	}
}

// TestClockSkew lets the clock of the controllers go ahead: when they look next, a toleration is over that would not be.
func TestClockSkew(t *testing.T) {
	lasted := func(timeline string) float64 {
		content := strings.Replace(base, "name: web\n", "name: \"web-{n}\"\n    count: 2\n", 1) + "  - {at: 10m, fail: {names: [m1]}}\n  - {at: 13m, scale: {by: 1}}\n" + timeline +
			"settings: {featureGates: {Failover: true}}\n"
		return execute(t, inline(t, content)).Report.Total.Recovery.Max
	}
	straight, skewed := lasted(""), lasted("  - {at: 12m, disturb: {controlPlane: true, fault: ClockSkew, delay: 1h}}\n")
	if skewed > straight-60 {
		t.Errorf("recovery took %v s, with a clock an hour ahead %v s", straight, skewed)
	}
}
