// Package extender asks HTTP extenders about clusters in the protocol by which the kube-scheduler asks about nodes
// (k8s.io/kube-scheduler/extender/v1). What they answer becomes data for the pure core.
//
// A workload is sent as a Pod, a cluster as a Node. The filter verbs are called one after the other, each about the clusters
// that those before it left; the prioritize verbs side by side about what is left then. An answer is believed only as a
// whole: one that names clusters it was not asked about, contradicts itself or has scores out of range counts as a failure.
package extender
