package kube

import (
	"encoding/json"
	"testing"
	"time"

	configv1 "k8s.io/kube-scheduler/config/v1"
)

// FuzzSchedulerConfiguration: whatever a configuration says, it is refused or pods are placed by it within what nodes have.
func FuzzSchedulerConfiguration(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"percentageOfNodesToScore":50,"profiles":[{}]}`,
		`{"profiles":[{"plugins":{"score":{"disabled":[{"name":"*"}],"enabled":[{"name":"NodeResourcesFit","weight":100}]}}}]}`,
		`{"profiles":[{"plugins":{"multiPoint":{"disabled":[{"name":"PodTopologySpread"}]},"filter":{"disabled":[{"name":"TaintToleration"}]}}}]}`,
		`{"profiles":[{"pluginConfig":[{"name":"NodeResourcesFit","args":{"scoringStrategy":{"type":"RequestedToCapacityRatio","resources":[{"name":"cpu","weight":3},{"name":"example.com/gpu"}],"requestedToCapacityRatio":{"shape":[{"utilization":0,"score":0},{"utilization":100,"score":10}]}}}}]}]}`,
		`{"profiles":[{"pluginConfig":[{"name":"PodTopologySpread","args":{"defaultingType":"List","defaultConstraints":[{"maxSkew":1,"topologyKey":"topology.kubernetes.io/zone","whenUnsatisfiable":"ScheduleAnyway"}]}}]}]}`,
		`{"profiles":[{"pluginConfig":[{"name":"NodeResourcesBalancedAllocation","args":{"resources":[{"name":"cpu","weight":1},{"name":"memory","weight":1},{"name":"ephemeral-storage","weight":1}]}},{"name":"DefaultPreemption","args":{"minCandidateNodesPercentage":1}},{"name":"InterPodAffinity","args":{"hardPodAffinityWeight":100}}]}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		configuration := &configv1.KubeSchedulerConfiguration{}
		if json.Unmarshal(data, configuration) != nil {
			return
		}
		if _, err := New(&testLoop{now: epoch}, Options{Scheduler: configuration}); err != nil {
			return
		}
		w := newWorld(t, Options{Scheduler: configuration})
		w.pool("a", 2, zoned("a"))
		w.pool("b", 1, zoned("b"), tainted("PreferNoSchedule"))
		w.must(w.Apply(deployment("app", 14, "1")))
		w.loop.run(time.Minute)
		w.must(w.Apply(deployment("high", 2, "1", priority(5))))
		w.loop.run(time.Minute)
		if w.profiles[0].filters(pluginNodeResourcesFit) {
			w.check()
		}
	})
}
