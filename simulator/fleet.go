package simulator

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/interpreter/standard"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/simulator/store"
)

// look is the interval at which Await looks at its condition.
const look = 100 * time.Millisecond

// Options fix a simulation: the same options and the same calls give the same history.
type Options struct {
	// Start is the virtual time at which it begins.
	Start time.Time
	Seed  uint64
	// Forget drops what every watcher has seen from the histories, and keeps only its digest, so that memory does not grow
	// with time. Writes then tells no more than what is left.
	Forget bool
	// Beside does work that changes nothing but the time it takes: it calls what it is given in that order, one after the other,
	// at any time. Nil calls it at once.
	Beside func(func())
	// Turn is told of every turn that a controller had; nil for nobody.
	Turn func(controller string)
	// Trusting leaves out the validation of custom resources by their schemas, which makes writes several times cheaper.
	// What defaults and admission do stays.
	Trusting bool
	// Checked makes reads panic that find an object which a controller has written to.
	Checked bool
	// QuotaEnforcement refuses bindings beyond the FederatedResourceQuotas of their namespace.
	QuotaEnforcement bool
	// Kinds are shared with other fleets; nil for some of its own.
	Kinds *Kinds
	// NoExecuteTaintPolicy permits the effect NoExecute in ClusterTaintPolicies.
	NoExecuteTaintPolicy bool
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
	// faults decide which requests and deliveries go wrong.
	faults *rand.Rand
	// services are the service times of API servers.
	services map[kube.Latency]service
	// spent is the time that the requests of the present turn have taken so far.
	spent time.Duration

	plane    *cluster
	clusters map[string]*cluster
	// touched are the clusters that need tending: something was written in them, delivered from them, or mended.
	touched []*cluster
	// sorted are the names of the clusters.
	sorted  []string
	runners []*runner
	// covered are the kinds of the control plane that controllers watch always.
	covered map[schema.GroupVersionKind]bool
	// opens counts the controllers that have a source open.
	opens map[control.Source]int
	// coverages counts the changes of both.
	coverages uint64
	// shared are the parts of objects that are equal in several clusters.
	shared *store.Shared

	// followers are told of every write.
	followers []*follower
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
	var err error
	if options.Kinds == nil {
		if options.Kinds, err = NewKinds(); err != nil {
			return nil, fmt.Errorf("preparing the kinds of a fleet: %w", err)
		}
	}
	f := &Fleet{
		ctx: ctx, options: options, loop: NewLoop(options.Start), scheme: options.Kinds.scheme,
		random: rand.New(rand.NewPCG(options.Seed, 0)), ids: newIDs(options.Seed), faults: rand.New(rand.NewPCG(options.Seed, 1)),
		clusters: map[string]*cluster{}, opens: map[control.Source]int{}, shared: store.NewShared(), troubles: map[string]error{},
	}
	f.plane = f.newCluster(fleet.Spec{Name: fleet.ControlPlaneName, Role: fleet.ControlPlane})
	if f.plane.store, err = f.planeStore(f.plane); err != nil {
		return nil, fmt.Errorf("preparing the control plane: %w", err)
	}
	f.enter(f.plane)
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
			Members: f, Clock: f.plane.clock, Events: discard{}, IDs: f.ids,
			Interpreter: standard.New(f.plane.clock),
		})
		through := door{f, f.plane, f.plane.down}
		plane := gate(f.plane.store.Client(), through.request, through.listed)
		added.deps.Client, added.deps.Live = &cached{Client: plane, cluster: f.plane, covers: f.watched, changes: &f.coverages}, plane
		f.runners = append(f.runners, added)
		f.cover()
		if err := added.catchUpWatches(); err != nil {
			return fmt.Errorf("controller %s: %w", value.Name, err)
		}
		f.plane.outside.add(added, added.onPlane)
		for _, name := range f.names() {
			f.connect(added, f.clusters[name])
		}
	}
	return nil
}

// Restart ends all controllers as a crash of their process does, between two turns and with all that they remember, and runs
// others in their place. They see what is there as new, as after any start.
func (f *Fleet) Restart(controllers ...control.Controller) error {
	f.Stop(func(string) bool { return true })
	clear(f.troubles)
	return f.Run(controllers...)
}

// Stop ends the controllers whose names are chosen, as a crash does.
func (f *Fleet) Stop(chosen func(controller string) bool) {
	f.runners = slices.DeleteFunc(f.runners, func(r *runner) bool {
		if !chosen(r.value.Name) {
			return false
		}
		r.ended = true
		for _, name := range f.names() {
			f.clusters[name].outside.drop(r)
		}
		return true
	})
	f.cover()
}

// cover notes which kinds of the control plane controllers watch always.
func (f *Fleet) cover() {
	f.coverages++
	f.covered = map[schema.GroupVersionKind]bool{}
	for _, r := range f.runners {
		for _, gvk := range r.kinds {
			f.covered[gvk] = true
		}
	}
}

// Watch tells of every change in a cluster, as one of its own controllers would see it.
func (f *Fleet) Watch(cluster string, tell func(store.Event)) error {
	c, err := f.find(cluster)
	if err != nil {
		return err
	}
	c.inside.add(nil, tell)
	return nil
}

// Advance lets time pass until then, or until the context ends.
func (f *Fleet) Advance(ctx context.Context, until time.Time) error {
	if err := f.tend(); err != nil {
		return err
	}
	return f.advance(ctx, until)
}

// connect lets a controller see a member, as far as it opens sources there.
func (f *Fleet) connect(r *runner, c *cluster) {
	if c == f.plane {
		return
	}
	c.outside.add(r, func(event store.Event) { r.onSource(c.spec.Name, event) })
}

// watched tells whether controllers read a kind of the control plane from watches.
func (f *Fleet) watched(gvk schema.GroupVersionKind) bool {
	return f.covered[gvk] || f.opened(control.Source{GVK: gvk})
}

func (f *Fleet) opened(source control.Source) bool {
	return f.opens[source] > 0
}

// note keeps what went wrong with a key, until the fleet has settled or someone asks.
func (f *Fleet) note(controller string, key control.Key, err error) {
	f.troubles[controller+" "+key.String()] = err
}

func (f *Fleet) names() []string { return f.sorted }

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
	for len(f.touched) > 0 {
		touched := f.touched
		f.touched = nil
		slices.SortFunc(touched, func(a, b *cluster) int { return cmp.Compare(a.spec.Name, b.spec.Name) })
		for _, c := range touched {
			c.touched = false
			if err := f.tendTo(c); err != nil {
				return err
			}
		}
	}
	if err := f.follow(); err != nil {
		return err
	}
	return f.failure
}

func (f *Fleet) tendTo(c *cluster) error {
	if f.clusters[c.spec.Name] != c {
		return nil
	}
	if err := c.tend(f.ctx); err != nil {
		return err
	}
	for _, l := range f.followers {
		l.look(c)
	}
	if f.options.Forget {
		c.forget()
	}
	return nil
}

// touch has a cluster tended to after the present event.
func (f *Fleet) touch(c *cluster) {
	if !c.touched {
		c.touched = true
		f.touched = append(f.touched, c)
	}
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

// Digest is the SHA-256, in hexadecimal, of all that was ever written in the clusters of the fleet, and of the rows in its
// members: simulations with the same digest have had the same history.
func (f *Fleet) Digest() (string, error) {
	sum := sha256.New()
	for _, name := range f.names() {
		c := f.clusters[name]
		c.remember(c.store.Revision())
		c.past.summing.Wait()
		fmt.Fprintf(sum, "%s %x\n", name, c.past.sum.Sum(nil))
		if c.columns != nil {
			fmt.Fprintf(sum, "%s\n", c.columns.kube.Digest())
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
