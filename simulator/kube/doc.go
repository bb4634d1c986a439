// Package kube simulates one member cluster: its nodes, its workload controllers, its scheduler and its kubelets.
//
// Nodes and pods are rows in arrays, not objects; API objects are made when somebody reads them. A pod that runs and a node
// that is well cause no events: heartbeats are computed from a phase when a node falls silent, never played. Whatever happens
// in one instant is worked off in one turn: first what is due, then controllers and scheduler by turns until neither has
// anything to do, then one report for each workload whose status has changed.
//
// The scheduler follows the documented behaviour of kube-scheduler with its default plugins: a window over the nodes in zone
// order that ends when enough feasible ones are found, scores that are normalised over that window, and a random choice among
// the best. What pods of one kind find on a node is kept in an outlook until something happens to that node; nodes in a row are
// summed up in blocks, by lanes of nodes that score alike beyond that; so a window of hundreds of nodes costs a look at some
// blocks. The result, lots included, is that of a walk over single nodes, which remains for what lanes cannot tell apart.
//
// The owner of the API objects tells the cluster what they say with Apply and Delete, hears through Events which workloads have
// another status, and reads it with Status; Nodes and Pods make objects for readers, NodeSummary and ResourceSummary spare
// them the reading, and Version tells when their answers may have changed.
//
// A cluster asks its Loop for an event when something is due before all that it has asked for, and for none while nothing is
// due. A cluster is used by one goroutine at a time. Different clusters may be used by different goroutines at once: they share no
// state, as long as their loops and callbacks share none either; objects that are applied to several of them are only read. With
// Options.Beside a turn is worked off on another goroutine up to its end, or to the first call that would notice.
//
// What holds after every turn, which tests count anew:
//   - the pods on a node never request more than it has allocatable, unless it shrank under them;
//   - the counters of a set are those of its rows, and the totals of the cluster those of its nodes and pods;
//   - a row without a set is on the free list, and stands in the list of no node.
//
// Nothing here reads a clock or draws a number but from the Loop and the seed it was given: the same calls at the same times
// give the same bytes, which Digest sums up.
package kube
