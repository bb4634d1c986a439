package eviction

import (
	"encoding/json"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
)

// Once tells a workload that is to run once: a Job, what makes Jobs, or a StatefulSet whose policy does not say otherwise by an annotation
// that its binding has. No copy of it is held, and none begins while another may run.
func Once(spec *workv1alpha2.ResourceBindingSpec, annotations map[string]string) bool {
	return IsJob(spec) || is(spec, batchv1.GroupName, "CronJob") ||
		is(spec, appsv1.GroupName, "StatefulSet") && annotations[names.AnnotationStatefulMoves] != names.MakeBeforeBreak
}

// Stays tells whether a workload does not leave a cluster that is to be left: a Job that has come to its end there, and what is to run
// once where nobody can tell whether it does. What leaves directly waits for nobody to tell.
func Stays(bound binding.Binding, cluster *clusterv1alpha1.Cluster, mode policyv1alpha1.PurgeMode) bool {
	return Ended(bound.Spec, bound.Status.AggregatedStatus, cluster.Name) ||
		mode != policyv1alpha1.PurgeModeDirectly && Lost(cluster) && Once(bound.Spec, bound.GetAnnotations())
}

// IsJob tells Jobs, which nobody moves to make anything better: what one has done is lost where it is taken away, and in a new place it
// does all of it again. What makes Jobs is none: it goes on elsewhere with the next one.
func IsJob(spec *workv1alpha2.ResourceBindingSpec) bool { return is(spec, batchv1.GroupName, "Job") }

func is(spec *workv1alpha2.ResourceBindingSpec, group, kind string) bool {
	return spec.Resource.Kind == kind && strings.HasPrefix(spec.Resource.APIVersion, group+"/")
}

// Ended tells whether a Job has come to its end in a cluster, well or not. Elsewhere it would run again.
func Ended(spec *workv1alpha2.ResourceBindingSpec, copies []workv1alpha2.AggregatedStatusItem, cluster string) bool {
	view := View{Copies: copies}
	item := view.copyIn(cluster)
	if !IsJob(spec) || item == nil || item.Status == nil {
		return false
	}
	var status struct {
		Conditions []batchv1.JobCondition `json:"conditions"`
	}
	return json.Unmarshal(item.Status.Raw, &status) == nil && slices.ContainsFunc(status.Conditions, func(c batchv1.JobCondition) bool {
		return ends(string(c.Type), string(c.Status))
	})
}

func ends(condition, status string) bool {
	return status == string(corev1.ConditionTrue) && (condition == string(batchv1.JobComplete) || condition == string(batchv1.JobFailed))
}

// Spent tells a Job that has come to its end in a cluster where it is to be: placed anew, as much of it would run again.
func Spent(bound binding.Binding) bool {
	return slices.ContainsFunc(bound.Spec.Clusters, func(target workv1alpha2.TargetCluster) bool {
		return Ended(bound.Spec, bound.Status.AggregatedStatus, target.Name)
	})
}

// Over tells whether a Job has come to its end by the status of its template, which says so for good, wherever its copies are.
func Over(template *unstructured.Unstructured) bool {
	conditions, _, _ := unstructured.NestedFieldNoCopy(template.Object, "status", "conditions")
	all, _ := conditions.([]any)
	return slices.ContainsFunc(all, func(one any) bool {
		condition, _ := one.(map[string]any)
		kind, _ := condition["type"].(string)
		status, _ := condition["status"].(string)
		return ends(kind, status)
	})
}
