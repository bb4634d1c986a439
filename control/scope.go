package control

import clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"

// Scope is the clusters that the controllers of one process serve, so that each cluster has one who writes to it and reports
// about it. The zero Scope is that of a control plane: all clusters in Push mode.
type Scope struct {
	// Agent is the one cluster whose agent runs the controllers, in Pull mode.
	Agent string
}

// Serves tells whether a cluster belongs to the scope.
func (s Scope) Serves(cluster *clusterv1alpha1.Cluster) bool {
	pull := cluster.Spec.SyncMode == clusterv1alpha1.Pull
	if s.Agent == "" {
		return !pull
	}
	return pull && cluster.Name == s.Agent
}
