// Package control describes controllers as data, so that the same value runs against real API servers in real time and
// inside the simulator in virtual time.
//
// A controller says which changes wake which keys and has one function that takes one turn for one key. It starts no
// goroutine, reads no clock of its own, never sleeps and keeps no package state: to wait it returns Result.RequeueAfter,
// and all it knows of the world comes through Deps. What a constructor closes over is lost with the process and must
// only ever save work.
package control

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Key names what one turn is about.
type Key struct {
	// GVK is set by controllers that serve more than one kind, and empty otherwise.
	GVK schema.GroupVersionKind
	// Namespace is empty for cluster-scoped objects.
	Namespace string
	Name      string
}

// NamespacedName is the object's name in the form API clients take.
func (k Key) NamespacedName() types.NamespacedName {
	return types.NamespacedName{Namespace: k.Namespace, Name: k.Name}
}

// String reads "group/version, Kind=K ns/name", or "ns/name" when the kind goes without saying.
func (k Key) String() string {
	if k.GVK.Empty() {
		return k.NamespacedName().String()
	}
	return k.GVK.String() + " " + k.NamespacedName().String()
}

// KeyOf is the key of an object in a controller that serves one kind.
func KeyOf(object client.Object) Key {
	return Key{Namespace: object.GetNamespace(), Name: object.GetName()}
}

// KindKeyOf is the key of an object in a controller that serves several kinds.
func KindKeyOf(gvk schema.GroupVersionKind, object client.Object) Key {
	return Key{GVK: gvk, Namespace: object.GetNamespace(), Name: object.GetName()}
}

// Event is one change of one object. Old is nil for an object that is new to the watcher, New is nil for one that is
// gone; an object that takes the place of another of its name is two events. Both are shared and must not be written to.
type Event struct {
	// Cluster is the member cluster the object lives in; empty for the control plane.
	Cluster string
	// GVK is the kind of the object, which typed objects do not carry themselves.
	GVK      schema.GroupVersionKind
	Old, New client.Object
}

// Object is the newest known form of the object.
func (e Event) Object() client.Object {
	if e.New != nil {
		return e.New
	}
	return e.Old
}

// Replaced tells two objects of one name from two states of one object. A watcher that was away for a while sees a change from the
// one to the other, which may be of the same generation; drivers tell controllers of a removal and of an addition.
func Replaced(old, current client.Object) bool {
	return old != nil && current != nil && old.GetUID() != current.GetUID()
}

// KeyFunc tells which keys an event wakes. It is pure: the reader is a view of the control plane no older than the
// event's own, and nothing else may be consulted.
type KeyFunc func(ctx context.Context, reader client.Reader, event Event) []Key

// Watch wakes keys for every change of one kind in the control plane.
type Watch struct {
	// Object is a prototype that tells the kind.
	Object client.Object
	Keys   KeyFunc
}

// View selects which objects of a kind a subscription sees.
type View string

const (
	// Managed sees the objects a control plane propagated, whole.
	Managed View = "Managed"
	// Inventory sees all nodes and pods of a member cluster, trimmed to what capacity and readiness need, and all its
	// EndpointSlices.
	Inventory View = "Inventory"
)

// Source is something a key wants to be woken for beyond its controller's fixed watches.
type Source struct {
	// Cluster is a member cluster, or empty for the control plane (where View has no meaning).
	Cluster string
	GVK     schema.GroupVersionKind
	View    View
}

// Result is what a turn asks of the driver.
type Result struct {
	// RequeueAfter wakes the key again after this time, unless something wakes it earlier; 0 does not.
	RequeueAfter time.Duration
	// Sources is the full set of sources the key needs from now on. The driver opens what is new, shares what several keys
	// need and closes what none needs any more. A turn that fails leaves the set as it was.
	Sources []Source
	// Wake lists other keys of the same controller that shall have a turn now.
	Wake []Key
}

// Reconcile takes one turn for one key and runs to completion. An error makes the driver retry with backoff, and no later than
// after Result.RequeueAfter where the turn says so.
type Reconcile func(ctx context.Context, deps Deps, key Key) (Result, error)

// Controller is one control loop as data.
type Controller struct {
	// Name is unique within a process and appears in logs, metrics and the --controllers flag.
	Name    string
	Watches []Watch
	// SourceKeys maps changes seen through Result.Sources to keys; nil when the controller declares no sources. Objects come
	// unstructured or as Go values, old and new alike.
	SourceKeys KeyFunc
	// Indexes are the fields its List calls select by.
	Indexes []Index
	// Workers is how many keys may have their turn at once; 0 means 1. A key never has two turns at once.
	Workers int
	// Queue makes what orders the turns; nil leaves the order to the driver: first come, first served, failures with a
	// backoff of their own.
	Queue     func() Queue
	Reconcile Reconcile
}

// Index makes the objects of one kind findable by values computed from each.
type Index struct {
	Object client.Object
	Field  string
	Values func(client.Object) []string
}

// Self wakes the key of the changed object itself.
func Self(_ context.Context, _ client.Reader, event Event) []Key {
	return []Key{KeyOf(event.Object())}
}
