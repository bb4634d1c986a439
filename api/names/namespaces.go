package names

import (
	"fmt"
	"strings"
)

const (
	// NamespaceSystem holds the control plane's components, leases and secrets.
	NamespaceSystem = "karmada-system"
	// NamespaceCluster holds the secrets and heartbeat Leases of members; in a member, the service accounts of a join.
	NamespaceCluster = "karmada-cluster"
	// ExecutionSpacePrefix starts the name of every execution space.
	ExecutionSpacePrefix = "karmada-es-"
)

// ExecutionSpace is the namespace that holds the Works of a cluster.
func ExecutionSpace(cluster string) string {
	return ExecutionSpacePrefix + cluster
}

// ClusterOfExecutionSpace is the inverse of ExecutionSpace. It errs on a namespace that is no execution space.
func ClusterOfExecutionSpace(namespace string) (string, error) {
	cluster, found := strings.CutPrefix(namespace, ExecutionSpacePrefix)
	if !found {
		return "", fmt.Errorf("namespace %q is not an execution space", namespace)
	}
	return cluster, nil
}

// IsReservedNamespace tells whether templates of a namespace are never propagated.
func IsReservedNamespace(namespace string) bool {
	return namespace == NamespaceSystem || namespace == NamespaceCluster || strings.HasPrefix(namespace, ExecutionSpacePrefix)
}
