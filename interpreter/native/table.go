package native

import (
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// handlers are the functions of one kind; nil means that the kind does not support the operation.
type handlers struct {
	// replicas answers the desired replicas and the pod that each of them is.
	replicas func(object *unstructured.Unstructured) (int32, *corev1.PodSpec, error)
	// replicaField is the field of spec that ReviseReplica sets.
	replicaField string
	// retain changes desired, which is a private copy.
	retain func(desired, observed *unstructured.Unstructured) error
	// aggregate answers the new status, nil when it equals the old one.
	aggregate    func(in aggregation) (map[string]any, error)
	dependencies func(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error)
	// reflect answers the status to report, nil without any.
	reflect func(object *unstructured.Unstructured) (map[string]any, error)
	healthy func(object *unstructured.Unstructured) (bool, error)
}

// table lists every native kind with what it supports.
func table() map[schema.GroupVersionKind]handlers {
	deployment := counters{
		nonZero: []string{"replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas"},
	}
	replicaSet := counters{
		always:  []string{"replicas"},
		nonZero: []string{"fullyLabeledReplicas", "readyReplicas", "availableReplicas"},
	}
	statefulSet := counters{
		always:       []string{"replicas", "availableReplicas"},
		nonZero:      []string{"readyReplicas", "currentReplicas", "updatedReplicas"},
		hideObserved: true, exactTemplate: true,
	}
	daemonSet := counters{
		always:  []string{"currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"},
		nonZero: []string{"updatedNumberScheduled", "numberAvailable", "numberUnavailable"},
	}
	return map[schema.GroupVersionKind]handlers{
		appsv1.SchemeGroupVersion.WithKind("Deployment"): {
			replicas: deploymentReplicas, replicaField: "replicas", retain: retainReplicas,
			aggregate: deployment.aggregate, reflect: deployment.reflect,
			dependencies: templateDependencies, healthy: deploymentHealthy,
		},
		appsv1.SchemeGroupVersion.WithKind("ReplicaSet"): {
			replicas: deploymentReplicas, replicaField: "replicas",
			aggregate: replicaSet.aggregate, reflect: replicaSet.reflect,
			dependencies: templateDependencies, healthy: replicaSetHealthy,
		},
		appsv1.SchemeGroupVersion.WithKind("StatefulSet"): {
			replicas: deploymentReplicas, replicaField: "replicas",
			aggregate: statefulSet.aggregate, reflect: statefulSet.reflect,
			dependencies: statefulSetDependencies, healthy: statefulSetHealthy,
		},
		appsv1.SchemeGroupVersion.WithKind("DaemonSet"): {
			aggregate: daemonSet.aggregate, reflect: daemonSet.reflect,
			dependencies: templateDependencies, healthy: daemonSetHealthy,
		},
		batchv1.SchemeGroupVersion.WithKind("Job"): {
			replicas: jobReplicas, replicaField: "parallelism", retain: retainJobSelector,
			aggregate: typed(aggregateJob), dependencies: templateDependencies,
			reflect: fields("active", "completionTime", "conditions", "failed", "startTime", "succeeded"),
		},
		batchv1.SchemeGroupVersion.WithKind("CronJob"): {
			aggregate: typed(aggregateCronJob), dependencies: cronJobDependencies,
		},
		corev1.SchemeGroupVersion.WithKind("Pod"): {
			replicas: podReplicas, retain: retainPod, aggregate: typed(aggregatePod),
			dependencies: podDependencies, healthy: podHealthy,
			reflect: fields("conditions", "containerStatuses", "initContainerStatuses", "phase"),
		},
		corev1.SchemeGroupVersion.WithKind("Service"): {
			retain: retainService, aggregate: aggregateService, reflect: reflectService, healthy: serviceHealthy,
		},
		networkingv1.SchemeGroupVersion.WithKind("Ingress"): {
			aggregate: typed(aggregateIngress), dependencies: ingressDependencies,
			reflect: fields("loadBalancer"), healthy: ingressHealthy,
		},
		corev1.SchemeGroupVersion.WithKind("PersistentVolume"): {
			retain: retainField("spec", "claimRef"), aggregate: typed(aggregateVolume),
		},
		corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"): {
			retain: retainField("spec", "volumeName"), aggregate: typed(aggregateClaim), healthy: claimHealthy,
		},
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"): {retain: retainServiceAccount},
		corev1.SchemeGroupVersion.WithKind("Secret"):         {retain: retainTokenSecret},
		policyv1.SchemeGroupVersion.WithKind("PodDisruptionBudget"): {
			aggregate: typed(aggregateDisruptionBudget), healthy: disruptionBudgetHealthy,
			reflect: disruptionBudgetStatus,
		},
		autoscalingv2.SchemeGroupVersion.WithKind("HorizontalPodAutoscaler"): {
			aggregate: typed(aggregateAutoscaler), reflect: fields("currentReplicas", "desiredReplicas"),
		},
		{Group: "multicluster.x-k8s.io", Version: "v1alpha1", Kind: "ServiceImport"}: {
			dependencies: serviceImportDependencies,
		},
	}
}
