package run

import (
	"fmt"
	"testing"
)

// working is a Job of two pods at a time and six in all, each of which takes two minutes, in a cluster of its own.
const working = `
apiVersion: simulator.seatrial.io/v1alpha1
kind: Scenario
metadata: {name: working}
duration: 30m
fleet:
  clusters: [{name: m1, region: eu, pools: [{count: 2, cpu: 4, memory: 16Gi, price: 1}]}]
manifests:
  - inline: |
      apiVersion: batch/v1
      kind: Job
      metadata: {name: work, namespace: default}
      spec:
        parallelism: 2
        completions: 6
        template:
          metadata: {annotations: {simulator.seatrial.io/run-seconds: "120"}}
          spec: {restartPolicy: Never, containers: [{name: work, image: work, resources: {requests: {cpu: 500m}}}]}
      ---
      apiVersion: policy.karmada.io/v1alpha1
      kind: PropagationPolicy
      metadata: {name: work, namespace: default}
      spec:
        resourceSelectors: [{apiVersion: batch/v1, kind: Job}]
        placement: {replicaScheduling: {replicaSchedulingType: Divided, replicaDivisionPreference: Aggregated}}
timeline:
  - %s
`

// TestPodsOfJobsThatHaveSucceeded are no replicas that run or serve: where the work stops they do not stand in for what is missing, and in the
// end they are no surplus.
func TestPodsOfJobsThatHaveSucceeded(t *testing.T) {
	undisturbed := executed(t, inline(t, fmt.Sprintf(working, `{at: 29m, untaint: {clusters: {names: [m1]}, taint: {key: none, effect: NoExecute}}}`)), Options{}).Report
	if total := undisturbed.Total; total.PeakSurge != 0 || total.Desired != 0 || total.Ready != 0 || total.Pending != 0 || total.Startup.Count != 1 {
		t.Errorf("a Job that is done: %+v", total)
	}
	if total := undisturbed.Total; total.LowestAvailability != 1 || total.Recovery.Count != 0 {
		t.Errorf("one pod follows the other, which is no outage: %+v", total)
	}
	stopped := executed(t, inline(t, fmt.Sprintf(working, `{at: 5m, for: 5m, fail: {names: [m1]}}`)), Options{}).Report
	if total := stopped.Total; total.LowestAvailability != 0 || total.Recovery.Count == 0 {
		t.Errorf("nothing of a Job that has done a part of its work runs for five minutes: %+v", total)
	}
}
