package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// bench is a simulated control plane with a scheduler and nothing else: clusters exist as objects only.
type bench struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
}

func newBench(t *testing.T, controllers ...control.Controller) *bench {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Seed: 1, Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{T: t, env: env, plane: clientOf(t, env, fleet.ControlPlaneName)}
	b.must(env.Run(controllers...))
	return b
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// cluster makes a cluster with room for so many replicas.
func (b *bench) cluster(name string, replicas int64, change ...func(*clusterv1alpha1.Cluster)) {
	b.Helper()
	made := &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1alpha1.ClusterSpec{ID: name, SyncMode: clusterv1alpha1.Push},
	}
	for _, apply := range change {
		apply(made)
	}
	b.must(b.plane.Create(b.Context(), made))
	b.resize(name, replicas)
}

func (b *bench) resize(name string, replicas int64) {
	b.Helper()
	resized := &clusterv1alpha1.Cluster{}
	b.must(b.plane.Get(b.Context(), types.NamespacedName{Name: name}, resized))
	resized.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{
		GroupVersion: "apps/v1", Resources: []clusterv1alpha1.APIResource{{Name: "deployments", Kind: "Deployment"}},
	}}
	resized.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: *resource.NewQuantity(replicas, resource.DecimalSI), corev1.ResourcePods: resource.MustParse("1k"),
	}}
	b.must(b.plane.Status().Update(b.Context(), resized))
}

func (b *bench) change(name string, change func(*clusterv1alpha1.Cluster)) {
	b.Helper()
	changed := &clusterv1alpha1.Cluster{}
	b.must(b.plane.Get(b.Context(), types.NamespacedName{Name: name}, changed))
	change(changed)
	b.must(b.plane.Update(b.Context(), changed))
}

// binding makes a binding of replicas that each take one CPU, aggregated on few clusters.
func (b *bench) binding(name string, replicas int32, change ...func(*workv1alpha2.ResourceBinding)) {
	b.Helper()
	made := &workv1alpha2.ResourceBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: workv1alpha2.ResourceBindingSpec{
			Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: name},
			Replicas: replicas,
			ReplicaRequirements: &workv1alpha2.ReplicaRequirements{
				ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")},
			},
			Placement: &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
				ReplicaSchedulingType: policyv1alpha1.ReplicaSchedulingTypeDivided, ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceAggregated,
			}},
		},
	}
	policy.SetClaim(made, policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "all"}, ID: "all"})
	for _, apply := range change {
		apply(made)
	}
	b.must(b.plane.Create(b.Context(), made))
}

// bindings are those that exist, by name.
func (b *bench) bindings() map[string]*workv1alpha2.ResourceBinding {
	b.Helper()
	list := &workv1alpha2.ResourceBindingList{}
	b.must(b.plane.List(b.Context(), list))
	found := map[string]*workv1alpha2.ResourceBinding{}
	for i := range list.Items {
		found[list.Items[i].Name] = &list.Items[i]
	}
	return found
}

// await waits until the Scheduled condition of a binding has a reason.
func (b *bench) await(name, reason string) *workv1alpha2.ResourceBinding {
	b.Helper()
	var found *workv1alpha2.ResourceBinding
	b.must(b.env.Await(b.Context(), 20*time.Second, name+" to be "+reason, func(context.Context) (bool, error) {
		found = b.bindings()[name]
		return reasonOf(found) == reason, nil
	}))
	return found
}

func reasonOf(bound *workv1alpha2.ResourceBinding) string {
	if condition := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionScheduled); condition != nil {
		return condition.Reason
	}
	return ""
}

func replicasOf(bound *workv1alpha2.ResourceBinding) (sum int32) {
	for _, target := range bound.Spec.Clusters {
		sum += target.Replicas
	}
	return sum
}

func only(change scheduler.Options) control.Controller {
	change.Name = "default-scheduler"
	return scheduler.New(change)
}

func TestSimulatedSchedulerDoesNotOvercommit(t *testing.T) {
	count := func(options scheduler.Options) map[string]int {
		b := newBench(t, only(options))
		b.cluster("a", 10)
		b.cluster("b", 10)
		pass(t, b.env, time.Second)
		for i := range 5 {
			b.binding(fmt.Sprint("web-", i), 5)
		}
		pass(t, b.env, 20*time.Second)
		reasons := map[string]int{}
		for _, bound := range b.bindings() {
			reasons[reasonOf(bound)]++
		}
		return reasons
	}
	if got := count(scheduler.Options{}); got[names.ReasonScheduled] != 4 || got[names.ReasonUnschedulable] != 1 {
		t.Errorf("20 CPUs for five bindings of 5 replicas: %v", got)
	}
	if got := count(scheduler.Options{Overcommit: true}); got[names.ReasonScheduled] != 5 {
		t.Errorf("the same without protection: %v", got)
	}
}

func TestSimulatedSchedulerWakesForChangesOfTheFleet(t *testing.T) {
	gpu := func(bound *workv1alpha2.ResourceBinding) {
		bound.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"gpu": "yes"}}}
	}
	taint := corev1.Taint{Key: "closed", Effect: corev1.TaintEffectNoSchedule}
	for _, test := range []struct {
		name    string
		prepare func(*bench)
		waits   string
		mend    func(*bench)
	}{
		{"capacity", func(b *bench) { b.cluster("a", 1); b.binding("web", 3) }, names.ReasonUnschedulable, func(b *bench) { b.resize("a", 3) }},
		{"label", func(b *bench) { b.cluster("a", 9); b.binding("web", 3, gpu) }, names.ReasonNoClusterFit, func(b *bench) {
			b.change("a", func(c *clusterv1alpha1.Cluster) { c.Labels = map[string]string{"gpu": "yes"} })
		}},
		{"taint", func(b *bench) {
			b.cluster("a", 9, func(c *clusterv1alpha1.Cluster) { c.Spec.Taints = []corev1.Taint{taint} })
			b.binding("web", 3)
		}, names.ReasonNoClusterFit, func(b *bench) {
			b.change("a", func(c *clusterv1alpha1.Cluster) { c.Spec.Taints = nil })
		}},
		{"join", func(b *bench) { b.binding("web", 3) }, names.ReasonNoClusterFit, func(b *bench) { b.cluster("a", 9) }},
		{"leave", func(b *bench) {
			b.cluster("b", 9)
			b.binding("web", 3)
		}, names.ReasonScheduled, func(b *bench) {
			b.cluster("a", 9)
			b.must(b.plane.Delete(b.Context(), &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "b"}}))
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := newBench(t, only(scheduler.Options{}))
			test.prepare(b)
			waiting := b.await("web", test.waits)
			condition := meta.FindStatusCondition(waiting.Status.Conditions, names.ConditionScheduled)
			if condition.Message == "" || strings.Contains(condition.Message, "\n") {
				t.Errorf("the condition says %q, want one line", condition.Message)
			}
			pass(t, b.env, 2*time.Second)
			test.mend(b)
			b.must(b.env.Await(t.Context(), 2*time.Second, "a decision after the change", func(context.Context) (bool, error) {
				now := b.bindings()["web"]
				return reasonOf(now) == names.ReasonScheduled && len(now.Spec.Clusters) == 1 && now.Spec.Clusters[0].Name == "a", nil
			}))
		})
	}
}

func TestSimulatedSchedulerPrefersHighPriority(t *testing.T) {
	winner := func(options scheduler.Options) string {
		b := newBench(t, only(options))
		b.cluster("a", 5)
		pass(t, b.env, time.Second)
		b.binding("a-low", 5)
		b.binding("z-high", 5, func(bound *workv1alpha2.ResourceBinding) {
			bound.Spec.SchedulePriority = &workv1alpha2.SchedulePriority{Priority: 100}
		})
		pass(t, b.env, 10*time.Second)
		for name, bound := range b.bindings() {
			if reasonOf(bound) == names.ReasonScheduled {
				return name
			}
		}
		return ""
	}
	if got := winner(scheduler.Options{}); got != "z-high" {
		t.Errorf("room for one went to %q", got)
	}
	if got := winner(scheduler.Options{IgnorePriority: true}); got != "a-low" {
		t.Errorf("room for one, in order of arrival, went to %q", got)
	}
}

func TestSimulatedSchedulersServeTheBindingsThatNameThem(t *testing.T) {
	b := newBench(t, only(scheduler.Options{}), scheduler.New(scheduler.Options{Name: "batch"}))
	b.cluster("a", 50)
	b.binding("mine", 2)
	b.binding("batch", 3, func(bound *workv1alpha2.ResourceBinding) { bound.Spec.SchedulerName = "batch" })
	b.binding("other", 4, func(bound *workv1alpha2.ResourceBinding) { bound.Spec.SchedulerName = "nobody" })
	b.await("mine", names.ReasonScheduled)
	b.await("batch", names.ReasonScheduled)
	pass(t, b.env, 10*time.Second)
	if other := b.bindings()["other"]; reasonOf(other) != "" || len(other.Spec.Clusters) > 0 {
		t.Errorf("a binding for a scheduler that does not run was given %v", other.Spec.Clusters)
	}
}

// TestSimulatedSchedulerCrash ends the scheduler at each of its writes: before the targets are written, and between the
// targets and the status. The next one finishes every decision once.
func TestSimulatedSchedulerCrash(t *testing.T) {
	const count, size = 4, 3
	for at := 0; ; at++ {
		death := &death{after: at}
		b := newBench(t, death.threaten(only(scheduler.Options{})))
		b.cluster("a", 100)
		b.cluster("b", 100)
		for i := range count {
			b.binding(fmt.Sprint("web-", i), size)
		}
		for range 200 {
			pass(t, b.env, 5*time.Millisecond)
			if death.came {
				break
			}
		}
		if !death.came {
			if at < 2*count {
				t.Fatalf("only %d writes for %d bindings", at, count)
			}
			return
		}
		b.must(b.env.Restart(only(scheduler.Options{})))
		for i := range count {
			bound := b.await(fmt.Sprint("web-", i), names.ReasonScheduled)
			if replicasOf(bound) != size {
				t.Errorf("crash at write %d: %s has %v", at, bound.Name, bound.Spec.Clusters)
			}
		}
		before := b.bindings()
		pass(t, b.env, time.Minute)
		for name, bound := range b.bindings() {
			if bound.ResourceVersion != before[name].ResourceVersion {
				t.Errorf("crash at write %d: %s is written again at rest", at, name)
			}
		}
	}
}

func TestSimulatedSchedulerReportsRefusedQuota(t *testing.T) {
	full := true
	value := only(scheduler.Options{})
	decide := value.Reconcile
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		deps.Client = &limited{Client: deps.Client, full: &full}
		return decide(ctx, deps, key)
	}
	b := newBench(t, value)
	b.cluster("a", 10)
	b.binding("web", 2)
	if refused := b.await("web", names.ReasonQuotaExceeded); len(refused.Spec.Clusters) > 0 {
		t.Errorf("beyond its quota the binding has %v", refused.Spec.Clusters)
	}
	full = false
	b.await("web", names.ReasonScheduled)
}

// limited is a client whose admission refuses targets while a quota is full.
type limited struct {
	client.Client
	full *bool
}

func (l *limited) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if *l.full {
		return &apierrors.StatusError{ErrStatus: metav1.Status{
			Status: metav1.StatusFailure, Code: http.StatusForbidden, Reason: names.ReasonQuotaExceeded, Message: "the quota of the namespace is exceeded",
		}}
	}
	return l.Client.Patch(ctx, object, patch, options...)
}

func TestSimulatedSchedulerIsRepeatable(t *testing.T) {
	digest := func() string {
		b := newBench(t, only(scheduler.Options{}))
		for i := range 6 {
			b.cluster(fmt.Sprint("c", i), int64(5+i))
		}
		for i := range 20 {
			b.binding(fmt.Sprint("web-", i), int32(1+i%4))
		}
		pass(t, b.env, 2*time.Minute)
		sum, err := b.env.Digest()
		b.must(err)
		return sum
	}
	if first, second := digest(), digest(); first != second {
		t.Errorf("two runs differ: %s, %s", first, second)
	}
}

// death ends a process at a write.
type death struct {
	after int
	came  bool
}

var errDied = errors.New("the process has died")

func (d *death) threaten(value control.Controller) control.Controller {
	alive := value.Reconcile
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		if d.came {
			return control.Result{}, errDied
		}
		deps.Client = &mortal{Client: deps.Client, death: d}
		return alive(ctx, deps, key)
	}
	return value
}

func (d *death) strike() error {
	if d.after == 0 || d.came {
		d.came = true
		return errDied
	}
	d.after--
	return nil
}

// mortal is a client whose process may die before a patch.
type mortal struct {
	client.Client
	death *death
}

func (m *mortal) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.PatchOption) error {
	if err := m.death.strike(); err != nil {
		return err
	}
	return m.Client.Patch(ctx, object, patch, options...)
}

func (m *mortal) Status() client.SubResourceWriter {
	return &mortalStatus{SubResourceWriter: m.Client.Status(), death: m.death}
}

type mortalStatus struct {
	client.SubResourceWriter
	death *death
}

func (m *mortalStatus) Patch(ctx context.Context, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
	if err := m.death.strike(); err != nil {
		return err
	}
	return m.SubResourceWriter.Patch(ctx, object, patch, options...)
}
