package names

// Finalizers, each named after the controller that releases it.
const (
	FinalizerCluster                  = "karmada.io/cluster-controller"
	FinalizerExecution                = "karmada.io/execution-controller"
	FinalizerResourceBinding          = "karmada.io/binding-controller"
	FinalizerClusterResourceBinding   = "karmada.io/cluster-resource-binding-controller"
	FinalizerDependenciesDistributor  = "karmada.io/binding-dependencies-distributor"
	FinalizerPropagationPolicy        = "karmada.io/propagation-policy-controller"
	FinalizerClusterPropagationPolicy = "karmada.io/cluster-propagation-policy-controller"
	FinalizerMultiClusterService      = "karmada.io/multiclusterservice-controller"
	FinalizerEndpointSlice            = "karmada.io/endpointslice-controller"
	FinalizerEndpointSliceDispatch    = "karmada.io/mcs-endpointslice-dispatch-controller"
	// FinalizerEndpointSliceCollect is reserved: old installations may carry it, nothing sets it.
	FinalizerEndpointSliceCollect = "karmada.io/mcs-endpointslice-collect-controller"
)
