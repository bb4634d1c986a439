package invariant

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "github.com/seatrial/seatrial/api/apps/v1alpha1"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/simulator/store"
	"github.com/seatrial/seatrial/workload"
)

// Kinds that invariants look at.
var (
	bindingKind        = workv1alpha2.GroupVersion.WithKind(workv1alpha2.ResourceKindResourceBinding)
	clusterBindingKind = workv1alpha2.GroupVersion.WithKind(workv1alpha2.ResourceKindClusterResourceBinding)
	workKind           = workv1alpha1.GroupVersion.WithKind(workv1alpha1.ResourceKindWork)
	clusterKind        = clusterv1alpha1.GroupVersion.WithKind(clusterv1alpha1.ResourceKindCluster)
	policyKind         = policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindPropagationPolicy)
	clusterPolicyKind  = policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindClusterPropagationPolicy)
	overrideKind       = policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindOverridePolicy)
	clusterOverride    = policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindClusterOverridePolicy)
	configMapKind      = corev1.SchemeGroupVersion.WithKind("ConfigMap")
	namespaceKind      = corev1.SchemeGroupVersion.WithKind("Namespace")
	budgetKind         = policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget")
	resourceQuotaKind  = corev1.SchemeGroupVersion.WithKind("ResourceQuota")
	quotaKind          = policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindFederatedResourceQuota)
	rebalancerKind     = appsv1alpha1.GroupVersion.WithKind("WorkloadRebalancer")
	taintPolicyKind    = policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindClusterTaintPolicy)

	clusterRoleKind        = rbacv1.SchemeGroupVersion.WithKind("ClusterRole")
	clusterRoleBindingKind = rbacv1.SchemeGroupVersion.WithKind("ClusterRoleBinding")
)

// World is what has been written so far in the control plane, and of managed objects in the members. It is kept up to date
// write by write, and remembers what stood a while ago: controllers act on views that lag behind.
type World struct {
	now   func() time.Time
	plane map[schema.GroupVersionKind]map[types.NamespacedName]*record
	// members hold the managed objects of each member.
	members map[string]map[identity]store.Event
	// works are those of a binding.
	works map[types.NamespacedName]map[types.NamespacedName]bool
	// asked are the deletions that users asked for themselves.
	asked map[place]bool
	// left are the managed objects of members at the time their cluster left: nobody may be there to remove them.
	left map[place]bool
	// readings are the ready replicas of managed workloads in members: the last, and earlier ones that ended not long ago.
	readings map[place][]reading
	// estimators tell how much room there is.
	estimators estimator.Estimators
	// quotasEnforced: admission refuses bindings beyond the FederatedResourceQuotas of their namespace.
	quotasEnforced bool
}

type identity struct {
	gvk schema.GroupVersionKind
	key types.NamespacedName
}

type place struct {
	cluster string
	identity
}

// record is the history of one name: the state it is in, and earlier ones that ended not long ago.
type record struct{ states []state }

// state holds from a time on, until the next one. The object is nil while there is none.
type state struct {
	object client.Object
	event  store.Event
	from   time.Time
}

func newWorld(now func() time.Time) *World {
	return &World{
		now: now, plane: map[schema.GroupVersionKind]map[types.NamespacedName]*record{},
		members: map[string]map[identity]store.Event{}, works: map[types.NamespacedName]map[types.NamespacedName]bool{},
		asked: map[place]bool{}, left: map[place]bool{}, readings: map[place][]reading{},
	}
}

// take enters a change.
func (w *World) take(c Change) {
	if c.Cluster == "" {
		w.takePlane(c)
		return
	}
	held := w.members[c.Cluster]
	if held == nil {
		held = map[identity]store.Event{}
		w.members[c.Cluster] = held
	}
	id := identity{c.GVK, c.Key}
	w.read(place{c.Cluster, id}, c.After)
	if c.After == nil || !workload.Managed(c.After) {
		delete(held, id)
		return
	}
	held[id] = c.Event
	if c.Before == nil || c.Before.GetGeneration() != c.After.GetGeneration() {
		delete(w.left, place{c.Cluster, id})
	}
}

func (w *World) takePlane(c Change) {
	of := w.plane[c.GVK]
	if of == nil {
		of = map[types.NamespacedName]*record{}
		w.plane[c.GVK] = of
	}
	r := of[c.Key]
	if r == nil {
		r = &record{states: []state{{}}}
		of[c.Key] = r
	}
	r.push(state{object: c.After, event: c.Event, from: w.now()})
	if c.GVK == clusterKind && c.After == nil {
		for id := range w.members[c.Key.Name] {
			w.left[place{c.Key.Name, id}] = true
		}
	}
	if c.GVK != workKind {
		return
	}
	owner, ok := binding.OwnerOf(c.Last.(*workv1alpha1.Work))
	if !ok {
		return
	}
	if w.works[owner] == nil {
		w.works[owner] = map[types.NamespacedName]bool{}
	}
	if c.After == nil {
		delete(w.works[owner], c.Key)
		return
	}
	w.works[owner][c.Key] = true
}

// push keeps the states that a lagging view may still show.
func (r *record) push(s state) {
	for len(r.states) > 1 && s.from.Sub(r.states[1].from) > lag {
		r.states = r.states[1:]
	}
	r.states = append(slices.Clip(r.states), s)
}

// latest is the object as it stands; nil when there is none.
func (w *World) latest(gvk schema.GroupVersionKind, key types.NamespacedName) client.Object {
	r := w.plane[gvk][key]
	if r == nil {
		return nil
	}
	return r.states[len(r.states)-1].object
}

// ever tells whether a condition holds in a state that a lagging view may show; the object is nil where there was none.
func (w *World) ever(gvk schema.GroupVersionKind, key types.NamespacedName, holds func(client.Object) bool) bool {
	r := w.plane[gvk][key]
	if r == nil {
		return holds(nil)
	}
	for i := range r.states {
		ended := i+1 < len(r.states) && w.now().Sub(r.states[i+1].from) > lag
		if !ended && holds(r.states[i].object) {
			return true
		}
	}
	return false
}

// all are the objects of a kind in the control plane, by name.
func (w *World) all(gvk schema.GroupVersionKind) []store.Event {
	var events []store.Event
	for _, key := range slices.SortedFunc(maps.Keys(w.plane[gvk]), compareNames) {
		states := w.plane[gvk][key].states
		if last := states[len(states)-1]; last.object != nil {
			events = append(events, last.event)
		}
	}
	return events
}

// bindings are those of both scopes.
func (w *World) bindings() []binding.Binding {
	var views []binding.Binding
	for _, event := range append(w.all(bindingKind), w.all(clusterBindingKind)...) {
		view, _ := binding.Of(event.Object())
		views = append(views, view)
	}
	return views
}

func (w *World) binding(key types.NamespacedName) (view binding.Binding, ok bool) {
	object := w.latest(kindOfBinding(key), key)
	if object == nil {
		return binding.Binding{}, false
	}
	return binding.Of(object)
}

func (w *World) cluster(name string) *clusterv1alpha1.Cluster {
	object, _ := w.latest(clusterKind, types.NamespacedName{Name: name}).(*clusterv1alpha1.Cluster)
	return object
}

func (w *World) clusters() []*clusterv1alpha1.Cluster {
	var clusters []*clusterv1alpha1.Cluster
	for _, event := range w.all(clusterKind) {
		clusters = append(clusters, event.Object().(*clusterv1alpha1.Cluster))
	}
	return clusters
}

// held are the managed objects of a member, sorted.
func (w *World) held(cluster string) []store.Event {
	events := slices.Collect(maps.Values(w.members[cluster]))
	slices.SortFunc(events, func(a, b store.Event) int {
		return cmp.Or(cmp.Compare(a.GVK.String(), b.GVK.String()), compareNames(a.Key, b.Key))
	})
	return events
}

// template is what a binding was made for; nil when it is gone.
func (w *World) template(bound binding.Binding) *unstructured.Unstructured {
	resource := bound.Spec.Resource
	gvk := schema.FromAPIVersionAndKind(resource.APIVersion, resource.Kind)
	r := w.plane[gvk][types.NamespacedName{Namespace: resource.Namespace, Name: resource.Name}]
	if r == nil || r.states[len(r.states)-1].object == nil {
		return nil
	}
	tree, _ := r.states[len(r.states)-1].event.Tree().(*unstructured.Unstructured)
	return tree
}

func kindOfBinding(key types.NamespacedName) schema.GroupVersionKind {
	if key.Namespace == "" {
		return clusterBindingKind
	}
	return bindingKind
}

func compareNames(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Change is one write. Cluster is empty for the control plane. Before and After are nil for what was not there yet or is gone;
// Last is the newest form there is. All are shared.
type Change struct {
	store.Event
	Cluster             string
	Before, After, Last client.Object
}

func changeOf(cluster string, event store.Event) Change {
	c := Change{Event: event, Cluster: cluster, Before: event.Old(), Last: event.Object()}
	if event.Type != watch.Deleted {
		c.After = c.Last
	}
	return c
}

// began tells the write that begins the removal of an object, or removes it at once.
func (c Change) began() bool {
	wasDeleting := c.Before != nil && !c.Before.GetDeletionTimestamp().IsZero()
	isDeleting := c.After == nil || !c.After.GetDeletionTimestamp().IsZero()
	return c.Before != nil && !wasDeleting && isDeleting
}

func (c Change) String() string {
	return fmt.Sprintf("%s %s %s at revision %d", c.Type, c.GVK.Kind, c.Key, c.Revision)
}
