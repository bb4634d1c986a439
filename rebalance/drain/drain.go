// Package drain empties a cluster of the fleet without loss.
//
// A workload leaves by an eviction task, as it does when a cluster is lost: the scheduler finds a place elsewhere, and the copy
// is held until its replacement is ready. A workload that fits nowhere else stays, and a Job until its end. All there is to know
// stands on the cluster and the bindings, so a drain can be given up at any time, and goes on where it was when it is asked for again.
package drain

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
)

// Options say what to drain, and how fast.
type Options struct {
	Cluster string
	// Moves is how many workloads move at once, Surge how many of their replicas may exist twice meanwhile; 0 is no bound. A
	// workload of more replicas than Surge moves alone.
	Moves int
	Surge int64
}

// State is where a workload is on its way out of a cluster.
type State string

const (
	// Queued waits for its turn.
	Queued State = "Queued"
	// Moving is on its way: its replacement is not ready yet, or not assigned.
	Moving State = "Moving"
	// Stuck has no room elsewhere. It moves when there is some.
	Stuck State = "Stuck"
	// Stays will not move until somebody changes something about it.
	Stays State = "Stays"
)

// Workload is one that is in the cluster.
type Workload struct {
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Replicas are those in the cluster, 0 for what has none.
	Replicas int32 `json:"replicas"`
	State    State `json:"state"`
	// Reason is what it waits for, empty for one that is on its way as expected.
	Reason string `json:"reason,omitempty"`

	bound binding.Binding
}

// String reads "Deployment default/web".
func (w *Workload) String() string {
	return w.Kind + " " + strings.TrimPrefix(w.Namespace+"/"+w.Name, "/")
}

// Binding names the binding of the workload.
func (w *Workload) Binding() types.NamespacedName { return w.bound.NamespacedName() }

// Progress is how far a drain has come.
type Progress struct {
	Cluster string `json:"cluster"`
	// Workloads are those that have not left, by kind, namespace and name.
	Workloads []Workload `json:"workloads"`
	// Removing counts the copies of others that are not gone from the cluster yet.
	Removing int `json:"removing"`
}

// Empty tells that nothing which the control plane propagates by policies is in the cluster.
func (p *Progress) Empty() bool { return len(p.Workloads) == 0 && p.Removing == 0 }

// Over tells that nothing is going to leave any more.
func (p *Progress) Over() bool { return p.Removing == 0 && p.Count(Stays) == len(p.Workloads) }

// Count counts the workloads in a state.
func (p *Progress) Count(state State) int {
	count := 0
	for i := range p.Workloads {
		if p.Workloads[i].State == state {
			count++
		}
	}
	return count
}

// Look tells what is in a cluster and changes nothing.
func Look(ctx context.Context, plane client.Reader, cluster string) (Progress, error) {
	progress := Progress{Cluster: cluster, Workloads: []Workload{}}
	bindings, err := binding.List(ctx, plane)
	if err != nil {
		return progress, err
	}
	needed := map[types.NamespacedName]bool{}
	for _, bound := range bindings {
		if !concerns(bound.Spec, cluster) {
			continue
		}
		needed[bound.NamespacedName()] = true
		if follows(bound.Spec, cluster) || !bound.GetDeletionTimestamp().IsZero() || eviction.Ended(bound.Spec, bound.Status.AggregatedStatus, cluster) {
			continue
		}
		progress.Workloads = append(progress.Workloads, judge(bound, cluster))
	}
	slices.SortFunc(progress.Workloads, func(a, b Workload) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	works := &workv1alpha1.WorkList{}
	if err := plane.List(ctx, works, client.InNamespace(names.ExecutionSpace(cluster))); err != nil {
		return progress, fmt.Errorf("listing the Works of cluster %s: %w", cluster, err)
	}
	for i := range works.Items {
		if owner, owned := binding.OwnerOf(&works.Items[i]); owned && !needed[owner] {
			progress.Removing++
		}
	}
	return progress, nil
}

// Step lets workloads leave as far as the options allow, and tells where all of them are. The cluster must be cordoned, or what
// left may come back.
func Step(ctx context.Context, plane client.Client, options Options) (Progress, error) {
	progress, err := Look(ctx, plane, options.Cluster)
	if err != nil {
		return progress, err
	}
	moves, surge := 0, int64(0)
	for i := range progress.Workloads {
		if w := &progress.Workloads[i]; w.State == Moving {
			moves, surge = moves+1, surge+int64(w.Replicas)
		}
	}
	for i := range progress.Workloads {
		w := &progress.Workloads[i]
		if w.State != Queued || w.Reason != "" {
			continue
		}
		if moves > 0 && (options.Moves > 0 && moves >= options.Moves || options.Surge > 0 && surge+int64(w.Replicas) > options.Surge) {
			continue
		}
		left, err := leave(ctx, plane, w.bound, options.Cluster)
		if err != nil {
			return progress, fmt.Errorf("letting %s leave cluster %s: %w", w, options.Cluster, err)
		}
		if left {
			w.State = Moving
			moves, surge = moves+1, surge+int64(w.Replicas)
		}
	}
	return progress, nil
}

// leave gives a binding the task by which it leaves. One that changed meanwhile, or is gone, is looked at again.
func leave(ctx context.Context, plane client.Client, bound binding.Binding, cluster string) (left bool, err error) {
	changed := bound.Clone()
	task := workv1alpha2.GracefulEvictionTask{
		FromCluster: cluster, PurgeMode: policyv1alpha1.PurgeModeGracefully,
		Reason: names.EvictionReasonDrained, Producer: names.EvictionProducerDrain,
	}
	if !eviction.Leave(changed.Spec, task, true) {
		return false, nil
	}
	err = fieldpatch.Object(ctx, plane, changed.Object, fieldpatch.Fields{Spec: map[string]any{"gracefulEvictionTasks": changed.Spec.GracefulEvictionTasks}})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
