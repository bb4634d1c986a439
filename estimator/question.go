package estimator

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// PodDemand is what one replica asks of the nodes and pods around it beyond its ReplicaRequirements. Installed estimators do
// not know it. The zero value asks nothing.
type PodDemand struct {
	// Labels are those of the pod. Its own anti-affinity and spread constraints, and the anti-affinity of pods that run,
	// look at them.
	Labels map[string]string `json:"labels,omitempty"`
	// Affinity terms must all be met by one pod or more in the topology domain of the node.
	Affinity []corev1.PodAffinityTerm `json:"affinity,omitempty"`
	// AntiAffinity terms must be met by no pod in the topology domain of the node.
	AntiAffinity []corev1.PodAffinityTerm `json:"antiAffinity,omitempty"`
	// Spread constraints count where unsatisfiable ones forbid scheduling.
	Spread []corev1.TopologySpreadConstraint `json:"topologySpreadConstraints,omitempty"`
	// HostPorts are ports of the node that each replica takes for itself.
	HostPorts []HostPort `json:"hostPorts,omitempty"`
	// Volumes are those each replica attaches.
	Volumes []Volume `json:"volumes,omitempty"`
	// Priority, when set, counts what pods of lower priority hold as free.
	Priority *int32 `json:"priority,omitempty"`
}

// HostPort is a port taken on a node. No IP is every IP, no protocol is TCP.
type HostPort struct {
	IP       string          `json:"ip,omitempty"`
	Protocol corev1.Protocol `json:"protocol,omitempty"`
	Port     int32           `json:"port"`
}

// Volume is what attaching a volume means for the choice of a node.
type Volume struct {
	// Driver is the name of the CSI driver, whose limit of attached volumes the node may state.
	Driver string `json:"driver,omitempty"`
	// Shared volumes are one for all replicas, and attach once a node.
	Shared bool `json:"shared,omitempty"`
	// NodeAffinity is that of the persistent volume, when it is bound.
	NodeAffinity *corev1.VolumeNodeAffinity `json:"nodeAffinity,omitempty"`
}

// Question asks several clusters how often a demand fits.
type Question struct {
	// Workload names what is asked for, for logs.
	Workload string
	// Namespace is that of the pods.
	Namespace string
	// Requirements is the demand of one replica, nil for none; Pod is what else it asks.
	Requirements *workv1alpha2.ReplicaRequirements
	Pod          *PodDemand
	// Components, when there are any, make up one set, and the question is for sets instead of replicas.
	Components []workv1alpha2.Component
	// Assumed are the assignments to a cluster that it may not report yet; nil for none.
	Assumed func(cluster string) []AssumedWorkload
}

// Answer is that of one cluster.
type Answer struct {
	// Count of replicas or sets that fit. Means nothing when Err is set.
	Count int32
	// Stale says that the estimator has lost sight of its cluster, and answers from what it saw last.
	Stale bool
	// PodIgnored says that the estimator does not know PodDemand, and answers as if Pod had been nil.
	PodIgnored bool
	// Err is why there is no answer. Nothing then is known about the cluster.
	Err error
}

// Estimators look at the nodes of member clusters, each of which may have one.
type Estimators interface {
	// Estimate gives an answer for each of the clusters, in their order. It may wait for a network, so callers hold no
	// locks, and it ends with its context. A nil error and Count below zero do not occur.
	Estimate(ctx context.Context, question Question, clusters []string) []Answer
}
