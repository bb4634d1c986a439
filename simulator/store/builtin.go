package store

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/validate/content"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// generationRule says which changes bump metadata.generation.
type generationRule int

const (
	// generationNone: the kind keeps no generation.
	generationNone generationRule = iota
	// generationFixed: it is 1 for ever.
	generationFixed
	generationBySpec
	generationBySpecAndAnnotations
	generationBySpecAndLabels
)

// nativeRules are the ways of one builtin kind. Functions get the kind's Go type; nil functions do nothing.
type nativeRules struct {
	// unconditional allows updates without a resource version; createOnUpdate lets an update create the object.
	unconditional, createOnUpdate bool
	generation                    generationRule
	// keepsStatus lets clients set the status on creation.
	keepsStatus bool
	// orphans makes deletion leave dependents alone unless it says otherwise.
	orphans bool
	// name validates names; nil means DNS subdomains.
	name apivalidation.ValidateNameFunc
	// fields are what field selectors can select beside name and namespace.
	fields map[string]func(client.Object) string

	// defaults completes a draft before anything else looks at it.
	defaults                     func(object client.Object)
	prepareCreate                func(object client.Object)
	prepareUpdate, prepareStatus func(object, old client.Object)
	// validate checks a draft; old is nil on creation.
	validate func(object, old client.Object) field.ErrorList
	// gracePeriod gives the seconds a deleted object lives on; requested is nil when the client said nothing.
	gracePeriod func(object client.Object, requested *int64) int64
	// held tells whether something else than metadata.finalizers keeps a deleted object.
	held func(object client.Object) bool
	// terminate marks an object as being deleted, in place of a grace period.
	terminate func(object client.Object)
	// cleanup is a finalizer that deletion adds.
	cleanup string
	// undeletable refuses the deletion of what a cluster cannot do without.
	undeletable func(object client.Object) error
}

// builtin is one row of the table of builtin kinds.
type builtin struct {
	group, version, kind, plural string
	clusterScoped, status        bool
	rules                        func() *nativeRules
}

// Builtins registers the Kubernetes kinds that controllers of fleets deal with. The scheme must know their Go types.
func Builtins() []Resource {
	rows := []builtin{
		{"", "v1", "Namespace", "namespaces", true, true, namespaceRules},
		{"", "v1", "ConfigMap", "configmaps", false, false, configMapRules},
		{"", "v1", "Secret", "secrets", false, false, secretRules},
		{"", "v1", "Service", "services", false, true, serviceRules},
		{"", "v1", "ServiceAccount", "serviceaccounts", false, false, plainRules},
		{"", "v1", "Pod", "pods", false, true, podRules},
		{"", "v1", "Node", "nodes", true, true, nodeRules},
		{"", "v1", "Event", "events", false, false, eventRules},
		{"", "v1", "Endpoints", "endpoints", false, false, plainRules},
		{"", "v1", "PersistentVolume", "persistentvolumes", true, true, plainRules},
		{"", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", false, true, plainRules},
		{"", "v1", "ResourceQuota", "resourcequotas", false, true, plainRules},
		{"", "v1", "LimitRange", "limitranges", false, false, plainRules},
		{"apps", "v1", "Deployment", "deployments", false, true, deploymentRules},
		{"apps", "v1", "StatefulSet", "statefulsets", false, true, statefulSetRules},
		{"apps", "v1", "DaemonSet", "daemonsets", false, true, daemonSetRules},
		{"apps", "v1", "ReplicaSet", "replicasets", false, true, replicaSetRules},
		{"apps", "v1", "ControllerRevision", "controllerrevisions", false, false, plainRules},
		{"batch", "v1", "Job", "jobs", false, true, jobRules},
		{"batch", "v1", "CronJob", "cronjobs", false, true, cronJobRules},
		{"coordination.k8s.io", "v1", "Lease", "leases", false, false, leaseRules},
		{"rbac.authorization.k8s.io", "v1", "Role", "roles", false, false, rbacRules},
		{"rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings", false, false, rbacRules},
		{"rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", true, false, rbacRules},
		{"rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings", true, false, rbacRules},
		{"autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", false, true, autoscalerRules},
		{"policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", false, true, disruptionBudgetRules},
		{"networking.k8s.io", "v1", "Ingress", "ingresses", false, true, specRules},
		{"networking.k8s.io", "v1", "IngressClass", "ingressclasses", true, false, specRules},
		{"networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", false, false, specRules},
		{"discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", false, false, endpointSliceRules},
		{"storage.k8s.io", "v1", "StorageClass", "storageclasses", true, false, plainRules},
		{"scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", true, false, priorityClassRules},
		{"apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", true, true, definitionRules},
	}
	resources := make([]Resource, len(rows))
	for i, row := range rows {
		resources[i] = Resource{
			GVK:    schema.GroupVersionKind{Group: row.group, Version: row.version, Kind: row.kind},
			Plural: row.plural, Namespaced: !row.clusterScoped, Status: row.status, native: row.rules(),
		}
	}
	return resources
}

func nameIsDNSLabel(name string, prefix bool) []string {
	return apivalidation.NameIsDNSLabel(name, prefix)
}

func plainRules() *nativeRules {
	return &nativeRules{unconditional: true}
}

func specRules() *nativeRules {
	return &nativeRules{unconditional: true, generation: generationBySpec}
}

func configMapRules() *nativeRules {
	return &nativeRules{unconditional: true, validate: validateConfigMap}
}

func secretRules() *nativeRules {
	return &nativeRules{
		unconditional: true,
		fields: map[string]func(client.Object) string{
			"type": func(o client.Object) string { return string(o.(*corev1.Secret).Type) },
		},
		defaults: defaultSecret,
		validate: validateSecret,
	}
}

func serviceRules() *nativeRules {
	return &nativeRules{unconditional: true, name: nameIsDNSLabel, defaults: defaultService}
}

func nodeRules() *nativeRules {
	return &nativeRules{
		unconditional: true, keepsStatus: true,
		fields: map[string]func(client.Object) string{
			"spec.unschedulable": func(o client.Object) string { return formatBool(o.(*corev1.Node).Spec.Unschedulable) },
		},
	}
}

func formatBool(b bool) string {
	if b {
		return "true"
	}
	return "false"
}

func eventRules() *nativeRules {
	involved := func(get func(corev1.ObjectReference) string) func(client.Object) string {
		return func(o client.Object) string { return get(o.(*corev1.Event).InvolvedObject) }
	}
	return &nativeRules{
		unconditional: true, createOnUpdate: true,
		fields: map[string]func(client.Object) string{
			"involvedObject.kind":      involved(func(r corev1.ObjectReference) string { return r.Kind }),
			"involvedObject.namespace": involved(func(r corev1.ObjectReference) string { return r.Namespace }),
			"involvedObject.name":      involved(func(r corev1.ObjectReference) string { return r.Name }),
			"involvedObject.uid":       involved(func(r corev1.ObjectReference) string { return string(r.UID) }),
			"reason":                   func(o client.Object) string { return o.(*corev1.Event).Reason },
			"type":                     func(o client.Object) string { return o.(*corev1.Event).Type },
		},
	}
}

func leaseRules() *nativeRules {
	return &nativeRules{createOnUpdate: true}
}

// pathSegmentFaults is the only rule for names of RBAC objects, which may hold colons.
func pathSegmentFaults(name string, prefix bool) []string {
	if prefix {
		// What is appended to make a name of it cannot be "." or "..".
		return content.IsPathSegmentPrefix(name)
	}
	return content.IsPathSegmentName(name)
}

func rbacRules() *nativeRules {
	return &nativeRules{unconditional: true, createOnUpdate: true, name: pathSegmentFaults}
}

func autoscalerRules() *nativeRules {
	return &nativeRules{unconditional: true, defaults: defaultAutoscaler}
}

func disruptionBudgetRules() *nativeRules {
	return &nativeRules{generation: generationBySpec}
}

func endpointSliceRules() *nativeRules {
	return &nativeRules{unconditional: true, generation: generationBySpecAndLabels, validate: validateEndpointSlice}
}

func priorityClassRules() *nativeRules {
	return &nativeRules{unconditional: true, generation: generationFixed}
}
