package names

// Annotations of policies and bindings that ask for more than the wire kinds can say. A control plane that does not know
// them ignores them.
const (
	// AnnotationSpread with value SpreadEvery makes every spread constraint count, those on provider, zone and label too.
	AnnotationSpread = "seatrial.io/spread"
	SpreadEvery      = "Every"
	// AnnotationSpreadConstraints is a JSON list of spread constraints with the field whenUnsatisfiable. Each replaces the
	// constraint of the policy on the same field or label.
	AnnotationSpreadConstraints = "seatrial.io/spread-constraints"
	// AnnotationStaticWeights with value StaticWeightsWithinCapacity lets what does not fit a cluster go to the others.
	AnnotationStaticWeights     = "seatrial.io/static-weights"
	StaticWeightsWithinCapacity = "WithinCapacity"
	// AnnotationPrefer with value PreferCheap scores clusters by ClusterPrice.
	AnnotationPrefer = "seatrial.io/prefer"
	PreferCheap      = "Cheap"
)

// ClusterPrice is a label or an annotation of a Cluster: what a unit of work costs there, a decimal number that is not
// negative, in any unit that is the same for all clusters. The annotation comes before the label.
const ClusterPrice = "seatrial.io/price"

// PlacementAnnotations lists the annotations that change where a binding goes. They travel from a policy to the bindings it makes.
func PlacementAnnotations() []string {
	return []string{AnnotationSpread, AnnotationSpreadConstraints, AnnotationStaticWeights, AnnotationPrefer}
}

// PolicyAnnotations lists all annotations that travel from a policy to the bindings it makes.
func PolicyAnnotations() []string {
	return append(PlacementAnnotations(), AnnotationDefaultGracePeriod, AnnotationRebalance, AnnotationFloor, AnnotationStatefulMoves)
}

// AnnotationDefaultGracePeriod on a policy tells the grace period that admission filled in because the user gave none, in seconds.
// It goes when the policy says otherwise.
const AnnotationDefaultGracePeriod = "seatrial.io/default-grace-period"

// AnnotationFormerKinds on a policy lists kinds that it selected before and may still claim templates of, as "v1/ConfigMap,apps/v1/Deployment".
const AnnotationFormerKinds = "seatrial.io/former-kinds"

// AnnotationUnhealthySince on a binding is JSON: since when a workload with application failover is unhealthy in each cluster.
const AnnotationUnhealthySince = "seatrial.io/unhealthy-since"

// AnnotationFailedMoves on a binding is JSON: how many moves of application failover followed close on each other, and when the last one was.
const AnnotationFailedMoves = "seatrial.io/failed-moves"

// AnnotationHeldUntil on a cluster that is not well says until when workloads do not leave it for that, because most of the fleet looks
// lost: HeldOpen while that lasts, then the moment it ended, from which on what workloads tolerate counts anew.
const (
	AnnotationHeldUntil = "seatrial.io/evictions-held-until"
	HeldOpen            = "partition-ends"
)

// AnnotationPodDemand on a binding is JSON: what a replica asks of the nodes and pods around it beyond its requirements, so
// that estimates can heed it. The pod template is its source, and the annotation goes when the template asks no more.
const AnnotationPodDemand = "seatrial.io/pod-demand"

// AnnotationFloor of a policy raises the availability floor of its workloads, as a number of replicas or as a part such as "100%".
const AnnotationFloor = "seatrial.io/availability-floor"

// AnnotationStatefulMoves of a policy with value MakeBeforeBreak has its StatefulSets move as Deployments do: new replicas are ready before
// old ones go, and a replica may run in two clusters meanwhile. Otherwise none begins before it has ended elsewhere.
const (
	AnnotationStatefulMoves = "seatrial.io/stateful-moves"
	MakeBeforeBreak         = "MakeBeforeBreak"
)

// AnnotationRebalance of a policy with value RebalanceAutomatic lets workloads move by themselves to where they would be placed
// anew, such as back to a cluster that has recovered.
const (
	AnnotationRebalance = "seatrial.io/rebalance"
	RebalanceAutomatic  = "Automatic"
	// EventRebalanced on a binding says why it moves by itself.
	EventRebalanced = "Rebalanced"
)

// Annotations of a WorkloadRebalancer. A control plane that does not know them moves all workloads at once, and finds none that is
// called RebalanceEvery.
const (
	// AnnotationAtOnce is how many workloads may move at the same time, as a number or as a part of all such as "10%".
	AnnotationAtOnce = "seatrial.io/at-once"
	// AnnotationWorkloadSelector is a label selector for the workloads that a reference named RebalanceEvery stands for.
	AnnotationWorkloadSelector = "seatrial.io/workload-selector"
	// RebalanceEvery is no name of an object: a reference with it stands for all workloads of its kind, in its namespace or, without
	// one, anywhere.
	RebalanceEvery = "*"
	// EventRebalanceRefused on a WorkloadRebalancer says which of its annotations cannot be followed.
	EventRebalanceRefused = "RebalanceRefused"
)

// AnnotationRequestLeft on the certificate request of an agent says why an administrator has to decide on it.
const AnnotationRequestLeft = "seatrial.io/request-left"

// AnnotationGrantedRequest on the role of an agent is the UID of the certificate request it was made for, until the cluster is a member.
const AnnotationGrantedRequest = "seatrial.io/granted-request"

// AnnotationStoredFields on a binding that is read as v1alpha1 holds what only its stored form has fields for, as JSON.
const AnnotationStoredFields = "seatrial.io/stored-fields"
