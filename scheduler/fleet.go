package scheduler

import (
	"context"
	"fmt"
	"maps"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler/placement"
	"github.com/seatrial/seatrial/scheduler/snapshot"
)

// onBinding leaves out status changes, but for those that say another outcome: the decision after may have compared its own
// with an older view of the binding. A claim that comes or goes decides whether the scheduler has a say, and preferences what
// it says.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if wasThere && isThere && old.GetGeneration() == current.GetGeneration() && waits(old) == waits(current) && policy.Wants(old) == policy.Wants(current) &&
		maps.Equal(wishesOf(old), wishesOf(current)) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// onCluster wakes the turn that takes over what changed in the fleet, for changes that can alter a decision.
func onCluster(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if old != nil && current != nil && !snapshot.Matters(old, current) {
		return nil
	}
	return []control.Key{fleetKey}
}

// syncFleet takes over what changed in the clusters since the last turn, and wakes the bindings whose answer that may
// alter: all that are due by the new fleet when a cluster came, went or changed its traits, and those that wait for room when
// only capacities changed.
func (s *scheduler) syncFleet(ctx context.Context, deps control.Deps) (control.Result, error) {
	current, change, first, err := s.takeOver(ctx, deps)
	if err != nil {
		return control.Result{}, err
	}
	// What was taken over is news only once: until its bindings are woken, it is owed to them.
	owed, moved := s.owe(change.Traits, first)
	options := []client.ListOption{client.UnsafeDisableDeepCopy}
	if !owed {
		options = append(options, client.MatchingFields{waitingField: "true"})
	}
	bindings, err := binding.List(ctx, deps.Client, options...)
	if err != nil {
		return control.Result{}, err
	}
	var wake []control.Key
	for _, bound := range bindings {
		if s.serves(bound) && (waits(bound) || owed && due(bound, current)) {
			wake = append(wake, control.KeyOf(bound))
		}
	}
	if owed {
		s.settleDebt(wake, moved)
	}
	return control.Result{Wake: wake}, nil
}

// owe notes that bindings are to be woken for a change of traits, and tells whether any such change is still owed to them. The
// fleet that a process finds has changed for nobody: moved leaves it out.
func (s *scheduler) owe(traits, first bool) (owed, moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed, s.moved = s.owed || traits, s.moved || traits && !first
	return s.owed, s.moved
}

// settleDebt notes that they are known, and that the fleet calls for their decisions if it moved. There is one turn for the fleet
// at a time, so nothing was added since.
func (s *scheduler) settleDebt(woken []control.Key, moved bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.owed, s.moved = false, false
	if !moved {
		return
	}
	for _, key := range woken {
		s.called[key.NamespacedName()] = true
	}
}

// waitingField finds the bindings that wait for room: there are few of them where there are many bindings.
const waitingField = "scheduler.waits"

func indexes() []control.Index {
	var all []control.Index
	for _, kind := range binding.Kinds() {
		all = append(all, control.Index{Object: kind, Field: waitingField, Values: func(object client.Object) []string {
			if bound, ok := binding.Of(object); ok && waits(bound) {
				return []string{"true"}
			}
			return nil
		}})
	}
	return all
}

// ensureFleet makes sure that no decision is made before the fleet was looked at.
func (s *scheduler) ensureFleet(ctx context.Context, deps control.Deps) error {
	s.mu.Lock()
	synced := s.synced
	s.mu.Unlock()
	if synced {
		return nil
	}
	_, _, _, err := s.takeOver(ctx, deps)
	return err
}

// takeOver also tells whether it is the first time.
func (s *scheduler) takeOver(ctx context.Context, deps control.Deps) (current *placement.Snapshot, change snapshot.Change, first bool, err error) {
	clusters := &clusterv1alpha1.ClusterList{}
	if err := deps.Client.List(ctx, clusters, client.UnsafeDisableDeepCopy); err != nil {
		return nil, snapshot.Change{}, false, fmt.Errorf("listing clusters: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	change, first = s.fleet.Sync(clusters.Items), !s.synced
	for _, name := range change.Capacity {
		s.inFlight.Seen(s.fleet.Current().Cluster(name))
	}
	for _, name := range change.Gone {
		s.inFlight.Gone(name)
	}
	s.synced = true
	return s.fleet.Current(), change, first, nil
}

// sight is what a turn begins with.
type sight struct {
	fleet *placement.Snapshot
	// revision tells apart the states of the fleet.
	revision uint64
	// lags says that the binding is older than what the scheduler wrote to it. Not every write brings a turn when the view
	// catches up with it.
	lags bool
	// called says that the binding was woken for a change of the fleet.
	called bool
	// settled says that the binding is as the scheduler left it, and the fleet as it was then.
	settled bool
}

// look takes note of a binding as it was read.
func (s *scheduler) look(deps control.Deps, bound binding.Binding) sight {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := bound.NamespacedName()
	own, wrote := s.written[name]
	read, recent := snapshot.Version(bound.GetResourceVersion()), deps.Clock.Since(own.at) < flight
	if wrote && recent && read < own.number {
		return sight{lags: true}
	}
	if s.options.Placement.WorkloadAffinity {
		s.fleet.Store(bound)
	}
	seen := sight{fleet: s.fleet.Current(), revision: s.fleet.Revision(), called: s.called[name]}
	if wrote && recent && read == own.number {
		seen.settled = own.revision == seen.revision && !waits(bound)
	} else {
		delete(s.written, name)
	}
	return seen
}

// wrote remembers a write that made a binding say all there is to say about the fleet of a revision.
func (s *scheduler) wrote(deps control.Deps, bound binding.Binding, revision uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.called, bound.NamespacedName())
	delete(s.undated, bound.NamespacedName())
	s.decided[bound.NamespacedName()] = decided{bound.Spec.Clusters, deps.Clock.Now()}
	s.written[bound.NamespacedName()] = version{
		number: snapshot.Version(bound.GetResourceVersion()), revision: revision, at: deps.Clock.Now(),
	}
}

func (s *scheduler) forget(name types.NamespacedName) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.written, name)
	delete(s.called, name)
	delete(s.decided, name)
	delete(s.undated, name)
	s.fleet.Delete(name)
	s.inFlight.Forget(name)
}
