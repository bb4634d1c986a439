package services

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// dispatcher brings the reported slices of exposed Services to their consumers.
type dispatcher struct {
	// mu guards sent, which only saves work: the states of reports, and of the Works that say the same.
	mu   sync.Mutex
	sent map[types.NamespacedName]sending
}

// sending is a report and a Work that carries what it says.
type sending struct{ from, to state }

type state struct {
	uid        types.UID
	generation int64
}

func stateOf(work *workv1alpha1.Work) state { return state{work.UID, work.Generation} }

// dispatch is the controller named "endpointsliceDispatch". Its keys are MultiClusterServices.
func dispatch(options Options) control.Controller {
	d := &dispatcher{sent: map[types.NamespacedName]sending{}}
	return control.Controller{
		Name: "endpointsliceDispatch",
		Watches: []control.Watch{
			{Object: &networkingv1alpha1.MultiClusterService{}, Keys: onExposure},
			{Object: &workv1alpha1.Work{}, Keys: exposed.onWork},
			{Object: &clusterv1alpha1.Cluster{}, Keys: d.onCluster},
			{Object: &corev1.Namespace{}, Keys: onSpace},
		},
		Indexes:   []control.Index{exposed.index()},
		Workers:   options.Workers,
		Reconcile: d.reconcile,
	}
}

// onCluster wakes what a cluster takes part in as a provider or as a consumer.
func (d *dispatcher) onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	keys := exposed.onCluster(ctx, reader, event)
	for _, key := range onMembership(ctx, reader, event) {
		if !slices.Contains(keys, key) {
			keys = append(keys, key)
		}
	}
	return keys
}

func (d *dispatcher) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	mcs := &networkingv1alpha1.MultiClusterService{}
	err := deps.Client.Get(ctx, key.NamespacedName(), mcs, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("reading MultiClusterService %s: %w", key, err)
	}
	active := err == nil && mcs.DeletionTimestamp.IsZero() && crossCluster(mcs)
	works, err := exposed.works(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	stay, again, failure := staying{}, time.Duration(0), error(nil)
	sources := []source(nil)
	if active {
		clusters, err := clustersOf(ctx, deps.Client)
		if err != nil {
			return control.Result{}, err
		}
		sources = exposed.sources(works, key.Namespace)
		stay, again, failure = d.sendAll(ctx, deps, mcs, sources, clusters, listed(deps.Client, works))
	}
	// What cannot be sent to one consumer keeps no other one from losing what it shall not have.
	removal := d.removeOthers(ctx, deps, works, stay)
	if removal == nil {
		removal = exposed.releaseLeaving(ctx, deps, works)
	}
	failure = errors.Join(failure, removal)
	if active && len(sources) > 0 {
		failure = errors.Join(failure, tell(ctx, deps, mcs, outcome{
			condition: names.ConditionEndpointSliceDispatched, failure: failure,
			done: names.ReasonEndpointSliceDispatched, failed: names.ReasonEndpointSliceDispatchedError,
			succeeded: names.EventDispatchEndpointSliceSucceed, complains: names.EventDispatchEndpointSliceFailed,
			says: "the EndpointSlices of the providers are on their way to the consumers",
		}))
	}
	return control.Result{RequeueAfter: again}, failure
}

// staying are the dispatched Works that shall be: those that are wanted, and, as long as that cannot be told, all of an execution space.
type staying struct {
	wanted map[types.NamespacedName]bool
	spaces map[string]bool
}

// listed reads the Works that are at hand, and others by a reader: every consumer has one of every provider.
func listed(reader client.Reader, works []workv1alpha1.Work) client.Reader {
	at := atHand{Reader: reader, works: make(map[types.NamespacedName]*workv1alpha1.Work, len(works))}
	for i := range works {
		at.works[client.ObjectKeyFromObject(&works[i])] = &works[i]
	}
	return at
}

type atHand struct {
	client.Reader
	works map[types.NamespacedName]*workv1alpha1.Work
}

// Get implements client.Reader for Works.
func (a atHand) Get(ctx context.Context, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if work := a.works[name]; work != nil {
		*object.(*workv1alpha1.Work) = *work
		return nil
	}
	return a.Reader.Get(ctx, name, object, options...)
}

// sendAll gives every consumer the slices of all other clusters. It returns the Works that shall be, and after how long that may be
// others.
func (d *dispatcher) sendAll(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, sources []source, clusters map[string]*clusterv1alpha1.Cluster, present client.Reader) (stay staying, again time.Duration, err error) {
	providers := providersOf(mcs, clusters)
	sources = slices.DeleteFunc(slices.Clone(sources), func(s source) bool { return !slices.Contains(providers, s.cluster) })
	sources, again = serving(sources, clusters, deps.Clock.Now())
	stay = staying{wanted: map[types.NamespacedName]bool{}, spaces: map[string]bool{}}
	var failures []error
	for _, consumer := range consumersOf(mcs, clusters) {
		takes, err := admits(ctx, deps, clusters[consumer])
		if err != nil {
			stay.spaces[names.ExecutionSpace(consumer)] = true
			failures = append(failures, err)
		}
		if !takes {
			continue
		}
		for _, source := range sources {
			if source.cluster == consumer {
				continue
			}
			name, err := d.send(ctx, deps, mcs, source, consumer, present)
			if name.Name == "" {
				stay.spaces[names.ExecutionSpace(consumer)] = true
			}
			stay.wanted[name] = true
			failures = append(failures, err)
		}
	}
	return stay, again, errors.Join(failures...)
}

// send makes a Work carry a slice to a consumer. The name is empty when it could not be told.
func (d *dispatcher) send(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, from source, consumer string, present client.Reader) (types.NamespacedName, error) {
	dispatched := names.DispatchedEndpointSlice(from.slice.Name, from.cluster) + from.suffix
	candidates := []string{from.slice.Name, dispatched}
	if from.suffix != "" {
		// A Work of its own, so that the slice goes by the name of its Work when it gets another name.
		candidates = candidates[1:]
	}
	current, called, err := workFor(ctx, present, consumer, from.slice, candidates, func(work *workv1alpha1.Work) bool {
		return work.Annotations[names.AnnotationProvisionCluster] == from.cluster
	})
	if err != nil {
		return types.NamespacedName{}, err
	}
	name := types.NamespacedName{Namespace: names.ExecutionSpace(consumer), Name: names.Work(sliceKind.Kind, called, from.slice.Namespace)}
	if current != nil && d.knows(name, from.work, current) {
		return name, nil
	}
	manifest, err := tree(&discoveryv1.EndpointSlice{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: mcs.Namespace, Name: dispatched,
			Labels: map[string]string{discoveryv1.LabelServiceName: mcs.Name, discoveryv1.LabelManagedBy: names.EndpointSliceDispatchControllerValue},
		},
		AddressType: from.slice.AddressType, Endpoints: from.slice.Endpoints, Ports: from.slice.Ports,
	})
	if err != nil {
		return name, err
	}
	written, err := workload.Write(ctx, deps, workload.Plan{
		Cluster: consumer, Template: renamed(manifest, called), Manifest: manifest,
		Annotations: map[string]string{names.AnnotationProvisionCluster: from.cluster},
		WorkLabels:  map[string]string{names.MultiClusterServiceNamespace: mcs.Namespace, names.MultiClusterServiceName: mcs.Name},
	})
	switch {
	case errors.Is(err, workload.ErrBeingRemoved):
		// Its end wakes the MultiClusterService.
		return name, nil
	case err != nil:
		return name, fmt.Errorf("sending EndpointSlice %s/%s of cluster %s: %w", from.slice.Namespace, from.slice.Name, from.cluster, err)
	case !written:
		d.know(name, from.work, current)
	}
	return name, nil
}

func (d *dispatcher) knows(name types.NamespacedName, from, to *workv1alpha1.Work) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return to.DeletionTimestamp.IsZero() && d.sent[name] == sending{stateOf(from), stateOf(to)}
}

func (d *dispatcher) know(name types.NamespacedName, from, to *workv1alpha1.Work) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sent[name] = sending{stateOf(from), stateOf(to)}
}

// removeOthers deletes dispatched Works of a Service but those that stay.
func (d *dispatcher) removeOthers(ctx context.Context, deps control.Deps, works []workv1alpha1.Work, stay staying) error {
	var failures []error
	for i := range works {
		work := &works[i]
		name := client.ObjectKeyFromObject(work)
		if work.Annotations[names.AnnotationProvisionCluster] == "" || stay.wanted[name] || stay.spaces[name.Namespace] {
			continue
		}
		d.mu.Lock()
		delete(d.sent, name)
		d.mu.Unlock()
		if !work.DeletionTimestamp.IsZero() {
			continue
		}
		gone := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: work.Namespace, Name: work.Name}}
		if err := client.IgnoreNotFound(deps.Client.Delete(ctx, gone)); err != nil {
			failures = append(failures, fmt.Errorf("deleting Work %s: %w", name, err))
		}
	}
	return errors.Join(failures...)
}

// outcome is what a condition of a MultiClusterService, and an event about it, tell.
type outcome struct {
	condition            string
	failure              error
	done, failed         string
	succeeded, complains string
	says                 string
	// changed: something was done, of which users are told although the condition stays.
	changed bool
}

// tell writes a condition and tells users where there is news.
func tell(ctx context.Context, deps control.Deps, mcs *networkingv1alpha1.MultiClusterService, o outcome) error {
	if control.Stale(o.failure) {
		return nil
	}
	told := metav1.Condition{
		Type: o.condition, Status: metav1.ConditionTrue, Reason: o.done, Message: o.says,
		LastTransitionTime: metav1.NewTime(deps.Clock.Now()),
	}
	if o.failure != nil {
		told.Status, told.Reason, told.Message = metav1.ConditionFalse, o.failed, binding.Shortened(o.failure.Error())
	}
	conditions := slices.Clone(mcs.Status.Conditions)
	news := meta.SetStatusCondition(&conditions, told)
	switch {
	case o.failure != nil:
		deps.Events.Eventf(mcs, corev1.EventTypeWarning, o.complains, "%v", o.failure)
	case news || o.changed:
		deps.Events.Eventf(mcs, corev1.EventTypeNormal, o.succeeded, "%s", o.says)
	}
	if !news {
		return nil
	}
	// Two controllers write conditions, and the patch replaces the list whole: it must not be older than the rest.
	written := mcs.DeepCopy()
	err := fieldpatch.Status(ctx, deps.Client, written, fieldpatch.Fields{Status: map[string]any{"conditions": conditions}})
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("writing condition %s of MultiClusterService %s/%s: %w", o.condition, mcs.Namespace, mcs.Name, err)
	}
	return nil
}

// admits tells whether Works can be made for a cluster: its execution space wakes those who wait for it.
func admits(ctx context.Context, deps control.Deps, cluster *clusterv1alpha1.Cluster) (bool, error) {
	if cluster == nil || lacksSlices(cluster) {
		return false, nil
	}
	space := &corev1.Namespace{}
	err := deps.Client.Get(ctx, types.NamespacedName{Name: names.ExecutionSpace(cluster.Name)}, space, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading the execution space of cluster %s: %w", cluster.Name, err)
	}
	return err == nil && space.DeletionTimestamp.IsZero(), nil
}

// lacksSlices tells of a cluster that has told all it serves, and EndpointSlices are not among it.
func lacksSlices(cluster *clusterv1alpha1.Cluster) bool {
	if !meta.IsStatusConditionTrue(cluster.Status.Conditions, names.ConditionCompleteAPIEnablements) {
		return false
	}
	return !slices.ContainsFunc(cluster.Status.APIEnablements, func(served clusterv1alpha1.APIEnablement) bool {
		return served.GroupVersion == sliceKind.GroupVersion().String() &&
			slices.ContainsFunc(served.Resources, func(r clusterv1alpha1.APIResource) bool { return r.Kind == sliceKind.Kind })
	})
}

// onSpace wakes all MultiClusterServices for a new execution space.
func onSpace(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.Old != nil || !strings.HasPrefix(event.Object().GetName(), names.ExecutionSpacePrefix) {
		return nil
	}
	return exposures(ctx, reader)
}

// onMembership wakes all MultiClusterServices for a cluster that comes, leaves, or serves something else.
func onMembership(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if before, ok := event.Old.(*clusterv1alpha1.Cluster); ok && event.New != nil {
		now := event.New.(*clusterv1alpha1.Cluster)
		if before.DeletionTimestamp.IsZero() == now.DeletionTimestamp.IsZero() && lacksSlices(before) == lacksSlices(now) {
			return nil
		}
	}
	return exposures(ctx, reader)
}

func exposures(ctx context.Context, reader client.Reader) []control.Key {
	all := &networkingv1alpha1.MultiClusterServiceList{}
	if err := reader.List(ctx, all, client.UnsafeDisableDeepCopy); err != nil {
		return nil
	}
	var keys []control.Key
	for i := range all.Items {
		keys = append(keys, control.KeyOf(&all.Items[i]))
	}
	return keys
}
