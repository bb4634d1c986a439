package binding

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Clusters reads the clusters that a binding goes to or leaves, by name. Those that are gone are not among them. They may belong to
// a cache, and are not to be written to.
func (b Binding) Clusters(ctx context.Context, reader client.Reader) (map[string]*clusterv1alpha1.Cluster, error) {
	var wanted []string
	for _, target := range b.Spec.Clusters {
		wanted = append(wanted, target.Name)
	}
	for _, task := range b.Spec.GracefulEvictionTasks {
		wanted = append(wanted, task.FromCluster)
	}
	clusters := map[string]*clusterv1alpha1.Cluster{}
	for _, name := range wanted {
		cluster := &clusterv1alpha1.Cluster{}
		err := reader.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy)
		if client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("reading cluster %s: %w", name, err)
		}
		if err == nil {
			clusters[name] = cluster
		}
	}
	return clusters, nil
}
