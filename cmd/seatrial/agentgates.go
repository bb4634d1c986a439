package main

import (
	"maps"
	"slices"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"
	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/component"
)

// gatePriorityQueue has what changed go before what is only looked at anew.
const gatePriorityQueue featuregate.Feature = "ControllerPriorityQueue"

// agentGates are the feature gates that agents of the reference know, with its defaults. Those but gatePriorityQueue change what
// other components do.
func agentGates() map[featuregate.Feature]featuregate.FeatureSpec {
	return map[featuregate.Feature]featuregate.FeatureSpec{
		gatePriorityQueue:                  {Default: true, PreRelease: featuregate.Beta},
		gateFailover:                       {Default: false, PreRelease: featuregate.Beta},
		component.GateGracefulEviction:     {Default: true, PreRelease: featuregate.Beta},
		gateDependencies:                   {Default: true, PreRelease: featuregate.Beta},
		component.GateResourceModeling:     {Default: true, PreRelease: featuregate.Beta},
		gatePreemption:                     {Default: false, PreRelease: featuregate.Alpha},
		"MultiClusterService":              {Default: false, PreRelease: featuregate.Alpha},
		gateResourceQuota:                  {Default: false, PreRelease: featuregate.Alpha},
		gateInjection:                      {Default: false, PreRelease: featuregate.Alpha},
		component.GatePriority:             {Default: true, PreRelease: featuregate.Beta},
		gateQuota:                          {Default: false, PreRelease: featuregate.Alpha},
		component.GateMultiplePodTemplates: {Default: false, PreRelease: featuregate.Alpha},
		component.GateWorkloadAffinity:     {Default: false, PreRelease: featuregate.Alpha},
		component.GateOvercommitProtection: {Default: false, PreRelease: featuregate.Alpha},
	}
}

func addAgentGates(gates featuregate.MutableVersionedFeatureGate) {
	utilruntime.Must(gates.Add(agentGates()))
}

// warnOfGates tells of gates that were changed and that an agent does not look at.
func warnOfGates(gates featuregate.FeatureGate) {
	known := agentGates()
	for _, name := range slices.Sorted(maps.Keys(known)) {
		if name != gatePriorityQueue && gates.Enabled(name) != known[name].Default {
			klog.Background().Info("Warning: a feature gate has no effect on an agent; set it for the other components", "gate", name)
		}
	}
}
