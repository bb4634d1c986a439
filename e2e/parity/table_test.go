package parity

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// table lists the cases: first those that wait for the loss of a node, which take longest.
func table() []*scene {
	return slices.Concat(lossCases(), nodeCases(), spreadCases(), podAffinityCases(), resourceCases(), scoreCases(),
		preemptionCases(), workloadCases(), rolloutCases(), quotaCases(), limitCases(), disturbanceCases())
}

// pair is two groups of nodes of 4 CPUs, each in its zone.
func pair(a, b int) []group {
	return []group{{name: "a", count: a, cpu: "4", zone: "za"}, {name: "b", count: b, cpu: "4", zone: "zb"}}
}

func single(count int, cpu string) []group { return []group{{name: "a", count: count, cpu: cpu}} }

func nodeCases() []*scene {
	ssd, gold := map[string]string{"disk": "ssd"}, map[string]string{"tier": "gold", "size": "8"}
	labelled := []group{{name: "a", count: 2, cpu: "4", labels: ssd}, {name: "b", count: 2, cpu: "4", labels: gold}, {name: "c", count: 1, cpu: "4"}}
	dedicated := taint("dedicated", corev1.TaintEffectNoSchedule)
	tainted := []group{{name: "a", count: 2, cpu: "4", taints: []corev1.Taint{dedicated}}, {name: "b", count: 1, cpu: "4"}}
	shunned := []group{{name: "a", count: 1, cpu: "4", taints: []corev1.Taint{taint("old", corev1.TaintEffectPreferNoSchedule)}}, {name: "b", count: 1, cpu: "4"}}
	return []*scene{
		{name: "node-selector", ends: waiting, groups: labelled, steps: []step{create(deployment("web", 10, "1", on("disk", "ssd")))}},
		{name: "node-affinity-in", ends: waiting, groups: labelled, steps: []step{create(deployment("web", 17, "1",
			wants([]corev1.NodeSelectorTerm{term("disk", corev1.NodeSelectorOpIn, "ssd"), term("tier", corev1.NodeSelectorOpExists)})))}},
		{name: "node-affinity-not-in", ends: waiting, groups: labelled, steps: []step{create(deployment("web", 13, "1",
			wants([]corev1.NodeSelectorTerm{term("disk", corev1.NodeSelectorOpNotIn, "ssd")})))}},
		{name: "node-affinity-gt", ends: waiting, groups: labelled, steps: []step{create(deployment("web", 9, "1",
			wants([]corev1.NodeSelectorTerm{term("size", corev1.NodeSelectorOpGt, "6")})))}},
		{name: "node-affinity-preferred", ends: skew, groups: labelled, steps: []step{create(deployment("web", 10, "1",
			wants(nil, prefers(80, "disk", "ssd"), prefers(20, "tier", "gold"))))}},
		{name: "taint", ends: waiting, groups: tainted, steps: []step{create(deployment("web", 6, "1"))}},
		{name: "toleration", ends: waiting, groups: tainted, steps: []step{create(deployment("web", 13, "1",
			tolerate(corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "yes", Effect: corev1.TaintEffectNoSchedule})))}},
		{name: "toleration-of-another-value", ends: waiting, groups: tainted, steps: []step{create(deployment("web", 5, "1",
			tolerate(corev1.Toleration{Key: "dedicated", Operator: corev1.TolerationOpEqual, Value: "no"})))}},
		{name: "prefer-no-schedule", ends: skew, groups: shunned, steps: []step{create(deployment("web", 5, "1"))}},
		{name: "cordon", ends: waiting, groups: pair(1, 1), steps: []step{cordon("a", true), create(deployment("web", 6, "1"))}},
		{name: "node-by-hostname", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 6, "1",
			wants([]corev1.NodeSelectorTerm{term("kubernetes.io/hostname", corev1.NodeSelectorOpIn, "node-by-hostname-a-1")})))}},
		{name: "node-by-name", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 6, "1",
			wants([]corev1.NodeSelectorTerm{{MatchFields: []corev1.NodeSelectorRequirement{{Key: "metadata.name", Operator: corev1.NodeSelectorOpIn, Values: []string{"node-by-name-b-0"}}}}})))}},
		{name: "uncordon", ends: whole, groups: pair(1, 1), steps: []step{cordon("a", true), create(deployment("web", 6, "1")), cordon("a", false)}},
		{name: "scheduling-gate", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("web", 2, "1",
			spec(func(s *corev1.PodSpec) { s.SchedulingGates = []corev1.PodSchedulingGate{{Name: "example.com/hold"}} })))}},
	}
}

func spreadCases() []*scene {
	hard, soft := corev1.DoNotSchedule, corev1.ScheduleAnyway
	uneven := []group{{name: "a", count: 2, cpu: "8", zone: "za"}, {name: "b", count: 1, cpu: "2", zone: "zb"}}
	return []*scene{
		{name: "spread-zones", ends: waiting, groups: uneven, steps: []step{create(deployment("web", 8, "1", spread(zoneLabel, 1, hard)))}},
		{name: "spread-zones-skew-3", ends: waiting, groups: uneven, steps: []step{create(deployment("web", 9, "1", spread(zoneLabel, 3, hard)))}},
		{name: "spread-min-domains", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 4, "1",
			spread(zoneLabel, 1, hard, func(c *corev1.TopologySpreadConstraint) { c.MinDomains = ptr.To[int32](3) })))}},
		{name: "spread-anyway", ends: skew, groups: uneven, steps: []step{create(deployment("web", 12, "1", spread(zoneLabel, 1, soft)))}},
		{name: "spread-zones-and-hosts", ends: waiting, groups: []group{{name: "a", count: 1, cpu: "8", zone: "za"}, {name: "b", count: 3, cpu: "8", zone: "zb"}},
			steps: []step{create(deployment("web", 9, "2", spread(zoneLabel, 2, hard), spread(hostLabel, 1, hard)))}},
		{name: "spread-hard-and-soft", ends: skew, groups: []group{{name: "a", count: 1, cpu: "8", zone: "za"}, {name: "b", count: 3, cpu: "8", zone: "zb"}},
			steps: []step{create(deployment("web", 8, "1", spread(hostLabel, 1, hard), spread(zoneLabel, 1, soft)))}},
		{name: "spread-honors-taints", ends: skew, groups: []group{{name: "a", count: 1, cpu: "8", zone: "za"},
			{name: "b", count: 1, cpu: "8", zone: "zb", taints: []corev1.Taint{taint("off", corev1.TaintEffectNoSchedule)}}},
			steps: []step{create(deployment("web", 4, "1", spread(zoneLabel, 1, hard,
				func(c *corev1.TopologySpreadConstraint) { c.NodeTaintsPolicy = ptr.To(corev1.NodeInclusionPolicyHonor) })))}},
		{name: "spread-ignores-taints", ends: waiting, groups: []group{{name: "a", count: 1, cpu: "8", zone: "za"},
			{name: "b", count: 1, cpu: "8", zone: "zb", taints: []corev1.Taint{taint("off", corev1.TaintEffectNoSchedule)}}},
			steps: []step{create(deployment("web", 4, "1", spread(zoneLabel, 1, hard)))}},
		{name: "spread-ignores-selector", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 4, "1", on("group", "a"), spread(zoneLabel, 1, hard,
			func(c *corev1.TopologySpreadConstraint) {
				c.NodeAffinityPolicy = ptr.To(corev1.NodeInclusionPolicyIgnore)
			}),
			wants([]corev1.NodeSelectorTerm{term(caseLabel, corev1.NodeSelectorOpExists)})))}},
		{name: "spread-of-a-revision", ends: skew, groups: pair(1, 1), steps: []step{
			create(rolling(deployment("web", 4, "1", spread(zoneLabel, 1, hard, func(c *corev1.TopologySpreadConstraint) { c.MatchLabelKeys = []string{"pod-template-hash"} })), 3, 0)),
			roll("web", on("group", "a"))}},
		{name: "spread-by-two-softly", ends: skew, groups: []group{{name: "a", count: 1, cpu: "8", zone: "za"}, {name: "b", count: 3, cpu: "8", zone: "zb"}},
			steps: []step{create(deployment("web", 9, "500m", spread(zoneLabel, 1, soft), spread(hostLabel, 1, soft)))}, within: 1},
		{name: "spread-cordoned", ends: waiting, groups: pair(1, 1), steps: []step{cordon("b", true), create(deployment("web", 4, "1", spread(zoneLabel, 1, hard)))}},
		{name: "spread-of-others", ends: whole, groups: pair(1, 1), steps: []step{create(deployment("db", 3, "1", on("group", "a"))),
			create(deployment("web", 7, "500m", spread(zoneLabel, 1, hard, func(c *corev1.TopologySpreadConstraint) {
				c.LabelSelector = &metav1.LabelSelector{MatchExpressions: []metav1.LabelSelectorRequirement{{Key: appLabel, Operator: metav1.LabelSelectorOpExists}}}
			})))}},
		{name: "spread-without-label", ends: waiting, groups: []group{{name: "a", count: 1, cpu: "2", zone: "za"}, {name: "b", count: 1, cpu: "8"}},
			steps: []step{create(deployment("web", 4, "1", spread(zoneLabel, 1, hard)))}},
	}
}

func podAffinityCases() []*scene {
	return []*scene{
		{name: "apart-from-itself", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 5, "1", apart(hostLabel, "web")))}},
		{name: "apart-by-zone", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 3, "1", apart(zoneLabel, "web")))}},
		{name: "apart-from-another", ends: waiting, groups: pair(2, 1), steps: []step{
			create(deployment("db", 1, "1", on("group", "a"))), create(deployment("web", 6, "1", apart(zoneLabel, "db")))}},
		{name: "avoided-by-another", ends: waiting, groups: pair(2, 1), steps: []step{
			create(deployment("db", 1, "1", on("group", "a"), apart(zoneLabel, "web"))), create(deployment("web", 6, "1"))}},
		{name: "near-another", ends: waiting, groups: pair(2, 1), steps: []step{
			create(deployment("db", 1, "1", on("group", "b"))), create(deployment("web", 5, "1", near(zoneLabel, "db")))}},
		{name: "near-nobody", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 3, "1", near(zoneLabel, "db")))}},
		{name: "near-itself", ends: waiting, groups: pair(1, 1), steps: []step{create(deployment("web", 6, "1", near(zoneLabel, "web")))},
			draw: "both zones are alike for the first pod, and the others follow it"},
		{name: "followed", ends: skew, groups: pair(1, 1), steps: []step{
			create(deployment("web", 1, "100m", on("group", "b"))), create(deployment("db", 2, "100m", near(zoneLabel, "web"))),
			create(pod("web-two", "100m", as("web")), pod("web-three", "100m", as("web")))}},
		{name: "rather-near", ends: skew, groups: pair(1, 1), steps: []step{
			create(deployment("db", 1, "500m", on("group", "b"))), create(deployment("web", 4, "500m", ratherNear(zoneLabel, "db")))}},
		{name: "rather-apart", ends: skew, groups: pair(1, 1), steps: []step{
			create(deployment("db", 1, "500m", on("group", "b"))), create(deployment("web", 4, "500m", ratherApart(zoneLabel, "db")))}},
	}
}

// device asks for one.
var device = spec(func(s *corev1.PodSpec) {
	s.Containers[0].Resources.Limits = corev1.ResourceList{gpu: resource.MustParse("1")}
})

func resourceCases() []*scene {
	small := map[corev1.ResourceName]string{"cpu": "10m", "memory": "1Gi"}
	return []*scene{
		{name: "full-of-cpu", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 14, "1"))}},
		{name: "full-of-memory", ends: waiting, groups: []group{{name: "a", count: 2, cpu: "64", memory: "4Gi"}}, steps: []step{
			create(deployment("web", 9, "1", requests(map[corev1.ResourceName]string{"cpu": "100m", "memory": "1200Mi"})))}},
		{name: "full-of-devices", ends: waiting, groups: []group{{name: "a", count: 2, cpu: "16", gpus: "2"}, {name: "b", count: 1, cpu: "16"}}, steps: []step{
			create(deployment("train", 5, "1", device))}},
		{name: "full-of-pods", ends: waiting, groups: []group{{name: "a", count: 2, cpu: "16", pods: "5"}}, steps: []step{create(deployment("web", 12, "10m", requests(small)))}},
		{name: "fragments", ends: waiting, groups: single(3, "4"), steps: []step{create(deployment("web", 3, "2500m")), create(deployment("big", 2, "2"))}},
		{name: "init-container", ends: waiting, groups: single(2, "4"), steps: []step{create(deployment("web", 3, "1", spec(func(s *corev1.PodSpec) {
			init := *s.Containers[0].DeepCopy()
			init.Name, init.Resources.Requests = "init", allocatable(group{cpu: "3", memory: "1Gi"})
			delete(init.Resources.Requests, "pods")
			s.InitContainers = []corev1.Container{init}
		})))}},
		{name: "sidecar", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("web", 3, "1", spec(func(s *corev1.PodSpec) {
			sidecar := *s.Containers[0].DeepCopy()
			sidecar.Name, sidecar.RestartPolicy = "sidecar", ptr.To(corev1.ContainerRestartPolicyAlways)
			s.InitContainers = []corev1.Container{sidecar}
		})))}},
		{name: "limits-alone", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("web", 3, "1", spec(func(s *corev1.PodSpec) {
			s.Containers[0].Resources = corev1.ResourceRequirements{Limits: corev1.ResourceList{"cpu": resource.MustParse("2")}}
		})))}},
		{name: "pod-resources", ends: waiting, groups: single(1, "4"), steps: []step{create(deployment("web", 3, "100m", spec(func(s *corev1.PodSpec) {
			s.Resources = &corev1.ResourceRequirements{Requests: corev1.ResourceList{"cpu": resource.MustParse("2")}}
		})))}},
		{name: "host-port", ends: waiting, groups: pair(2, 1), steps: []step{create(deployment("web", 5, "1", hostPort(8080)))}},
		{name: "too-big", ends: waiting, groups: single(2, "4"), steps: []step{create(deployment("web", 1, "5")), create(deployment("ok", 2, "1"))}},
		{name: "best-effort", ends: waiting, groups: []group{{name: "a", count: 1, cpu: "1", pods: "4"}}, steps: []step{create(deployment("web", 6, "1", requests(nil)))}},
	}
}

func scoreCases() []*scene {
	return []*scene{
		{name: "score-sizes", ends: whole, groups: []group{{name: "a", count: 1, cpu: "4"}, {name: "b", count: 1, cpu: "16"}},
			steps: []step{create(pod("first", "3", on("group", "b"))), create(deployment("web", 8, "100m"))}},
		{name: "score-least-allocated", ends: skew, groups: pair(1, 1), steps: []step{
			create(deployment("old", 1, "3", on("group", "a"))), create(pod("one", "100m"), pod("two", "100m"), pod("three", "100m"))}},
		{name: "score-balance", ends: whole, groups: []group{{name: "a", count: 1, cpu: "8", memory: "8Gi"}, {name: "b", count: 1, cpu: "8", memory: "32Gi"}}, steps: []step{
			create(deployment("web", 6, "1", requests(map[corev1.ResourceName]string{"cpu": "200m", "memory": "1Gi"})))}},
		{name: "score-many", ends: skew, groups: []group{{name: "a", count: 3, cpu: "4", memory: "16Gi"}, {name: "b", count: 2, cpu: "8", memory: "16Gi"}, {name: "c", count: 1, cpu: "16", memory: "64Gi"}}, steps: []step{
			create(deployment("web", 20, "500m")), create(deployment("db", 5, "1", requests(map[corev1.ResourceName]string{"cpu": "250m", "memory": "4Gi"})))}, within: 1},
	}
}

func preemptionCases() []*scene {
	full := func(of, cpu string, n int32) step { return create(deployment("low", n, cpu, class(of))) }
	return []*scene{
		{name: "preemption", ends: preempted, groups: pair(1, 1), steps: []step{full("low", "1", 8), create(deployment("high", 3, "1", class("high")))}, within: 3,
			draw: "pods of one age and priority are equally good victims"},
		{name: "preemption-not-enough", ends: waiting, groups: single(2, "4"), steps: []step{full("middle", "1", 8), create(deployment("high", 3, "4", class("high")))}},
		{name: "preemption-equal", ends: waiting, groups: single(2, "4"), steps: []step{full("high", "1", 8), create(deployment("more", 3, "1", class("high")))}},
		{name: "preemption-never", ends: waiting, groups: single(2, "4"), steps: []step{full("low", "1", 8), create(deployment("polite", 3, "1", class("polite")))}},
		{name: "preemption-lowest", ends: preempted, groups: pair(1, 1), steps: []step{
			create(deployment("low", 4, "1", class("low"), on("group", "a"))), create(deployment("middle", 4, "1", class("middle"), on("group", "b"))),
			create(deployment("high", 2, "2", class("high")))}},
		{name: "preemption-fewest", ends: preempted, groups: pair(1, 1), steps: []step{
			create(deployment("small", 4, "1", class("low"), on("group", "a"))), create(deployment("large", 2, "2", class("low"), on("group", "b"))),
			create(deployment("high", 1, "2", class("high")))}},
		{name: "preemption-budget", ends: preempted, groups: pair(1, 1), steps: []step{
			create(budget("kept", 4)), create(deployment("kept", 4, "1", class("low"), on("group", "a"))),
			create(deployment("low", 4, "1", class("middle"), on("group", "b"))), create(deployment("high", 2, "1", class("high")))}},
		{name: "preemption-breaks-budget", ends: preempted, groups: single(1, "4"), steps: []step{
			create(budget("kept", 4)), create(deployment("kept", 4, "1", class("low"))), create(deployment("high", 1, "2", class("high")))}},
		{name: "preemption-apart", ends: preempted, groups: pair(1, 1), steps: []step{
			create(deployment("low", 2, "500m", class("low"), apart(hostLabel, "low"))),
			create(deployment("high", 1, "500m", class("high"), on("group", "a"), apart(hostLabel, "low")))}},
		{name: "preemption-port", ends: preempted, groups: single(2, "4"), steps: []step{
			create(deployment("low", 2, "500m", class("low"), hostPort(80))), create(deployment("high", 1, "500m", class("high"), hostPort(80)))}},
		{name: "preemption-spread", ends: waiting, groups: pair(1, 1), steps: []step{
			create(deployment("low", 4, "1", class("low"), on("group", "a"))), create(deployment("middle", 4, "1", class("high"), on("group", "b"))),
			create(deployment("high", 3, "1", class("high"), spread(zoneLabel, 1, corev1.DoNotSchedule)))}},
		{name: "preemption-devices", ends: preempted, groups: []group{{name: "a", count: 1, cpu: "8", gpus: "2"}, {name: "b", count: 1, cpu: "8"}}, steps: []step{
			create(deployment("low", 2, "1", class("low"), device)), create(deployment("free", 2, "1", class("low"))), create(deployment("high", 1, "1", class("high"), device))}},
		{name: "preemption-cordoned", ends: waiting, groups: pair(1, 1), steps: []step{
			create(deployment("low", 8, "1", class("low"))), cordon("a", true), create(deployment("high", 5, "1", class("high")))}},
	}
}
