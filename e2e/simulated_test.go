package e2e_test

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/seatrial/seatrial/agent"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// controllers are the values that run in production, with the features that suites need.
func controllers() []control.Controller {
	settings := controlplane.Defaults()
	settings.Preemption, settings.MultiClusterService = true, true
	return append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
}

func simulated(t *testing.T) *simulator.Fleet {
	t.Helper()
	return simulatedFrom(t, simulator.Options{Seed: 1, Checked: true}, controllers())
}

func simulatedFrom(t *testing.T, options simulator.Options, controllers []control.Controller) *simulator.Fleet {
	t.Helper()
	return simulatedWith(t, options, controllers, "member3")
}

// simulatedWith says which members are in Pull mode.
func simulatedWith(t *testing.T, options simulator.Options, controllers []control.Controller, pulled ...string) *simulator.Fleet {
	t.Helper()
	options.Start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	env, err := simulator.New(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	if err := env.Run(controllers...); err != nil {
		t.Fatal(err)
	}
	for _, spec := range embedded.DefaultSpecs() {
		if spec.Role != fleet.Member {
			continue
		}
		if err := env.Add(t.Context(), spec); err != nil {
			t.Fatal(err)
		}
		join := env.Join
		if slices.Contains(pulled, spec.Name) {
			join = func(ctx context.Context, name string) error { return env.Register(ctx, name, agentOf(name)) }
		}
		if err := join(t.Context(), spec.Name); err != nil {
			t.Fatal(err)
		}
	}
	return env
}

// agentOf are the controllers of the agent of a member in Pull mode.
func agentOf(name string) func() []control.Controller {
	settings := agent.Defaults()
	settings.Cluster, settings.MultiClusterService = name, true
	return func() []control.Controller { return append(agent.Controllers(settings), agent.Heartbeat(settings)) }
}

// suites need no more than the members of a fleet. Those that break members cannot run beside others.
var suites = []struct {
	name   string
	run    func(*testing.T, fleet.Environment)
	breaks bool
}{
	{"Propagation", e2e.Propagation, true},
	{"DuplicatedPropagation", e2e.DuplicatedPropagation, false},
	{"DeletedPolicyKeepsCopies", e2e.DeletedPolicyKeepsCopies, false},
	{"ForcedPolicyLeavesNoClaim", e2e.ForcedPolicyLeavesNoClaim, false},
	{"DeselectedTemplateIsLetGo", e2e.DeselectedTemplateIsLetGo, false},
	{"ExcludedClusterGivesUpCopy", e2e.ExcludedClusterGivesUpCopy, false},
	{"BestPolicyClaims", e2e.BestPolicyClaims, false},
	{"RecreatedTemplateReplacesOld", e2e.RecreatedTemplateReplacesOld, false},
	{"DeletedBindingComesBack", e2e.DeletedBindingComesBack, false},
	{"DeletedWorkComesBack", e2e.DeletedWorkComesBack, false},
	{"DeletedCopyComesBack", e2e.DeletedCopyComesBack, false},
	{"CopyBeingRemovedIsAwaited", e2e.CopyBeingRemovedIsAwaited, false},
	{"RemovedFieldsVanish", e2e.RemovedFieldsVanish, false},
	{"RetainedReplicasAreTheMembers", e2e.RetainedReplicasAreTheMembers, false},
	{"UnmanagedObjectIsNotOverwritten", e2e.UnmanagedObjectIsNotOverwritten, false},
	{"UnmanagedObjectOutlivesTemplate", e2e.UnmanagedObjectOutlivesTemplate, false},
	{"PreservedCopiesAreHandedOver", e2e.PreservedCopiesAreHandedOver, false},
	{"SuspendedDispatchingHoldsChangesBack", e2e.SuspendedDispatchingHoldsChangesBack, false},
	{"SuspendedSchedulingKeepsPlacement", e2e.SuspendedSchedulingKeepsPlacement, false},
	{"NamespacesFollow", e2e.NamespacesFollow, false},
	{"ClusterScopedTemplatesPropagate", e2e.ClusterScopedTemplatesPropagate, false},
	{"PartitionLosesNothing", e2e.PartitionLosesNothing, true},
	{"PartitionedStatusIsMissedOnly", e2e.PartitionedStatusIsMissedOnly, true},
	{"AgentOutlivesControlPlane", e2e.AgentOutlivesControlPlane, true},
	{"MissingFitIsExplained", e2e.MissingFitIsExplained, false},
	{"WishesTravelToBindings", e2e.WishesTravelToBindings, false},
	{"OverridesApplyPerCluster", e2e.OverridesApplyPerCluster, false},
	{"DependenciesFollowTemplates", e2e.DependenciesFollowTemplates, false},
	{"SharedDependencyServesAll", e2e.SharedDependencyServesAll, false},
	{"DependencyWithPolicyGoesBoth", e2e.DependencyWithPolicyGoesBoth, false},
	{"RecreatedDependencyComesBack", e2e.RecreatedDependencyComesBack, false},
	{"NamedDependenciesFollow", e2e.NamedDependenciesFollow, false},
	{"DividedJobIsDoneOnce", e2e.DividedJobIsDoneOnce, false},
	{"LazyPolicyWaitsForTemplates", e2e.LazyPolicyWaitsForTemplates, false},
	{"DependentOverridesComeFirst", e2e.DependentOverridesComeFirst, false},
	{"PreemptingPolicyTakesOver", e2e.PreemptingPolicyTakesOver, false},
	{"UnfitOverrideHoldsOnlyItsCluster", e2e.UnfitOverrideHoldsOnlyItsCluster, false},
	{"UnreadableTemplateKeepsItsCopies", e2e.UnreadableTemplateKeepsItsCopies, false},
	{"RefusalHoldsOnlyItsCluster", e2e.RefusalHoldsOnlyItsCluster, false},
	{"ScriptsTeachKinds", e2e.ScriptsTeachKinds, false},
	{"BrokenScriptsHoldOnlyTheirKind", e2e.BrokenScriptsHoldOnlyTheirKind, false},
	{"QuotaPartsReachMembers", e2e.QuotaPartsReachMembers, false},
	{"ProxyUsersAreImpersonated", e2e.ProxyUsersAreImpersonated, false},
	{"MultiClusterServiceReachesConsumers", e2e.MultiClusterServiceReachesConsumers, false},
	{"ExportedServiceIsImported", e2e.ExportedServiceIsImported, true},
	{"LostEndpointsLeaveConsumers", e2e.LostEndpointsLeaveConsumers, true},
	{"RemediesPrescribeActions", e2e.RemediesPrescribeActions, false},
}

// membership are suites in which clusters join and leave.
var membership = []struct {
	name string
	run  func(*testing.T, fleet.Environment, e2e.Joiner)
}{
	{"JoinedMemberCatchesUp", e2e.JoinedMemberCatchesUp},
	{"UnjoinedMemberIsReplaced", e2e.UnjoinedMemberIsReplaced},
	{"UnjoinNeedsNoScheduler", e2e.UnjoinNeedsNoScheduler},
	{"LeavingMemberGetsNothingAnew", e2e.LeavingMemberGetsNothingAnew},
	{"UnreachableMemberCanLeave", e2e.UnreachableMemberCanLeave},
}

func TestSimulated(t *testing.T) {
	for _, suite := range suites {
		t.Run(suite.name, func(t *testing.T) { suite.run(t, simulated(t)) })
	}
	for _, suite := range membership {
		t.Run(suite.name, func(t *testing.T) {
			env := simulated(t)
			suite.run(t, env, env)
		})
	}
	t.Run("RestartLosesNothing", func(t *testing.T) {
		env := simulated(t)
		e2e.RestartLosesNothing(t, env, func() error { return env.Restart(controllers()...) })
	})
}

// TestOneFleet runs the suites one after the other on one fleet: each leaves it as it found it. The controllers stand in the
// opposite order, which gives the turns after each event another order.
func TestOneFleet(t *testing.T) {
	backwards := controllers()
	slices.Reverse(backwards)
	env := simulatedFrom(t, simulator.Options{Seed: 2}, backwards)
	for _, suite := range suites {
		if !t.Run(suite.name, func(t *testing.T) { suite.run(t, env) }) {
			return
		}
	}
	for _, suite := range membership {
		if !t.Run(suite.name, func(t *testing.T) { suite.run(t, env, env) }) {
			return
		}
	}
}
