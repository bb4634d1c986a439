package simulator

import (
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/simulator/store"
)

// Kinds are what API servers of fleets serve, read and made ready for use. That takes longer than a short simulation, so that many
// of those share them, from several goroutines at once if they like.
type Kinds struct {
	scheme *runtime.Scheme
	// project are the kinds of the project, Cluster among them, which the aggregated API server serves in production.
	project []store.Resource
	derived *store.Derived
}

// NewKinds makes them ready.
func NewKinds() (*Kinds, error) {
	k := &Kinds{scheme: runtime.NewScheme(), derived: store.NewDerived()}
	if err := scheme.AddToScheme(k.scheme); err != nil {
		return nil, fmt.Errorf("collecting the known kinds: %w", err)
	}
	definitions, err := crds.Load(crds.WithoutWebhook())
	if err != nil {
		return nil, err
	}
	if k.project, err = store.FromDefinitions(definitions); err != nil {
		return nil, err
	}
	k.project = append(k.project, store.Resource{
		GVK: clusterv1alpha1.GroupVersion.WithKind(clusterv1alpha1.ResourceKindCluster), Plural: "clusters", Status: true,
	})
	return k, nil
}
