// Package execute makes member clusters hold what their Works carry.
package execute

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/interpreter/wake"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "execution". Its keys are Works. Those of clusters beyond its scope are left to others, but for
// clusters that leave without anybody who could still serve them.
func New(scope control.Scope, workers int) control.Controller {
	executor := &executor{scope: scope, applied: newRecord(), settled: map[control.Key]settlement{}}
	return control.Controller{
		Name: "execution",
		Watches: append(wake.Works(scope, executor.unlearn),
			control.Watch{Object: &workv1alpha1.Work{}, Keys: onWork},
			control.Watch{Object: &clusterv1alpha1.Cluster{}, Keys: workload.OfCluster},
		),
		SourceKeys: onMember,
		Workers:    workers,
		Reconcile:  executor.reconcile,
	}
}

// onWork leaves out status writes, but for those that say another outcome: the turn after may have compared its own outcome
// with an older view of the Work and found nothing to write.
func onWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if old, ok := event.Old.(*workv1alpha1.Work); ok && event.New != nil {
		current := event.New.(*workv1alpha1.Work)
		if old.Generation == current.Generation && old.DeletionTimestamp.IsZero() == current.DeletionTimestamp.IsZero() &&
			workload.Applied(old) == workload.Applied(current) {
			return nil
		}
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// onMember leaves out status changes: the generation tells when a spec drifts, for kinds that count it.
func onMember(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if old, current := event.Old, event.New; old != nil && current != nil && current.GetGeneration() != 0 &&
		old.GetGeneration() == current.GetGeneration() &&
		old.GetDeletionTimestamp().IsZero() == current.GetDeletionTimestamp().IsZero() &&
		sameKeys(old.GetLabels(), current.GetLabels()) && sameKeys(old.GetAnnotations(), current.GetAnnotations()) {
		return nil
	}
	return workload.OfMember(ctx, reader, event)
}

// errRemoving says that a member object has to go before its successor can be made.
var errRemoving = errors.New("is still being removed")

const (
	// removalCheck is how often such an object is looked at.
	removalCheck = 5 * time.Second
	// sightCheck is how often one is looked at that was made and not seen since. Watchers that list anew never hear of an object that came
	// and went meanwhile.
	sightCheck = 5 * time.Second
)

type executor struct {
	scope   control.Scope
	applied *record

	// mu guards settled, which only saves work.
	mu      sync.Mutex
	settled map[control.Key]settlement
}

func (e *executor) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	work := &workv1alpha1.Work{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), work, client.UnsafeDisableDeepCopy); err != nil {
		e.unsettle(key)
		return control.Result{}, client.IgnoreNotFound(err)
	}
	name, err := names.ClusterOfExecutionSpace(work.Namespace)
	if err != nil {
		return control.Result{}, nil
	}
	cluster := &clusterv1alpha1.Cluster{}
	err = deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("reading cluster %s of Work %s: %w", name, key, err)
	}
	gone := err != nil
	if !gone && !e.scope.Serves(cluster) && !abandoned(cluster) {
		return control.Result{}, nil
	}
	if !work.DeletionTimestamp.IsZero() {
		return e.remove(ctx, deps, work, cluster, gone)
	}
	if gone || !cluster.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	if ptr.Deref(work.Spec.SuspendDispatching, false) {
		return control.Result{}, writeConditions(ctx, deps, work, dispatching(true))
	}
	if !workload.Ready(cluster) {
		// The Ready condition wakes this Work again; asking a dead cluster would only hold a worker.
		return control.Result{}, writeConditions(ctx, deps, work, dispatching(false))
	}
	return e.apply(ctx, deps, work, cluster.Name)
}

// abandoned tells that a cluster leaves and does not report any more: its agent will not take anything away.
func abandoned(cluster *clusterv1alpha1.Cluster) bool {
	return !cluster.DeletionTimestamp.IsZero() && !workload.Ready(cluster)
}

// apply writes every manifest and reports on all of them, so that one bad manifest does not hide the others.
func (e *executor) apply(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, cluster string) (control.Result, error) {
	if known, settled := e.stands(ctx, deps, work, cluster); settled {
		return control.Result{Sources: known.sources}, nil
	}
	manifests, failure := workload.Manifests(work)
	var results []string
	var unseen bool
	if failure == nil {
		results, unseen, failure = e.syncAll(ctx, deps, cluster, work, manifests)
	}
	written := len(results)
	if control.Stale(failure) {
		// Written from a stale read: the next turn settles it, and there is nothing to report.
		return control.Result{}, failure
	}
	err := writeConditions(ctx, deps, work, dispatching(false), applied(written, len(work.Spec.Workload.Manifests), failure))
	result := control.Result{Sources: workload.Sources(cluster, manifests)}
	if errors.Is(failure, errRemoving) {
		// The end of the old object wakes the Work, unless it comes before the watch is open.
		result.RequeueAfter = removalCheck
		return result, err
	}
	if failure != nil {
		deps.Events.Eventf(work, corev1.EventTypeWarning, names.EventSyncFailed, "%v", failure)
	}
	if err := errors.Join(failure, err); err != nil {
		return control.Result{}, err
	}
	if !workload.Applied(work) {
		deps.Events.Eventf(work, corev1.EventTypeNormal, names.EventSyncSucceed, "%d manifests applied", written)
	}
	e.settle(work, manifests, result.Sources, results)
	if unseen {
		result.RequeueAfter = sightCheck
	}
	return result, nil
}

// syncAll returns the versions of the member objects that are in line with their manifests, and whether some of them have not been seen
// in the member yet.
func (e *executor) syncAll(ctx context.Context, deps control.Deps, cluster string, work *workv1alpha1.Work, manifests []*unstructured.Unstructured) (results []string, unseen bool, err error) {
	member, err := deps.Members.Member(ctx, cluster)
	if err != nil {
		return nil, false, err
	}
	var failures []error
	for i, manifest := range manifests {
		result, seen, err := e.sync(ctx, deps, member, cluster, manifest, fingerprint(work.Spec.Workload.Manifests[i].Raw))
		if err != nil {
			failures = append(failures, err)
			continue
		}
		unseen = unseen || !seen
		results = append(results, versionOf(result))
	}
	if len(failures) == 1 {
		return results, unseen, failures[0]
	}
	return results, unseen, errors.Join(failures...)
}

// sync brings one member object in line with its manifest, and returns it. Seen tells that there was one before.
func (e *executor) sync(ctx context.Context, deps control.Deps, member control.Member, cluster string, manifest *unstructured.Unstructured, content uint64) (result *unstructured.Unstructured, seen bool, err error) {
	observed := &unstructured.Unstructured{}
	observed.SetGroupVersionKind(manifest.GroupVersionKind())
	err = member.Get(ctx, client.ObjectKeyFromObject(manifest), observed, client.UnsafeDisableDeepCopy)
	seen = err == nil
	if apierrors.IsNotFound(err) {
		created := framed(manifest)
		err = member.Create(ctx, created, fieldpatch.Unread{})
		if err == nil {
			e.applied.put(cluster, manifest, content, created)
			return created, false, nil
		}
		if !apierrors.IsAlreadyExists(err) {
			return nil, false, fmt.Errorf("creating %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
		}
		err = member.Live().Get(ctx, client.ObjectKeyFromObject(manifest), observed)
	}
	if err != nil {
		return nil, false, fmt.Errorf("reading %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
	}
	result, err = e.update(ctx, deps, member, cluster, manifest, content, observed)
	return result, seen, err
}

// framed is an object whose metadata can be written to; what lies below it is shared.
func framed(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	frame := &unstructured.Unstructured{Object: maps.Clone(manifest.Object)}
	if metadata, ok := frame.Object["metadata"].(map[string]any); ok {
		frame.Object["metadata"] = maps.Clone(metadata)
	}
	return frame
}

func (e *executor) update(ctx context.Context, deps control.Deps, member control.Member, cluster string, manifest *unstructured.Unstructured, content uint64, observed *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if !observed.GetDeletionTimestamp().IsZero() {
		return nil, fmt.Errorf("%s in cluster %s %w", workload.Describe(manifest), cluster, errRemoving)
	}
	if !workload.Managed(observed) && manifest.GetAnnotations()[names.AnnotationConflictResolution] != names.ConflictOverwrite {
		return nil, fmt.Errorf("%s exists in cluster %s and is not managed by this control plane; to take it over, set conflictResolution: Overwrite in its policy or annotate the template with %s: %s",
			workload.Describe(manifest), cluster, names.AnnotationConflictResolution, names.ConflictOverwrite)
	}
	if e.applied.current(cluster, manifest, content, observed) {
		return observed, nil
	}
	if otherAddresses(manifest, observed) {
		uid := observed.GetUID()
		if err := member.Delete(ctx, observed, client.Preconditions{UID: &uid}); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("deleting %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
		}
		// Its end wakes the Work.
		return nil, fmt.Errorf("%s in cluster %s %w", workload.Describe(manifest), cluster, errRemoving)
	}
	desired := workload.Merge(manifest, observed)
	if deps.Interpreter.Supports(manifest.GroupVersionKind(), configv1alpha1.InterpreterOperationRetain) {
		retained, err := deps.Interpreter.Retain(ctx, desired, observed)
		if err != nil {
			return nil, fmt.Errorf("retaining fields of %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
		}
		desired = framed(retained)
	}
	if err := member.Update(ctx, desired, fieldpatch.Unread{}); err != nil {
		return nil, fmt.Errorf("updating %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
	}
	e.applied.put(cluster, manifest, content, desired)
	return desired, nil
}

// otherAddresses tells of an EndpointSlice for another type of addresses, which none can be changed to.
func otherAddresses(manifest, observed *unstructured.Unstructured) bool {
	return manifest.GroupVersionKind() == discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice") &&
		manifest.Object["addressType"] != observed.Object["addressType"]
}

// remove takes the member objects away and lets the Work go. It does not wait for a member that cannot be reached any more
// because its cluster is leaving: the user said so.
func (e *executor) remove(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, cluster *clusterv1alpha1.Cluster, gone bool) (control.Result, error) {
	if !controllerutil.ContainsFinalizer(work, names.FinalizerExecution) {
		return control.Result{}, nil
	}
	leaving := gone || !cluster.DeletionTimestamp.IsZero()
	if !leaving && !workload.Ready(cluster) {
		return control.Result{}, nil
	}
	if !gone && workload.Ready(cluster) {
		if err := e.clear(ctx, deps, work, cluster.Name); err != nil && !(leaving && errors.Is(err, control.ErrNoMember)) {
			deps.Events.Eventf(work, corev1.EventTypeWarning, names.EventSyncFailed, "%v", err)
			return control.Result{}, err
		}
	}
	// Without any finalizer left the list is nil, which takes the field away.
	var kept []string
	for _, finalizer := range work.Finalizers {
		if finalizer != names.FinalizerExecution {
			kept = append(kept, finalizer)
		}
	}
	if err := fieldpatch.Object(ctx, deps.Client, work, fieldpatch.Fields{Finalizers: &kept}); client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("releasing Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return control.Result{}, nil
}

func (e *executor) clear(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, cluster string) error {
	manifests, err := workload.Manifests(work)
	if err != nil {
		// It was never applied, so there is nothing to take away.
		return nil
	}
	member, err := deps.Members.Member(ctx, cluster)
	if err != nil {
		return err
	}
	for _, manifest := range manifests {
		if err := clearOne(ctx, member, cluster, work, manifest); err != nil {
			return err
		}
		e.applied.forget(cluster, manifest)
	}
	return nil
}

// clearOne deletes one member object, or hands it over to the member when the Work says to preserve it. An object that is
// not this Work's is left alone.
func clearOne(ctx context.Context, member control.Member, cluster string, work *workv1alpha1.Work, manifest *unstructured.Unstructured) error {
	observed := &unstructured.Unstructured{}
	observed.SetGroupVersionKind(manifest.GroupVersionKind())
	err := member.Live().Get(ctx, client.ObjectKeyFromObject(manifest), observed)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
	}
	owner, owned := workload.Owner(observed)
	if !workload.Managed(observed) || !owned || owner != client.ObjectKeyFromObject(work) {
		return nil
	}
	if ptr.Deref(work.Spec.PreserveResourcesOnDeletion, false) {
		if err := member.Update(ctx, workload.HandOver(observed)); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("handing %s over to cluster %s: %w", workload.Describe(manifest), cluster, err)
		}
		return nil
	}
	uid := observed.GetUID()
	options := []client.DeleteOption{client.Preconditions{UID: &uid}, client.PropagationPolicy(metav1.DeletePropagationBackground)}
	if err := member.Delete(ctx, observed, options...); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
	}
	return nil
}
