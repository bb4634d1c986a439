package simulator

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/interpreter/standard"
	"github.com/seatrial/seatrial/simulator/store"
)

// agent runs controllers inside a member in Pull mode. They see the control plane through the network, which a partition cuts, and
// their own cluster without one.
type agent struct {
	fleet   *Fleet
	cluster *cluster
	// space is where the Works of the cluster are.
	space string
	// controllers makes those of a new process.
	controllers func() []control.Controller
	// runners are replaced as a whole, for the end of a process may come while they are told of something.
	runners []*runner
	// kinds are those of the control plane that the controllers watch.
	kinds  map[schema.GroupVersionKind]bool
	member control.Member

	// A stopped agent has no process. It is cut off while it does not hear of the control plane, of which it knows the revision
	// seen; otherwise it knows what all know.
	stopped, cut bool
	seen         uint64
	planned      bool
}

// Register makes a cluster a member in Pull mode and starts its agent.
func (f *Fleet) Register(ctx context.Context, name string, controllers func() []control.Controller) error {
	c, err := f.find(name)
	if err != nil {
		return err
	}
	// Heartbeats need a place that every installation has from the start.
	home := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: names.NamespaceCluster}}
	if err := f.plane.store.Client().Create(ctx, home); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("joining cluster %s: %w", name, err)
	}
	if err := f.admit(ctx, c, clusterv1alpha1.Pull); err != nil {
		return err
	}
	if c.agent != nil {
		c.agent.end()
	}
	c.agent = &agent{fleet: f, cluster: c, space: names.ExecutionSpace(name), controllers: controllers, stopped: true}
	return f.StartAgent(name)
}

// admit makes the Cluster object of a member.
func (f *Fleet) admit(ctx context.Context, c *cluster, mode clusterv1alpha1.ClusterSyncMode) error {
	joined := &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: c.spec.Name},
		Spec: clusterv1alpha1.ClusterSpec{
			ID: f.ids.NewID(), SyncMode: mode, Provider: c.spec.Provider, Region: c.spec.Region, Zones: c.spec.Zones,
		},
	}
	if err := f.plane.store.Client().Create(ctx, joined); err != nil {
		return fmt.Errorf("joining cluster %s: %w", c.spec.Name, err)
	}
	return nil
}

// StartAgent starts the agent of a member anew; one that runs crashes first.
func (f *Fleet) StartAgent(name string) error {
	if err := f.StopAgent(name); err != nil {
		return err
	}
	a := f.clusters[name].agent
	a.stopped = false
	return a.start()
}

// StopAgent ends the agent of a member as a crash does. Nothing else happens to the member.
func (f *Fleet) StopAgent(name string) error {
	c, err := f.find(name)
	if err != nil {
		return err
	}
	if c.agent == nil {
		return fmt.Errorf("cluster %s has no agent", name)
	}
	c.agent.stopped = true
	c.agent.end()
	return nil
}

// start begins to watch both sides. Where the control plane cannot be reached, it waits until it can.
func (a *agent) start() error {
	if a.stopped || len(a.runners) > 0 || a.uplink() != nil {
		return nil
	}
	a.kinds = map[schema.GroupVersionKind]bool{}
	a.member = a.fleet.memberBy(&cached{cluster: a.cluster, changes: &a.fleet.coverages, view: control.Managed, agent: a}, a.cluster.down)
	plane := a.fleet.plane
	through := door{a.fleet, plane, a.uplink}
	gated := gate(plane.store.Client(), through.request, through.listed)
	for _, value := range a.controllers() {
		r := newRunner(a.fleet, value, control.Deps{
			Client: &cached{
				Client: gated, cluster: plane, agent: a, changes: &a.fleet.coverages,
				covers: func(kind schema.GroupVersionKind) bool { return a.kinds[kind] },
			},
			Live: gated, Members: a, Clock: a.cluster.clock, Events: discard{}, IDs: a.fleet.ids, Interpreter: standard.New(a.cluster.clock),
		})
		r.agent = a
		a.runners = append(a.runners, r)
		for _, kind := range r.kinds {
			a.kinds[kind] = true
		}
	}
	for _, r := range a.runners {
		if err := r.catchUpWatches(); err != nil {
			return fmt.Errorf("agent of cluster %s: controller %s: %w", a.cluster.spec.Name, r.value.Name, err)
		}
	}
	plane.outside.watchers = append(plane.outside.watchers, watcher{a, a.onPlane, a})
	a.cluster.inside.add(a, a.onMember)
	return nil
}

// end lets what was planned for the controllers pass.
func (a *agent) end() {
	for _, r := range a.runners {
		r.ended = true
	}
	a.runners = nil
	a.fleet.plane.outside.drop(a)
	a.cluster.inside.drop(a)
	a.reach()
}

// reach ends being cut off.
func (a *agent) reach() {
	a.cut = false
	a.fleet.plane.behind = slices.DeleteFunc(a.fleet.plane.behind, func(other *agent) bool { return other == a })
}

// uplink tells why the agent cannot talk to the control plane now; nil when it can.
func (a *agent) uplink() error {
	if err := a.cluster.unreachable(); err != nil {
		return err
	}
	return a.fleet.plane.down()
}

// sees tells which objects of the control plane an agent is shown: of Clusters and Works those of its own.
func (a *agent) sees(kind schema.GroupVersionKind, name types.NamespacedName) bool {
	switch kind.Kind {
	case clusterv1alpha1.ResourceKindCluster:
		return name.Name == a.cluster.spec.Name
	case "Work":
		return name.Namespace == a.space
	}
	return true
}

// sight is the revision of a cluster that the agent has seen.
func (a *agent) sight(c *cluster) uint64 {
	switch {
	case c != a.fleet.plane:
		return c.inside.seen
	case a.cut:
		return a.seen
	}
	return c.outside.seen
}

// onPlane is told of every change in the control plane that the agent sees, and that gets through.
func (a *agent) onPlane(event store.Event) {
	if a.cut {
		return
	}
	for _, r := range a.runners {
		r.onPlane(event)
	}
}

func (a *agent) onMember(event store.Event) {
	for _, r := range a.runners {
		r.onSource(a.cluster.spec.Name, event)
	}
}

// followAgents lets the agents notice that something has happened to a cluster.
func (f *Fleet) followAgents(disturbed *cluster) error {
	for _, name := range f.names() {
		c := f.clusters[name]
		if c.agent == nil || c != disturbed && disturbed != f.plane {
			continue
		}
		if err := c.agent.follow(); err != nil {
			return err
		}
	}
	return nil
}

// follow notes that the way to the control plane has been cut or mended, or that the cluster was stopped, which ends its agent, or
// came back.
func (a *agent) follow() error {
	blocked := a.uplink() != nil
	switch {
	case a.cluster.state == fleet.Stopped:
		a.end()
	case len(a.runners) == 0:
		return a.start()
	case blocked && !a.cut:
		a.cut, a.seen = true, a.fleet.plane.outside.seen
		a.fleet.plane.behind = append(a.fleet.plane.behind, a)
	case !blocked && a.cut && !a.planned:
		a.planned = true
		a.fleet.loop.After(watchDelay, a.reconnect)
	}
	return nil
}

// reconnect has the watches list anew what they have missed.
func (a *agent) reconnect() {
	a.planned = false
	if !a.cut || a.uplink() != nil {
		return
	}
	plane := a.fleet.plane
	missed := plane.changes(a.seen)
	// What the other watchers have not seen yet comes with theirs.
	missed = slices.DeleteFunc(missed, func(event store.Event) bool { return event.Revision > plane.outside.seen })
	a.reach()
	for _, event := range store.Relist(missed) {
		if a.sees(event.GVK, event.Key) {
			a.onPlane(event)
		}
	}
}

// Member implements control.Members: an agent reaches its own cluster only.
func (a *agent) Member(_ context.Context, name string) (control.Member, error) {
	if name != a.cluster.spec.Name {
		return nil, fmt.Errorf("cluster %s is not the agent's own: %w", name, control.ErrNoMember)
	}
	return a.member, nil
}
