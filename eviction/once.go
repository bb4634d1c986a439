package eviction

import (
	"encoding/json"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
)

// Once tells a workload that is to run once: a Job, what makes Jobs, or a StatefulSet whose policy does not say otherwise by an annotation
// that its binding has. No copy of it is held, and none begins while another may run.
func Once(spec *workv1alpha2.ResourceBindingSpec, annotations map[string]string) bool {
	return isJob(spec) || spec.Resource.Kind == "StatefulSet" && strings.HasPrefix(spec.Resource.APIVersion, appsv1.GroupName+"/") &&
		annotations[names.AnnotationStatefulMoves] != names.MakeBeforeBreak
}

// Stays tells whether a workload does not leave a cluster that is to be left: a Job that has come to its end there, and what is to run
// once where nobody can tell whether it does. What leaves directly waits for nobody to tell.
func Stays(bound binding.Binding, cluster *clusterv1alpha1.Cluster, mode policyv1alpha1.PurgeMode) bool {
	return Ended(bound.Spec, bound.Status.AggregatedStatus, cluster.Name) ||
		mode != policyv1alpha1.PurgeModeDirectly && Lost(cluster) && Once(bound.Spec, bound.GetAnnotations())
}

func isJob(spec *workv1alpha2.ResourceBindingSpec) bool {
	return strings.HasPrefix(spec.Resource.APIVersion, batchv1.GroupName+"/")
}

// Ended tells whether a Job has come to its end in a cluster, well or not. Elsewhere it would run again.
func Ended(spec *workv1alpha2.ResourceBindingSpec, copies []workv1alpha2.AggregatedStatusItem, cluster string) bool {
	view := View{Copies: copies}
	item := view.copyIn(cluster)
	if !isJob(spec) || item == nil || item.Status == nil {
		return false
	}
	var status struct {
		Conditions []batchv1.JobCondition `json:"conditions"`
	}
	return json.Unmarshal(item.Status.Raw, &status) == nil && slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
		return c.Status == corev1.ConditionTrue && (c.Type == batchv1.JobComplete || c.Type == batchv1.JobFailed)
	})
}
