package e2e

import (
	"context"
	"fmt"
	"math"
	"sync"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fleet"
)

// Witness watches a fleet in the way that suits it.
type Witness interface {
	// Now is the fleet's time.
	Now() time.Time
	// Readers is how many read the ready counts of the members all the time, beside the drill; 0 where a drill looks often enough.
	Readers() int
}

// Drillmaster does to a fleet what drills are about.
type Drillmaster interface {
	Witness
	// Drain and Rebalance begin. What they return tells whether they are over.
	Drain(ctx context.Context, cluster string) (over func(context.Context) (bool, error), err error)
	Rebalance(ctx context.Context) (over func(context.Context) (bool, error), err error)
	Uncordon(ctx context.Context, cluster string) error
	// Crash ends the scheduler and the controllers where they stand, and starts them again.
	Crash(ctx context.Context) error
}

// Outcome is what a drill came to.
type Outcome struct {
	Drill string
	// Took is how long it was until all replicas were ready in clusters that can be reached, and the drill over.
	Took time.Duration
	// Least is the smallest number of ready replicas seen, of Of that shall be.
	Least, Of int32
	// Worst is the smallest part of the replicas of a single workload that was ready.
	Worst float64
	// Missing sums what was not ready over time, in replica-seconds.
	Missing float64
	// Reads counts the looks at all members.
	Reads int
	// Crashed is when the scheduler and the controllers were killed, since the beginning, and Down for how long; 0 for not at all.
	Crashed, Down time.Duration
}

// String is a row of a table in Markdown.
func (o Outcome) String() string {
	crash := "-"
	if o.Crashed > 0 {
		crash = fmt.Sprintf("%.1f s, for %.1f s", o.Crashed.Seconds(), o.Down.Seconds())
	}
	return fmt.Sprintf("| %s | %.1f s | %d of %d | %.0f %% | %.1f | %s | %d |",
		o.Drill, o.Took.Seconds(), o.Least, o.Of, 100*o.Worst, o.Missing, crash, o.Reads)
}

const (
	drilled        = 12
	drilledSize    = 6
	drilledSpace   = "drills"
	toDrill        = 5 * time.Minute
	betweenReaders = 5 * time.Millisecond
)

// drilledLabel marks the pods of drills.
var drilledLabel = labels.Set{"drill": "yes"}

// Drills kills a member, rebalances and drains it under a load of reads of the members' ready counts, the latter two also with the
// scheduler and the controllers killed in the middle. It fails where a planned move takes a replica away before its successor is ready.
func Drills(t *testing.T, env fleet.Environment, master Drillmaster) []Outcome {
	f := start(t, env)
	defer f.space(drilledSpace)()
	d := &drill{fixture: f, witness: master, down: map[string]bool{}}
	for n := range drilled {
		d.workloads = append(d.workloads, f.spreadOut(fmt.Sprint("web-", n), "100m"))
	}
	d.awaitWhole()
	outcomes := []Outcome{d.lose("member1")}
	d.awaitReported()
	for _, crash := range []func(context.Context) error{nil, master.Crash} {
		outcomes = append(outcomes, d.planned("rebalance", crash, func() (func(context.Context) (bool, error), error) { return master.Rebalance(f.ctx) }))
		d.awaitReported()
		outcomes = append(outcomes, d.planned("drain of member1", crash, func() (func(context.Context) (bool, error), error) {
			return master.Drain(f.ctx, "member1")
		}))
		f.must(master.Uncordon(f.ctx, "member1"))
		d.awaitReported()
	}
	return outcomes
}

// spreadOut makes a Deployment whose replicas, each of so many CPUs, go wherever there is room.
func (f *fixture) spreadOut(name, cpu string) *appsv1.Deployment {
	f.Helper()
	web := sized(drilledSpace, name, drilledSize, cpu)
	web.Spec.Template.Labels = labels.Merge(web.Spec.Template.Labels, drilledLabel)
	policy := weightedPolicy(drilledSpace, name, nil)
	policy.Spec.Placement.ReplicaScheduling.WeightPreference = &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas}
	f.create(web)
	f.create(policy)
	return web
}

// drill is the work on one fleet.
type drill struct {
	*fixture
	witness   Witness
	workloads []*appsv1.Deployment

	// mu guards what follows: readers write to it.
	mu      sync.Mutex
	down    map[string]bool
	outcome Outcome
	last    time.Time
	lacking int32
}

// lose kills a member for good, as far as the control plane knows, and brings it back once its replicas are elsewhere.
func (d *drill) lose(member string) Outcome {
	d.Helper()
	stop := d.begin("loss of " + member)
	d.mu.Lock()
	d.down[member] = true
	d.mu.Unlock()
	began := d.witness.Now()
	d.must(d.env.Kill(d.ctx, member))
	d.await(toDrill, "all replicas in other members", func(ctx context.Context) (bool, error) {
		return d.look(ctx) == drilled*drilledSize, nil
	})
	outcome := stop(began)
	d.must(d.env.Revive(d.ctx, member))
	d.mu.Lock()
	d.down = map[string]bool{}
	d.mu.Unlock()
	d.awaitReady(member)
	for _, web := range d.workloads {
		d.awaitAbsent(d.member(member), web)
	}
	return outcome
}

// planned does what is planned, at whose end all is ready. A crash, where there is one, comes as soon as the first replicas are on
// their way.
func (d *drill) planned(name string, crash func(context.Context) error, begin func() (func(context.Context) (bool, error), error)) Outcome {
	d.Helper()
	if crash != nil {
		name += ", kill -9 in the middle"
	}
	stop := d.begin(name)
	began := d.witness.Now()
	over, err := begin()
	d.must(err)
	var crashed, down time.Duration
	if crash != nil {
		d.await(toDrill, "replicas on their way", func(ctx context.Context) (bool, error) {
			d.look(ctx)
			ended, err := over(ctx)
			if err == nil && ended {
				err = fmt.Errorf("the %s was over before the crash", name)
			}
			if err != nil {
				return false, err
			}
			return d.onTheirWay(ctx)
		})
		crashed = d.witness.Now().Sub(began)
		d.must(crash(d.ctx))
		down = d.witness.Now().Sub(began) - crashed
	}
	d.await(toDrill, "the end of the "+name, func(ctx context.Context) (bool, error) {
		d.look(ctx)
		return over(ctx)
	})
	outcome := stop(began)
	outcome.Crashed, outcome.Down = crashed, down
	if outcome.Least < outcome.Of {
		d.Errorf("%s: %d of %d replicas were ready", name, outcome.Least, outcome.Of)
	}
	return outcome
}

// onTheirWay tells whether copies are held while others come up.
func (d *drill) onTheirWay(ctx context.Context) (bool, error) {
	bindings, err := binding.List(ctx, d.plane, client.InNamespace(drilledSpace))
	if err != nil {
		return false, err
	}
	for _, bound := range bindings {
		for i := range bound.Spec.GracefulEvictionTasks {
			if !eviction.Waiting(bound.Spec, &bound.Spec.GracefulEvictionTasks[i]) {
				return true, nil
			}
		}
	}
	return false, nil
}

// begin starts a drill and its readers. What it returns ends both.
func (d *drill) begin(name string) (stop func(began time.Time) Outcome) {
	all := int32(drilled * drilledSize)
	d.outcome, d.last, d.lacking = Outcome{Drill: name, Least: all, Of: all, Worst: 1}, d.witness.Now(), 0
	ctx, cancel := context.WithCancel(d.ctx)
	var readers sync.WaitGroup
	for range d.witness.Readers() {
		readers.Go(func() {
			for ctx.Err() == nil {
				// What cannot be read now is read again.
				d.look(ctx)
				time.Sleep(betweenReaders)
			}
		})
	}
	return func(began time.Time) Outcome {
		took := d.witness.Now().Sub(began)
		cancel()
		readers.Wait()
		d.outcome.Took = took
		return d.outcome
	}
}

// look reads what is ready in all members that are up, and takes note of it; where one of them does not answer it does neither.
func (d *drill) look(ctx context.Context) (ready int32) {
	d.mu.Lock()
	var up []string
	for _, name := range members {
		if !d.down[name] {
			up = append(up, name)
		}
	}
	d.mu.Unlock()
	counts := map[string]int32{}
	for _, list := range d.readAll(ctx, up) {
		if list == nil {
			return 0
		}
		for i := range list.Items {
			counts[list.Items[i].Name] += list.Items[i].Status.ReadyReplicas
		}
	}
	worst := 1.0
	for _, web := range d.workloads {
		ready += min(counts[web.Name], drilledSize)
		worst = min(worst, float64(counts[web.Name])/drilledSize)
	}
	d.note(ready, worst)
	return ready
}

// readAll lists the Deployments of each member, nil where that fails. Where readers work it asks all at once, so that what moves
// meanwhile is not missed in both places.
func (d *drill) readAll(ctx context.Context, names []string) []*appsv1.DeploymentList {
	lists := make([]*appsv1.DeploymentList, len(names))
	read := func(i int) {
		member, err := d.env.Client(ctx, names[i])
		if err != nil {
			return
		}
		list := &appsv1.DeploymentList{}
		if member.List(ctx, list, client.InNamespace(drilledSpace)) == nil {
			lists[i] = list
		}
	}
	var reads sync.WaitGroup
	for i := range names {
		if d.witness.Readers() == 0 {
			read(i)
		} else {
			reads.Go(func() { read(i) })
		}
	}
	reads.Wait()
	return lists
}

func (d *drill) note(ready int32, worst float64) {
	now := d.witness.Now()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.outcome.Reads++
	d.outcome.Least = min(d.outcome.Least, ready)
	d.outcome.Worst = math.Min(d.outcome.Worst, worst)
	d.outcome.Missing += float64(d.lacking) * now.Sub(d.last).Seconds()
	d.last, d.lacking = now, d.outcome.Of-ready
}

// awaitWhole waits until all replicas are ready, each counted once.
func (d *drill) awaitWhole() {
	d.Helper()
	for _, web := range d.workloads {
		// How long a machine takes to start so many pods is not what drills are about.
		d.await(toDrill, fmt.Sprintf("%d ready replicas of %s", drilledSize, web.Name), func(ctx context.Context) (bool, error) {
			ready, err := d.ready(ctx, web)
			return ready == drilledSize, err
		})
	}
}

// awaitReported waits until nothing moves, and the clusters report what they run.
func (d *drill) awaitReported() {
	d.Helper()
	d.awaitWhole()
	for _, web := range d.workloads {
		d.awaitBinding(web, "all reported and nothing held", func(b binding.Binding) bool {
			sum := int32(0)
			for _, ready := range eviction.Ready(b.Status.AggregatedStatus) {
				sum += ready
			}
			return sum == drilledSize && len(b.Spec.GracefulEvictionTasks) == 0
		})
	}
	d.pass(toReport)
}
