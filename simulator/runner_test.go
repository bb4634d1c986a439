package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/store"
)

var configMaps = corev1.SchemeGroupVersion.WithKind("ConfigMap")

// probe is a controller that writes down its turns: "name@time".
type probe struct {
	turns  []string
	answer func(deps control.Deps, key control.Key) (control.Result, error)
}

func (p *probe) controller(name string) control.Controller {
	return control.Controller{
		Name:       name,
		Watches:    []control.Watch{{Object: &corev1.Secret{}, Keys: control.Self}},
		SourceKeys: control.Self,
		Reconcile: func(_ context.Context, deps control.Deps, key control.Key) (control.Result, error) {
			p.turns = append(p.turns, fmt.Sprintf("%s@%s", key.Name, deps.Clock.Since(start)))
			if p.answer == nil {
				return control.Result{}, nil
			}
			return p.answer(deps, key)
		},
	}
}

// rig is a fleet of a control plane and member m1, joined.
func rig(t *testing.T, controllers ...control.Controller) *Fleet {
	t.Helper()
	f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
	ok(t, err)
	ok(t, f.Run(controllers...))
	ok(t, f.Add(t.Context(), fleet.Spec{Name: "m1"}))
	ok(t, f.Join(t.Context(), "m1"))
	return f
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, f *Fleet, until time.Duration) {
	t.Helper()
	end := start.Add(until)
	ok(t, f.Await(t.Context(), until, "time to pass", func(context.Context) (bool, error) { return !f.Now().Before(end), nil }))
}

func of(t *testing.T, f *Fleet, cluster string) client.Client {
	t.Helper()
	c, err := f.Client(t.Context(), cluster)
	ok(t, err)
	return c
}

func secret(name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}}
}

func configMap(name string, labels map[string]string) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Labels: labels}}
}

func (p *probe) expect(t *testing.T, want string) {
	t.Helper()
	if got := strings.Join(p.turns, " "); got != want {
		t.Errorf("turns %q, want %q", got, want)
	}
}

// TestTurns follows when a key has its turns: what it asks for, what fails, and what comes between.
func TestTurns(t *testing.T) {
	conflict := apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "a", errors.New("stale"))
	for _, c := range []struct {
		name   string
		answer func(turn int) (control.Result, error)
		touch  time.Duration
		want   string
	}{
		{"once", func(int) (control.Result, error) { return control.Result{}, nil }, 0, "a@2ms"},
		{"again after a time", func(turn int) (control.Result, error) {
			return control.Result{RequeueAfter: time.Duration(2-turn) * time.Second}, nil
		}, 0, "a@2ms a@1.002s"},
		{"something comes before the time", func(turn int) (control.Result, error) {
			return control.Result{RequeueAfter: time.Duration(2-turn) * 2 * time.Second}, nil
		}, time.Second, "a@2ms a@1.002s"},
		{"a stale read", func(turn int) (control.Result, error) {
			if turn < 3 {
				return control.Result{}, conflict
			}
			return control.Result{}, nil
		}, 0, "a@2ms a@22ms a@42ms"},
		{"failures back off", func(turn int) (control.Result, error) {
			if turn < 4 {
				return control.Result{}, errors.New("no")
			}
			return control.Result{}, nil
		}, 0, "a@2ms a@7ms a@17ms a@37ms"},
		{"others are woken", func(turn int) (control.Result, error) {
			if turn == 1 {
				return control.Result{Wake: []control.Key{{Name: "b"}, {Name: "b"}}}, nil
			}
			return control.Result{}, nil
		}, 0, "a@2ms b@2ms"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := &probe{}
			p.answer = func(control.Deps, control.Key) (control.Result, error) { return c.answer(len(p.turns)) }
			f := rig(t, p.controller("probe"))
			a := secret("a")
			ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), a))
			if c.touch > 0 {
				run(t, f, c.touch)
				a.StringData = map[string]string{"touched": "1"}
				ok(t, of(t, f, fleet.ControlPlaneName).Update(t.Context(), a))
			}
			run(t, f, 5*time.Second)
			p.expect(t, c.want)
		})
	}
}

// TestRestart ends a controller that has turns and timers ahead: none of them happens, and its successor sees what is there.
func TestRestart(t *testing.T) {
	before, after := &probe{}, &probe{}
	before.answer = func(control.Deps, control.Key) (control.Result, error) {
		return control.Result{RequeueAfter: time.Second, Sources: []control.Source{{Cluster: "m1", GVK: configMaps}}}, nil
	}
	f := rig(t, before.controller("before"))
	plane := of(t, f, fleet.ControlPlaneName)
	ok(t, plane.Create(t.Context(), secret("a")))
	ok(t, plane.Create(t.Context(), secret("gone")))
	run(t, f, 500*time.Millisecond)
	ok(t, plane.Delete(t.Context(), secret("gone")))
	run(t, f, 600*time.Millisecond)
	ok(t, plane.Create(t.Context(), secret("b")))
	had := len(before.turns)
	ok(t, f.Restart(after.controller("after")))
	ok(t, of(t, f, "m1").Create(t.Context(), configMap("unwatched", nil)))
	run(t, f, 10*time.Second)
	if len(before.turns) != had {
		t.Errorf("the old controller had turns after its end: %v", before.turns[had:])
	}
	after.expect(t, "a@600ms b@602ms")
}

// TestSourceThatCannotOpen asks for a kind that a member does not serve yet: once it does, the source opens and shows what is
// there.
func TestSourceThatCannotOpen(t *testing.T) {
	boats := schema.GroupVersionKind{Group: "example.com", Version: "v1", Kind: "Boat"}
	p := &probe{}
	p.answer = func(control.Deps, control.Key) (control.Result, error) {
		return control.Result{Sources: []control.Source{{Cluster: "m1", GVK: boats}}}, nil
	}
	f := rig(t, p.controller("probe"))
	ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), secret("a")))
	run(t, f, 100*time.Millisecond)
	if f.opened(control.Source{Cluster: "m1", GVK: boats}) {
		t.Error("a source that failed to open counts as open")
	}
	f.clusters["m1"].store.Register(store.Resource{GVK: boats, Plural: "boats"})
	boat := &unstructured.Unstructured{}
	boat.SetGroupVersionKind(boats)
	boat.SetName("nina")
	ok(t, of(t, f, "m1").Create(t.Context(), boat))
	run(t, f, time.Second)
	if !slices.ContainsFunc(p.turns, func(turn string) bool { return strings.HasPrefix(turn, "nina@") }) {
		t.Errorf("the source did not show what was there when it opened: %v", p.turns)
	}
}

// TestManagedView reads a member as an informer of managed objects has it.
func TestManagedView(t *testing.T) {
	p := &probe{}
	p.answer = func(control.Deps, control.Key) (control.Result, error) {
		return control.Result{Sources: []control.Source{{Cluster: "m1", GVK: configMaps, View: control.Managed}}}, nil
	}
	f := rig(t, p.controller("probe"))
	m1 := of(t, f, "m1")
	ok(t, m1.Create(t.Context(), configMap("theirs", nil)))
	ok(t, m1.Create(t.Context(), configMap("ours", map[string]string{names.LabelManaged: names.LabelManagedValue})))
	ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), secret("a")))
	run(t, f, time.Second)
	p.expect(t, "a@2ms ours@2ms")

	seen, err := f.Member(t.Context(), "m1")
	ok(t, err)
	theirs := types.NamespacedName{Namespace: "default", Name: "theirs"}
	if err := seen.Get(t.Context(), theirs, &corev1.ConfigMap{}); !apierrors.IsNotFound(err) {
		t.Errorf("the view shows an object that is not managed: %v", err)
	}
	ok(t, seen.Live().Get(t.Context(), theirs, &corev1.ConfigMap{}))
	list := &corev1.ConfigMapList{}
	ok(t, seen.List(t.Context(), list))
	if len(list.Items) != 1 || list.Items[0].Name != "ours" {
		t.Errorf("the view lists %v", list.Items)
	}
}

// TestPartition keeps a member's changes from the control plane, and its requests from the member, until it is healed.
func TestPartition(t *testing.T) {
	p := &probe{}
	p.answer = func(control.Deps, control.Key) (control.Result, error) {
		return control.Result{Sources: []control.Source{{Cluster: "m1", GVK: configMaps}}}, nil
	}
	f := rig(t, p.controller("probe"))
	ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), secret("a")))
	run(t, f, 100*time.Millisecond)
	ok(t, f.Partition(t.Context(), "m1"))
	m1 := of(t, f, "m1")
	ok(t, m1.Create(t.Context(), configMap("first", nil)))
	ok(t, m1.Create(t.Context(), configMap("second", nil)))
	run(t, f, time.Second)
	seen, err := f.Member(t.Context(), "m1")
	ok(t, err)
	if err := seen.Create(t.Context(), configMap("refused", nil)); !errors.Is(err, errPartitioned) {
		t.Errorf("a write through a partition: %v", err)
	}
	if _, err := seen.Health(t.Context()); !errors.Is(err, errPartitioned) {
		t.Errorf("a health check through a partition: %v", err)
	}
	p.expect(t, "a@2ms")
	ok(t, f.Heal(t.Context(), "m1"))
	run(t, f, 2*time.Second)
	p.expect(t, "a@2ms first@1.002s second@1.002s")
}

// TestControlPlaneDown: no controller writes to a control plane that is down.
func TestControlPlaneDown(t *testing.T) {
	p := &probe{}
	var failure error
	p.answer = func(deps control.Deps, _ control.Key) (control.Result, error) {
		failure = deps.Client.Create(context.Background(), configMap("written", nil))
		return control.Result{RequeueAfter: time.Second}, nil
	}
	f := rig(t, p.controller("probe"))
	ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), secret("a")))
	run(t, f, time.Millisecond)
	ok(t, f.Kill(t.Context(), fleet.ControlPlaneName))
	run(t, f, time.Second)
	p.expect(t, "")
	ok(t, f.Revive(t.Context(), fleet.ControlPlaneName))
	run(t, f, 1500*time.Millisecond)
	ok(t, failure)
	ok(t, f.Pause(t.Context(), fleet.ControlPlaneName))
	run(t, f, 3*time.Second)
	if !errors.Is(failure, errPaused) {
		t.Errorf("a write while the control plane is paused: %v", failure)
	}
}
