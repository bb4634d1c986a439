package e2e_test

import (
	"slices"
	"testing"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
)

// TestTroubleIsTold plays what goes wrong, and what is mended then. The suites look at conditions; here it is the events.
func TestTroubleIsTold(t *testing.T) {
	for _, c := range []struct {
		name  string
		run   func(*testing.T, fleet.Environment)
		wants []string
	}{
		{"unfit override", e2e.UnfitOverrideHoldsOnlyItsCluster, []string{
			names.EventApplyOverridePolicyFailed, names.EventSyncWorkFailed, names.EventApplyOverridePolicySucceed, names.EventSyncWorkSucceed,
		}},
		{"unreadable template", e2e.UnreadableTemplateKeepsItsCopies, []string{names.EventApplyPolicyFailed, names.EventApplyPolicySucceed}},
		{"scripts that loop or explode", e2e.BrokenScriptsHoldOnlyTheirKind, []string{
			names.EventGetReplicasFailed, names.EventGetReplicasSucceed, names.EventSyncWorkFailed,
			names.EventAggregateStatusFailed, names.EventAggregateStatusSucceed, names.EventReflectStatusFailed, names.EventReflectStatusSucceed,
			names.EventInterpretHealthFailed, names.EventInterpretHealthSucceed,
		}},
		{"templates deleted in trouble", e2e.TroubleLeavesNothingBehind, []string{
			names.EventGetReplicasFailed, names.EventSyncWorkFailed, names.EventSyncFailed, names.EventGetDependenciesFailed,
			names.EventAggregateStatusFailed, names.EventApplyOverridePolicyFailed,
		}},
		{"kinds that appear later", e2e.KindsThatAppearLater, []string{
			names.EventApplyPolicyFailed, names.EventScheduleBindingFailed, names.EventScheduleBindingSucceed,
		}},
		{"policy that is replaced", e2e.RecreatedPolicyGetsItsTemplates, []string{names.EventApplyPolicySucceed}},
		{"member that refuses", e2e.RefusalHoldsOnlyItsCluster, []string{names.EventSyncFailed, names.EventSyncSucceed}},
		{"object of others in the way", e2e.UnmanagedObjectIsNotOverwritten, []string{names.EventSyncFailed, names.EventSyncSucceed}},
		{"dispatching held back", e2e.SuspendedDispatchingHoldsChangesBack, []string{names.EventWorkDispatching}},
		{"policy that takes over", e2e.PreemptingPolicyTakesOver, []string{names.EventPreemptPolicySucceed}},
		{"no cluster fits", e2e.MissingFitIsExplained, []string{names.EventScheduleBindingFailed, names.EventScheduleBindingSucceed}},
		{"dependencies", e2e.DependenciesFollowTemplates, []string{names.EventSyncScheduleResultToDependenciesSucceed}},
		{"named dependencies", e2e.NamedDependenciesFollow, []string{names.EventGetDependenciesFailed, names.EventGetDependenciesSucceed}},
		{"quota", e2e.QuotaPartsReachMembers, []string{names.EventSyncWorkSucceed, names.EventAggregateStatusSucceed}},
		{"users of clusters/proxy", e2e.ProxyUsersAreImpersonated, []string{names.EventSyncImpersonationConfigSucceed}},
		{"cluster that leaves", func(t *testing.T, env fleet.Environment) {
			e2e.UnjoinedMemberIsReplaced(t, env, env.(*simulator.Fleet))
		}, []string{
			names.EventCreateExecutionSpaceSucceed, names.EventRemoveExecutionSpaceSucceed, names.EventTaintClusterSucceed,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			kept := &ledger{}
			var values []control.Controller
			for _, value := range controllers() {
				values = append(values, kept.keep(value))
			}
			c.run(t, simulatedWith(t, simulator.Options{Seed: 1}, values))
			_, notices := kept.close()
			for _, reason := range c.wants {
				if !slices.ContainsFunc(notices, func(made notice) bool { return made.reason == reason }) {
					t.Errorf("no event %s among:\n%s", reason, tallyNotices(notices))
				}
			}
		})
	}
}
