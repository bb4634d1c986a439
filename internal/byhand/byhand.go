// Package byhand lets tests take single turns of controllers in a simulated control plane where no time passes, with what
// controllers are given in the hand of the test.
package byhand

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/native"
	"github.com/seatrial/seatrial/simulator"
)

// Plane is a control plane. Its Deps can be changed for a turn.
type Plane struct {
	control.Deps
	// Store reads and writes without a view between, and can be wrapped by interceptors.
	Store client.WithWatch
	// Told are the events of all turns.
	Told *Diary

	t         testing.TB
	reconcile control.Reconcile
}

// New prepares turns of a controller.
func New(t testing.TB, controller control.Controller) *Plane {
	t.Helper()
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	env, err := simulator.New(t.Context(), simulator.Options{Start: start, Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	// The controller brings its indexes. It has no turn of its own, since no time passes.
	if err := env.Run(controller); err != nil {
		t.Fatal(err)
	}
	direct, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	made := &Plane{Store: unwatched{direct}, Told: &Diary{}, t: t, reconcile: controller.Reconcile}
	clock := testclock.NewFakePassiveClock(start)
	made.Deps = control.Deps{
		Client: made.Store, Live: direct, Clock: clock, Events: made.Told, IDs: &counter{},
		Interpreter: interpreter.Chain{native.New(native.Options{Clock: clock})},
	}
	return made
}

// Turn takes a turn for a key. The test ends when it fails.
func (p *Plane) Turn(key control.Key) control.Result {
	p.t.Helper()
	result, err := p.Try(key)
	p.Must(err)
	return result
}

// Try takes a turn that may fail.
func (p *Plane) Try(key control.Key) (control.Result, error) {
	p.t.Helper()
	return p.reconcile(p.t.Context(), p.Deps, key)
}

// Must ends the test for an error.
func (p *Plane) Must(err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
}

// Create stores objects.
func (p *Plane) Create(objects ...client.Object) {
	p.t.Helper()
	for _, object := range objects {
		p.Must(p.Store.Create(p.t.Context(), object))
	}
}

// Read reads an object anew.
func (p *Plane) Read(object client.Object) {
	p.t.Helper()
	p.Must(p.Store.Get(p.t.Context(), client.ObjectKeyFromObject(object), object))
}

// Diary keeps events.
type Diary struct{ lines []string }

// Eventf implements control.EventRecorder.
func (d *Diary) Eventf(_ runtime.Object, _, reason, format string, args ...any) {
	d.lines = append(d.lines, reason+": "+fmt.Sprintf(format, args...))
}

// Has tells whether there is an event of a reason that says something.
func (d *Diary) Has(reason, says string) bool {
	return slices.ContainsFunc(d.lines, func(line string) bool { return strings.HasPrefix(line, reason+": ") && strings.Contains(line, says) })
}

// String lists all events.
func (d *Diary) String() string { return strings.Join(d.lines, "\n") }

type counter struct{ last int }

func (c *counter) NewID() string {
	c.last++
	return fmt.Sprintf("id-%d", c.last)
}

// unwatched is a client that interceptors can wrap.
type unwatched struct{ client.Client }

func (unwatched) Watch(context.Context, client.ObjectList, ...client.ListOption) (watch.Interface, error) {
	return nil, errors.New("turns do not watch")
}
