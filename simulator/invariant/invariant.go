// Package invariant checks what must hold in a simulated fleet: safety after every write, and, once nothing is broken any
// more, that all is where it should be.
//
// Safety is judged write by write, on a World that follows the writes. Controllers act on views that lag behind, so a write is
// right when it is right by some state of the last while. A full scan now and then compares the World with the API servers.
package invariant

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/store"
)

// lag is how far behind a view may be for a write from it to count as right: beyond the longest delay of a watch and the
// longest time between two starts of a controller.
const lag = 4 * time.Minute

// Safety is an invariant that no single write may break.
type Safety struct {
	Name  string
	Judge func(*World, Change) error
}

// Liveness is an invariant of a fleet that had time to settle.
type Liveness struct {
	Name  string
	Judge func(*World) error
}

// Violation says which invariant was broken, when and how.
type Violation struct {
	Invariant string    `json:"invariant"`
	At        time.Time `json:"at"`
	// Write is the one that broke it; empty for liveness.
	Write   string `json:"write,omitempty"`
	Message string `json:"message"`
}

func (v *Violation) Error() string {
	text := fmt.Sprintf("invariant %s is broken at %s: %s", v.Invariant, v.At.Format(time.TimeOnly), v.Message)
	if v.Write != "" {
		text += " (" + v.Write + ")"
	}
	return text
}

// Options choose what is checked.
type Options struct {
	Safety   []Safety
	Liveness []Liveness
	// ScanEvery is the number of writes between two full scans; 0 for none but the last.
	ScanEvery int
	// QuotasEnforced says that admission refuses bindings beyond the FederatedResourceQuotas of their namespace.
	QuotasEnforced bool
}

// Defaults check everything.
func Defaults() Options {
	return Options{Safety: SafetyInvariants(), Liveness: LivenessInvariants(), ScanEvery: 2000}
}

// Checker follows a fleet.
type Checker struct {
	options  Options
	fleet    *simulator.Fleet
	world    *World
	revision map[string]uint64
	writes   int
}

// Follow makes a checker follow a fleet from now on; the first violation ends the simulation with a *Violation. The fleet must
// not have been written to by controllers before.
func Follow(f *simulator.Fleet, options Options) *Checker {
	c := &Checker{options: options, fleet: f, world: newWorld(f.Now), revision: map[string]uint64{}}
	c.world.estimators = f.Estimators(nodes.Options{})
	c.world.quotasEnforced = options.QuotasEnforced
	f.Follow(c.tell)
	return c
}

// Asked tells the checker that a user has just deleted an object, in a member or, with an empty cluster, in the control
// plane.
func (c *Checker) Asked(cluster string, gvk schema.GroupVersionKind, key types.NamespacedName) {
	c.world.asked[place{cluster, identity{gvk, key}}] = true
}

// Forget drops what was known of a member that is taken out of the fleet.
func (c *Checker) Forget(cluster string) {
	delete(c.world.members, cluster)
	delete(c.revision, cluster)
}

// tell enters what one event wrote, in all clusters, before it judges each write: the writes of one turn belong together.
func (c *Checker) tell(writes []simulator.Write) error {
	changes := make([]Change, len(writes))
	for i, write := range writes {
		cluster := write.Cluster
		if last := c.revision[cluster]; last != 0 && write.Revision != last+1 {
			return c.violation("revisions", fmt.Sprintf("cluster %s went from revision %d to %d", cluster, last, write.Revision), write.Event)
		}
		c.revision[cluster] = write.Revision
		if cluster == fleet.ControlPlaneName {
			cluster = ""
		}
		changes[i] = changeOf(cluster, write.Event)
		c.world.take(changes[i])
	}
	for _, change := range changes {
		for _, invariant := range c.options.Safety {
			if err := invariant.Judge(c.world, change); err != nil {
				return c.violation(invariant.Name, err.Error(), change.Event)
			}
		}
		delete(c.world.asked, place{change.Cluster, identity{change.GVK, change.Key}})
	}
	before := c.writes
	c.writes += len(writes)
	if every := c.options.ScanEvery; every > 0 && c.writes/every > before/every {
		return c.Scan(context.Background())
	}
	return nil
}

func (c *Checker) violation(invariant, message string, event store.Event) *Violation {
	return &Violation{
		Invariant: invariant, At: c.fleet.Now(), Message: message,
		Write: fmt.Sprintf("%s %s %s, revision %d", event.Type, event.GVK.Kind, event.Key, event.Revision),
	}
}

// Settled judges the liveness invariants, in order; the first that does not hold yet is the answer, nil when all do.
func (c *Checker) Settled() *Violation {
	for _, invariant := range c.options.Liveness {
		if err := invariant.Judge(c.world); err != nil {
			return &Violation{Invariant: invariant.Name, At: c.fleet.Now(), Message: err.Error()}
		}
	}
	return nil
}

// Scan compares what the checker knows of bindings and Works with what the control plane holds.
func (c *Checker) Scan(ctx context.Context) error {
	plane, err := c.fleet.Client(ctx, fleet.ControlPlaneName)
	if err != nil {
		return err
	}
	works := &workv1alpha1.WorkList{}
	if err := plane.List(ctx, works); err != nil {
		// A control plane that is down cannot be looked at.
		return nil
	}
	bindings, err := binding.List(ctx, plane)
	if err != nil {
		return nil
	}
	count := 0
	for i := range works.Items {
		if err := c.same(workKind, &works.Items[i]); err != nil {
			return err
		}
	}
	for _, bound := range bindings {
		if err := c.same(kindOfBinding(bound.NamespacedName()), bound.Object); err != nil {
			return err
		}
	}
	for _, gvk := range []schema.GroupVersionKind{workKind, bindingKind, clusterBindingKind} {
		count += len(c.world.all(gvk))
	}
	if want := len(works.Items) + len(bindings); count != want {
		return &Violation{Invariant: "scan", At: c.fleet.Now(), Message: fmt.Sprintf("%d Works and bindings are known, %d are there", count, want)}
	}
	return nil
}

func (c *Checker) same(gvk schema.GroupVersionKind, object client.Object) error {
	known := c.world.latest(gvk, client.ObjectKeyFromObject(object))
	if known != nil && known.GetResourceVersion() == object.GetResourceVersion() {
		return nil
	}
	return &Violation{Invariant: "scan", At: c.fleet.Now(), Message: fmt.Sprintf(
		"%s %s/%s stands otherwise than its writes told", gvk.Kind, object.GetNamespace(), object.GetName())}
}
