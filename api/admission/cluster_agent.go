package admission

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// AgentFaults tells what an agent may not write to its cluster. old is nil for a new one; what somebody else has said may stay. It works
// in Pull mode, and refers to credentials of its own: with others it could have the control plane show those of another member to
// whatever endpoint it names. For the same reason it changes nothing of a cluster in another mode, to which no agent belongs. namespaces
// are those in which agents may keep them.
func AgentFaults(cluster, old *clusterv1alpha1.Cluster, namespaces []string) field.ErrorList {
	var before clusterv1alpha1.ClusterSpec
	if old != nil {
		before = old.Spec
	}
	var faults field.ErrorList
	spec, path := &cluster.Spec, field.NewPath("spec")
	if old != nil && before.SyncMode != clusterv1alpha1.Pull {
		return append(faults, field.Forbidden(path, fmt.Sprintf("the cluster is a member in %s mode, in which no agent writes to it", before.SyncMode)))
	}
	if spec.SyncMode != clusterv1alpha1.Pull && spec.SyncMode != before.SyncMode {
		faults = append(faults, field.Forbidden(path.Child("syncMode"), "an agent's cluster is in Pull mode; another mode is for administrators to set"))
	}
	for _, secret := range []struct {
		field       string
		now, before *clusterv1alpha1.LocalSecretReference
		own         string
	}{
		{"secretRef", spec.SecretRef, before.SecretRef, cluster.Name},
		{"impersonatorSecretRef", spec.ImpersonatorSecretRef, before.ImpersonatorSecretRef, names.ImpersonationSecret(cluster.Name)},
	} {
		if secret.now == nil || secret.now.Name == secret.own && slices.Contains(namespaces, secret.now.Namespace) || secret.before != nil && *secret.now == *secret.before {
			continue
		}
		faults = append(faults, field.Forbidden(path.Child(secret.field),
			fmt.Sprintf("an agent may refer to secret %s in namespaces %q (--agent-secret-namespaces of the server of Clusters); another one is for administrators to set",
				secret.own, namespaces)))
	}
	return faults
}
