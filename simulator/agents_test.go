package simulator

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	inside "github.com/seatrial/seatrial/agent"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	lifecycle "github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/controllers/execute"
	"github.com/seatrial/seatrial/fleet"
)

// pulled is a control plane with two members in Pull mode, m1 and m2, whose Works are written by hand.
type pulled struct {
	*testing.T
	*Fleet
	plane, member client.Client
}

func newPulled(t *testing.T) *pulled {
	t.Helper()
	f, err := New(t.Context(), Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true, Forget: true})
	ok(t, err)
	ok(t, f.Run(lifecycle.New(lifecycle.DefaultMonitor(), 1), execute.New(control.Scope{}, 1)))
	p := &pulled{T: t, Fleet: f}
	p.plane, err = f.Client(t.Context(), fleet.ControlPlaneName)
	ok(t, err)
	for _, name := range []string{"m1", "m2"} {
		ok(t, f.Add(t.Context(), fleet.Spec{Name: name}))
		options := inside.Defaults()
		options.Cluster = name
		ok(t, f.Register(t.Context(), name, func() []control.Controller {
			return append(inside.Controllers(options), inside.Heartbeat(options))
		}))
	}
	p.member, err = f.Client(t.Context(), "m1")
	ok(t, err)
	p.ready(true)
	return p
}

func (p *pulled) ready(want bool) {
	p.Helper()
	ok(p.T, p.Await(p.Context(), 2*time.Minute, "the readiness of m1", func(ctx context.Context) (bool, error) {
		cluster := &clusterv1alpha1.Cluster{}
		err := p.plane.Get(ctx, types.NamespacedName{Name: "m1"}, cluster)
		return meta.IsStatusConditionTrue(cluster.Status.Conditions, names.ConditionClusterReady) == want, err
	}))
}

func (p *pulled) pass(span time.Duration) {
	p.Helper()
	ok(p.T, p.Advance(p.Context(), p.Now().Add(span)))
}

// work is the Work in m1 that carries a ConfigMap.
func (p *pulled) work(name, mode string) *workv1alpha1.Work {
	p.Helper()
	space := names.ExecutionSpace("m1")
	raw := `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"namespace":"default","name":"` + name + `","labels":{"` + names.LabelManaged + `":"` + names.LabelManagedValue +
		`"},"annotations":{"` + names.AnnotationWorkNamespace + `":"` + space + `","` + names.AnnotationWorkName + `":"` + name + `"}},"data":{"mode":"` + mode + `"}}`
	return &workv1alpha1.Work{
		ObjectMeta: metav1.ObjectMeta{Namespace: space, Name: name, Finalizers: []string{names.FinalizerExecution}},
		Spec:       workv1alpha1.WorkSpec{Workload: workv1alpha1.WorkloadTemplate{Manifests: []workv1alpha1.Manifest{{RawExtension: runtime.RawExtension{Raw: []byte(raw)}}}}},
	}
}

// mode is what the copy in m1 says, "" when there is none.
func (p *pulled) mode(name string) string {
	p.Helper()
	found := &corev1.ConfigMap{}
	ok(p.T, client.IgnoreNotFound(p.member.Get(p.Context(), types.NamespacedName{Namespace: "default", Name: name}, found)))
	return found.Data["mode"]
}

func (p *pulled) change(name, mode string) {
	p.Helper()
	work := &workv1alpha1.Work{}
	ok(p.T, p.plane.Get(p.Context(), types.NamespacedName{Namespace: names.ExecutionSpace("m1"), Name: name}, work))
	work.Spec = p.work(name, mode).Spec
	ok(p.T, p.plane.Update(p.Context(), work))
}

// TestAgentBehindPartition cuts an agent off: what it was told goes on to hold, nothing of what changes reaches it, and afterwards it
// writes what has changed once and nothing else.
func TestAgentBehindPartition(t *testing.T) {
	p := newPulled(t)
	for _, name := range []string{"steady", "changed", "gone"} {
		ok(t, p.plane.Create(t.Context(), p.work(name, "1")))
	}
	p.pass(time.Minute)
	if p.mode("steady") != "1" || p.mode("changed") != "1" || p.mode("gone") != "1" {
		t.Fatal("the agent did not apply its Works")
	}
	ok(t, p.Partition(t.Context(), "m1"))
	p.change("changed", "2")
	ok(t, p.plane.Delete(t.Context(), p.work("gone", "1")))
	ok(t, p.plane.Create(t.Context(), p.work("late", "1")))
	ok(t, p.member.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "steady"}}))
	p.ready(false)
	// Long enough for backoffs to grow.
	p.pass(20 * time.Minute)
	for name, want := range map[string]string{"steady": "1", "changed": "1", "gone": "1", "late": ""} {
		if got := p.mode(name); got != want {
			t.Errorf("cut off, %s is %q, want %q", name, got, want)
		}
	}
	revision, err := p.Revision("m1")
	ok(t, err)
	ok(t, p.Heal(t.Context(), "m1"))
	p.pass(time.Minute)
	for name, want := range map[string]string{"steady": "1", "changed": "2", "gone": "", "late": "1"} {
		if got := p.mode(name); got != want {
			t.Errorf("reached again, %s is %q, want %q", name, got, want)
		}
	}
	writes, err := p.Writes("m1", revision)
	ok(t, err)
	if len(writes) != 3 || slices.ContainsFunc(writes, func(line string) bool { return strings.Contains(line, "steady") }) {
		t.Errorf("catching up wrote %q in the member, want one write for each change", writes)
	}
	p.ready(true)
}

// TestAgentOfAnother holds that a Work is carried by the agent of its own cluster only, that a dead agent carries none, and that one
// started anew goes on.
func TestAgentOfAnother(t *testing.T) {
	p := newPulled(t)
	ok(t, p.StopAgent("m1"))
	ok(t, p.plane.Create(t.Context(), p.work("settings", "1")))
	p.ready(false)
	if p.mode("settings") != "" {
		t.Error("somebody else carried the Work of m1")
	}
	ok(t, p.StartAgent("m1"))
	p.ready(true)
	p.pass(time.Minute)
	if p.mode("settings") != "1" {
		t.Error("the agent that was started anew did not carry its Work")
	}
	if err := p.StopAgent("m3"); err == nil {
		t.Error("a cluster that there is not has an agent")
	}
}

// TestSilentClusterLeaves deletes the Cluster of an agent that is gone for good: nobody waits for it.
func TestSilentClusterLeaves(t *testing.T) {
	p := newPulled(t)
	ok(t, p.plane.Create(t.Context(), p.work("settings", "1")))
	p.pass(time.Minute)
	ok(t, p.Kill(t.Context(), "m1"))
	ok(t, p.Unjoin(t.Context(), "m1"))
	// One that still reports takes its objects away first.
	ok(t, p.Unjoin(t.Context(), "m2"))
}
