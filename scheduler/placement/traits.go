package placement

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// taintSet holds the taints of a cluster that can keep workloads away, in the order of the cluster.
type taintSet []corev1.Taint

func newTaintSet(taints []corev1.Taint) taintSet {
	var set taintSet
	for _, taint := range taints {
		if taint.Effect == corev1.TaintEffectNoSchedule || taint.Effect == corev1.TaintEffectNoExecute {
			set = append(set, taint)
		}
	}
	return set
}

func (s taintSet) key() string {
	if len(s) == 0 {
		return ""
	}
	var key strings.Builder
	for i := range s {
		for _, part := range []string{s[i].Key, s[i].Value, string(s[i].Effect)} {
			key.WriteString(part)
			key.WriteByte(0)
		}
	}
	return key.String()
}

// untolerated returns the first taint that no toleration covers, or nil.
func (s taintSet) untolerated(tolerations []corev1.Toleration) *corev1.Taint {
	for i := range s {
		covers := func(toleration corev1.Toleration) bool { return covers(&toleration, &s[i]) }
		if !slices.ContainsFunc(tolerations, covers) {
			return &s[i]
		}
	}
	return nil
}

// covers applies the toleration rules of Kubernetes nodes, without the operators that compare numbers: clusters do not have
// them.
func covers(toleration *corev1.Toleration, taint *corev1.Taint) bool {
	if toleration.Effect != "" && toleration.Effect != taint.Effect {
		return false
	}
	if toleration.Key != "" && toleration.Key != taint.Key {
		return false
	}
	switch toleration.Operator {
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpEqual, "":
		return toleration.Value == taint.Value
	}
	return false
}

// apiSet holds the kinds a cluster serves.
type apiSet struct {
	enablements []clusterv1alpha1.APIEnablement
}

func apiKey(enablements []clusterv1alpha1.APIEnablement) string {
	var key strings.Builder
	for i := range enablements {
		key.WriteString(enablements[i].GroupVersion)
		for j := range enablements[i].Resources {
			key.WriteByte(1)
			key.WriteString(enablements[i].Resources[j].Kind)
		}
		key.WriteByte(0)
	}
	return key.String()
}

func (s apiSet) serves(groupVersion, kind string) bool {
	for i := range s.enablements {
		if s.enablements[i].GroupVersion != groupVersion {
			continue
		}
		for j := range s.enablements[i].Resources {
			if s.enablements[i].Resources[j].Kind == kind {
				return true
			}
		}
	}
	return false
}
