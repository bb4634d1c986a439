package names

// Claims of a policy, on templates and bindings.
const (
	AnnotationPropagationPolicyNamespace   = "propagationpolicy.karmada.io/namespace"
	AnnotationPropagationPolicyName        = "propagationpolicy.karmada.io/name"
	AnnotationClusterPropagationPolicyName = "clusterpropagationpolicy.karmada.io/name"
)

// What was applied, on bindings and Works.
const (
	// AnnotationAppliedPlacement is the JSON of the placement behind the last successful decision.
	AnnotationAppliedPlacement = "policy.karmada.io/applied-placement"
	// AnnotationAppliedOverrides and AnnotationAppliedClusterOverrides are JSON lists of {policyName, overriders} sorted by
	// policy name, absent when nothing was applied.
	AnnotationAppliedOverrides        = "policy.karmada.io/applied-overrides"
	AnnotationAppliedClusterOverrides = "policy.karmada.io/applied-cluster-overrides"
)

// References from generated objects back to what made them.
const (
	AnnotationResourceBindingNamespace   = "resourcebinding.karmada.io/namespace"
	AnnotationResourceBindingName        = "resourcebinding.karmada.io/name"
	AnnotationClusterResourceBindingName = "clusterresourcebinding.karmada.io/name"
	// AnnotationDependencies is a JSON list of dependent object references on a ResourceBinding.
	AnnotationDependencies  = "resourcebinding.karmada.io/dependencies"
	AnnotationWorkNamespace = "work.karmada.io/namespace"
	AnnotationWorkName      = "work.karmada.io/name"
	// AnnotationProvisionCluster names the source cluster of a dispatched EndpointSlice.
	AnnotationProvisionCluster = "endpointslice.karmada.io/provision-cluster"
)

// Facts about the template, on manifests.
const (
	AnnotationTemplateUID        = "resourcetemplate.karmada.io/uid"
	AnnotationTemplateGeneration = "resourcetemplate.karmada.io/generation"
	// AnnotationManagedLabels and AnnotationManagedAnnotations list, comma-joined and sorted, the keys the control plane owns.
	AnnotationManagedLabels      = "resourcetemplate.karmada.io/managed-labels"
	AnnotationManagedAnnotations = "resourcetemplate.karmada.io/managed-annotations"
	// AnnotationConflictResolution tells what to do with a member object the control plane does not own.
	AnnotationConflictResolution = "work.karmada.io/conflict-resolution"
	ConflictOverwrite            = "overwrite"
	ConflictAbort                = "abort"
)

// Annotations of search and of the metrics adapter.
const (
	AnnotationCachedFromCluster = "resource.karmada.io/cached-from-cluster"
	AnnotationQueryFromCluster  = "resource.karmada.io/query-from-cluster"
	// AnnotationInternalSelector and AnnotationInternalNamespace never leave a process.
	AnnotationInternalSelector  = "internal.karmada.io/selector"
	AnnotationInternalNamespace = "internal.karmada.io/namespace"
)
