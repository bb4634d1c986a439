package policy

import (
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// TestSkipped: what belongs to the control plane, and what users leave out, is never propagated.
func TestSkipped(t *testing.T) {
	apis, err := ParseAPIs("example.com; batch/v1 ;apps/v1/ReplicaSet,ControllerRevision;v1/Endpoints,Node")
	if err != nil {
		t.Fatal(err)
	}
	skipped := Skipped{Namespaces: []*regexp.Regexp{regexp.MustCompile("^(?:kube-.*)$")}, APIs: apis}
	type key struct{ group, version, kind, namespace string }
	for _, c := range []struct {
		key  key
		want bool
	}{
		{key{"apps", "v1", "Deployment", "shop"}, false},
		{key{"", "v1", "ConfigMap", "kube-system"}, true},
		{key{"", "v1", "ConfigMap", "my-kube-system"}, false},
		{key{"", "v1", "ConfigMap", "karmada-system"}, true},
		{key{"", "v1", "ConfigMap", "karmada-cluster"}, true},
		{key{"", "v1", "ConfigMap", "karmada-es-member1"}, true},
		{key{"", "v1", "ConfigMap", "karmada-es-"}, true},
		{key{"", "v1", "ConfigMap", "karmada"}, false},
		{key{"rbac.authorization.k8s.io", "v1", "ClusterRole", ""}, false},
		{key{"", "v1", "Event", "shop"}, true},
		{key{"events.k8s.io", "v1", "Event", "shop"}, true},
		{key{"events.k8s.io", "v1beta1", "Event", "shop"}, true},
		{key{"coordination.k8s.io", "v1", "Lease", "shop"}, true},
		{key{"coordination.k8s.io", "v1alpha2", "LeaseCandidate", "shop"}, false},
		{key{"policy.karmada.io", "v1alpha1", "PropagationPolicy", "shop"}, true},
		{key{"policy", "v1", "PodDisruptionBudget", "shop"}, false},
		{key{"work.karmada.io", "v1alpha2", "ResourceBinding", "shop"}, true},
		{key{"cluster.karmada.io", "v1alpha1", "Cluster", ""}, true},
		{key{"config.karmada.io", "v1alpha1", "ResourceInterpreterCustomization", ""}, true},
		{key{"networking.karmada.io", "v1alpha1", "MultiClusterService", "shop"}, true},
		{key{"autoscaling.karmada.io", "v1alpha1", "FederatedHPA", "shop"}, true},
		{key{"remedy.karmada.io", "v1alpha1", "Remedy", ""}, true},
		{key{"apps.karmada.io", "v1alpha1", "WorkloadRebalancer", ""}, true},
		{key{"multicluster.x-k8s.io", "v1alpha1", "ServiceExport", "shop"}, false},
		{key{"example.com", "v1", "Boat", ""}, true},
		{key{"sub.example.com", "v1", "Boat", ""}, false},
		{key{"batch", "v1", "Job", "shop"}, true},
		{key{"batch", "v1beta1", "CronJob", "shop"}, false},
		{key{"apps", "v1", "ReplicaSet", "shop"}, true},
		{key{"apps", "v1", "ControllerRevision", "shop"}, true},
		{key{"", "v1", "Endpoints", "shop"}, true},
		{key{"", "v1", "Node", ""}, true},
		{key{"", "v1", "Secret", "shop"}, false},
	} {
		kind := schema.GroupVersionKind{Group: c.key.group, Version: c.key.version, Kind: c.key.kind}
		if got := skipped.Skips(kind, c.key.namespace); got != c.want {
			t.Errorf("%v skipped: %t, want %t", c.key, got, c.want)
		}
	}
}

// TestParseAPIsRefuses: each message names the entry and what is wanted.
func TestParseAPIsRefuses(t *testing.T) {
	for _, text := range []string{"a/b/c/d", "a//B", "/v1/Pod", "v1/", "apps/v1/,", "apps/v1/Deployment,,ReplicaSet", "v1/apps/Pod"} {
		if _, err := ParseAPIs("batch/v1;" + text); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%q: error %v, want one that quotes it", text, err)
		}
	}
	if none, err := ParseAPIs(" ; "); err != nil || none.Has(schema.GroupVersionKind{Version: "v1", Kind: "Pod"}) {
		t.Errorf("an empty list: %v, %v", none, err)
	}
}

// FuzzParseAPIs: nothing crashes, and what is read skips no kind of a group that the text does not name.
func FuzzParseAPIs(f *testing.F) {
	for _, text := range []string{"", "apps", "apps/v1", "apps/v1/Deployment,ReplicaSet", "v1/Pod;batch/v1", "/;,", "v1//"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		parsed, err := ParseAPIs(text)
		if err == nil && !strings.Contains(text, "apps") && parsed.Has(schema.GroupVersionKind{Group: "apps", Version: "v1", Kind: "Deployment"}) {
			t.Errorf("%q skips Deployments", text)
		}
	})
}
