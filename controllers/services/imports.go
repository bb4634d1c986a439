package services

import (
	"context"
	"errors"
	"fmt"
	"slices"

	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// imports is the controller named "endpointSlice": it makes the reported slices of exported Services EndpointSlices of the control
// plane, where they belong to the Service that is derived from the ServiceImport, and follow the ServiceImport as its dependencies.
// Its keys are exported Services.
func imports(options Options) control.Controller {
	return control.Controller{
		Name: "endpointSlice",
		Watches: []control.Watch{
			{Object: &workv1alpha1.Work{}, Keys: exported.onWork},
			{Object: &clusterv1alpha1.Cluster{}, Keys: exported.onCluster},
			{Object: &discoveryv1.EndpointSlice{}, Keys: onImported},
			{Object: &workv1alpha2.ResourceBinding{}, Keys: onPlaced},
		},
		Indexes:   []control.Index{exported.index()},
		Workers:   options.Workers,
		Reconcile: importSlices,
	}
}

// onCluster wakes the Services with reports from a cluster that comes, goes, or is not as well as before. As one cluster weighs
// with the others, all Services may be concerned.
func (f flow) onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if before, ok := event.Old.(*clusterv1alpha1.Cluster); ok && event.New != nil {
		now := event.New.(*clusterv1alpha1.Cluster)
		if eviction.Lost(before) == eviction.Lost(now) && drained(before) == drained(now) && before.DeletionTimestamp.IsZero() == now.DeletionTimestamp.IsZero() {
			return nil
		}
	}
	works := &workv1alpha1.WorkList{}
	if err := reader.List(ctx, works, client.HasLabels{f.nameLabel}, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var keys []control.Key
	seen := map[control.Key]bool{}
	for i := range works.Items {
		service, ok := f.serviceOf(&works.Items[i])
		key := control.Key{Namespace: service.Namespace, Name: service.Name}
		if ok && !seen[key] {
			seen[key] = true
			keys = append(keys, key)
		}
	}
	return keys
}

// onImported wakes the Service of an imported slice that somebody changed or deleted.
func onImported(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	// As it was before: whoever changed it may have taken away what tells where it comes from.
	slice := event.Old
	if slice == nil || slice.GetLabels()[discoveryv1.LabelManagedBy] != names.EndpointSliceControllerValue {
		return nil
	}
	owner, ok := workload.Owner(slice)
	if !ok {
		return nil
	}
	work := &workv1alpha1.Work{}
	if err := reader.Get(ctx, owner, work, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	service, ok := exported.serviceOf(work)
	if !ok {
		return nil
	}
	return []control.Key{{Namespace: service.Namespace, Name: service.Name}}
}

func importSlices(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	works, err := exported.works(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	exporters, err := exportersOf(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	sources := slices.DeleteFunc(exported.sources(works, key.Namespace), func(s source) bool { return !exporters[s.cluster] })
	clusters, err := clustersOf(ctx, deps.Client)
	if err != nil {
		return control.Result{}, err
	}
	var failures []error
	wanted := map[string]bool{}
	kept, again := serving(sources, clusters, deps.Clock.Now())
	for _, source := range kept {
		slice := imported(source, key.Name)
		wanted[slice.Name] = true
		failures = append(failures, place(ctx, deps, slice))
	}
	// A slice that cannot be placed holds up no other one.
	removal := removeImported(ctx, deps, key.NamespacedName(), wanted)
	if removal == nil {
		removal = exported.releaseLeaving(ctx, deps, works)
	}
	if err := errors.Join(append(failures, removal)...); err != nil {
		return control.Result{}, err
	}
	return control.Result{RequeueAfter: again}, nil
}

// exportersOf are the clusters that a Service's ServiceExport was placed in. Members may write what they like in their own execution
// spaces, orders included; where a ServiceExport goes they cannot say.
func exportersOf(ctx context.Context, reader client.Reader, service types.NamespacedName) (map[string]bool, error) {
	bound := &workv1alpha2.ResourceBinding{}
	name := types.NamespacedName{Namespace: service.Namespace, Name: names.Binding(exported.kind.Kind, service.Name)}
	if err := reader.Get(ctx, name, bound, client.UnsafeDisableDeepCopy); err != nil {
		if client.IgnoreNotFound(err) == nil {
			return nil, nil
		}
		return nil, fmt.Errorf("reading binding %s: %w", name, err)
	}
	exporters := map[string]bool{}
	for _, placed := range bound.Spec.Clusters {
		exporters[placed.Name] = true
	}
	for _, dependent := range bound.Spec.RequiredBy {
		for _, placed := range dependent.Clusters {
			exporters[placed.Name] = true
		}
	}
	for _, leaving := range bound.Spec.GracefulEvictionTasks {
		exporters[leaving.FromCluster] = true
	}
	return exporters, nil
}

// onPlaced wakes the Service whose ServiceExport is placed otherwise than before.
func onPlaced(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	of := event.Object().(*workv1alpha2.ResourceBinding).Spec.Resource
	if of.Kind != exported.kind.Kind || of.APIVersion != exported.kind.GroupVersion().String() ||
		event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{{Namespace: of.Namespace, Name: of.Name}}
}

// imported is a slice as the control plane has it.
func imported(from source, service string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: from.slice.Namespace, Name: names.ImportedEndpointSlice(from.slice.Name, from.cluster) + from.suffix,
			Labels: map[string]string{
				discoveryv1.LabelServiceName: names.DerivedService(service), discoveryv1.LabelManagedBy: names.EndpointSliceControllerValue,
				names.LabelWorkID: from.work.Labels[names.LabelWorkID],
			},
			Annotations: map[string]string{names.AnnotationWorkNamespace: from.work.Namespace, names.AnnotationWorkName: from.work.Name},
		},
		AddressType: from.slice.AddressType, Endpoints: from.slice.Endpoints, Ports: from.slice.Ports,
	}
}

// place makes an EndpointSlice of the control plane be as wanted. What others added to its metadata stays.
func place(ctx context.Context, deps control.Deps, wanted *discoveryv1.EndpointSlice) error {
	current := &discoveryv1.EndpointSlice{}
	err := deps.Client.Get(ctx, client.ObjectKeyFromObject(wanted), current)
	if apierrors.IsNotFound(err) {
		return createSlice(ctx, deps, wanted)
	}
	if err != nil {
		return fmt.Errorf("reading EndpointSlice %s/%s: %w", wanted.Namespace, wanted.Name, err)
	}
	// Somebody else may have made one of that name.
	if owner, ok := workload.Owner(current); !ok || owner.Namespace != wanted.Annotations[names.AnnotationWorkNamespace] {
		return fmt.Errorf("the EndpointSlice %s/%s was not imported from %s", wanted.Namespace, wanted.Name, wanted.Annotations[names.AnnotationWorkNamespace])
	}
	if current.AddressType != wanted.AddressType {
		// No slice can change that.
		if err := removeSlice(ctx, deps, current); err != nil {
			return err
		}
		return createSlice(ctx, deps, wanted)
	}
	labels := fieldpatch.BetweenText(current.Labels, joinedKeys(current.Labels, wanted.Labels))
	annotations := fieldpatch.BetweenText(current.Annotations, joinedKeys(current.Annotations, wanted.Annotations))
	if len(labels) == 0 && len(annotations) == 0 && sameEndpoints(current, wanted) {
		return nil
	}
	changed := current.DeepCopy()
	changed.Labels, changed.Annotations = joinedKeys(current.Labels, wanted.Labels), joinedKeys(current.Annotations, wanted.Annotations)
	changed.Endpoints, changed.Ports = wanted.Endpoints, wanted.Ports
	if err := deps.Client.Update(ctx, changed); err != nil {
		return fmt.Errorf("updating EndpointSlice %s/%s: %w", wanted.Namespace, wanted.Name, err)
	}
	return nil
}

func createSlice(ctx context.Context, deps control.Deps, wanted *discoveryv1.EndpointSlice) error {
	if err := deps.Client.Create(ctx, wanted); err != nil {
		return fmt.Errorf("creating EndpointSlice %s/%s: %w", wanted.Namespace, wanted.Name, err)
	}
	return nil
}

// removeImported deletes the imported slices of a Service but the wanted ones.
func removeImported(ctx context.Context, deps control.Deps, service types.NamespacedName, wanted map[string]bool) error {
	present := &discoveryv1.EndpointSliceList{}
	of := client.MatchingLabels{
		discoveryv1.LabelServiceName: names.DerivedService(service.Name), discoveryv1.LabelManagedBy: names.EndpointSliceControllerValue,
	}
	if err := deps.Client.List(ctx, present, client.InNamespace(service.Namespace), of, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("listing the imported EndpointSlices of Service %s: %w", service, err)
	}
	var failures []error
	for i := range present.Items {
		slice := &present.Items[i]
		if wanted[slice.Name] || !slice.DeletionTimestamp.IsZero() {
			continue
		}
		failures = append(failures, removeSlice(ctx, deps, slice))
	}
	return errors.Join(failures...)
}

// removeSlice deletes a slice as it was read: it may belong to another Service by now.
func removeSlice(ctx context.Context, deps control.Deps, slice *discoveryv1.EndpointSlice) error {
	gone := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: slice.Namespace, Name: slice.Name}}
	asRead := client.Preconditions{UID: &slice.UID, ResourceVersion: &slice.ResourceVersion}
	if err := client.IgnoreNotFound(deps.Client.Delete(ctx, gone, asRead)); err != nil {
		return fmt.Errorf("deleting EndpointSlice %s/%s: %w", slice.Namespace, slice.Name, err)
	}
	return nil
}

// releaseLeaving lets collected Works go that are being deleted, once nothing that came of them is left.
func (f flow) releaseLeaving(ctx context.Context, deps control.Deps, works []workv1alpha1.Work) error {
	var failures []error
	for i := range works {
		if work := &works[i]; !work.DeletionTimestamp.IsZero() && slices.Contains(work.Finalizers, f.finalizer) {
			failures = append(failures, letGo(ctx, deps, work, work.DeepCopy(), f.finalizer))
		}
	}
	return errors.Join(failures...)
}

func joinedKeys(have, more map[string]string) map[string]string {
	all := make(map[string]string, len(have)+len(more))
	for _, from := range []map[string]string{have, more} {
		for key, value := range from {
			all[key] = value
		}
	}
	return all
}
