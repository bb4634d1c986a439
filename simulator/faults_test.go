package simulator

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
)

// watching notes each time it hears of ConfigMaps, and what its clock says then.
func watching(heard *[]time.Time, f *Fleet, read *time.Time) control.Controller {
	return control.Controller{
		Name: "watching",
		Watches: []control.Watch{{Object: &corev1.ConfigMap{}, Keys: func(_ context.Context, _ client.Reader, event control.Event) []control.Key {
			*heard = append(*heard, f.Now())
			return []control.Key{control.KeyOf(event.Object())}
		}}},
		Reconcile: func(_ context.Context, deps control.Deps, _ control.Key) (control.Result, error) {
			*read = deps.Clock.Now()
			return control.Result{}, nil
		},
	}
}

// TestDisturbWatches tells of a change late, late and after a broken watch, or twice, and says each time that it did.
func TestDisturbWatches(t *testing.T) {
	for _, c := range []struct {
		fault        Fault
		delay, after time.Duration
		times, told  int
	}{
		{"", 0, watchDelay, 1, 0},
		{DelayWatch, time.Second, watchDelay + time.Second, 1, 1},
		{DropWatch, 0, watchDelay + reconnect, 1, 1},
		{DropWatch, 3 * time.Second, watchDelay + 3*time.Second, 1, 1},
		{RepeatWatch, 0, watchDelay, 2, 1},
	} {
		f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
		ok(t, err)
		var heard []time.Time
		var read time.Time
		ok(t, f.Run(watching(&heard, f, &read)))
		run(t, f, time.Minute)
		heard = nil
		told := 0
		if c.fault != "" {
			ok(t, f.Disturb(fleet.ControlPlaneName, c.fault, Disturbance{Rate: 1, Delay: c.delay, Told: func() { told++ }}))
		}
		written := f.Now()
		ok(t, of(t, f, fleet.ControlPlaneName).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}))
		run(t, f, 2*time.Minute)
		if len(heard) != c.times || heard[0].Sub(written) != c.after || told != c.told {
			t.Errorf("%s by %s: heard %v of what was written at %s, told %d times", c.fault, c.delay, heard, written, told)
		}
	}
}

// TestDisturbClocks sets clocks ahead: members mark what they make with theirs, and controllers read that of the control plane.
func TestDisturbClocks(t *testing.T) {
	f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
	ok(t, err)
	ok(t, f.Add(t.Context(), fleet.Spec{Name: "m1"}))
	var heard []time.Time
	var read time.Time
	ok(t, f.Run(watching(&heard, f, &read)))
	ok(t, f.Disturb("m1", ClockSkew, Disturbance{Rate: 1, Delay: time.Hour}))
	ok(t, f.Disturb(fleet.ControlPlaneName, ClockSkew, Disturbance{Rate: 1, Delay: -time.Minute}))
	for name, ahead := range map[string]time.Duration{"m1": time.Hour, fleet.ControlPlaneName: 0} {
		made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "a"}}
		ok(t, of(t, f, name).Create(t.Context(), made))
		if got := made.CreationTimestamp.Sub(f.Now()); got != ahead {
			t.Errorf("cluster %s marks it with a time %s ahead, want %s", name, got, ahead)
		}
	}
	run(t, f, time.Second)
	if want := start.Add(watchDelay - time.Minute); !read.Equal(want) {
		t.Errorf("the controller reads %s, want %s", read, want)
	}
	ok(t, f.Disturb("m1", ClockSkew, Disturbance{}))
	made := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "b"}}
	ok(t, of(t, f, "m1").Create(t.Context(), made))
	if !made.CreationTimestamp.Time.Equal(f.Now().Truncate(time.Second)) {
		t.Errorf("a mended clock marks %s at %s", made.CreationTimestamp, f.Now())
	}
}

// TestBrokenWatchTellsReplacements: a watcher that was away while an object was made anew hears that the old one is gone and that there
// is another, through a watch and through a source.
func TestBrokenWatchTellsReplacements(t *testing.T) {
	f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
	ok(t, err)
	var heard []string
	hear := func(by string) control.KeyFunc {
		return func(_ context.Context, _ client.Reader, event control.Event) []control.Key {
			heard = append(heard, fmt.Sprintf("%s: old %t, new %t", by, event.Old != nil, event.New != nil))
			return []control.Key{control.KeyOf(event.Object())}
		}
	}
	ok(t, f.Run(control.Controller{
		Name: "watching", Watches: []control.Watch{{Object: &corev1.ConfigMap{}, Keys: hear("watch")}}, SourceKeys: hear("source"),
		Reconcile: func(context.Context, control.Deps, control.Key) (control.Result, error) {
			return control.Result{Sources: []control.Source{{GVK: corev1.SchemeGroupVersion.WithKind("Secret")}}}, nil
		},
	}))
	plane := of(t, f, fleet.ControlPlaneName)
	ok(t, plane.Create(t.Context(), configMap("a", nil)))
	ok(t, plane.Create(t.Context(), secret("b")))
	run(t, f, time.Minute)
	heard = nil
	ok(t, f.Disturb(fleet.ControlPlaneName, DropWatch, Disturbance{Rate: 1}))
	ok(t, plane.Delete(t.Context(), configMap("a", nil)))
	ok(t, plane.Delete(t.Context(), secret("b")))
	ok(t, plane.Create(t.Context(), configMap("a", nil)))
	ok(t, plane.Create(t.Context(), secret("b")))
	run(t, f, 2*time.Minute)
	slices.Sort(heard)
	want := []string{"source: old false, new true", "source: old true, new false", "watch: old false, new true", "watch: old true, new false"}
	if !slices.Equal(heard, want) {
		t.Errorf("heard %q", heard)
	}
}
