package nodes

import (
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Demand is what one replica needs. With nothing but Requirements the answer is the one that every installed estimator
// gives; each of the other fields narrows it, but for Priority, which widens it.
type Demand struct {
	// Requirements is the request for resources and the claim on nodes; nil requests nothing but a pod.
	Requirements *workv1alpha2.ReplicaRequirements

	// Labels are those of the pod. Its own anti-affinity and spread constraints, and the anti-affinity of pods that run,
	// look at them.
	Labels map[string]string
	// Affinity terms must all be met by one pod or more in the topology domain of the node.
	Affinity []corev1.PodAffinityTerm
	// AntiAffinity terms must be met by no pod in the topology domain of the node.
	AntiAffinity []corev1.PodAffinityTerm
	// Spread constraints count where unsatisfiable ones forbid scheduling.
	Spread []corev1.TopologySpreadConstraint
	// HostPorts are ports of the node that each replica takes for itself.
	HostPorts []HostPort
	// Volumes are those each replica attaches.
	Volumes []Volume
	// Priority, when set, counts what pods of lower priority hold as free.
	Priority *int32
}

// HostPort is a port taken on a node. No IP is every IP, no protocol is TCP.
type HostPort struct {
	IP       string
	Protocol corev1.Protocol
	Port     int32
}

// Volume is what attaching a volume means for the choice of a node.
type Volume struct {
	// Driver is the name of the CSI driver, whose limit of attached volumes the node may state.
	Driver string
	// Shared volumes are one for all replicas, and attach once a node.
	Shared bool
	// NodeAffinity is that of the persistent volume, when it is bound.
	NodeAffinity *corev1.VolumeNodeAffinity
}

func (d *Demand) namespace() string {
	if d.Requirements == nil {
		return metav1.NamespaceNone
	}
	return d.Requirements.Namespace
}

// placed reports whether where other pods run matters.
func (d *Demand) placed() bool {
	return len(d.Affinity) > 0 || len(d.AntiAffinity) > 0 || len(d.Spread) > 0
}
