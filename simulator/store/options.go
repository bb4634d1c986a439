package store

import (
	"context"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// IDSource yields identifiers in the form of a random UUID. They become object UIDs and the source of generated names.
type IDSource interface {
	NewID() string
}

// Options says what a store serves and where its time and identifiers come from.
type Options struct {
	// Scheme knows the Go types of the kinds that have one.
	Scheme *runtime.Scheme
	// Clock is read for creation and deletion timestamps, which have a precision of one second.
	Clock clock.PassiveClock
	IDs   IDSource
	// Resources are the kinds served from the start; see Builtins and FromDefinition. When customresourcedefinitions
	// are among them, kinds can also be added by creating a definition.
	Resources []Resource
	// Admission is called for writes to the object itself, not to subresources, in this order.
	Admission []Admission
	// Namespaces exist from the start. Nil means those every cluster has: default, kube-node-lease, kube-public and
	// kube-system.
	Namespaces []string
	// Retain is how many past revisions Changes and At can reach; older ones are forgotten as new ones are made. 0 keeps
	// all until Compact is called.
	Retain uint64
	// Shared keeps what is equal in the trees of several stores; nil for nothing.
	Shared *Shared
	// Derived is what stores may share that follows from Go types alone; nil for nothing.
	Derived *Derived
	// Beside may make forms of objects in advance that somebody will read: it calls what it is given at any time, or never. Nil
	// leaves it to the readers.
	Beside func(func())
	// Wrote is told of every write, from within it, and must not use the store; nil for nobody.
	Wrote func()
	// Checked hashes every version and panics when a read finds one that was written to after it was stored.
	Checked bool
	// Trusting skips the validation by schema of typed custom resources and keeps them as Go types, which makes writes
	// several times cheaper. Schema defaults still apply. Kinds without a Go type in the scheme are not
	// affected.
	Trusting bool
}

// Admission does what admission webhooks do for one kind. Objects are given as the kind's Go type when the scheme knows
// it, else unstructured. It may read the store, but not write to it.
type Admission struct {
	GVK schema.GroupVersionKind
	// Name appears in refusals, like the name of a webhook.
	Name string
	// Default completes object before it is validated; old is nil on creation. Nil means nothing to complete.
	Default func(ctx context.Context, object, old client.Object) error
	// Validate refuses a write by an error: old is nil on creation, object is nil on deletion. API errors are passed on,
	// any other becomes 403 Forbidden. Nil means that everything is fine.
	Validate func(ctx context.Context, object, old client.Object) error
}
