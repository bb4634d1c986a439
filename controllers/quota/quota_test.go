package quota_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/quota"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/workload"
)

// stage is a control plane with execution spaces, on which only these controllers run.
type stage struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
	// events are what users are told, without repetition.
	events []string
}

// Eventf implements control.EventRecorder.
func (s *stage) Eventf(_ runtime.Object, kind, reason, format string, args ...any) {
	if event := kind + " " + reason + ": " + fmt.Sprintf(format, args...); !slices.Contains(s.events, event) {
		s.events = append(s.events, event)
	}
}

// told fails when no event of a reason says this.
func (s *stage) told(reason, says string) {
	s.Helper()
	if !slices.ContainsFunc(s.events, func(event string) bool { return strings.Contains(event, reason+": ") && strings.Contains(event, says) }) {
		s.Errorf("no %s tells of %q: %s", reason, says, strings.Join(s.events, "; "))
	}
}

// listened are controllers whose events a stage hears.
func (s *stage) listened(controllers []control.Controller) []control.Controller {
	for i := range controllers {
		reconcile := controllers[i].Reconcile
		controllers[i].Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
			deps.Events = s
			return reconcile(ctx, deps, key)
		}
	}
	return controllers
}

func newStage(t *testing.T, enforced bool, clusters ...string) *stage {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{
		Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true, QuotaEnforcement: enforced,
	})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, env: env, plane: plane}
	for _, cluster := range clusters {
		s.must(plane.Create(t.Context(), space(cluster)))
	}
	options := quota.Defaults()
	options.Enforced = enforced
	s.must(env.Run(s.listened(quota.New(options))...))
	return s
}

func space(cluster string) *corev1.Namespace {
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.ExecutionSpace(cluster)}}
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) pass(span time.Duration) {
	s.Helper()
	end := s.env.Now().Add(span)
	s.must(s.env.Await(s.Context(), span, "time to pass", func(context.Context) (bool, error) { return !s.env.Now().Before(end), nil }))
}

func (s *stage) read(object client.Object) {
	s.Helper()
	s.must(s.plane.Get(s.Context(), client.ObjectKeyFromObject(object), object))
}

func amounts(text string) corev1.ResourceList {
	list := corev1.ResourceList{}
	for pair := range strings.FieldsSeq(text) {
		name, amount, _ := strings.Cut(pair, "=")
		list[corev1.ResourceName(name)] = resource.MustParse(amount)
	}
	return list
}

func written(list corev1.ResourceList) string {
	var pairs []string
	for name, amount := range list {
		pairs = append(pairs, string(name)+"="+amount.String())
	}
	slices.Sort(pairs)
	return strings.Join(pairs, " ")
}

// budget has parts for clusters, given as "m1 cpu=1".
func budget(overall string, parts ...string) *policyv1alpha1.FederatedResourceQuota {
	made := &policyv1alpha1.FederatedResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "budget"}}
	made.Spec.Overall = amounts(overall)
	made.Spec.StaticAssignments = assigned(parts...)
	return made
}

func assigned(parts ...string) []policyv1alpha1.StaticClusterAssignment {
	var all []policyv1alpha1.StaticClusterAssignment
	for _, part := range parts {
		cluster, hard, _ := strings.Cut(part, " ")
		all = append(all, policyv1alpha1.StaticClusterAssignment{ClusterName: cluster, Hard: amounts(hard)})
	}
	return all
}

// works tells what the Works say, as "karmada-es-m1 cpu=1".
func (s *stage) works() string {
	s.Helper()
	works := &workv1alpha1.WorkList{}
	s.must(s.plane.List(s.Context(), works))
	var all []string
	for i := range works.Items {
		work := &works.Items[i]
		if !work.DeletionTimestamp.IsZero() {
			// Nobody executes Works here.
			work.Finalizers = nil
			s.must(s.plane.Update(s.Context(), work))
			continue
		}
		if work.Name != names.Work("ResourceQuota", "budget", "default") || work.Labels[names.LabelFederatedResourceQuotaNamespace] != "default" ||
			work.Labels[names.LabelFederatedResourceQuotaName] != "budget" {
			s.Errorf("Work %s has labels %v", work.Name, work.Labels)
		}
		manifests, err := workload.Manifests(work)
		s.must(err)
		limits := &corev1.ResourceQuota{}
		s.must(runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[0].Object, limits))
		if limits.Namespace != "default" || limits.Name != "budget" || limits.Kind != "ResourceQuota" {
			s.Errorf("the manifest is %s %s/%s", limits.Kind, limits.Namespace, limits.Name)
		}
		all = append(all, work.Namespace+" "+written(limits.Spec.Hard))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestAssignmentsBecomeWorks(t *testing.T) {
	s := newStage(t, false, "m1", "m2")
	given := budget("cpu=9", "m1 cpu=1", "m2 cpu=2", "m3 cpu=3")
	s.must(s.plane.Create(t.Context(), given))
	expect := func(when, want string) {
		t.Helper()
		s.pass(time.Second)
		if got := s.works(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
		s.pass(time.Second)
		if s.works() != want {
			t.Errorf("%s: not for long", when)
		}
	}
	expect("new", "karmada-es-m1 cpu=1, karmada-es-m2 cpu=2")
	s.told(names.EventSyncWorkFailed, "no cluster m3 is a member")
	s.must(s.plane.Create(t.Context(), space("m3")))
	s.pass(time.Second)
	s.told(names.EventSyncWorkSucceed, "")
	expect("a member joined", "karmada-es-m1 cpu=1, karmada-es-m2 cpu=2, karmada-es-m3 cpu=3")
	s.read(given)
	given.Spec.StaticAssignments = assigned("m1 cpu=4", "m3 cpu=3")
	s.must(s.plane.Update(t.Context(), given))
	s.pass(time.Second)
	s.works()
	expect("assigned otherwise", "karmada-es-m1 cpu=4, karmada-es-m3 cpu=3")
	lost := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace("m3"), Name: names.Work("ResourceQuota", "budget", "default")}}
	s.must(s.plane.Delete(t.Context(), lost))
	s.pass(time.Second)
	s.works()
	expect("a Work was lost", "karmada-es-m1 cpu=4, karmada-es-m3 cpu=3")
	s.must(s.plane.Delete(t.Context(), given))
	s.pass(time.Second)
	s.works()
	expect("deleted", "")
}

// TestForgottenWorksGo: the quota was deleted while no controller ran.
func TestForgottenWorksGo(t *testing.T) {
	s := newStage(t, false, "m1")
	given := budget("cpu=9", "m1 cpu=1")
	s.must(s.plane.Create(t.Context(), given))
	s.pass(time.Second)
	s.must(s.env.Restart())
	s.must(s.plane.Delete(t.Context(), given))
	s.pass(time.Second)
	if s.works() == "" {
		t.Fatal("somebody else removed the Works")
	}
	s.must(s.env.Restart(quota.New(quota.Defaults())...))
	s.pass(time.Second)
	s.works()
	if got := s.works(); got != "" {
		t.Errorf("left: %s", got)
	}
}

// reports puts a status on the Work of a cluster.
func (s *stage) reports(cluster, status string) {
	s.Helper()
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace(cluster), Name: names.Work("ResourceQuota", "budget", "default")}}
	s.read(work)
	work.Status.ManifestStatuses = []workv1alpha1.ManifestStatus{{
		Identifier: workv1alpha1.ResourceIdentifier{Version: "v1", Kind: "ResourceQuota", Namespace: "default", Name: "budget"},
		Status:     &runtime.RawExtension{Raw: []byte(status)},
	}}
	s.must(s.plane.Status().Update(s.Context(), work))
	s.pass(time.Second)
}

// status reads "overall | used | m1 hard used".
func (s *stage) status() string {
	s.Helper()
	found := budget("")
	s.read(found)
	parts := []string{written(found.Status.Overall), written(found.Status.OverallUsed)}
	for _, part := range found.Status.AggregatedStatus {
		parts = append(parts, part.ClusterName+" "+written(part.Hard)+" "+written(part.Used))
	}
	return strings.Join(parts, " | ")
}

func TestStatusSumsUpMembers(t *testing.T) {
	s := newStage(t, false, "m1", "m2")
	s.must(s.plane.Create(t.Context(), budget("cpu=9 memory=9Gi", "m2 cpu=2", "m1 cpu=1")))
	expect := func(when, want string) {
		t.Helper()
		if got := s.status(); got != want {
			t.Errorf("%s: %s, want %s", when, got, want)
		}
	}
	s.pass(time.Second)
	expect("new", "cpu=9 memory=9Gi | cpu=0 memory=0")
	s.reports("m2", `{"hard":{"cpu":"2"},"used":{"cpu":"1500m"}}`)
	s.reports("m1", `{"hard":{"cpu":"1"},"used":{"cpu":"1","pods":"4"}}`)
	expect("both reported", "cpu=9 memory=9Gi | cpu=2500m memory=0 | m1 cpu=1 cpu=1 pods=4 | m2 cpu=2 cpu=1500m")
	revision, _ := s.env.Revision(fleet.ControlPlaneName)
	s.reports("m2", `{"used":{"cpu":"1500m"},"hard":{"cpu":"2000m"}}`)
	if writes, err := s.env.Writes(fleet.ControlPlaneName, revision); err != nil || len(writes) > 1 {
		t.Errorf("the same in other words makes writes %v, %v", writes, err)
	}
	s.reports("m2", `{"used":7}`)
	s.told(names.EventAggregateStatusSucceed, "")
	s.told(names.EventAggregateStatusFailed, "reading the status that Work karmada-es-m2/")
	expect("one that cannot be read", "cpu=9 memory=9Gi | cpu=2500m memory=0 | m1 cpu=1 cpu=1 pods=4 | m2 cpu=2 cpu=1500m")
	found := budget("")
	s.read(found)
	found.Spec.Overall, found.Spec.StaticAssignments = amounts("cpu=5"), assigned("m1 cpu=1")
	s.must(s.plane.Update(t.Context(), found))
	s.pass(time.Second)
	expect("assigned otherwise", "cpu=5 | cpu=1 | m1 cpu=1 cpu=1 pods=4")
}

func bound(name, request string, replicas int32) *workv1alpha2.ResourceBinding {
	made := &workv1alpha2.ResourceBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
	made.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name}
	made.Spec.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: amounts(request)}
	if replicas > 0 {
		made.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: replicas}}
	}
	return made
}

func TestQuotaIsEnforced(t *testing.T) {
	s := newStage(t, true, "m1")
	s.must(s.plane.Create(t.Context(), bound("before", "cpu=1", 2)))
	s.must(s.plane.Create(t.Context(), budget("requests.cpu=5", "m1 requests.cpu=1")))
	// The quota holds before any controller has counted.
	refused := func(err error) {
		t.Helper()
		if apierrors.ReasonForError(err) != names.ReasonQuotaExceeded {
			t.Errorf("error %v, want a refusal", err)
		}
	}
	refused(s.plane.Create(t.Context(), bound("large", "cpu=1", 4)))
	web := bound("web", "cpu=1", 0)
	s.must(s.plane.Create(t.Context(), web))
	web.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: 3}}
	s.must(s.plane.Update(t.Context(), web))
	if got, want := s.status(), " | requests.cpu=5"; got != want {
		t.Errorf("charged: %s, want %s", got, want)
	}
	more := web.DeepCopy()
	more.Spec.ReplicaRequirements.ResourceRequest = amounts("cpu=2")
	refused(s.plane.Update(t.Context(), more))
	more = web.DeepCopy()
	more.Spec.Clusters = append(more.Spec.Clusters, workv1alpha2.TargetCluster{Name: "m2", Replicas: 1})
	refused(s.plane.Update(t.Context(), more))
	s.pass(time.Second)
	s.reports("m1", `{"hard":{"requests.cpu":"1"},"used":{"requests.cpu":"1"}}`)
	s.told(names.EventCollectOverallStatusSucceed, "")
	if got, want := s.status(), "requests.cpu=5 | requests.cpu=5 | m1 requests.cpu=1 requests.cpu=1"; got != want {
		t.Errorf("counted: %s, want %s", got, want)
	}
	s.must(s.plane.Delete(t.Context(), bound("before", "", 0)))
	s.pass(3 * time.Second)
	if got, want := s.status(), "requests.cpu=5 | requests.cpu=3 | m1 requests.cpu=1 requests.cpu=1"; got != want {
		t.Errorf("freed: %s, want %s", got, want)
	}
	s.must(s.plane.Create(t.Context(), bound("next", "cpu=1", 2)))
	// A charge for what was never stored is taken back in time.
	found := budget("")
	s.read(found)
	found.Status.OverallUsed = amounts("requests.cpu=9")
	s.must(s.plane.Status().Update(t.Context(), found))
	s.pass(quota.Defaults().Period + 3*time.Second)
	if got, want := s.status(), "requests.cpu=5 | requests.cpu=5 | m1 requests.cpu=1 requests.cpu=1"; got != want {
		t.Errorf("counted anew: %s, want %s", got, want)
	}
}

// TestChargeOutlastsRecount: a binding is charged and not stored yet while another makes the controller count. Its room is not given
// away meanwhile, and comes back when it never is.
func TestChargeOutlastsRecount(t *testing.T) {
	s := newStage(t, true)
	s.must(s.plane.Create(t.Context(), budget("cpu=9")))
	s.pass(time.Second)
	s.must(quota.Admit(t.Context(), s.plane, nil, bound("web", "cpu=1", 3), false))
	s.must(s.plane.Create(t.Context(), bound("other", "cpu=1", 1)))
	s.pass(time.Second)
	if got, want := s.status(), "cpu=9 | cpu=4"; got != want {
		t.Errorf("counted too early: %s, want %s", got, want)
	}
	late := bound("more", "cpu=1", 6)
	if err := s.plane.Create(t.Context(), late); apierrors.ReasonForError(err) != names.ReasonQuotaExceeded {
		t.Errorf("error %v, want a refusal", err)
	}
	s.pass(2 * time.Second)
	if got, want := s.status(), "cpu=9 | cpu=1"; got != want {
		t.Errorf("settled: %s, want %s", got, want)
	}
	s.must(s.plane.Create(t.Context(), late))
}

// TestRoomComesBackWhileMembersReport: what members tell of their parts is written to the same object, and charges nothing.
func TestRoomComesBackWhileMembersReport(t *testing.T) {
	s := newStage(t, true, "m1")
	s.must(s.plane.Create(t.Context(), budget("cpu=9", "m1 cpu=9")))
	s.must(s.plane.Create(t.Context(), bound("web", "cpu=1", 3)))
	s.pass(time.Second)
	s.must(s.plane.Delete(t.Context(), bound("web", "", 0)))
	for used := range 6 {
		s.reports("m1", fmt.Sprintf(`{"used":{"cpu":"%d"}}`, used))
	}
	if got, want := s.status(), "cpu=9 | cpu=0 | m1  cpu=5"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestChargeOutlastsAnotherLimit: a binding is charged and not stored yet while the quota comes to limit something else.
func TestChargeOutlastsAnotherLimit(t *testing.T) {
	s := newStage(t, true)
	s.must(s.plane.Create(t.Context(), budget("cpu=9")))
	s.pass(time.Second)
	s.must(quota.Admit(t.Context(), s.plane, nil, bound("web", "cpu=1", 3), false))
	found := budget("")
	s.read(found)
	found.Spec.Overall = amounts("cpu=9 memory=9Gi")
	s.must(s.plane.Update(t.Context(), found))
	s.must(s.plane.Create(t.Context(), bound("other", "cpu=1 memory=1Gi", 1)))
	if got, want := s.status(), "cpu=9 | cpu=4 memory=1Gi"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// TestAdmitSharesQuotas: others charge the same quotas meanwhile, which charges none twice, and a dry run charges none.
func TestAdmitSharesQuotas(t *testing.T) {
	s := newStage(t, false)
	first, second := budget("cpu=5"), budget("cpu=9")
	second.Name = "reserve"
	s.must(s.plane.Create(t.Context(), first))
	s.must(s.plane.Create(t.Context(), second))
	s.pass(time.Second)
	s.must(quota.Admit(t.Context(), s.plane, nil, bound("web", "cpu=1", 3), true))
	if got, want := s.status(), "cpu=5 | cpu=0"; got != want {
		t.Errorf("after a dry run: %s, want %s", got, want)
	}
	disturbed := false
	racing := interceptor.NewClient(s.plane.(client.WithWatch), interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, to client.Client, part string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			if object.GetName() == "reserve" && !disturbed {
				disturbed = true
				other := second.DeepCopy()
				s.read(other)
				other.Status.OverallUsed = amounts("cpu=2")
				s.must(s.plane.Status().Update(ctx, other))
			}
			return to.SubResource(part).Patch(ctx, object, patch, options...)
		},
	})
	s.must(quota.Admit(t.Context(), racing, nil, bound("web", "cpu=1", 3), false))
	if got, want := s.status(), "cpu=5 | cpu=3"; got != want {
		t.Errorf("the first: %s, want %s", got, want)
	}
	if s.read(second); written(second.Status.OverallUsed) != "cpu=5" || !disturbed {
		t.Errorf("the second: %s, want cpu=5", written(second.Status.OverallUsed))
	}
	if err := quota.Admit(t.Context(), s.plane, nil, bound("more", "cpu=1", 3), false); apierrors.ReasonForError(err) != names.ReasonQuotaExceeded {
		t.Errorf("error %v, want a refusal", err)
	}
}
