package estimator

import (
	"cmp"
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/seatrial/seatrial/api/names"
)

// IsZero reports whether nothing is asked.
func (d *PodDemand) IsZero() bool {
	return d == nil || len(d.Labels) == 0 && len(d.Affinity) == 0 && len(d.AntiAffinity) == 0 && len(d.Spread) == 0 &&
		len(d.HostPorts) == 0 && len(d.Volumes) == 0 && d.Priority == nil
}

// ParsePodDemand reads the annotation that carries a demand on a binding. Without the annotation the demand is nil. Errors
// name the annotation and, where there is one, the field.
func ParsePodDemand(annotations map[string]string) (*PodDemand, error) {
	text, given := annotations[names.AnnotationPodDemand]
	if !given {
		return nil, nil
	}
	var demand PodDemand
	if err := json.Unmarshal([]byte(text), &demand); err != nil {
		return nil, fmt.Errorf("reading annotation %s: %w", names.AnnotationPodDemand, err)
	}
	if err := demand.Validate(); err != nil {
		return nil, fmt.Errorf("reading annotation %s: %w", names.AnnotationPodDemand, err)
	}
	return &demand, nil
}

// Validate refuses what no API server would let a pod ask. The error names all bad fields.
func (d *PodDemand) Validate() error {
	if d.IsZero() {
		return nil
	}
	errs := metav1validation.ValidateLabels(d.Labels, field.NewPath("labels"))
	errs = append(errs, validateTerms(d.Affinity, field.NewPath("affinity"))...)
	errs = append(errs, validateTerms(d.AntiAffinity, field.NewPath("antiAffinity"))...)
	for i := range d.Spread {
		errs = append(errs, validateSpread(&d.Spread[i], field.NewPath("topologySpreadConstraints").Index(i))...)
	}
	for i, port := range d.HostPorts {
		for _, message := range validation.IsValidPortNum(int(port.Port)) {
			errs = append(errs, field.Invalid(field.NewPath("hostPorts").Index(i).Child("port"), port.Port, message))
		}
	}
	return errs.ToAggregate()
}

func validateTerms(terms []corev1.PodAffinityTerm, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i := range terms {
		term, path := &terms[i], path.Index(i)
		errs = append(errs, validateTopology(term.TopologyKey, term.LabelSelector, term.MatchLabelKeys, path)...)
		errs = append(errs, validateLabelKeys(term.MismatchLabelKeys, path.Child("mismatchLabelKeys"))...)
		errs = append(errs, validateSelector(term.NamespaceSelector, path.Child("namespaceSelector"))...)
	}
	return errs
}

func validateSpread(spread *corev1.TopologySpreadConstraint, path *field.Path) field.ErrorList {
	errs := validateTopology(spread.TopologyKey, spread.LabelSelector, spread.MatchLabelKeys, path)
	if spread.MaxSkew <= 0 {
		errs = append(errs, field.Invalid(path.Child("maxSkew"), spread.MaxSkew, "must be greater than zero"))
	}
	return errs
}

func validateTopology(key string, selector *metav1.LabelSelector, keys []string, path *field.Path) field.ErrorList {
	errs := metav1validation.ValidateLabelName(key, path.Child("topologyKey"))
	errs = append(errs, validateSelector(selector, path.Child("labelSelector"))...)
	return append(errs, validateLabelKeys(keys, path.Child("matchLabelKeys"))...)
}

func validateSelector(selector *metav1.LabelSelector, path *field.Path) field.ErrorList {
	return metav1validation.ValidateLabelSelector(selector, metav1validation.LabelSelectorValidationOptions{}, path)
}

func validateLabelKeys(keys []string, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, key := range keys {
		errs = append(errs, metav1validation.ValidateLabelName(key, path.Index(i))...)
	}
	return errs
}

const everyIP = "0.0.0.0"

// Conflicts reports whether two ports cannot both be taken on one node.
func (p HostPort) Conflicts(other HostPort) bool {
	return p.Port == other.Port && p.protocol() == other.protocol() &&
		(p.ip() == other.ip() || p.ip() == everyIP || other.ip() == everyIP)
}

func (p HostPort) ip() string { return cmp.Or(p.IP, everyIP) }

func (p HostPort) protocol() corev1.Protocol { return cmp.Or(p.Protocol, corev1.ProtocolTCP) }
