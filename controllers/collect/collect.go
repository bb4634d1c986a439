// Package collect brings the status of member objects back to the Works they came from.
package collect

import (
	"context"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "workStatus". Its keys are Works.
func New(workers int) control.Controller {
	return control.Controller{
		Name: "workStatus",
		Watches: []control.Watch{
			{Object: &workv1alpha1.Work{}, Keys: onWork},
			{Object: &clusterv1alpha1.Cluster{}, Keys: workload.OfCluster},
		},
		SourceKeys: workload.OfMember,
		Workers:    workers,
		Reconcile:  reconcile,
	}
}

// onWork wakes a Work when its manifests change, when it becomes applied, for only then can there be a status, and when its
// statuses were written: the turn after may have compared what it saw with an older view of the Work.
func onWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if old, ok := event.Old.(*workv1alpha1.Work); ok && event.New != nil {
		current := event.New.(*workv1alpha1.Work)
		if old.Generation == current.Generation && workload.Applied(old) == workload.Applied(current) &&
			workload.Equal(old.Status.ManifestStatuses, current.Status.ManifestStatuses) {
			return nil
		}
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// collectable tells whether the member may hold objects of the Work. A change that it refuses does not end what it runs.
func collectable(work *workv1alpha1.Work) bool {
	return work.DeletionTimestamp.IsZero() && (workload.Applied(work) || len(work.Status.ManifestStatuses) > 0)
}

func reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	work := &workv1alpha1.Work{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), work); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	name, err := names.ClusterOfExecutionSpace(work.Namespace)
	if err != nil || !collectable(work) {
		return control.Result{}, nil
	}
	if reachable, err := reachable(ctx, deps, name); err != nil || !reachable {
		return control.Result{}, err
	}
	manifests, err := workload.Manifests(work)
	if err != nil {
		// The execution controller reports it on the Work.
		return control.Result{}, nil
	}
	member, err := deps.Members.Member(ctx, name)
	if err != nil {
		return control.Result{}, err
	}
	statuses := make([]workv1alpha1.ManifestStatus, 0, len(manifests))
	var failures []error
	for ordinal, manifest := range manifests {
		status, err := observe(ctx, deps, member, name, manifest, ordinal)
		if err != nil {
			failures = append(failures, err)
			status = last(work, manifest, ordinal)
		}
		if status != nil {
			statuses = append(statuses, *status)
		}
	}
	if failure := errors.Join(failures...); failure != nil {
		deps.Events.Eventf(work, corev1.EventTypeWarning, names.EventReflectStatusFailed, "%v", failure)
	}
	if err := write(ctx, deps, work, statuses); err != nil {
		failures = append(failures, err)
	}
	return control.Result{Sources: workload.Sources(name, manifests)}, errors.Join(failures...)
}

// reachable tells whether a cluster can be asked. What a cluster said last stands until it can be asked again.
func reachable(ctx context.Context, deps control.Deps, name string) (bool, error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster); err != nil {
		return false, client.IgnoreNotFound(err)
	}
	return cluster.DeletionTimestamp.IsZero() && workload.Ready(cluster), nil
}

// observe reads one member object and says how it is; nil when the member does not hold it, or holds one of its own.
func observe(ctx context.Context, deps control.Deps, member control.Member, cluster string, manifest *unstructured.Unstructured, ordinal int) (*workv1alpha1.ManifestStatus, error) {
	observed := &unstructured.Unstructured{}
	observed.SetGroupVersionKind(manifest.GroupVersionKind())
	err := member.Get(ctx, client.ObjectKeyFromObject(manifest), observed)
	if apierrors.IsNotFound(err) || err == nil && !workload.Managed(observed) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
	}
	identifier, err := identify(member, manifest, ordinal)
	if err != nil {
		return nil, err
	}
	status := &workv1alpha1.ManifestStatus{Identifier: identifier, Health: workv1alpha1.ResourceUnknown}
	if deps.Interpreter.Supports(manifest.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretStatus) {
		if status.Status, err = deps.Interpreter.ReflectStatus(ctx, observed); err != nil {
			return nil, fmt.Errorf("reflecting the status of %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
		}
	}
	if deps.Interpreter.Supports(manifest.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretHealth) {
		healthy, err := deps.Interpreter.Health(ctx, observed)
		if err != nil {
			return nil, fmt.Errorf("judging the health of %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
		}
		status.Health = workv1alpha1.ResourceUnhealthy
		if healthy {
			status.Health = workv1alpha1.ResourceHealthy
		}
	}
	return status, nil
}

func identify(member control.Member, manifest *unstructured.Unstructured, ordinal int) (workv1alpha1.ResourceIdentifier, error) {
	gvk := manifest.GroupVersionKind()
	mapping, err := member.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return workv1alpha1.ResourceIdentifier{}, fmt.Errorf("finding the resource of %s: %w", gvk, err)
	}
	return workv1alpha1.ResourceIdentifier{
		Ordinal: ordinal, Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Resource: mapping.Resource.Resource,
		Namespace: manifest.GetNamespace(), Name: manifest.GetName(),
	}, nil
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

// write replaces the manifest statuses when they changed. No one else writes them.
func write(ctx context.Context, deps control.Deps, work *workv1alpha1.Work, statuses []workv1alpha1.ManifestStatus) error {
	if workload.Equal(work.Status.ManifestStatuses, statuses) {
		return nil
	}
	fields := fieldpatch.Fields{Status: map[string]any{"manifestStatuses": statuses}, Force: true}
	if err := fieldpatch.Status(ctx, deps.Client, work.DeepCopy(), fields); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing the status of Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return nil
}
