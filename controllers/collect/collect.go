// Package collect brings the status of member objects back to the Works they came from.
package collect

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/interpreter/wake"
	"github.com/seatrial/seatrial/workload"
)

// A rollout of a thousand pods must not make a thousand writes. What tells of progress only is written at most so often;
// what somebody waits for, such as a change of health, is written at once.
const (
	firstRest   = 2 * time.Second
	longestRest = 10 * time.Second
)

type collector struct {
	scope control.Scope
	pace  *control.Pace

	// mu guards contents, which only saves work. What it leads to belongs to the turns of the key.
	mu       sync.Mutex
	contents map[control.Key]*content
}

// New is the controller named "workStatus". Its keys are Works; those of clusters beyond its scope are left to others.
func New(scope control.Scope, workers int) control.Controller {
	c := &collector{scope: scope, pace: control.NewPace(firstRest, longestRest), contents: map[control.Key]*content{}}
	return control.Controller{
		Name: "workStatus",
		Watches: append(wake.Works(scope, c.unlearn),
			control.Watch{Object: &workv1alpha1.Work{}, Keys: onWork},
			control.Watch{Object: &clusterv1alpha1.Cluster{}, Keys: workload.OfCluster},
		),
		SourceKeys: workload.OfMember,
		Workers:    workers,
		Reconcile:  c.reconcile,
	}
}

// onWork wakes a Work when its manifests change, when it becomes applied, for only then can there be a status, and when its
// statuses or its trouble were written: the turn after may have compared what it saw with an older view of the Work, as may those who
// write other conditions.
func onWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if old, ok := event.Old.(*workv1alpha1.Work); ok && event.New != nil {
		current := event.New.(*workv1alpha1.Work)
		if old.Generation == current.Generation && workload.Applied(old) == workload.Applied(current) && sameTrouble(troubleOf(old), troubleOf(current)) &&
			slices.EqualFunc(old.Status.ManifestStatuses, current.Status.ManifestStatuses, workload.EqualManifests) {
			return nil
		}
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// collectable tells whether the member may hold objects of the Work. A change that it refuses does not end what it runs.
func collectable(work *workv1alpha1.Work) bool {
	return work.DeletionTimestamp.IsZero() && (workload.Applied(work) || len(work.Status.ManifestStatuses) > 0)
}

func (c *collector) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	work := &workv1alpha1.Work{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), work, client.UnsafeDisableDeepCopy); err != nil {
		c.forget(key)
		return control.Result{}, client.IgnoreNotFound(err)
	}
	name, err := names.ClusterOfExecutionSpace(work.Namespace)
	if err != nil || !collectable(work) {
		return control.Result{}, nil
	}
	if reachable, err := c.reachable(ctx, deps, name); err != nil || !reachable {
		return control.Result{}, err
	}
	held, err := c.content(key, name, work)
	if err != nil {
		// The execution controller reports it on the Work.
		return control.Result{}, nil
	}
	member, err := deps.Members.Member(ctx, name)
	if err != nil {
		return control.Result{}, err
	}
	result := control.Result{Sources: held.sources}
	objects, failures := read(ctx, member, name, held)
	if len(failures) == 0 && held.told == work.ResourceVersion && held.seen(objects) {
		return result, nil
	}
	statuses, failures := held.judge(ctx, deps, member, work, objects, failures)
	now := deps.Clock.Now()
	fields := fieldpatch.Fields{Status: map[string]any{"manifestStatuses": statuses}, Force: true}
	if conditions, changed := tell(deps, work, failures, now); changed {
		// The execution controller writes conditions as well, and the patch replaces the list whole: it must not be older than the rest.
		fields.Status["conditions"], fields.Force = conditions, false
	} else if slices.EqualFunc(work.Status.ManifestStatuses, statuses, workload.EqualManifests) {
		held.tell(work.ResourceVersion, failures)
		return result, errors.Join(failures...)
	} else if progress(work.Status.ManifestStatuses, statuses) {
		result.RequeueAfter = c.pace.Gather(key, now)
	}
	if result.RequeueAfter == 0 {
		c.pace.Wrote(key, now)
		written, err := write(ctx, deps, work, fields)
		if err != nil {
			failures = append(failures, err)
		}
		held.tell(written, failures)
	}
	return result, errors.Join(failures...)
}

// content reads what a Work holds, once for each generation.
func (c *collector) content(key control.Key, cluster string, work *workv1alpha1.Work) (*content, error) {
	c.mu.Lock()
	known := c.contents[key]
	c.mu.Unlock()
	if known != nil && known.uid == work.UID && known.generation == work.Generation {
		return known, nil
	}
	read, err := contentOf(work, cluster)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.contents[key] = read
	return read, nil
}

// unlearn has every Work judged anew.
func (c *collector) unlearn() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.contents)
}

func (c *collector) forget(key control.Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.contents, key)
}

// progress tells whether nobody waits for the later of two statuses of a Work: nothing in it has got worse, and it has not just
// come to be as it shall be either.
func progress(before, after []workv1alpha1.ManifestStatus) bool {
	if len(before) == 0 {
		return slices.ContainsFunc(after, ill)
	}
	return slices.EqualFunc(before, after, func(a, b workv1alpha1.ManifestStatus) bool {
		better := a.Health != b.Health && ill(a) && !ill(b)
		return a.Identifier == b.Identifier && (a.Health == b.Health || better && slices.ContainsFunc(after, ill)) &&
			(a.Status == nil || b.Status != nil)
	})
}

func ill(status workv1alpha1.ManifestStatus) bool {
	return status.Health == workv1alpha1.ResourceUnhealthy
}

// reachable tells whether a cluster can be asked from here. What a cluster said last stands until it can be asked again.
func (c *collector) reachable(ctx context.Context, deps control.Deps, name string) (bool, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return c.scope.Serves(cluster) && cluster.DeletionTimestamp.IsZero() && workload.Ready(cluster), nil
}

// last is what was written before for a manifest that cannot be judged now.
func last(work *workv1alpha1.Work, manifest *unstructured.Unstructured, ordinal int) *workv1alpha1.ManifestStatus {
	for i := range work.Status.ManifestStatuses {
		identifier := work.Status.ManifestStatuses[i].Identifier
		if identifier.Ordinal == ordinal && identifier.Kind == manifest.GetKind() && identifier.Name == manifest.GetName() {
			return &work.Status.ManifestStatuses[i]
		}
	}
	return nil
}

// write writes the manifest statuses, which no one else writes, and conditions where they change. It returns the version that came
// of it.
func write(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, fields fieldpatch.Fields) (version string, err error) {
	written := *work
	if err := fieldpatch.Status(ctx, deps.Client, &written, fields); client.IgnoreNotFound(err) != nil {
		return "", fmt.Errorf("writing the status of Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return written.ResourceVersion, nil
}
