package main

import (
	"slices"
	"strings"

	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/component"
)

// managerIgnored are flags that controller managers of the reference have.
func managerIgnored() component.Ignored {
	const (
		autoscaler = "FederatedHPAs are stored and checked, and nothing scales by them"
		policies   = "policies share the turns of --concurrent-resource-template-syncs"
		bindings   = "bindings of both scopes share the turns of --concurrent-resourcebinding-syncs"
	)
	ignored := component.Ignored{
		"cluster-api-kubeconfig":                      "clusters of Cluster API do not join by themselves; use seatrial join",
		"cluster-api-context":                         "clusters of Cluster API do not join by themselves; use seatrial join",
		"cluster-cache-sync-timeout":                  "a Work is handled as soon as the kinds it needs are listed, and nothing waits for the others",
		"resync-period":                               "what is watched is not listed again; controllers that need that say when",
		"concurrent-cluster-propagation-policy-syncs": policies,
		"concurrent-propagation-policy-syncs":         policies,
		"concurrent-clusterresourcebinding-syncs":     bindings,
		"concurrent-dependent-resource-syncs":         bindings,
	}
	for _, name := range []string{
		"cpu-initialization-period", "downscale-delay", "downscale-stabilization", "initial-readiness-delay", "sync-period", "tolerance", "upscale-delay",
	} {
		ignored["horizontal-pod-autoscaler-"+name] = autoscaler
	}
	return ignored
}

// managerAbsent are controllers of the reference that there are not.
func managerAbsent() []string {
	return []string{
		"cronFederatedHorizontalPodAutoscaler", "endpointSlice", "endpointsliceCollect", "endpointsliceDispatch",
		"federatedHorizontalPodAutoscaler", "multiclusterservice", "remedy", "serviceExport", "serviceImport",
	}
}

// withoutAbsent leaves controllers out of a list that there are not, and warns of those that were to run.
func withoutAbsent(wanted, absent []string) []string {
	return slices.DeleteFunc(slices.Clone(wanted), func(entry string) bool {
		name := strings.TrimPrefix(entry, "-")
		if !slices.ContainsFunc(absent, func(known string) bool { return strings.EqualFold(known, name) }) {
			return false
		}
		if name == entry {
			klog.Background().Info("Warning: --controllers names one that there is not", "controller", name)
		}
		return true
	})
}
