package component

import (
	"slices"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/component-base/featuregate"
	"k8s.io/klog/v2"
)

// referenceGates are all that components of the reference know, with its defaults.
func referenceGates() map[featuregate.Feature]featuregate.FeatureSpec {
	alpha, beta := featuregate.FeatureSpec{PreRelease: featuregate.Alpha}, featuregate.FeatureSpec{Default: true, PreRelease: featuregate.Beta}
	return map[featuregate.Feature]featuregate.FeatureSpec{
		"Failover":                          {PreRelease: featuregate.Beta},
		"GracefulEviction":                  beta,
		"PropagateDeps":                     beta,
		"CustomizedClusterResourceModeling": beta,
		"PropagationPolicyPreemption":       alpha,
		"MultiClusterService":               alpha,
		"ResourceQuotaEstimate":             alpha,
		"StatefulFailoverInjection":         alpha,
		"PriorityBasedScheduling":           beta,
		"FederatedQuotaEnforcement":         alpha,
		"MultiplePodTemplatesScheduling":    alpha,
		"ControllerPriorityQueue":           beta,
		"WorkloadAffinity":                  alpha,
		"SchedulingOvercommitProtection":    alpha,
		"LoggingAlphaOptions":               alpha,
		"LoggingBetaOptions":                beta,
		"ContextualLogging":                 beta,
	}
}

// AddOtherGates makes a component accept the gates of the reference beside those it has added itself: an installation gives all its
// components the same list. What it returns, called when the flags are read, warns of those that were changed without an effect.
func AddOtherGates(gates featuregate.MutableVersionedFeatureGate) (warn func()) {
	own, others := gates.GetAll(), map[featuregate.Feature]featuregate.FeatureSpec{}
	var names []featuregate.Feature
	for name, spec := range referenceGates() {
		if _, known := own[name]; !known {
			others[name] = spec
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(others) > 0 {
		utilruntime.Must(gates.Add(others))
	}
	return func() {
		for _, name := range names {
			if gates.Enabled(name) != others[name].Default {
				klog.Background().Info("Warning: a feature gate has no effect on this component", "gate", name)
			}
		}
	}
}
