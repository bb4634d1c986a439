package services

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/workload"
)

// source is a slice as a cluster reported it.
type source struct {
	cluster string
	work    *workv1alpha1.Work
	slice   *discoveryv1.EndpointSlice
	// suffix ends the names that the slice gets elsewhere.
	suffix string
}

// sources reads the collected Works of a Service. Those that leave, that cannot be read, or that carry a slice of another namespace, are
// left out: a cluster says something of the Service it was asked for and of nothing else, and holds nobody else up by what it says.
func (f flow) sources(works []workv1alpha1.Work, namespace string) (all []source) {
	for i := range works {
		work := &works[i]
		cluster, err := names.ClusterOfExecutionSpace(work.Namespace)
		if err != nil || !f.collected(work) || !work.DeletionTimestamp.IsZero() {
			continue
		}
		slice, err := sliceOf(work)
		if err == nil && slice != nil && slice.Namespace == namespace {
			all = append(all, source{cluster: cluster, work: work, slice: slice})
		}
	}
	return all
}

// sliceOf is the slice that a Work carries, nil for none.
func sliceOf(work *workv1alpha1.Work) (*discoveryv1.EndpointSlice, error) {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return nil, err
	}
	for _, manifest := range manifests {
		if manifest.GroupVersionKind() != sliceKind {
			continue
		}
		slice := &discoveryv1.EndpointSlice{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(manifest.Object, slice); err != nil {
			return nil, fmt.Errorf("reading the EndpointSlice in Work %s/%s: %w", work.Namespace, work.Name, err)
		}
		return slice, nil
	}
	return nil, nil
}

// suffix keeps names apart that are made of a cluster and a slice, as of b-c in cluster a and of c in cluster a-b. It is that of the
// shorter cluster, and empty where no such cluster is.
func suffix(from source, clusters map[string]*clusterv1alpha1.Cluster) string {
	for other := range clusters {
		if len(other) > len(from.cluster) && strings.HasPrefix(from.cluster+"-"+from.slice.Name, other+"-") {
			return "-" + names.Hash(from.cluster+"/"+from.slice.Name)
		}
	}
	return ""
}

// clustersOf reads all clusters by name. Those that leave are not among them. They belong to a cache.
func clustersOf(ctx context.Context, reader client.Reader) (map[string]*clusterv1alpha1.Cluster, error) {
	list := &clusterv1alpha1.ClusterList{}
	if err := reader.List(ctx, list, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing clusters: %w", err)
	}
	clusters := make(map[string]*clusterv1alpha1.Cluster, len(list.Items))
	for i := range list.Items {
		if cluster := &list.Items[i]; cluster.DeletionTimestamp.IsZero() {
			clusters[cluster.Name] = cluster
		}
	}
	return clusters, nil
}

// Clusters that were cut off together are lost one after the other, and come back so. To count, a loss has to last for a while, and a
// cluster that is back counts as lost for some time more.
const (
	lossLasts   = 15 * time.Second
	returnLasts = time.Minute
)

// never is a wait that no time ends.
const never = time.Duration(math.MaxInt64)

// serving are the sources that consumers shall have, and after how long time alone may change that; 0 for never. Clusters that left
// the fleet are no sources any more. Of those that are not well, lost or tainted NoExecute, slices are withdrawn, with two exceptions,
// for a withdrawal by mistake is an outage: nothing is withdrawn while no endpoint of another cluster is ready, and nothing of lost
// clusters while more than half of the fleet looks lost, since then it is rather the control plane that cannot see.
func serving(sources []source, clusters map[string]*clusterv1alpha1.Cluster, now time.Time) (kept []source, again time.Duration) {
	blind, replaced := blindness(clusters, now), false
	for _, s := range sources {
		cluster, known := clusters[s.cluster]
		replaced = replaced || known && !eviction.Lost(cluster) && !drained(cluster) && ready(s.slice)
	}
	again = never
	for _, s := range sources {
		cluster, known := clusters[s.cluster]
		if !known {
			continue
		}
		lost := eviction.Lost(cluster)
		wait := max(blind, lossLasts-age(cluster, now))
		if replaced && (drained(cluster) || lost && wait <= 0) {
			continue
		}
		s.suffix = suffix(s, clusters)
		kept = append(kept, s)
		if replaced && lost {
			again = min(again, wait)
		}
	}
	if again == never {
		again = 0
	}
	return kept, again
}

// blindness is for how long more than half of the clusters will look lost, or to have been until a moment ago, unless one of them
// changes: 0 when they do not.
func blindness(clusters map[string]*clusterv1alpha1.Cluster, now time.Time) time.Duration {
	unseen, left := 0, never
	for _, cluster := range clusters {
		rest := returnLasts - age(cluster, now)
		if eviction.Lost(cluster) {
			unseen++
		} else if rest > 0 {
			unseen++
			left = min(left, rest)
		}
	}
	if 2*unseen <= len(clusters) {
		return 0
	}
	return left
}

// age is for how long a cluster has been ready, or not.
func age(cluster *clusterv1alpha1.Cluster, now time.Time) time.Duration {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady)
	if ready == nil {
		return never
	}
	// The clock of whoever wrote the condition may be ahead.
	return max(now.Sub(ready.LastTransitionTime.Time), 0)
}

// drained tells whether somebody wants nothing to run in a cluster.
func drained(cluster *clusterv1alpha1.Cluster) bool {
	for i := range cluster.Spec.Taints {
		if cluster.Spec.Taints[i].Effect == corev1.TaintEffectNoExecute {
			return true
		}
	}
	return false
}

// ready tells whether a slice has an endpoint that takes traffic. One that does not say counts as ready, as it does for proxies.
func ready(slice *discoveryv1.EndpointSlice) bool {
	for i := range slice.Endpoints {
		if ptr.Deref(slice.Endpoints[i].Conditions.Ready, true) {
			return true
		}
	}
	return false
}
