package services

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// expose is the controller named "multiclusterservice". Its keys are MultiClusterServices. It sends the Service to the clusters that
// provide or consume it, and has the providers' slices collected.
func expose(options Options) control.Controller {
	return control.Controller{
		Name: "multiclusterservice",
		Watches: []control.Watch{
			{Object: &networkingv1alpha1.MultiClusterService{}, Keys: onExposure},
			{Object: &corev1.Service{}, Keys: onService},
			{Object: &workv1alpha2.ResourceBinding{}, Keys: onBindingGone},
			{Object: &workv1alpha1.Work{}, Keys: onOrder},
			{Object: &clusterv1alpha1.Cluster{}, Keys: onMembership},
			{Object: &corev1.Namespace{}, Keys: onSpace},
		},
		Indexes:   []control.Index{exposed.index()},
		Workers:   options.Workers,
		Reconcile: exposeService,
	}
}

// onExposure leaves out status writes.
func onExposure(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && workload.SameSpecification(event.Old, event.New) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// onService wakes the MultiClusterService of a Service, which bears its name.
func onService(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && workload.SameSpecification(event.Old, event.New) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// onBindingGone wakes the MultiClusterService of a Service whose binding is gone, whoever had made that: it may wait for it.
func onBindingGone(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	of := event.Object().(*workv1alpha2.ResourceBinding).Spec.Resource
	if event.New != nil || of.Kind != serviceKind.Kind || of.APIVersion != serviceKind.GroupVersion().String() {
		return nil
	}
	return []control.Key{{Namespace: of.Namespace, Name: of.Name}}
}

// onOrder wakes the MultiClusterService of an order that changed or is gone.
func onOrder(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old == nil || event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	service, ok := exposed.serviceOf(event.Object())
	if !ok || event.Object().GetName() != exposed.order(service, "").Name {
		return nil
	}
	return []control.Key{{Namespace: service.Namespace, Name: service.Name}}
}

// crossCluster tells whether other clusters shall reach the Service. Load balancers are served by others.
func crossCluster(mcs *networkingv1alpha1.MultiClusterService) bool {
	return slices.Contains(mcs.Spec.Types, networkingv1alpha1.ExposureTypeCrossCluster)
}

// providersOf are the clusters whose endpoints serve, sorted: those that are named, or all. Names of clusters that do not exist
// are among them.
func providersOf(mcs *networkingv1alpha1.MultiClusterService, all map[string]*clusterv1alpha1.Cluster) []string {
	return chosen(mcs.Spec.ProviderClusters, mcs.Spec.ServiceProvisionClusters, all) //nolint:staticcheck // Old objects still have it.
}

// consumersOf are the clusters that reach the Service.
func consumersOf(mcs *networkingv1alpha1.MultiClusterService, all map[string]*clusterv1alpha1.Cluster) []string {
	return chosen(mcs.Spec.ConsumerClusters, mcs.Spec.ServiceConsumptionClusters, all) //nolint:staticcheck // Old objects still have it.
}

// chosen takes the deprecated list where there is no other one.
func chosen(selectors []networkingv1alpha1.ClusterSelector, deprecated []string, all map[string]*clusterv1alpha1.Cluster) []string {
	named := slices.Clone(deprecated)
	if len(selectors) > 0 {
		named = nil
	}
	for _, selector := range selectors {
		named = append(named, selector.Name)
	}
	if len(named) == 0 {
		return slices.Sorted(maps.Keys(all))
	}
	slices.Sort(named)
	return slices.Compact(named)
}

func exposeService(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	mcs := &networkingv1alpha1.MultiClusterService{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), mcs); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !mcs.DeletionTimestamp.IsZero() || !crossCluster(mcs) {
		return control.Result{}, conceal(ctx, deps, mcs)
	}
	changed, failure := present(ctx, deps, mcs)
	return control.Result{}, errors.Join(failure, tell(ctx, deps, mcs, outcome{
		condition: names.ConditionServiceApplied, failure: failure, changed: changed,
		done: names.ReasonServiceApplied, failed: names.ReasonServiceApplyFailed,
		succeeded: names.EventSyncServiceSucceed, complains: names.EventSyncServiceFailed,
		says: "the Service is on its way to the clusters that provide or consume it",
	}))
}

// present makes everything that a MultiClusterService asks for.
func present(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService) (changed bool, err error) {
	if err := adopt(ctx, deps, mcs); err != nil {
		return false, err
	}
	clusters, err := clustersOf(ctx, deps.Client)
	if err != nil {
		return false, err
	}
	providers := providersOf(mcs, clusters)
	consumers := consumersOf(mcs, clusters)
	warnOf(deps, mcs, "provider", providers, clusters)
	warnOf(deps, mcs, "consumer", consumers, clusters)
	ordered, failure := orderAll(ctx, deps, mcs, providers, clusters)
	failures := []error{failure, cancelOthers(ctx, deps, client.ObjectKeyFromObject(mcs), providers)}
	placed, failure := placeService(ctx, deps, mcs, slices.Concat(providers, consumers))
	return ordered || placed, errors.Join(append(failures, failure)...)
}

// adopt gives a MultiClusterService what holds it until all is cleaned up, and an identity.
func adopt(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService) error {
	before := mcs.DeepCopy()
	controllerutil.AddFinalizer(mcs, names.FinalizerMultiClusterService)
	if mcs.Labels[names.LabelMultiClusterServiceID] == "" {
		mcs.Labels = joinedKeys(mcs.Labels, map[string]string{names.LabelMultiClusterServiceID: deps.IDs.NewID()})
	}
	if workload.Equal(before.Finalizers, mcs.Finalizers) && workload.Equal(before.Labels, mcs.Labels) {
		return nil
	}
	if err := deps.Client.Patch(ctx, mcs, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("adding the finalizer to MultiClusterService %s/%s: %w", mcs.Namespace, mcs.Name, err)
	}
	return nil
}

// warnOf tells users of clusters that are named in vain.
func warnOf(deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, role string, named []string, clusters map[string]*clusterv1alpha1.Cluster) {
	for _, name := range named {
		switch cluster := clusters[name]; {
		case cluster == nil:
			deps.Events.Eventf(mcs, corev1.EventTypeWarning, names.EventClusterNotFound, "the %s cluster %s is no member of the fleet", role, name)
		case lacksSlices(cluster):
			deps.Events.Eventf(mcs, corev1.EventTypeWarning, names.EventAPIIncompatible, "the %s cluster %s does not serve EndpointSlices", role, name)
		}
	}
}

// orderAll has the slices of all providers collected.
func orderAll(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, providers []string, clusters map[string]*clusterv1alpha1.Cluster) (changed bool, err error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(mcs)
	if err != nil {
		return false, fmt.Errorf("encoding MultiClusterService %s/%s: %w", mcs.Namespace, mcs.Name, err)
	}
	manifest := &unstructured.Unstructured{Object: content}
	manifest.SetGroupVersionKind(exposed.kind)
	var failures []error
	for _, provider := range providers {
		if takes, err := admits(ctx, deps, clusters[provider]); err != nil || !takes {
			failures = append(failures, err)
			continue
		}
		written, err := workload.Write(ctx, deps, workload.Plan{
			Cluster: provider, Template: manifest, Manifest: manifest, SuspendDispatching: true, Finalizers: []string{},
			WorkLabels: map[string]string{
				names.MultiClusterServiceNamespace: mcs.Namespace, names.MultiClusterServiceName: mcs.Name,
				names.LabelMultiClusterServiceID: mcs.Labels[names.LabelMultiClusterServiceID],
			},
		})
		changed = changed || written
		if !errors.Is(err, workload.ErrBeingRemoved) {
			failures = append(failures, err)
		}
	}
	return changed, errors.Join(failures...)
}

// cancelOthers takes back the orders to clusters that are not to provide, and what they have reported: whoever collects there may not
// be able to.
func cancelOthers(ctx context.Context, deps control.Deps, service types.NamespacedName, providers []string) error {
	works, err := exposed.works(ctx, deps.Client, service)
	if err != nil {
		return err
	}
	var failures []error
	for i := range works {
		work := &works[i]
		cluster, err := names.ClusterOfExecutionSpace(work.Namespace)
		if err != nil || slices.Contains(providers, cluster) || !work.DeletionTimestamp.IsZero() {
			continue
		}
		switch {
		case work.Name == exposed.order(service, cluster).Name:
			gone := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: work.Namespace, Name: work.Name}}
			if err := client.IgnoreNotFound(deps.Client.Delete(ctx, gone)); err != nil {
				failures = append(failures, fmt.Errorf("deleting Work %s/%s: %w", work.Namespace, work.Name, err))
			}
		case exposed.collected(work):
			failures = append(failures, exposed.release(ctx, deps, work))
		}
	}
	return errors.Join(failures...)
}

// conceal takes everything back, but for the copies of the Service: like those of a deleted policy they stay where they are.
func conceal(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService) error {
	if !controllerutil.ContainsFinalizer(mcs, names.FinalizerMultiClusterService) {
		return nil
	}
	name := client.ObjectKeyFromObject(mcs)
	err := errors.Join(leaveService(ctx, deps, name), cancelOthers(ctx, deps, name, nil))
	if err != nil {
		if !control.Stale(err) {
			deps.Events.Eventf(mcs, corev1.EventTypeWarning, names.EventSyncServiceFailed, "%v", err)
		}
		return err
	}
	before := mcs.DeepCopy()
	controllerutil.RemoveFinalizer(mcs, names.FinalizerMultiClusterService)
	err = deps.Client.Patch(ctx, mcs, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("releasing MultiClusterService %s: %w", name, err)
	}
	return nil
}
