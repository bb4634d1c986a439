package simulator

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/native"
	"github.com/seatrial/seatrial/simulator/store"
)

// look is the interval at which Await looks at its condition.
const look = 100 * time.Millisecond

// Options fix a simulation: the same options and the same calls give the same history.
type Options struct {
	// Start is the virtual time at which it begins.
	Start time.Time
	Seed  uint64
	// Checked makes reads panic that find an object which a controller has written to.
	Checked bool
}

// Fleet is a simulated control plane with its members and controllers. It implements fleet.Environment and
// control.Members. It is not safe for concurrent use: its time passes in Await and nowhere else.
type Fleet struct {
	ctx     context.Context
	options Options
	loop    *Loop
	scheme  *runtime.Scheme
	random  *rand.Rand
	ids     *ids

	plane    *cluster
	clusters map[string]*cluster
	runners  []*runner

	// failure is the first error that no controller is to blame for; it ends the simulation.
	failure error
	// troubles are the last errors of controllers by what they concern, for messages.
	troubles map[string]error
}

var (
	_ fleet.Environment = (*Fleet)(nil)
	_ control.Members   = (*Fleet)(nil)
)

// New makes a fleet of a control plane alone.
func New(ctx context.Context, options Options) (*Fleet, error) {
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		return nil, fmt.Errorf("collecting the known kinds: %w", err)
	}
	f := &Fleet{
		ctx: ctx, options: options, loop: NewLoop(options.Start), scheme: kinds,
		random: rand.New(rand.NewPCG(options.Seed, 0)), ids: newIDs(options.Seed),
		clusters: map[string]*cluster{}, troubles: map[string]error{},
	}
	stored, err := f.planeStore()
	if err != nil {
		return nil, fmt.Errorf("preparing the control plane: %w", err)
	}
	f.plane = newCluster(fleet.Spec{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane}, f.loop, stored)
	f.clusters[fleet.ControlPlaneName] = f.plane
	return f, nil
}

// Run adds controllers to the control plane. They see what is there already as new.
func (f *Fleet) Run(controllers ...control.Controller) error {
	for _, value := range controllers {
		for _, index := range value.Indexes {
			if err := f.plane.store.IndexField(f.ctx, index.Object, index.Field, index.Values); err != nil {
				return fmt.Errorf("controller %s: indexing %T by %s: %w", value.Name, index.Object, index.Field, err)
			}
		}
	}
	for _, value := range controllers {
		added := newRunner(f, value, control.Deps{
			Members: f, Clock: f.loop, Events: discard{}, IDs: f.ids,
			Interpreter: interpreter.Chain{native.New(native.Options{Clock: f.loop})},
		})
		added.deps.Client = &cached{Client: gate(f.plane.store.Client(), f.plane.down), cluster: f.plane, covers: f.watched}
		f.runners = append(f.runners, added)
		if err := added.catchUpWatches(); err != nil {
			return fmt.Errorf("controller %s: %w", value.Name, err)
		}
		f.plane.outside.watchers = append(f.plane.outside.watchers, added.onPlane)
		for _, name := range f.names() {
			f.connect(added, f.clusters[name])
		}
	}
	return nil
}

// Restart ends all controllers as a crash of their process does, between two turns and with all that they remember, and runs
// others in their place. They see what is there as new, as after any start.
func (f *Fleet) Restart(controllers ...control.Controller) error {
	for _, r := range f.runners {
		r.ended = true
	}
	f.runners = nil
	clear(f.troubles)
	for _, name := range f.names() {
		f.clusters[name].outside.watchers = nil
	}
	return f.Run(controllers...)
}

// connect lets a controller see a member, as far as it opens sources there.
func (f *Fleet) connect(r *runner, c *cluster) {
	if c == f.plane {
		return
	}
	c.outside.watchers = append(c.outside.watchers, func(event store.Event) { r.onSource(c.spec.Name, event) })
}

// watched tells whether controllers read a kind of the control plane from watches.
func (f *Fleet) watched(gvk schema.GroupVersionKind) bool {
	for _, r := range f.runners {
		for _, watch := range r.value.Watches {
			if f.kindOf(watch.Object) == gvk {
				return true
			}
		}
	}
	return f.opened(control.Source{GVK: gvk})
}

func (f *Fleet) opened(source control.Source) bool {
	return slices.ContainsFunc(f.runners, func(r *runner) bool { return r.open[source] > 0 })
}

// note keeps what went wrong with a key, until the fleet has settled or someone asks.
func (f *Fleet) note(controller string, key control.Key, err error) {
	f.troubles[controller+" "+key.String()] = err
}

func (f *Fleet) names() []string { return slices.Sorted(maps.Keys(f.clusters)) }

func (f *Fleet) find(name string) (*cluster, error) {
	if name == "" {
		return f.plane, nil
	}
	found, known := f.clusters[name]
	if !known {
		return nil, fmt.Errorf("cluster %s: %w", name, fleet.ErrUnknownCluster)
	}
	return found, nil
}

// Await implements fleet.Environment: it is the only place where time passes.
func (f *Fleet) Await(ctx context.Context, timeout time.Duration, what string, condition func(context.Context) (bool, error)) error {
	deadline := f.loop.Now().Add(timeout)
	for {
		if err := f.tend(); err != nil {
			return err
		}
		done, err := condition(ctx)
		if err != nil {
			return fmt.Errorf("awaiting %s: %w", what, err)
		}
		if done {
			return nil
		}
		if !f.loop.Now().Before(deadline) {
			return fmt.Errorf("awaiting %s: not within %s; %s", what, timeout, f.trouble())
		}
		next := f.loop.Now().Add(look)
		if next.After(deadline) {
			next = deadline
		}
		if err := f.advance(ctx, next); err != nil {
			return err
		}
	}
}

// advance runs every event up to a time.
func (f *Fleet) advance(ctx context.Context, limit time.Time) error {
	for f.loop.Step(limit) {
		if err := f.tend(); err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
	}
	f.loop.RunUntil(limit)
	return nil
}

// tend follows up on what an event or a call has written anywhere.
func (f *Fleet) tend() error {
	for _, name := range f.names() {
		if err := f.clusters[name].tend(f.ctx); err != nil {
			return err
		}
	}
	return f.failure
}

// trouble says what controllers last complained of.
func (f *Fleet) trouble() string {
	if len(f.troubles) == 0 {
		return "no controller has reported an error"
	}
	text := "controllers reported:"
	for _, concern := range slices.Sorted(maps.Keys(f.troubles)) {
		text += fmt.Sprintf("\n  %s: %v", concern, f.troubles[concern])
	}
	return text
}

// fail ends the simulation.
func (f *Fleet) fail(err error) {
	if f.failure == nil {
		f.failure = fmt.Errorf("at %s: %w", f.loop.Now().Format(time.RFC3339Nano), err)
	}
}

// Now is the virtual time.
func (f *Fleet) Now() time.Time { return f.loop.Now() }

// Revision counts the writes in a cluster so far.
func (f *Fleet) Revision(cluster string) (uint64, error) {
	found, err := f.find(cluster)
	if err != nil {
		return 0, err
	}
	return found.store.Revision(), nil
}

// Writes tells what was written in a cluster after a revision, one line each.
func (f *Fleet) Writes(cluster string, since uint64) ([]string, error) {
	found, err := f.find(cluster)
	if err != nil {
		return nil, err
	}
	var lines []string
	for _, event := range found.changes(since) {
		lines = append(lines, fmt.Sprintf("%d %s %s %s", event.Revision, event.Type, event.GVK.Kind, event.Key))
	}
	return lines, nil
}

// Digest is the SHA-256, in hexadecimal, of all that was ever written in the clusters of the fleet: simulations with the same
// digest have had the same history.
func (f *Fleet) Digest() (string, error) {
	sum := sha256.New()
	for _, name := range f.names() {
		for _, event := range f.clusters[name].changes(0) {
			content, err := json.Marshal(event.Tree())
			if err != nil {
				return "", fmt.Errorf("cluster %s: encoding revision %d: %w", name, event.Revision, err)
			}
			fmt.Fprintf(sum, "%s %d %s %s\n", name, event.Revision, event.Type, content)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// discard drops the events for users; simulated users read conditions.
type discard struct{}

func (discard) Eventf(runtime.Object, string, string, string, ...any) {}

// nodes are what a member cluster starts with.
func nodes(spec fleet.Spec) ([]client.Object, error) {
	capacity, err := capacityOf(spec.Nodes)
	if err != nil {
		return nil, err
	}
	var objects []client.Object
	for i := range spec.Nodes.Count {
		node := &corev1.Node{}
		node.Name = fmt.Sprintf("%s-node-%d", spec.Name, i)
		node.Labels = maps.Clone(spec.Nodes.Labels)
		if node.Labels == nil {
			node.Labels = map[string]string{}
		}
		if spec.Region != "" {
			node.Labels[corev1.LabelTopologyRegion] = spec.Region
		}
		if len(spec.Zones) > 0 {
			node.Labels[corev1.LabelTopologyZone] = spec.Zones[i%len(spec.Zones)]
		}
		node.Status.Capacity, node.Status.Allocatable = capacity, capacity
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
		objects = append(objects, node)
	}
	return objects, nil
}
