package names

// Labels of member objects and of objects the system creates for itself.
const (
	// LabelManaged marks a manifest, hence a member object, as owned by the control plane. Member objects without it are
	// neither overwritten nor deleted.
	LabelManaged = "karmada.io/managed"
	// LabelManagedValue is the only value of LabelManaged.
	LabelManagedValue = "true"
	// LabelSystem marks namespaces, service accounts, secrets and roles made by the system.
	LabelSystem = "karmada.io/system"
	// LabelSystemValue is the only value of LabelSystem.
	LabelSystemValue = "true"
)

// Permanent identities: random, written once, used to find what an object claimed or made.
const (
	LabelPropagationPolicyID        = "propagationpolicy.karmada.io/permanent-id"
	LabelClusterPropagationPolicyID = "clusterpropagationpolicy.karmada.io/permanent-id"
	LabelResourceBindingID          = "resourcebinding.karmada.io/permanent-id"
	LabelClusterResourceBindingID   = "clusterresourcebinding.karmada.io/permanent-id"
	LabelWorkID                     = "work.karmada.io/permanent-id"
	LabelMultiClusterServiceID      = "multiclusterservice.karmada.io/permanent-id"
)

// Labels of multi-cluster services. The two MultiClusterService keys are annotations on the Service and its binding.
const (
	MultiClusterServiceNamespace = "multiclusterservice.karmada.io/namespace"
	MultiClusterServiceName      = "multiclusterservice.karmada.io/name"

	// LabelEndpointSliceNamespace and LabelEndpointSliceName stand on Works that report EndpointSlices of an exported Service.
	LabelEndpointSliceNamespace = "endpointslice.karmada.io/namespace"
	LabelEndpointSliceName      = "endpointslice.karmada.io/name"

	// LabelEndpointSliceWorkManagedBy says what a Work that reports an EndpointSlice is needed for: ServiceExport or
	// MultiClusterService, or both, joined with a dot in either order.
	LabelEndpointSliceWorkManagedBy = "endpointslice.karmada.io/managed-by"
	// EndpointSliceControllerValue and EndpointSliceDispatchControllerValue are values of endpointslice.kubernetes.io/managed-by
	// on the EndpointSlices that are made for ServiceImports and for MultiClusterServices.
	EndpointSliceControllerValue         = "endpointslice-controller.karmada.io"
	EndpointSliceDispatchControllerValue = "endpointslice-dispatch-controller.karmada.io"

	// LabelClaimedBy stands on a Service template that a MultiClusterService propagates; policies leave it alone.
	LabelClaimedBy = "resourcetemplate.karmada.io/claimed-by"
	// LabelBindingManagedBy stands on a binding that no policy made.
	LabelBindingManagedBy = "binding.karmada.io/managed-by"
	// MultiClusterServiceKind is the value of LabelClaimedBy and LabelBindingManagedBy.
	MultiClusterServiceKind = "MultiClusterService"
)

// Labels of templates, namespaces and quotas.
const (
	// LabelDependedByPrefix, followed by ReferenceKey of the depending binding, stands on attached bindings.
	LabelDependedByPrefix = "resourcebinding.karmada.io/depended-by-"
	// LabelRetainReplicas with value "true" leaves spec.replicas to the member.
	LabelRetainReplicas      = "resourcetemplate.karmada.io/retain-replicas"
	LabelRetainReplicasValue = "true"
	// LabelDeletionProtected with value "Always" makes admission deny DELETE.
	LabelDeletionProtected      = "resourcetemplate.karmada.io/deletion-protected"
	LabelDeletionProtectedValue = "Always"
	// LabelSkipAutoPropagation with value "true" keeps a Namespace out of the members.
	LabelSkipAutoPropagation      = "namespace.karmada.io/skip-auto-propagation"
	LabelSkipAutoPropagationValue = "true"

	LabelFederatedResourceQuotaNamespace = "federatedresourcequota.karmada.io/namespace"
	LabelFederatedResourceQuotaName      = "federatedresourcequota.karmada.io/name"
)
