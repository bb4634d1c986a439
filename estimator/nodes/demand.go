package nodes

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

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

// special reports whether the demand asks for more than every installed estimator understands.
func (d *Demand) special() bool {
	return len(d.Labels) > 0 || len(d.Affinity) > 0 || len(d.AntiAffinity) > 0 || len(d.Spread) > 0 ||
		len(d.HostPorts) > 0 || len(d.Volumes) > 0 || d.Priority != nil
}

// terms reads affinity terms that have been validated.
func (d *Demand) terms(terms []corev1.PodAffinityTerm) []podTerm {
	read := make([]podTerm, 0, len(terms))
	for i := range terms {
		if term, err := readTerm(&terms[i], d.namespace(), labels.Set(d.Labels)); err == nil {
			read = append(read, term)
		}
	}
	return read
}

// validate refuses what has no sensible answer. Claims on nodes that cannot be read are not among it: they match no node.
func (d *Demand) validate() error {
	if d == nil {
		return errors.New("estimating a demand: there is none")
	}
	if d.Requirements != nil {
		if err := validateRequest(d.Requirements.ResourceRequest); err != nil {
			return fmt.Errorf("estimating a demand: %w", err)
		}
	}
	own := labels.Set(d.Labels)
	for _, terms := range [][]corev1.PodAffinityTerm{d.Affinity, d.AntiAffinity} {
		for i := range terms {
			if _, err := readTerm(&terms[i], d.namespace(), own); err != nil {
				return fmt.Errorf("estimating a demand: %w", err)
			}
		}
	}
	for i := range d.Spread {
		if d.Spread[i].MaxSkew <= 0 {
			return fmt.Errorf("estimating a demand: the spread over %s allows a skew of %d, which must be above zero", d.Spread[i].TopologyKey, d.Spread[i].MaxSkew)
		}
		if _, err := readSelector(d.Spread[i].LabelSelector, d.Spread[i].MatchLabelKeys, nil, own); err != nil {
			return fmt.Errorf("estimating a demand: reading the spread over %s: %w", d.Spread[i].TopologyKey, err)
		}
	}
	for _, port := range d.HostPorts {
		if port.Port <= 0 || port.Port > 65535 {
			return fmt.Errorf("estimating a demand: host port %d does not exist", port.Port)
		}
	}
	return nil
}

func validateRequest(request corev1.ResourceList) error {
	for name, quantity := range request {
		if quantity.Sign() < 0 {
			return fmt.Errorf("the request for %s is negative: %s", name, quantity.String())
		}
	}
	return nil
}
