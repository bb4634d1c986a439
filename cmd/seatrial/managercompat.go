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
		autoscaler = "what a FederatedHPA may add or take away at a time is said by its behavior"
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
	ignored["horizontal-pod-autoscaler-downscale-delay"], ignored["horizontal-pod-autoscaler-upscale-delay"] = autoscaler, autoscaler
	return ignored
}

// absent are controllers of the reference that there are not with these settings.
func (o *managerOptions) absent() (names []string) {
	if !o.settings.MultiClusterService {
		names = append(names, "endpointsliceCollect", "endpointsliceDispatch")
	}
	if !o.settings.Quota.Enforced {
		names = append(names, "federatedResourceQuotaEnforcement")
	}
	return names
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
