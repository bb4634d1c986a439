// Package services makes Services reachable across clusters, in the two ways of the reference: exports and imports, by which users
// say where a Service comes from and where it goes to, and MultiClusterServices, which name both sides at once.
//
// Either way the EndpointSlices of a Service are collected from the clusters that provide it as Works in their execution spaces,
// which are never dispatched, and from there given to the clusters that consume it. Slices of clusters that are not well are
// withdrawn from consumers, unless that would leave them with none.
package services

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	multiclusterv1alpha1 "github.com/seatrial/seatrial/api/multicluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// Options are the settings of the controllers.
type Options struct {
	// MultiClusterService is the gate of that name.
	MultiClusterService bool
	Workers             int
}

// New are the controllers named "serviceExport", "endpointSlice", "serviceImport", "multiclusterservice" and, with the gate,
// "endpointsliceCollect" and "endpointsliceDispatch".
func New(options Options) []control.Controller {
	all := []control.Controller{exported.collector(control.Scope{}, options.Workers), imports(options), derive(options)}
	if !options.MultiClusterService {
		return append(all, retire(options))
	}
	return append(all, expose(options), exposed.collector(control.Scope{}, options.Workers), dispatch(options))
}

// Collectors are those that work inside a member, of which an agent runs its own.
func Collectors(scope control.Scope, options Options) []control.Controller {
	all := []control.Controller{exported.collector(scope, options.Workers)}
	if options.MultiClusterService {
		all = append(all, exposed.collector(scope, options.Workers))
	}
	return all
}

var (
	sliceKind = discoveryv1.SchemeGroupVersion.WithKind("EndpointSlice")

	// exported are the slices of Services with a ServiceExport.
	exported = flow{
		name: "serviceExport", kind: multiclusterv1alpha1.GroupVersion.WithKind("ServiceExport"), field: "seatrial.export",
		namespaceLabel: names.LabelEndpointSliceNamespace, nameLabel: names.LabelEndpointSliceName, finalizer: names.FinalizerEndpointSlice,
	}
	// exposed are the slices of Services with a MultiClusterService.
	exposed = flow{
		name: "endpointsliceCollect", kind: networkingv1alpha1.GroupVersion.WithKind(names.MultiClusterServiceKind), field: "seatrial.exposure",
		namespaceLabel: names.MultiClusterServiceNamespace, nameLabel: names.MultiClusterServiceName, finalizer: names.FinalizerEndpointSliceDispatch,
	}
)

// flow is one of the ways by which the slices of a Service leave a cluster. A slice that goes both ways is one Work for both.
type flow struct {
	// name is that of the controller that collects.
	name string
	// kind is that of the order: the Work with an object of this kind and of the Service's name has its cluster's slices collected.
	kind schema.GroupVersionKind
	// namespaceLabel and nameLabel lead from a Work to its Service; field is an index of that.
	namespaceLabel, nameLabel, field string
	// finalizer holds a collected Work until what came of it is gone.
	finalizer string
}

// order is the name of the Work that has the slices of a Service collected from a cluster.
func (f flow) order(service types.NamespacedName, cluster string) types.NamespacedName {
	return types.NamespacedName{Namespace: names.ExecutionSpace(cluster), Name: names.Work(f.kind.Kind, service.Name, service.Namespace)}
}

// ordered is the Service that a Work is the order for; ok is false for other Works.
func (f flow) ordered(work *workv1alpha1.Work) (service types.NamespacedName, ok bool) {
	// Most Works carry something else, and are told apart without being decoded.
	if !slices.ContainsFunc(work.Spec.Workload.Manifests, func(m workv1alpha1.Manifest) bool { return bytes.Contains(m.Raw, []byte(f.kind.Kind)) }) {
		return service, false
	}
	manifests, err := workload.Identities(work)
	if err != nil {
		return service, false
	}
	for _, manifest := range manifests {
		name := client.ObjectKeyFromObject(manifest)
		if manifest.GroupVersionKind() == f.kind && names.Work(f.kind.Kind, name.Name, name.Namespace) == work.Name {
			return name, true
		}
	}
	return service, false
}

// serviceOf is the Service that a Work belongs to in this flow.
func (f flow) serviceOf(work client.Object) (service types.NamespacedName, ok bool) {
	labels := work.GetLabels()
	service = types.NamespacedName{Namespace: labels[f.namespaceLabel], Name: labels[f.nameLabel]}
	return service, service.Namespace != "" && service.Name != ""
}

// onWork wakes the Service of a Work, or those of both when that changes.
func (f flow) onWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() &&
		event.Old.GetDeletionTimestamp().IsZero() == event.New.GetDeletionTimestamp().IsZero() &&
		workload.Equal(event.Old.GetLabels(), event.New.GetLabels()) && workload.Equal(event.Old.GetAnnotations(), event.New.GetAnnotations()) {
		return nil
	}
	var keys []control.Key
	for _, work := range []client.Object{event.Old, event.New} {
		if work == nil {
			continue
		}
		if service, ok := f.serviceOf(work); ok && !slices.Contains(keys, control.Key{Namespace: service.Namespace, Name: service.Name}) {
			keys = append(keys, control.Key{Namespace: service.Namespace, Name: service.Name})
		}
	}
	return keys
}

// index finds the Works of a Service.
func (f flow) index() control.Index {
	return control.Index{Object: &workv1alpha1.Work{}, Field: f.field, Values: func(object client.Object) []string {
		if service, ok := f.serviceOf(object); ok {
			return []string{service.String()}
		}
		return nil
	}}
}

// works are those of a Service, in the order of their execution spaces. They belong to a cache.
func (f flow) works(ctx context.Context, reader client.Reader, service types.NamespacedName) ([]workv1alpha1.Work, error) {
	works := &workv1alpha1.WorkList{}
	if err := reader.List(ctx, works, client.MatchingFields{f.field: service.String()}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the Works of Service %s: %w", service, err)
	}
	return works.Items, nil
}

// collected tells the Works that report a slice in this flow.
func (f flow) collected(work client.Object) bool {
	return work.GetAnnotations()[names.AnnotationProvisionCluster] == "" && slices.Contains(users(work), f.kind.Kind)
}

// users are the kinds for which a Work reports a slice.
func users(work client.Object) []string {
	value := work.GetLabels()[names.LabelEndpointSliceWorkManagedBy]
	if value == "" {
		return nil
	}
	return strings.Split(value, ".")
}

// joined is the value of the label that says these users.
func joined(users []string) string {
	users = slices.Clone(users)
	slices.Sort(users)
	return strings.Join(slices.Compact(users), ".")
}
