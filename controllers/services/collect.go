package services

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// A slice that changes a hundred times during a rollout must not be written a hundred times to every consumer. The first change goes
// at once; while others follow, the time between two reports grows. What consumers have is never older than the longest rest.
const (
	firstRest   = time.Second
	longestRest = 5 * time.Second
)

// collector reports the slices of Services in the execution spaces of the clusters they come from.
type collector struct {
	flow
	scope control.Scope
	pace  *control.Pace
}

// collector is the controller of the flow's name. Its keys are orders; those of clusters beyond the scope are left to others.
func (f flow) collector(scope control.Scope, workers int) control.Controller {
	c := &collector{flow: f, scope: scope, pace: control.NewPace(firstRest, longestRest)}
	return control.Controller{
		Name: f.name,
		Watches: []control.Watch{
			{Object: &workv1alpha1.Work{}, Keys: c.onWork},
			{Object: &clusterv1alpha1.Cluster{}, Keys: c.onCluster},
		},
		SourceKeys: c.onSlice,
		Workers:    workers,
		Reconcile:  c.reconcile,
	}
}

// onWork wakes an order when it comes, goes, changes or is applied, and when a report on it changed without it.
func (c *collector) onWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	work := event.Object().(*workv1alpha1.Work)
	if old, ok := event.Old.(*workv1alpha1.Work); ok && event.New != nil && old.Generation == work.Generation &&
		workload.Applied(old) == workload.Applied(work) && old.DeletionTimestamp.IsZero() == work.DeletionTimestamp.IsZero() &&
		c.collected(old) == c.collected(work) {
		return nil
	}
	if _, ok := c.ordered(work); ok {
		return []control.Key{control.KeyOf(work)}
	}
	for _, seen := range []client.Object{event.Old, event.New} {
		if seen == nil || !c.collected(seen) {
			continue
		}
		if service, ok := c.serviceOf(seen); ok {
			return []control.Key{{Namespace: work.Namespace, Name: names.Work(c.kind.Kind, service.Name, service.Namespace)}}
		}
	}
	return nil
}

// onCluster wakes the orders of a cluster that comes, goes, or is ready or not otherwise than before.
func (c *collector) onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	keys := workload.OfCluster(ctx, reader, event)
	return slices.DeleteFunc(keys, func(key control.Key) bool {
		work := &workv1alpha1.Work{}
		if reader.Get(ctx, key.NamespacedName(), work, client.UnsafeDisableDeepCopy) != nil {
			return true
		}
		_, ok := c.ordered(work)
		return !ok
	})
}

// onSlice wakes the orders for the Service of a slice, before and after the change.
func (c *collector) onSlice(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	var keys []control.Key
	for _, slice := range []client.Object{event.Old, event.New} {
		if slice == nil || ours(slice) {
			continue
		}
		service := types.NamespacedName{Namespace: slice.GetNamespace(), Name: slice.GetLabels()[discoveryv1.LabelServiceName]}
		order := c.order(service, event.Cluster)
		key := control.Key{Namespace: order.Namespace, Name: order.Name}
		if service.Name == "" || slices.Contains(keys, key) || reader.Get(ctx, order, &workv1alpha1.Work{}, client.UnsafeDisableDeepCopy) != nil {
			continue
		}
		keys = append(keys, key)
	}
	return keys
}

// ours tells the slices that were brought from other clusters.
func ours(slice client.Object) bool {
	switch slice.GetLabels()[discoveryv1.LabelManagedBy] {
	case names.EndpointSliceControllerValue, names.EndpointSliceDispatchControllerValue:
		return true
	}
	return false
}

func (c *collector) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	name, err := names.ClusterOfExecutionSpace(key.Namespace)
	if err != nil {
		return control.Result{}, nil
	}
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: name}, cluster, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !c.scope.Serves(cluster) || !cluster.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	work := &workv1alpha1.Work{}
	err = deps.Client.Get(ctx, key.NamespacedName(), work, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("reading Work %s: %w", key, err)
	}
	service, ok := c.ordered(work)
	if err != nil || !ok || !work.DeletionTimestamp.IsZero() {
		return control.Result{}, c.withdraw(ctx, deps, key)
	}
	if !workload.Ready(cluster) || c.kind == exported.kind && !workload.Applied(work) {
		// What the cluster said last stands until it can be asked again.
		return control.Result{}, nil
	}
	return c.collect(ctx, deps, cluster.Name, service)
}

// collect brings the reports of a cluster on a Service up to date.
func (c *collector) collect(ctx context.Context, deps control.Deps, cluster string, service types.NamespacedName) (control.Result, error) {
	member, err := deps.Members.Member(ctx, cluster)
	if err != nil {
		return control.Result{}, err
	}
	present := &discoveryv1.EndpointSliceList{}
	of := client.MatchingLabels{discoveryv1.LabelServiceName: service.Name}
	if err := member.Inventory().List(ctx, present, client.InNamespace(service.Namespace), of, client.UnsafeDisableDeepCopy); err != nil {
		return control.Result{}, fmt.Errorf("listing the EndpointSlices of Service %s in cluster %s: %w", service, cluster, err)
	}
	result := control.Result{Sources: []control.Source{{Cluster: cluster, GVK: sliceKind, View: control.Inventory}}}
	var failures []error
	reported := map[string]bool{}
	for i := range present.Items {
		if ours(&present.Items[i]) || !present.Items[i].DeletionTimestamp.IsZero() {
			continue
		}
		work, wait, err := c.report(ctx, deps, cluster, service, &present.Items[i])
		failures = append(failures, err)
		reported[work] = true
		if wait > 0 && (result.RequeueAfter == 0 || wait < result.RequeueAfter) {
			result.RequeueAfter = wait
		}
	}
	if err := errors.Join(failures...); err != nil {
		// A slice whose report could not be found must not lose it.
		return result, err
	}
	works, err := c.reports(ctx, deps, names.ExecutionSpace(cluster), service)
	if err != nil {
		return result, err
	}
	for _, work := range works {
		if !reported[work.Name] {
			failures = append(failures, c.release(ctx, deps, work))
		}
	}
	return result, errors.Join(failures...)
}

// report makes a Work say what a slice says. It tells the name of the Work, and how long the report has to wait.
func (c *collector) report(ctx context.Context, deps control.Deps, cluster string, service types.NamespacedName, slice *discoveryv1.EndpointSlice) (name string, wait time.Duration, err error) {
	candidates := []string{slice.Name, names.DispatchedEndpointSlice(slice.Name, cluster)}
	current, template, err := workFor(ctx, deps.Client, cluster, slice, candidates, func(work *workv1alpha1.Work) bool {
		return work.Annotations[names.AnnotationProvisionCluster] == ""
	})
	if err != nil {
		return "", 0, err
	}
	space := names.ExecutionSpace(cluster)
	name = names.Work(sliceKind.Kind, template, slice.Namespace)
	key, now := control.Key{Namespace: space, Name: name}, deps.Clock.Now()
	needed := []string{c.kind.Kind}
	if current != nil {
		needed = append(needed, users(current)...)
		marked := c.collected(current) && current.Labels[c.nameLabel] == service.Name && controllerutil.ContainsFinalizer(current, c.finalizer)
		if wait = c.pace.Wait(key, now); marked && (wait > 0 || says(current, slice)) {
			return name, wait, nil
		}
	}
	manifest, err := tree(slice)
	if err != nil {
		return name, 0, err
	}
	written, err := workload.Write(ctx, deps, workload.Plan{
		Cluster: cluster, Template: renamed(manifest, template), Manifest: manifest, SuspendDispatching: true, Finalizers: []string{c.finalizer},
		WorkLabels: map[string]string{
			c.namespaceLabel: service.Namespace, c.nameLabel: service.Name, names.LabelEndpointSliceWorkManagedBy: joined(needed),
		},
	})
	if errors.Is(err, workload.ErrBeingRemoved) {
		// Its end wakes the order.
		return name, 0, nil
	}
	if written {
		c.pace.Wrote(key, now)
	}
	return name, 0, err
}

// workFor finds the Work for a slice in the execution space of a cluster, and by which of the candidates the slice is called in the
// name of the Work: the first that is free, unless one of the Works fits. current is nil when there is none yet.
func workFor(ctx context.Context, reader client.Reader, space string, slice *discoveryv1.EndpointSlice, candidates []string, fits func(*workv1alpha1.Work) bool) (current *workv1alpha1.Work, called string, err error) {
	for _, candidate := range candidates {
		found := &workv1alpha1.Work{}
		name := types.NamespacedName{Namespace: names.ExecutionSpace(space), Name: names.Work(sliceKind.Kind, candidate, slice.Namespace)}
		switch err := reader.Get(ctx, name, found, client.UnsafeDisableDeepCopy); {
		case client.IgnoreNotFound(err) != nil:
			return nil, "", fmt.Errorf("reading Work %s: %w", name, err)
		case err == nil && fits(found):
			return found, candidate, nil
		case err != nil && called == "":
			called = candidate
		}
	}
	if called == "" {
		return nil, "", fmt.Errorf("the Works for EndpointSlice %s/%s in %s belong to others", slice.Namespace, slice.Name, names.ExecutionSpace(space))
	}
	return nil, called, nil
}

// says tells whether a Work reports a slice as it is, but for bookkeeping.
func says(work *workv1alpha1.Work, slice *discoveryv1.EndpointSlice) bool {
	told, err := sliceOf(work)
	return err == nil && told != nil && work.DeletionTimestamp.IsZero() && ptr.Deref(work.Spec.SuspendDispatching, false) &&
		told.Name == slice.Name && sameEndpoints(told, slice)
}

func sameEndpoints(a, b *discoveryv1.EndpointSlice) bool {
	return a.AddressType == b.AddressType && workload.Equal(a.Endpoints, b.Endpoints) && workload.Equal(a.Ports, b.Ports)
}

// tree is a slice as a manifest.
func tree(slice *discoveryv1.EndpointSlice) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(slice)
	if err != nil {
		return nil, fmt.Errorf("encoding EndpointSlice %s/%s: %w", slice.Namespace, slice.Name, err)
	}
	made := &unstructured.Unstructured{Object: content}
	made.SetGroupVersionKind(sliceKind)
	return made, nil
}

// renamed is what a manifest is made from, by another name.
func renamed(manifest *unstructured.Unstructured, name string) *unstructured.Unstructured {
	template := manifest.DeepCopy()
	template.SetName(name)
	return template
}

// withdraw takes back the reports that an order led to.
func (c *collector) withdraw(ctx context.Context, deps control.Deps, order control.Key) error {
	works := &workv1alpha1.WorkList{}
	if err := deps.Client.List(ctx, works, client.InNamespace(order.Namespace), client.HasLabels{c.nameLabel}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the reports of Work %s: %w", order, err)
	}
	var failures []error
	for i := range works.Items {
		service, ok := c.serviceOf(&works.Items[i])
		if ok && c.collected(&works.Items[i]) && names.Work(c.kind.Kind, service.Name, service.Namespace) == order.Name {
			failures = append(failures, c.release(ctx, deps, &works.Items[i]))
		}
	}
	return errors.Join(failures...)
}

// reports are the collected Works of a Service in an execution space.
func (f flow) reports(ctx context.Context, deps control.Deps, space string, service types.NamespacedName) ([]*workv1alpha1.Work, error) {
	works := &workv1alpha1.WorkList{}
	of := client.MatchingLabels{f.namespaceLabel: service.Namespace, f.nameLabel: service.Name}
	if err := deps.Client.List(ctx, works, client.InNamespace(space), of, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the reports on Service %s in %s: %w", service, space, err)
	}
	var found []*workv1alpha1.Work
	for i := range works.Items {
		if f.collected(&works.Items[i]) {
			found = append(found, &works.Items[i])
		}
	}
	slices.SortFunc(found, func(a, b *workv1alpha1.Work) int { return cmp.Compare(a.Name, b.Name) })
	return found, nil
}

// release ends the use of a report by this flow. Without another user it goes.
func (f flow) release(ctx context.Context, deps control.Deps, work *workv1alpha1.Work) error {
	if !work.DeletionTimestamp.IsZero() {
		return nil
	}
	others := slices.DeleteFunc(users(work), func(user string) bool { return user == f.kind.Kind })
	if len(others) == 0 {
		gone := &workv1alpha1.Work{}
		gone.Namespace, gone.Name = work.Namespace, work.Name
		version := work.ResourceVersion
		if err := client.IgnoreNotFound(deps.Client.Delete(ctx, gone, client.Preconditions{ResourceVersion: &version})); err != nil {
			return fmt.Errorf("deleting Work %s/%s: %w", work.Namespace, work.Name, err)
		}
		return nil
	}
	freed := work.DeepCopy()
	delete(freed.Labels, f.namespaceLabel)
	delete(freed.Labels, f.nameLabel)
	freed.Labels[names.LabelEndpointSliceWorkManagedBy] = joined(others)
	return letGo(ctx, deps, work, freed, f.finalizer)
}

// letGo takes a finalizer off a Work, along with what else was changed of it.
func letGo(ctx context.Context, deps control.Deps, work, freed *workv1alpha1.Work, finalizer string) error {
	controllerutil.RemoveFinalizer(freed, finalizer)
	patch := client.MergeFromWithOptions(work, client.MergeFromWithOptimisticLock{})
	if err := client.IgnoreNotFound(deps.Client.Patch(ctx, freed, patch)); err != nil {
		return fmt.Errorf("letting go of Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return nil
}
