package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/deschedule"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// telling is an event reason and the area of the objects that are told of it, as in testdata/event-reasons.txt.
type telling struct{ area, reason string }

// tells are the tellings of one area.
func tells(area string, reasons ...string) []telling {
	var all []telling
	for _, reason := range reasons {
		all = append(all, telling{area, reason})
	}
	return all
}

// areas are the kinds of objects in each area. A template is of any kind but these and policies.
var areas = map[string][]string{
	"Cluster": {"Cluster"}, "Work": {"Work"}, "binding": {"ResourceBinding", "ClusterResourceBinding"},
	"FederatedResourceQuota": {"FederatedResourceQuota"}, "ServiceImport": {"ServiceImport"}, "MultiClusterService": {"MultiClusterService"},
}

// holds tells whether a notice is of a telling.
func (w telling) holds(made notice) bool {
	kind, _, _ := strings.Cut(made.regarding, " ")
	if w.area == "template" {
		if strings.HasSuffix(kind, "Policy") {
			return false
		}
		for _, kinds := range areas {
			if slices.Contains(kinds, kind) {
				return false
			}
		}
		return made.reason == w.reason
	}
	return made.reason == w.reason && slices.Contains(areas[w.area], kind)
}

// refusal has the API server refuse some writes of a controller, as it does while an admission webhook does not answer.
type refusal struct {
	writer, verb, kind string
	// times is how many are refused, 0 is all, and after how many that are let through.
	times, after int
	// of chooses objects; nil is all of the kind.
	of func(client.Object) bool
}

// eventCase is something that happens to a fleet, and what users are told of it.
type eventCase struct {
	name    string
	run     func(*testing.T, fleet.Environment)
	refuses []refusal
	wants   []telling
	// controllers are the usual ones when nil. Members have nodes of a size when tight, and quotas are enforced when limited.
	controllers    func() []control.Controller
	tight, limited bool
}

var eventCases = slices.Concat(troubleCases, refusedCases)

// troubleCases are what goes wrong by what users ask for, and is mended then.
var troubleCases = []eventCase{
	{name: "unfit override", run: e2e.UnfitOverrideHoldsOnlyItsCluster, wants: slices.Concat(
		tells("template", names.EventApplyOverridePolicyFailed, names.EventApplyOverridePolicySucceed, names.EventSyncWorkFailed, names.EventSyncWorkSucceed),
		tells("binding", names.EventSyncWorkFailed, names.EventSyncWorkSucceed))},
	{name: "unreadable template", run: e2e.UnreadableTemplateKeepsItsCopies, wants: tells("template", names.EventApplyPolicyFailed, names.EventApplyPolicySucceed)},
	{name: "scripts that loop or explode", run: e2e.BrokenScriptsHoldOnlyTheirKind, wants: slices.Concat(
		tells("template", names.EventGetReplicasFailed, names.EventGetReplicasSucceed, names.EventAggregateStatusFailed, names.EventAggregateStatusSucceed),
		tells("binding", names.EventSyncWorkFailed, names.EventAggregateStatusFailed, names.EventAggregateStatusSucceed),
		tells("Work", names.EventReflectStatusFailed, names.EventReflectStatusSucceed, names.EventInterpretHealthFailed, names.EventInterpretHealthSucceed))},
	{name: "components", run: e2e.ComponentsAreTaught, controllers: withComponents, wants: tells("template", names.EventGetComponentsFailed, names.EventGetComponentsSucceed)},
	{name: "templates deleted in trouble", run: e2e.TroubleLeavesNothingBehind, wants: slices.Concat(
		tells("template", names.EventGetReplicasFailed, names.EventGetDependenciesFailed, names.EventApplyOverridePolicyFailed),
		tells("binding", names.EventSyncWorkFailed, names.EventAggregateStatusFailed), tells("Work", names.EventSyncFailed))},
	{name: "kinds that appear later", run: e2e.KindsThatAppearLater, wants: tells("binding",
		names.EventScheduleBindingFailed, names.EventScheduleBindingSucceed)},
	{name: "policy that is replaced", run: e2e.RecreatedPolicyGetsItsTemplates, wants: tells("template", names.EventApplyPolicySucceed)},
	{name: "member that refuses", run: e2e.RefusalHoldsOnlyItsCluster, wants: tells("Work", names.EventSyncFailed, names.EventSyncSucceed)},
	{name: "object of others in the way", run: e2e.UnmanagedObjectIsNotOverwritten, wants: tells("Work", names.EventSyncFailed, names.EventSyncSucceed)},
	{name: "dispatching held back", run: e2e.SuspendedDispatchingHoldsChangesBack, wants: tells("Work", names.EventWorkDispatching)},
	{name: "policy that takes over", run: e2e.PreemptingPolicyTakesOver, wants: tells("template", names.EventPreemptPolicySucceed)},
	{name: "no cluster fits", run: e2e.MissingFitIsExplained, wants: slices.Concat(
		tells("binding", names.EventScheduleBindingFailed, names.EventScheduleBindingSucceed),
		tells("template", names.EventScheduleBindingFailed, names.EventScheduleBindingSucceed))},
	{name: "dependencies", run: e2e.DependenciesFollowTemplates, wants: tells("binding", names.EventSyncScheduleResultToDependenciesSucceed)},
	{name: "dependency of two that differ", run: e2e.SharedDependencyServesAll, wants: tells("binding", names.EventDependencyPolicyConflict)},
	{name: "named dependencies", run: e2e.NamedDependenciesFollow, wants: tells("template", names.EventGetDependenciesFailed, names.EventGetDependenciesSucceed)},
	{name: "quota", run: e2e.QuotaPartsReachMembers, wants: tells("FederatedResourceQuota", names.EventSyncWorkSucceed, names.EventAggregateStatusSucceed)},
	{name: "users of clusters/proxy", run: e2e.ProxyUsersAreImpersonated, wants: tells("Cluster", names.EventSyncImpersonationConfigSucceed)},
	{name: "cluster that leaves", run: unjoins, wants: tells("Cluster",
		names.EventCreateExecutionSpaceSucceed, names.EventRemoveExecutionSpaceSucceed, names.EventTaintClusterSucceed)},
	{name: "taint that evicts", run: e2e.DirectPurgeWaitsForNothing, controllers: failsOver, tight: true, wants: slices.Concat(
		tells("binding", names.EventEvictWorkloadFromClusterSucceed), tells("template", names.EventEvictWorkloadFromClusterSucceed))},
	{name: "replicas that find no node", run: e2e.WaitingReplicasMove, controllers: withDescheduler, tight: true, wants: slices.Concat(
		tells("binding", names.EventDescheduleBindingSucceed), tells("template", names.EventDescheduleBindingSucceed))},
	{name: "service across clusters", run: e2e.MultiClusterServiceReachesConsumers, wants: tells("MultiClusterService",
		names.EventSyncServiceSucceed, names.EventDispatchEndpointSliceSucceed)},
	{name: "service of strangers", run: e2e.StrangersServeNobody,
		refuses: []refusal{{writer: "clusterStatus", kind: "Cluster", of: func(o client.Object) bool { return o.GetAnnotations()[e2e.Frozen] != "" }}},
		wants:   tells("MultiClusterService", names.EventClusterNotFound, names.EventAPIIncompatible)},
	{name: "imported service", run: e2e.ExportedServiceIsImported, wants: tells("ServiceImport", names.EventSyncDerivedServiceSucceed)},
	{name: "enforced quota", run: e2e.QuotaHoldsBindings, controllers: withQuota, limited: true, wants: tells("FederatedResourceQuota", names.EventCollectOverallStatusSucceed)},
}

// refusedCases are writes of the control plane that its API server refuses for a while. All comes out well in the end.
var refusedCases = []eventCase{
	{name: "execution space and taints", run: unjoins, refuses: []refusal{
		{writer: "cluster", verb: "create", kind: "Namespace", times: 2}, {writer: "cluster", verb: "delete", kind: "Namespace", times: 2},
		{writer: "cluster", verb: "patch", kind: "Cluster", times: 2, of: hasReported},
	}, wants: tells("Cluster", names.EventCreateExecutionSpaceFailed, names.EventRemoveExecutionSpaceFailed, names.EventTaintClusterFailed)},
	{name: "role of the impersonator", run: e2e.ProxyUsersAreImpersonated, refuses: []refusal{{writer: "unifiedAuth", kind: "Work", times: 2}},
		wants: tells("Cluster", names.EventSyncImpersonationConfigFailed)},
	{name: "Works to delete", run: e2e.ExcludedClusterGivesUpCopy, refuses: []refusal{{writer: "binding", verb: "delete", kind: "Work", times: 2}},
		wants: tells("binding", names.EventCleanupWorkFailed)},
	{name: "bindings of dependencies", run: e2e.DependenciesFollowTemplates, refuses: []refusal{{writer: "dependencies", verb: "create", kind: "ResourceBinding", times: 2}},
		wants: tells("binding", names.EventSyncScheduleResultToDependenciesFailed)},
	{name: "claims", run: e2e.PreemptingPolicyTakesOver, refuses: []refusal{{writer: "detector", verb: "patch", kind: "ConfigMap", after: 1, times: 2}},
		wants: tells("template", names.EventPreemptPolicyFailed)},
	{name: "evictions", run: e2e.DirectPurgeWaitsForNothing, controllers: failsOver, tight: true, refuses: []refusal{{writer: "taintManager", kind: "ResourceBinding", times: 2}},
		wants: slices.Concat(tells("binding", names.EventEvictWorkloadFromClusterFailed), tells("template", names.EventEvictWorkloadFromClusterFailed))},
	{name: "targets without what waits", run: e2e.WaitingReplicasMove, controllers: withDescheduler, tight: true, refuses: []refusal{{writer: "descheduler", kind: "ResourceBinding", times: 1}},
		wants: slices.Concat(tells("binding", names.EventDescheduleBindingFailed), tells("template", names.EventDescheduleBindingFailed))},
	{name: "parts of a quota", run: e2e.QuotaPartsReachMembers, refuses: []refusal{
		{writer: "federatedResourceQuotaSync", kind: "Work", times: 2}, {writer: "federatedResourceQuotaStatus", kind: "FederatedResourceQuota", times: 2},
	}, wants: tells("FederatedResourceQuota", names.EventSyncWorkFailed, names.EventAggregateStatusFailed)},
	{name: "use of a quota", run: e2e.QuotaHoldsBindings, controllers: withQuota, limited: true, refuses: []refusal{{writer: "federatedResourceQuotaEnforcement", kind: "FederatedResourceQuota", times: 1}},
		wants: tells("FederatedResourceQuota", names.EventCollectOverallStatusFailed)},
	{name: "derived service", run: e2e.ExportedServiceIsImported, refuses: []refusal{{writer: "serviceImport", kind: "Service", times: 2}},
		wants: tells("ServiceImport", names.EventSyncDerivedServiceFailed)},
	{name: "orders and slices", run: e2e.MultiClusterServiceReachesConsumers, refuses: []refusal{
		{writer: "multiclusterservice", kind: "Work", times: 1}, {writer: "endpointsliceDispatch", kind: "Work", times: 1},
	}, wants: tells("MultiClusterService", names.EventSyncServiceFailed, names.EventDispatchEndpointSliceFailed)},
}

func unjoins(t *testing.T, env fleet.Environment) {
	e2e.UnjoinedMemberIsReplaced(t, env, env.(*simulator.Fleet))
}

// hasReported tells of a Cluster whose health is known.
func hasReported(object client.Object) bool {
	return len(object.(*clusterv1alpha1.Cluster).Status.Conditions) > 0
}

func failsOver() []control.Controller { return failoverControllers(false) }

func withComponents() []control.Controller {
	settings := controlplane.Defaults()
	settings.Components = true
	return append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
}

func withQuota() []control.Controller {
	settings := controlplane.Defaults()
	settings.Quota.Enforced = true
	return append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
}

// withDescheduler has one that counts a waiting replica in member1.
func withDescheduler() []control.Controller {
	options := deschedule.Defaults()
	options.Estimators = waitsInMember1{}
	return append(controllers(), deschedule.New(options))
}

type waitsInMember1 struct{}

// Unschedulable implements deschedule.Estimators.
func (waitsInMember1) Unschedulable(_ context.Context, cluster string, _ workv1alpha2.ObjectReference, _ time.Duration) (int32, error) {
	if cluster == "member1" {
		return 1, nil
	}
	return 0, nil
}

// TestEveryEventReasonHasACase holds the cases to the list of reasons.
func TestEveryEventReasonHasACase(t *testing.T) {
	var shown []telling
	for _, c := range eventCases {
		shown = append(shown, c.wants...)
	}
	listed := listedReasons(t)
	for _, wanted := range listed {
		if !slices.Contains(shown, wanted) {
			t.Errorf("no case shows %s on a %s", wanted.reason, wanted.area)
		}
	}
	for _, made := range shown {
		// What bindings tell is told on their templates, too.
		if !slices.Contains(listed, made) && (made.area != "template" || !slices.Contains(listed, telling{"binding", made.reason})) {
			t.Errorf("%s on a %s is in no list", made.reason, made.area)
		}
	}
}

func listedReasons(t *testing.T) []telling {
	t.Helper()
	text, err := os.ReadFile("../testdata/event-reasons.txt")
	if err != nil {
		t.Fatal(err)
	}
	var all []telling
	for line := range strings.Lines(string(text)) {
		if area, reasons, ok := strings.Cut(line, ":"); ok && !strings.HasPrefix(line, "#") {
			all = append(all, tells(area, strings.Fields(reasons)...)...)
		}
	}
	if len(all) < 50 {
		t.Fatalf("read %d reasons only", len(all))
	}
	return all
}

// TestEveryEventReasonIsTold plays the cases and looks for their events.
func TestEveryEventReasonIsTold(t *testing.T) {
	if testing.Short() {
		t.Skip("plays most cases once more; TestSimulated plays them")
	}
	for _, c := range eventCases {
		t.Run(c.name, func(t *testing.T) {
			kept, usual := &ledger{}, c.controllers
			if usual == nil {
				usual = controllers
			}
			left := slices.Clone(c.refuses)
			var values []control.Controller
			for _, value := range usual() {
				values = append(values, refuse(kept.keep(value), left))
			}
			var env *simulator.Fleet
			if c.tight {
				env = tightFleet(t, values)
			} else {
				env = simulatedWith(t, simulator.Options{Seed: 1, QuotaEnforcement: c.limited}, values)
			}
			c.run(t, env)
			_, notices := kept.close()
			for _, wanted := range c.wants {
				if !slices.ContainsFunc(notices, wanted.holds) {
					t.Errorf("no event %s on a %s among:\n%s", wanted.reason, wanted.area, tallyNotices(notices))
				}
			}
		})
	}
}

// refuse makes a controller write to an API server that refuses what is left to refuse.
func refuse(value control.Controller, left []refusal) control.Controller {
	if !slices.ContainsFunc(left, func(r refusal) bool { return r.writer == value.Name }) {
		return value
	}
	reconcile := value.Reconcile
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		deps.Client = &refusing{Client: deps.Client, writer: value.Name, left: left}
		return reconcile(ctx, deps, key)
	}
	return value
}

// refusing is a client some of whose writes are refused.
type refusing struct {
	client.Client
	writer string
	left   []refusal
}

func (r *refusing) judge(verb string, object client.Object) error {
	kind := kindOf(r.Client, object)
	for i := range r.left {
		refused := &r.left[i]
		if refused.writer != r.writer || refused.kind != kind || refused.verb != "" && refused.verb != verb || refused.times < 0 || refused.of != nil && !refused.of(object) {
			continue
		}
		if refused.after--; refused.after >= 0 {
			continue
		}
		if refused.times--; refused.times == 0 {
			refused.times = -1
		}
		return apierrors.NewInternalError(fmt.Errorf("calling a webhook: %w", errors.ErrUnsupported))
	}
	return nil
}

func (r *refusing) Create(ctx context.Context, object client.Object, options ...client.CreateOption) error {
	if err := r.judge("create", object); err != nil {
		return err
	}
	return r.Client.Create(ctx, object, options...)
}

func (r *refusing) Update(ctx context.Context, object client.Object, options ...client.UpdateOption) error {
	if err := r.judge("update", object); err != nil {
		return err
	}
	return r.Client.Update(ctx, object, options...)
}

func (r *refusing) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if err := r.judge("patch", object); err != nil {
		return err
	}
	return r.Client.Patch(ctx, object, patch, options...)
}

func (r *refusing) Delete(ctx context.Context, object client.Object, options ...client.DeleteOption) error {
	if err := r.judge("delete", object); err != nil {
		return err
	}
	return r.Client.Delete(ctx, object, options...)
}

func (r *refusing) Status() client.SubResourceWriter {
	return &refusingStatus{SubResourceWriter: r.Client.Status(), refusing: r}
}

type refusingStatus struct {
	client.SubResourceWriter
	refusing *refusing
}

func (r *refusingStatus) Update(ctx context.Context, object client.Object, options ...client.SubResourceUpdateOption) error {
	if err := r.refusing.judge("update status", object); err != nil {
		return err
	}
	return r.SubResourceWriter.Update(ctx, object, options...)
}

func (r *refusingStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	if err := r.refusing.judge("patch status", object); err != nil {
		return err
	}
	return r.SubResourceWriter.Patch(ctx, object, patch, options...)
}
