// Package store is an in-memory Kubernetes API store with the semantics of a kube-apiserver.
//
// Every write makes one new revision and one new immutable version of one object. A version is never changed again, so
// readers may share it: Client copies what it reads, as the client contract demands; Reader and View hand out shared
// objects that must not be written to, and Options.Checked catches those who do. A View is the store as it was at a past
// revision, as a lagging cache would see it. Changes is the feed of versions in revision order.
//
// The store starts no goroutine, reads no clock and draws no random number of its own. What a cluster does in the
// background (garbage collection by owner references, emptying of terminating namespaces, establishing of custom
// resource definitions) is queued and done by Step, one piece of work at a time, when its caller says so.
//
// Objects of builtin kinds are kept as their Go types. Objects of kinds that come from a CustomResourceDefinition are
// kept as JSON trees that went through pruning, defaulting and validation by the definition's schema. Other forms are
// derived when first asked for, and kept with the version.
package store
