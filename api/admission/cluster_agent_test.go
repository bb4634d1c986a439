package admission_test

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/admission"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

func TestAgentFaults(t *testing.T) {
	const pull, push = clusterv1alpha1.Pull, clusterv1alpha1.Push
	written := func(mode clusterv1alpha1.ClusterSyncMode, namespace, access, impersonation string) *clusterv1alpha1.Cluster {
		refer := func(name string) *clusterv1alpha1.LocalSecretReference {
			if name == "" {
				return nil
			}
			return &clusterv1alpha1.LocalSecretReference{Namespace: namespace, Name: name}
		}
		return &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{
			SyncMode: mode, APIEndpoint: "https://m1:6443", SecretRef: refer(access), ImpersonatorSecretRef: refer(impersonation),
		}}
	}
	const space = "karmada-cluster"
	for name, c := range map[string]struct {
		cluster, old *clusterv1alpha1.Cluster
		want         []string
	}{
		"its own":                      {written(pull, space, "m1", "m1-impersonator"), nil, nil},
		"its own, elsewhere":           {written(pull, "agents", "m1", "m1-impersonator"), nil, nil},
		"another's, elsewhere":         {written(pull, "agents", "m2", "m1"), nil, []string{"spec.secretRef", "spec.impersonatorSecretRef"}},
		"no credentials":               {written(pull, space, "", ""), nil, nil},
		"another mode, new":            {written(push, space, "", ""), nil, []string{"spec.syncMode"}},
		"another mode":                 {written(push, space, "", ""), written(pull, space, "", ""), []string{"spec.syncMode"}},
		"of another mode":              {written(push, space, "", ""), written(push, space, "", ""), []string{"spec"}},
		"that is to come back":         {written(pull, space, "", ""), written(push, space, "", ""), []string{"spec"}},
		"another's token":              {written(pull, space, "m2", ""), written(pull, space, "m1", ""), []string{"spec.secretRef"}},
		"another's impersonator":       {written(pull, space, "", "m2-impersonator"), nil, []string{"spec.impersonatorSecretRef"}},
		"a secret elsewhere":           {written(pull, "kube-system", "m1", ""), nil, []string{"spec.secretRef"}},
		"a secret of an administrator": {written(pull, "elsewhere", "x", "y"), written(pull, "elsewhere", "x", "y"), nil},
		"all that could help a robber": {written(push, space, "m2", "m2-impersonator"), written(pull, space, "m1", "m1-impersonator"), []string{"spec.syncMode", "spec.secretRef", "spec.impersonatorSecretRef"}},
	} {
		var found []string
		for _, fault := range admission.AgentFaults(c.cluster, c.old, []string{space, "agents"}) {
			found = append(found, fault.Field)
		}
		if len(found) != len(c.want) {
			t.Errorf("%s: faults %q, want %q", name, found, c.want)
			continue
		}
		for i := range found {
			if found[i] != c.want[i] {
				t.Errorf("%s: faults %q, want %q", name, found, c.want)
			}
		}
	}
}
