package e2e_test

import (
	"testing"

	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
)

// environment is what a fleet is made of.
type environment string

const (
	onSimulated environment = "simulated"
	onEmbedded  environment = "embedded"
	onKind      environment = "kind"
)

// preset is how the components of a fleet are set.
type preset string

const (
	// standard is what installations have, with the features that cases need.
	standard preset = "standard"
	// failover moves workloads away from lost clusters, after times that are short enough to wait for.
	failover preset = "failover"
	// reference does so as the reference does.
	reference preset = "reference"
	// quotas refuses bindings beyond a quota.
	quotas preset = "quotas"
	// scaled runs the controllers that are off unless named.
	scaled preset = "scaled"
	// estimators run beside the members, and the scheduler asks them.
	estimators preset = "estimators"
)

// testCase is a promise to the users of a fleet, and how a fleet is held to it.
type testCase struct {
	name string
	// labels choose cases, the first of them says what part of the product the promise is about.
	labels []string
	// promise is a sentence of the README.
	promise string
	run     func(*testing.T, e2e.Rig)
	// preset is standard where it is empty.
	preset preset
	// alone says that it breaks members or components, or changes what others count on, so that none can run beside it.
	alone bool
	// slow says that it waits for minutes where time is real.
	slow bool
	// not says where it cannot run, and why.
	not map[environment]string
}

func (c testCase) settings() preset {
	if c.preset == "" {
		return standard
	}
	return c.preset
}

// on is a suite that needs nothing but the clusters.
func on(run func(*testing.T, fleet.Environment)) func(*testing.T, e2e.Rig) {
	return func(t *testing.T, rig e2e.Rig) { run(t, rig) }
}

// joining is a suite in which clusters join and leave.
func joining(run func(*testing.T, fleet.Environment, e2e.Joiner)) func(*testing.T, e2e.Rig) {
	return func(t *testing.T, rig e2e.Rig) { run(t, rig, rig) }
}

// installed is a suite about the processes of an embedded installation.
func installed(run func(*testing.T, *installation)) func(*testing.T, e2e.Rig) {
	return func(t *testing.T, rig e2e.Rig) {
		env, ok := rig.(*installation)
		if !ok {
			t.Fatalf("%T is not an embedded installation", rig)
		}
		run(t, env)
	}
}

// Why cases cannot run somewhere.
const (
	noNetwork   = "nothing is reached over a network there"
	noProgram   = "the program has nothing to connect to"
	forged      = "it makes credentials with the fleet's own certificate authorities, which only embedded fleets give away"
	fakeKubelet = "it talks to a kubelet that the test itself plays"
	ownNodes    = "its nodes are as large as the machine"
	testHosted  = "its webhook server runs in the test, where the API server of another machine does not reach it"
)

func label(names ...string) []string { return names }

// allCases are in the order of the README.
func allCases() []testCase {
	var all []testCase
	for _, some := range [][]testCase{
		propagationCases(), dependencyCases(), placementCases(), overrideCases(), setCases(), failoverCases(), movingCases(), healingCases(),
		kindCases(), memberCases(), serviceCases(), accessCases(),
	} {
		all = append(all, some...)
	}
	return all
}

func propagationCases() []testCase {
	return []testCase{
		{name: "NginxExample", labels: label("propagation", "weights", "example"), run: on(e2e.NginxExample),
			promise: "The nginx of the first steps runs in three clusters, its replicas divided 1 : 2 : 3"},
		{name: "DuplicatedPropagation", labels: label("propagation"), run: on(e2e.DuplicatedPropagation),
			promise: "A policy sends copies to the clusters it names, and takes them back when it names others"},
		{name: "Propagation", labels: label("propagation", "weights", "outage"), run: on(e2e.Propagation), alone: true,
			promise: "Replicas are divided by static weights, and follow scaling, updates and the loss of a member"},
		{name: "NamespacesFollow", labels: label("propagation"), run: on(e2e.NamespacesFollow),
			promise: "Namespaces of the control plane are in every member, but for those that are to be skipped"},
		{name: "ClusterScopedTemplatesPropagate", labels: label("propagation"), run: on(e2e.ClusterScopedTemplatesPropagate),
			promise: "Cluster-scoped objects, definitions of kinds and objects of those kinds propagate"},
		{name: "DividedJobIsDoneOnce", labels: label("propagation", "weights"), run: on(e2e.DividedJobIsDoneOnce),
			promise: "A divided Job is completed as often as its template says, not once a cluster"},
		{name: "BestPolicyClaims", labels: label("policy"), run: on(e2e.BestPolicyClaims),
			promise: "The policy of the highest priority claims a template, the next one when it goes"},
		{name: "PreemptingPolicyTakesOver", labels: label("policy"), run: on(e2e.PreemptingPolicyTakesOver),
			promise: "A policy that preempts takes templates over from one of lower priority"},
		{name: "LazyPolicyWaitsForTemplates", labels: label("policy"), run: on(e2e.LazyPolicyWaitsForTemplates),
			promise: "A lazy policy acts when its templates change, and not before"},
		{name: "DeletedPolicyKeepsCopies", labels: label("policy"), run: on(e2e.DeletedPolicyKeepsCopies),
			promise: "What a deleted policy propagated stays where it is"},
		{name: "ForcedPolicyLeavesNoClaim", labels: label("policy"), run: on(e2e.ForcedPolicyLeavesNoClaim),
			promise: "A policy that is deleted by force leaves no claim behind"},
		{name: "DeselectedTemplateIsLetGo", labels: label("policy"), run: on(e2e.DeselectedTemplateIsLetGo),
			promise: "A template that a policy selects no more is free for others"},
		{name: "ExcludedClusterGivesUpCopy", labels: label("policy", "placement"), run: on(e2e.ExcludedClusterGivesUpCopy),
			promise: "A cluster that is excluded gives up what it holds, and another gets it"},
		{name: "WishesTravelToBindings", labels: label("policy"), run: on(e2e.WishesTravelToBindings),
			promise: "Wishes in annotations of a policy reach the scheduler, and go with the policy"},
	}
}

func dependencyCases() []testCase {
	return []testCase{
		{name: "DependenciesFollowTemplates", labels: label("dependency"), run: on(e2e.DependenciesFollowTemplates),
			promise: "ConfigMaps, Secrets and others that a template needs go where it goes"},
		{name: "SharedDependencyServesAll", labels: label("dependency"), run: on(e2e.SharedDependencyServesAll),
			promise: "What several templates need is wherever one of them is"},
		{name: "DependencyWithPolicyGoesBoth", labels: label("dependency"), run: on(e2e.DependencyWithPolicyGoesBoth),
			promise: "A dependency with a policy of its own goes where either says"},
		{name: "RecreatedDependencyComesBack", labels: label("dependency"), run: on(e2e.RecreatedDependencyComesBack),
			promise: "A dependency that is deleted and made again is propagated again"},
		{name: "NamedDependenciesFollow", labels: label("dependency"), run: on(e2e.NamedDependenciesFollow),
			promise: "Dependencies that users name in an annotation follow too"},
		{name: "SuspendedDispatchingHoldsChangesBack", labels: label("suspension"), run: on(e2e.SuspendedDispatchingHoldsChangesBack),
			promise: "Suspended dispatching holds changes back, for one cluster or for all, until it resumes"},
		{name: "SuspendedSchedulingKeepsPlacement", labels: label("suspension"), run: on(e2e.SuspendedSchedulingKeepsPlacement),
			promise: "Suspended scheduling keeps a workload where it is, changes of its template still arrive"},
	}
}

func placementCases() []testCase {
	return []testCase{
		{name: "DynamicWeightsFollowRoom", labels: label("placement", "weights"), run: on(e2e.DynamicWeightsFollowRoom), preset: failover, alone: true,
			not:     map[environment]string{onKind: ownNodes},
			promise: "Dynamic weights divide replicas by what clusters have left"},
		{name: "AggregationUsesFewClusters", labels: label("placement"), run: on(e2e.AggregationUsesFewClusters), preset: failover, alone: true,
			not:     map[environment]string{onKind: ownNodes},
			promise: "Aggregated replicas are in as few clusters as have room for them"},
		{name: "SpreadCoversRegions", labels: label("placement"), run: on(e2e.SpreadCoversRegions),
			promise: "Spread constraints put a workload into as many regions as they say, or say that there are too few"},
		{name: "TaintNobodyToleratesKeepsOut", labels: label("placement", "taint"), run: on(e2e.TaintNobodyToleratesKeepsOut), alone: true,
			promise: "A taint that a policy does not tolerate keeps its workloads out, those there already stay"},
		{name: "ExplanationNamesReasons", labels: label("placement", "explain"), run: e2e.ExplanationNamesReasons, alone: true,
			promise: "`seatrial explain binding` names for each cluster why it was taken or not"},
		{name: "FullNodesAreSeen", labels: label("placement", "estimator"), run: on(e2e.FullNodesAreSeen), preset: estimators, alone: true,
			not:     map[environment]string{onKind: ownNodes},
			promise: "Estimators keep replicas away from a cluster whose nodes are full, whatever their sum says"},
		{name: "MissingFitIsExplained", labels: label("placement"), run: on(e2e.MissingFitIsExplained),
			promise: "A workload for which no cluster fits says so, and why, in its Scheduled condition"},
	}
}

func overrideCases() []testCase {
	return []testCase{
		{name: "OverridesApplyPerCluster", labels: label("override"), run: on(e2e.OverridesApplyPerCluster),
			promise: "An override policy changes the copies in chosen clusters, and they follow it when it changes or goes"},
		{name: "DependentOverridesComeFirst", labels: label("override", "policy"), run: on(e2e.DependentOverridesComeFirst),
			promise: "A policy waits for the override policies that it depends on"},
		{name: "UnfitOverrideHoldsOnlyItsCluster", labels: label("override"), run: on(e2e.UnfitOverrideHoldsOnlyItsCluster),
			promise: "An override that cannot be applied holds up the clusters it is for, and no other"},
	}
}

// setCases apply the files of examples/policies.
func setCases() []testCase {
	return []testCase{
		{name: "ActiveActive", labels: label("set", "failover", "outage"), run: on(e2e.ActiveActive), preset: failover, alone: true, slow: true,
			promise: "[active-active](../examples/policies/active-active): all clusters serve, and take over from one that is lost"},
		{name: "RemoteDisasterRecovery", labels: label("set", "failover", "outage"), run: on(e2e.RemoteDisasterRecovery), preset: failover, alone: true, slow: true,
			promise: "[remote disaster recovery](../examples/policies/remote-disaster-recovery): another region takes over when the first is lost"},
		{name: "GeoRedundant", labels: label("set", "failover", "outage"), run: on(e2e.GeoRedundant), preset: failover, alone: true, slow: true,
			promise: "[geo-redundant](../examples/policies/geo-redundant): a whole copy in each of two regions, replaced within the region"},
		{name: "ImagePrefixByRegion", labels: label("set", "override"), run: on(e2e.ImagePrefixByRegion),
			promise: "[image prefix by region](../examples/policies/image-prefix-by-region): images come from the registry of the region"},
		{name: "StorageClassByProvider", labels: label("set", "override"), run: on(e2e.StorageClassByProvider),
			promise: "[StorageClass by provider](../examples/policies/storageclass-by-provider): storage is asked for by the provider's name of it"},
		{name: "KubernetesVersion", labels: label("set", "placement"), run: on(e2e.KubernetesVersion),
			promise: "[placement by Kubernetes version](../examples/policies/kubernetes-version): by a label of clusters, followed when it changes"},
		{name: "DefaultPolicies", labels: label("set", "policy"), run: on(e2e.DefaultPolicies), alone: true,
			promise: "[default policies](../examples/policies/default-policies): what has no policy of its own goes where the platform says"},
	}
}

func failoverCases() []testCase {
	return []testCase{
		{name: "ThirdClusterTakesOver", labels: label("failover", "outage"), run: on(e2e.ThirdClusterTakesOver), preset: failover, alone: true, slow: true,
			promise: "Six replicas on two of three clusters are six again after one of the two fails"},
		{name: "LostClusterIsReplaced", labels: label("failover", "outage"), run: on(e2e.LostClusterIsReplaced), preset: failover, alone: true, slow: true,
			promise: "Replicas of a lost cluster come up elsewhere; its copy goes when it is back"},
		{name: "EvictionWaitsForRoom", labels: label("failover", "taint"), run: on(e2e.EvictionWaitsForRoom), preset: failover, alone: true,
			promise: "A workload leaves a tainted cluster when another has room, and not before"},
		{name: "EvictionIsWithdrawn", labels: label("failover", "taint"), run: on(e2e.EvictionIsWithdrawn), preset: failover, alone: true, slow: true,
			promise: "A taint that goes before there was room elsewhere changes nothing"},
		{name: "DirectPurgeWaitsForNothing", labels: label("failover", "taint"), run: on(e2e.DirectPurgeWaitsForNothing), preset: failover, alone: true, slow: true,
			promise: "A policy with purge mode Directly gives a copy up at once"},
		{name: "PartitionIsWaitedOut", labels: label("failover", "outage"), run: on(e2e.PartitionIsWaitedOut), preset: failover, alone: true, slow: true,
			promise: "The loss of all clusters at once is taken for a partition: nothing moves"},
		{name: "LastServingCopyOutlivesTimeout", labels: label("failover", "taint"), run: on(e2e.LastServingCopyOutlivesTimeout), preset: failover, alone: true, slow: true,
			promise: "The last copy that serves outlives the eviction timeout while its successor does not start"},
		{name: "GracePeriodOfUserEndsCopy", labels: label("failover"), run: on(e2e.GracePeriodOfUserEndsCopy), preset: failover, alone: true, slow: true,
			promise: "A grace period that a policy states ends the old copy, replacement or not"},
		{name: "UnhealthyWorkloadMovesWithItsState", labels: label("failover"), run: on(e2e.UnhealthyWorkloadMovesWithItsState), preset: failover, alone: true, slow: true,
			promise: "An unhealthy workload moves to another cluster and takes the state along that its policy names"},
		{name: "GrowthLeavesUnreachableClustersAlone", labels: label("failover", "outage"), run: on(e2e.GrowthLeavesUnreachableClustersAlone), preset: failover, alone: true, slow: true,
			promise: "A workload that grows while a cluster cannot be seen keeps its share there and grows elsewhere"},
		{name: "TaintPolicyFollowsReadiness", labels: label("failover", "taint", "outage"), run: on(e2e.TaintPolicyFollowsReadiness), preset: failover, alone: true, slow: true,
			promise: "A cluster taint policy taints clusters by their conditions, and takes its taints back"},
		{name: "ReferenceFailoverWaitsForNothing", labels: label("failover", "taint", "outage"), run: on(e2e.ReferenceFailoverWaitsForNothing), preset: reference, alone: true, slow: true,
			promise: "With --reference-failover, workloads leave clusters as they do in Karmada"},
	}
}

func movingCases() []testCase {
	return []testCase{
		{name: "UpgradeInTheMiddle", labels: label("moving", "upgrade", "crash"), run: e2e.UpgradeInTheMiddle, preset: failover, alone: true,
			promise: "Components can be replaced by another build while workloads move: all replicas stay ready, all moves end"},
		{name: "SwitchedPolicyHoldsCopies", labels: label("moving", "weights"), run: on(e2e.SwitchedPolicyHoldsCopies), preset: failover, alone: true,
			promise: "A service is never at zero, nor below its promised replicas, while it moves between clusters"},
		{name: "DrainEmptiesCluster", labels: label("moving", "drain"), run: on(e2e.DrainEmptiesCluster), preset: failover, alone: true,
			promise: "A drain moves what fits elsewhere once it is ready there, and tells what stays"},
		{name: "RebalanceSpreadsLoad", labels: label("moving", "rebalancing"), run: on(e2e.RebalanceSpreadsLoad), preset: failover, alone: true,
			promise: "A rebalancing spreads a workload over clusters that have become free, all replicas ready at any time"},
	}
}

func healingCases() []testCase {
	restart := func(t *testing.T, rig e2e.Rig) {
		e2e.RestartLosesNothing(t, rig, func() error { return rig.Restart(t.Context()) })
	}
	return []testCase{
		{name: "RecreatedTemplateReplacesOld", labels: label("healing"), run: on(e2e.RecreatedTemplateReplacesOld),
			promise: "A template that is deleted and made again replaces what the old one left"},
		{name: "DeletedBindingComesBack", labels: label("healing"), run: on(e2e.DeletedBindingComesBack),
			promise: "A deleted binding comes back, and the copies stay"},
		{name: "DeletedWorkComesBack", labels: label("healing"), run: on(e2e.DeletedWorkComesBack),
			promise: "A deleted Work comes back"},
		{name: "DeletedCopyComesBack", labels: label("healing"), run: on(e2e.DeletedCopyComesBack),
			promise: "A copy that is deleted in a member comes back"},
		{name: "CopyBeingRemovedIsAwaited", labels: label("healing"), run: on(e2e.CopyBeingRemovedIsAwaited),
			promise: "A copy that takes time to go is waited for"},
		{name: "RemovedFieldsVanish", labels: label("healing", "contents"), run: on(e2e.RemovedFieldsVanish),
			promise: "A field that leaves the template leaves the copies, what members added stays"},
		{name: "RetainedReplicasAreTheMembers", labels: label("contents"), run: on(e2e.RetainedReplicasAreTheMembers),
			promise: "Replicas that a member's autoscaler sets are kept where the template says so"},
		{name: "UnmanagedObjectIsNotOverwritten", labels: label("contents"), run: on(e2e.UnmanagedObjectIsNotOverwritten),
			promise: "An object of a member's own is not overwritten, unless the policy says so"},
		{name: "UnmanagedObjectOutlivesTemplate", labels: label("contents"), run: on(e2e.UnmanagedObjectOutlivesTemplate),
			promise: "An object of a member's own outlives a template of its name"},
		{name: "PreservedCopiesAreHandedOver", labels: label("contents"), run: on(e2e.PreservedCopiesAreHandedOver),
			promise: "Copies that are to be preserved stay when the template goes, and are the member's from then on"},
		{name: "UnreadableTemplateKeepsItsCopies", labels: label("healing"), run: on(e2e.UnreadableTemplateKeepsItsCopies),
			promise: "A template that cannot be interpreted any more keeps the copies it has"},
		{name: "RefusalHoldsOnlyItsCluster", labels: label("healing"), run: on(e2e.RefusalHoldsOnlyItsCluster),
			promise: "A member that refuses an object holds up nothing but its own copy"},
		{name: "RestartLosesNothing", labels: label("healing", "crash"), run: restart, alone: true,
			promise: "Controllers and scheduler can be killed at any time: nothing is lost, nothing is made twice"},
		{name: "CrashesLoseNothing", labels: label("healing", "crash"), run: installed(crashes), alone: true,
			not:     map[environment]string{onSimulated: "TestCrashes plays it there, with more crashes", onKind: "it kills processes of this machine by their numbers"},
			promise: "Components that are killed one by one at random moments, while users change things, lose none of the changes"},
	}
}

func kindCases() []testCase {
	return []testCase{
		{name: "ScriptsTeachKinds", labels: label("interpreter"), run: on(e2e.ScriptsTeachKinds),
			promise: "Scripts teach the control plane replicas, status, health and dependencies of any kind"},
		{name: "BrokenScriptsHoldOnlyTheirKind", labels: label("interpreter"), run: on(e2e.BrokenScriptsHoldOnlyTheirKind),
			promise: "Scripts that loop or fail hold up their own kind only, and say so"},
		{name: "WebhooksInterpretKinds", labels: label("interpreter"), run: on(e2e.WebhooksInterpretKinds), alone: true,
			not:     map[environment]string{onSimulated: "simulated controllers ask nobody outside; TestHangingWebhookIsTold has them ask all the same", onKind: testHosted},
			promise: "Webhooks interpret kinds, and one that hangs holds up nothing else"},
		{name: "QuotaPartsReachMembers", labels: label("quota"), run: on(e2e.QuotaPartsReachMembers),
			promise: "The parts of a FederatedResourceQuota are in the members, and its status sums up their use"},
		{name: "QuotaHoldsBindings", labels: label("quota"), run: on(e2e.QuotaHoldsBindings), preset: quotas, alone: true,
			promise: "A FederatedResourceQuota that is enforced refuses what goes beyond it"},
	}
}

func memberCases() []testCase {
	return []testCase{
		{name: "JoinedMemberCatchesUp", labels: label("membership"), run: joining(e2e.JoinedMemberCatchesUp), alone: true,
			promise: "A cluster that joins gets what policies want there"},
		{name: "UnjoinedMemberIsReplaced", labels: label("membership"), run: joining(e2e.UnjoinedMemberIsReplaced), alone: true,
			promise: "What ran in a cluster that leaves comes up elsewhere"},
		{name: "UnjoinNeedsNoScheduler", labels: label("membership"), run: joining(e2e.UnjoinNeedsNoScheduler), alone: true,
			promise: "A cluster can leave though a scheduler that nobody runs serves its workloads"},
		{name: "LeavingMemberGetsNothingAnew", labels: label("membership"), run: joining(e2e.LeavingMemberGetsNothingAnew), alone: true,
			promise: "A cluster that is leaving gets nothing anew"},
		{name: "UnreachableMemberCanLeave", labels: label("membership", "outage"), run: joining(e2e.UnreachableMemberCanLeave), alone: true,
			promise: "A dead cluster can leave"},
		{name: "PartitionLosesNothing", labels: label("membership", "outage"), run: on(e2e.PartitionLosesNothing), alone: true,
			promise: "While a member is cut off nothing is deleted; afterwards all changes arrive"},
		{name: "PartitionedStatusIsMissedOnly", labels: label("membership", "outage"), run: on(e2e.PartitionedStatusIsMissedOnly), alone: true,
			promise: "Status that changed in a member while it was cut off arrives afterwards"},
		{name: "PushAndPullServeAlike", labels: label("pull", "propagation"), run: on(e2e.PushAndPullServeAlike),
			promise: "Members in push and in pull mode serve alike"},
		{name: "AgentOutlivesControlPlane", labels: label("pull", "outage"), run: on(e2e.AgentOutlivesControlPlane), alone: true,
			promise: "A pull member that loses its control plane goes on, and catches up without undoing what it should keep"},
		{name: "AgentCatchesUpAfterMinutes", labels: label("pull", "outage"), run: on(e2e.AgentCatchesUpAfterMinutes), alone: true, slow: true,
			promise: "A pull member that is cut off for minutes, while users go on, catches up by one write to each copy"},
		{name: "AgentTouchesItsOwnOnly", labels: label("pull", "security"), run: installed(agentTouchesItsOwnOnly), alone: true,
			not:     map[environment]string{onSimulated: noNetwork, onKind: forged},
			promise: "The credentials of an agent reach its own cluster and Works, and nothing of others"},
		{name: "AgentReplacesItsCertificate", labels: label("pull", "security"), run: installed(agentReplacesItsCertificate), alone: true,
			not:     map[environment]string{onSimulated: noNetwork, onKind: forged},
			promise: "An agent replaces its certificate, and its connections go on"},
		{name: "AgentGetsItsOwnCertificate", labels: label("pull", "security"), run: installed(agentGetsItsOwnCertificate), alone: true,
			not:     map[environment]string{onSimulated: noNetwork, onKind: forged},
			promise: "An agent gets a certificate for its own cluster only, and a bootstrap token takes over no member"},
		{name: "RemediesPrescribeActions", labels: label("membership"), run: on(e2e.RemediesPrescribeActions),
			promise: "Remedies prescribe actions by the conditions of clusters"},
	}
}

func serviceCases() []testCase {
	return []testCase{
		{name: "MultiClusterServiceReachesConsumers", labels: label("service"), run: on(e2e.MultiClusterServiceReachesConsumers),
			promise: "A MultiClusterService is reached in consumer clusters through the endpoints of provider clusters"},
		{name: "ExportedServiceIsImported", labels: label("service", "outage"), run: on(e2e.ExportedServiceIsImported), alone: true,
			promise: "An exported Service is imported elsewhere, and follows its endpoints"},
		{name: "LostEndpointsLeaveConsumers", labels: label("service", "outage"), run: on(e2e.LostEndpointsLeaveConsumers), alone: true,
			promise: "Endpoints of a dead cluster leave the consumers in bounded time"},
		{name: "IngressesAreKept", labels: label("service"), run: on(e2e.IngressesAreKept),
			promise: "A MultiClusterIngress is checked, and kept for whoever serves it"},
		{name: "AutoscalerFollowsMembers", labels: label("autoscaling"), run: on(e2e.AutoscalerFollowsMembers), alone: true,
			not:     map[environment]string{onSimulated: "it plays the metrics of members as a kind that simulated members have by themselves"},
			promise: "A FederatedHPA scales by what pods use in all members"},
		{name: "RulesMoveTheBoundsOfAutoscalers", labels: label("autoscaling"), run: on(e2e.RulesMoveTheBoundsOfAutoscalers),
			promise: "Rules move the bounds of a FederatedHPA at their times, and the workload follows"},
		{name: "AutoscaledReplicasComeBack", labels: label("autoscaling"), run: on(e2e.AutoscaledReplicasComeBack), preset: scaled, alone: true,
			promise: "Replicas that autoscalers of members set come back to the template"},
	}
}

func accessCases() []testCase {
	program := func(t *testing.T, rig e2e.Rig) { e2e.CommandLine(t, rig, buildSeatrial(t)) }
	return []testCase{
		{name: "ProxyUsersAreImpersonated", labels: label("proxy", "security"), run: on(e2e.ProxyUsersAreImpersonated),
			promise: "Users who may use a cluster's proxy are impersonated in the member, with their own rights"},
		{name: "AdministratorsReachMembers", labels: label("proxy"), run: on(e2e.AdministratorsReachMembers), alone: true,
			not:     map[environment]string{onSimulated: noNetwork},
			promise: "Administrators reach members through the control plane"},
		{name: "UsersReachMembersAsThemselves", labels: label("proxy", "security"), run: on(e2e.UsersReachMembersAsThemselves), alone: true,
			not:     map[environment]string{onSimulated: noNetwork},
			promise: "Users reach members with their own rights, and nobody without"},
		{name: "TheFleetIsReadAsOne", labels: label("search"), run: on(e2e.TheFleetIsReadAsOne), alone: true,
			not:     map[environment]string{onSimulated: noNetwork},
			promise: "Resource registries serve the objects of all members as one list and as one cluster"},
		{name: "PodsAnswerThroughTheControlPlane", labels: label("proxy"), run: on(e2e.PodsAnswerThroughTheControlPlane), alone: true,
			not:     map[environment]string{onSimulated: noNetwork, onKind: fakeKubelet},
			promise: "Logs, exec, attach and port-forward work through the control plane"},
		{name: "CommandLine", labels: label("cli"), run: program, alone: true,
			not:     map[environment]string{onSimulated: noProgram, onKind: fakeKubelet},
			promise: "The verbs of kubectl and karmadactl work across clusters"},
	}
}
