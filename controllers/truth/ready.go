package truth

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/workload"
)

// clusterKind sets the keys of clusters apart from those of bindings.
var clusterKind = schema.GroupVersionKind{Kind: "Cluster"}

// onCluster wakes a cluster when it comes, goes, is seen again or not any more.
func onCluster(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if old != nil && current != nil && workload.Ready(old) == workload.Ready(current) {
		return nil
	}
	return []control.Key{control.KindKeyOf(clusterKind, event.Object())}
}

// tally adds up the ready replicas that clusters report, of all bindings.
type tally struct {
	byBinding map[control.Key]map[string]int32
	sums      map[string]int64
}

func newTally() tally { return tally{map[control.Key]map[string]int32{}, map[string]int64{}} }

// count takes what the copies of a binding report now, and lists the clusters whose sums change.
func (t *tally) count(key control.Key, now map[string]int32) []string {
	var changed []string
	before := t.byBinding[key]
	add := func(cluster string, by int32) {
		if by == 0 {
			return
		}
		changed = append(changed, cluster)
		if t.sums[cluster] += int64(by); t.sums[cluster] == 0 {
			delete(t.sums, cluster)
		}
	}
	for cluster, ready := range now {
		add(cluster, ready-before[cluster])
	}
	for cluster, ready := range before {
		if _, still := now[cluster]; !still {
			add(cluster, -ready)
		}
	}
	t.byBinding[key] = now
	if len(now) == 0 {
		delete(t.byBinding, key)
	}
	slices.Sort(changed)
	return changed
}

// follow adds up what a binding reports, none when it is gone.
func (c *comparer) follow(ctx context.Context, deps control.Deps, key control.Key, bound *binding.Binding) error {
	var now map[string]int32
	if bound != nil {
		now = eviction.Ready(bound.Status.AggregatedStatus)
	}
	for _, cluster := range c.tally.count(key, now) {
		if err := c.tell(ctx, deps, cluster); err != nil {
			return err
		}
	}
	return nil
}

// tell says how many replicas are ready in a cluster: now, or when it was last seen.
func (c *comparer) tell(ctx context.Context, deps control.Deps, name string) error {
	cluster := &clusterv1alpha1.Cluster{}
	err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy)
	switch {
	case apierrors.IsNotFound(err):
		c.recorder.Gone(name)
	case err != nil:
		return err
	default:
		c.recorder.Ready(name, c.tally.sums[name], workload.Ready(cluster))
	}
	return nil
}
