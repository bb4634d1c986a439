package nodes

import (
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

// Demand is what one replica needs. With nothing but Requirements the answer is the one that every installed estimator
// gives; the fields of PodDemand narrow it, but for Priority, which widens it.
type Demand struct {
	// Requirements is the request for resources and the claim on nodes; nil requests nothing but a pod.
	Requirements *workv1alpha2.ReplicaRequirements
	estimator.PodDemand
}

func (d *Demand) namespace() string {
	if d.Requirements == nil {
		return metav1.NamespaceNone
	}
	return d.Requirements.Namespace
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
	if err := d.PodDemand.Validate(); err != nil {
		return fmt.Errorf("estimating a demand: %w", err)
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
