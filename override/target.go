package override

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Targets tells whether an affinity selects a cluster: it is not excluded, has the labels and the location wanted, and is named
// if any name is given. A malformed selector selects nothing.
func Targets(affinity *policyv1alpha1.ClusterAffinity, cluster *clusterv1alpha1.Cluster) bool {
	if slices.Contains(affinity.ExcludeClusters, cluster.Name) {
		return false
	}
	if affinity.LabelSelector != nil {
		selector, err := metav1.LabelSelectorAsSelector(affinity.LabelSelector)
		if err != nil || !selector.Matches(labels.Set(cluster.Labels)) {
			return false
		}
	}
	if affinity.FieldSelector != nil {
		for i := range affinity.FieldSelector.MatchExpressions {
			if !located(&affinity.FieldSelector.MatchExpressions[i], &cluster.Spec) {
				return false
			}
		}
	}
	return len(affinity.ClusterNames) == 0 || slices.Contains(affinity.ClusterNames, cluster.Name)
}

// located tells whether a cluster is where an expression wants it. An empty field counts as absent, and a cluster of several
// zones is in a set only with all of them.
func located(expression *corev1.NodeSelectorRequirement, spec *clusterv1alpha1.ClusterSpec) bool {
	var places []string
	switch expression.Key {
	case "provider":
		places = nonEmpty(spec.Provider)
	case "region":
		places = nonEmpty(spec.Region)
	case "zone":
		places = spec.Zones
	}
	listed := func(place string) bool { return slices.Contains(expression.Values, place) }
	switch expression.Operator {
	case corev1.NodeSelectorOpIn:
		return len(places) > 0 && !slices.ContainsFunc(places, func(place string) bool { return !listed(place) })
	case corev1.NodeSelectorOpNotIn:
		return !slices.ContainsFunc(places, listed)
	case corev1.NodeSelectorOpExists:
		return len(places) > 0
	case corev1.NodeSelectorOpDoesNotExist:
		return len(places) == 0
	default:
		return false
	}
}

func nonEmpty(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}
