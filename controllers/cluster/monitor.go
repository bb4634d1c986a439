package cluster

import (
	"context"
	"fmt"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// Monitor says how the silence of clusters in Pull mode is judged. The control plane cannot ask them: their agents renew a Lease
// and report a status.
type Monitor struct {
	// Period is the interval of looking at each of them.
	Period time.Duration
	// Grace is the silence that is tolerated, and Startup that of a cluster that has not reported yet.
	Grace, Startup time.Duration
}

// DefaultMonitor is that of the reference.
func DefaultMonitor() Monitor {
	return Monitor{Period: 5 * time.Second, Grace: 40 * time.Second, Startup: time.Minute}
}

// sign is the last one of life of a cluster: what it was, and when it was seen. The clock of the agent does not count.
type sign struct {
	renewed metav1.MicroTime
	// status is that of a version of the cluster, and of others since.
	status  clusterv1alpha1.ClusterStatus
	version string
	seen    time.Time
}

// watcher remembers signs. A new process has seen none, so each cluster has all of its time again.
type watcher struct {
	settings Monitor

	mu    sync.Mutex
	signs map[types.UID]sign
}

// monitor makes the readiness of a cluster unknown when it has been silent for too long. Its next report says otherwise.
func (w *watcher) monitor(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) (control.Result, error) {
	if cluster.Spec.SyncMode != clusterv1alpha1.Pull {
		return control.Result{}, nil
	}
	lease := &coordinationv1.Lease{}
	name := types.NamespacedName{Namespace: names.NamespaceCluster, Name: cluster.Name}
	asked := deps.Clock.Now()
	err := deps.Client.Get(ctx, name, lease, client.UnsafeDisableDeepCopy)
	now := deps.Clock.Now()
	if client.IgnoreNotFound(err) != nil {
		w.miss(cluster, now)
		// The pauses between tries that fail may have become long when it is back.
		return control.Result{RequeueAfter: w.settings.Period}, fmt.Errorf("reading the Lease of cluster %s: %w", cluster.Name, err)
	}
	left := w.left(cluster, lease, now, now.Sub(asked))
	if left > 0 {
		return control.Result{RequeueAfter: min(left, w.settings.Period)}, nil
	}
	return control.Result{RequeueAfter: w.settings.Period}, markSilent(ctx, deps, cluster, now)
}

// left is how long a cluster may go on being silent. The wait for the Lease is not held against it: an API server that stood still let
// nobody be heard.
func (w *watcher) left(cluster *clusterv1alpha1.Cluster, lease *coordinationv1.Lease, now time.Time, waited time.Duration) time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	last, known := w.signs[cluster.UID]
	last.seen = last.seen.Add(waited)
	var renewed metav1.MicroTime
	if lease.Spec.RenewTime != nil {
		renewed = *lease.Spec.RenewTime
	}
	reported := last.version != cluster.ResourceVersion && !workload.Equal(last.status, cluster.Status)
	if !known || !last.renewed.Equal(&renewed) || reported {
		last = sign{renewed: renewed, seen: now}
	}
	last.status, last.version = cluster.Status, cluster.ResourceVersion
	w.signs[cluster.UID] = last
	if meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady) == nil {
		return cluster.CreationTimestamp.Add(w.settings.Startup).Sub(now)
	}
	return last.seen.Add(w.settings.Grace).Sub(now)
}

// miss counts no silence while nobody can be heard: an API server that was away shall not come back to a fleet that counts as lost.
func (w *watcher) miss(cluster *clusterv1alpha1.Cluster, now time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if last, known := w.signs[cluster.UID]; known {
		last.seen = now
		w.signs[cluster.UID] = last
	}
}

func (w *watcher) forget(cluster *clusterv1alpha1.Cluster) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.signs, cluster.UID)
}

func markSilent(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster, now time.Time) error {
	ready := meta.FindStatusCondition(cluster.Status.Conditions, names.ConditionClusterReady)
	silent := metav1.Condition{
		Type: names.ConditionClusterReady, Status: metav1.ConditionUnknown, LastTransitionTime: metav1.NewTime(now),
		Reason: names.ReasonClusterStatusUnknown, Message: "the agent has stopped reporting",
	}
	switch {
	case ready == nil:
		silent.Reason, silent.Message = names.ReasonClusterStatusNeverUpdated, "the agent has never reported"
	case ready.Status == metav1.ConditionUnknown:
		return nil
	}
	changed := cluster.DeepCopy()
	meta.SetStatusCondition(&changed.Status.Conditions, silent)
	patch := client.MergeFromWithOptions(cluster, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Status().Patch(ctx, changed, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("telling that cluster %s is silent: %w", cluster.Name, err)
	}
	return nil
}
