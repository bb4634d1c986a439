// Package truth holds what placements promised against what became of it: of the replicas that a cluster was given because an
// estimate said that they fit there, how many became ready? And it keeps what is ready apart from what was ready when it was last seen.
package truth

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// Recorder is told how placements turned out.
type Recorder interface {
	// Settled tells how many of the replicas promised to a cluster are ready there, once for each cluster of each placement.
	Settled(cluster string, promised, ready int32)
	// Ready tells how many replicas of all workloads are ready in a cluster: now where it is seen, and otherwise by its last reports.
	Ready(cluster string, replicas int64, seen bool)
	// Gone tells that a cluster is no member any more.
	Gone(cluster string)
}

// Options say when replicas have settled.
type Options struct {
	// Full is how long all replicas of a cluster must have been ready.
	Full time.Duration
	// Short is how long a smaller number must have stayed the same. A placement that was older than this when the process
	// first saw it is left to the process before.
	Short time.Duration
}

// Defaults are the options of a default installation.
func Defaults() Options { return Options{Full: 30 * time.Second, Short: 5 * time.Minute} }

// New is the controller named "placementTruth". Its keys are bindings of both scopes, and clusters. It writes nothing; what it remembers
// keeps it from telling the same twice.
func New(recorder Recorder, options Options) control.Controller {
	c := &comparer{recorder: recorder, options: options, placements: map[control.Key]*placement{}, tally: newTally()}
	watches := []control.Watch{{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster}}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{Name: "placementTruth", Watches: watches, Reconcile: c.reconcile}
}

// onBinding wakes a binding when it is scheduled anew, when clusters report something else, and when it is gone.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if wasThere && isThere && old.GetGeneration() == current.GetGeneration() &&
		old.Status.SchedulerObservedGeneration == current.Status.SchedulerObservedGeneration &&
		slices.EqualFunc(old.Status.AggregatedStatus, current.Status.AggregatedStatus, workload.EqualItems) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// comparer has one worker, so nothing guards what it remembers.
type comparer struct {
	recorder   Recorder
	options    Options
	placements map[control.Key]*placement
	tally      tally
}

// placement is one generation of a binding.
type placement struct {
	generation int64
	// waiting are the clusters that have not settled.
	waiting map[string]*report
}

// report is what a cluster says, and since when.
type report struct {
	ready int32
	since time.Time
}

func (c *comparer) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if key.GVK == clusterKind {
		return control.Result{}, c.tell(ctx, deps, key.Name)
	}
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName(), client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) {
		delete(c.placements, key)
		return control.Result{}, c.follow(ctx, deps, key, nil)
	}
	if err != nil {
		return control.Result{}, err
	}
	if err := c.follow(ctx, deps, key, &bound); err != nil || !promises(bound) {
		return control.Result{}, err
	}
	var next time.Duration
	p := c.placement(key, bound, deps.Clock.Now())
	for _, target := range bound.Spec.Clusters {
		wait, err := c.compare(ctx, deps, p, bound, target)
		if err != nil {
			return control.Result{}, err
		}
		if wait > 0 && (next == 0 || wait < next) {
			next = wait
		}
	}
	return control.Result{RequeueAfter: next}, nil
}

// promises reports whether a binding is scheduled as it stands, in a way that goes by estimates.
func promises(bound binding.Binding) bool {
	if !bound.GetDeletionTimestamp().IsZero() || bound.Spec.Placement == nil || bound.Spec.Placement.ReplicaScheduling == nil ||
		bound.Status.SchedulerObservedGeneration != bound.GetGeneration() ||
		!meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionScheduled) {
		return false
	}
	scheduling := bound.Spec.Placement.ReplicaScheduling
	if scheduling.ReplicaSchedulingType != policyv1alpha1.ReplicaSchedulingTypeDivided {
		return false
	}
	return scheduling.ReplicaDivisionPreference == policyv1alpha1.ReplicaDivisionPreferenceAggregated ||
		scheduling.WeightPreference != nil && scheduling.WeightPreference.DynamicWeight != ""
}

// placement is what is remembered of the binding as it is now.
func (c *comparer) placement(key control.Key, bound binding.Binding, now time.Time) *placement {
	known := c.placements[key]
	if known != nil && known.generation == bound.GetGeneration() {
		return known
	}
	made := &placement{generation: bound.GetGeneration(), waiting: map[string]*report{}}
	c.placements[key] = made
	scheduled := bound.Status.LastScheduledTime
	if known == nil && scheduled != nil && now.Sub(scheduled.Time) > c.options.Short {
		return made
	}
	for _, target := range bound.Spec.Clusters {
		if target.Replicas > 0 {
			made.waiting[target.Name] = nil
		}
	}
	return made
}

// compare tells how a target turned out if it has settled, or how long until it has when it stays as it is.
func (c *comparer) compare(ctx context.Context, deps control.Deps, p *placement, bound binding.Binding, target workv1alpha2.TargetCluster) (time.Duration, error) {
	before, waits := p.waiting[target.Name]
	if !waits {
		return 0, nil
	}
	ready, says := readyIn(bound, target.Name)
	if !says {
		p.waiting[target.Name] = nil
		return 0, nil
	}
	now := deps.Clock.Now()
	if before == nil || before.ready != ready {
		before = &report{ready: ready, since: now}
		p.waiting[target.Name] = before
	}
	window := c.options.Short
	if ready == target.Replicas {
		window = c.options.Full
	}
	if left := before.since.Add(window).Sub(now); left > 0 {
		return left, nil
	}
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: target.Name}, cluster, client.UnsafeDisableDeepCopy); err != nil {
		return 0, client.IgnoreNotFound(err)
	}
	if !workload.Ready(cluster) {
		// It only stays the same because nobody hears of it.
		before.since = now
		return window, nil
	}
	delete(p.waiting, target.Name)
	c.recorder.Settled(target.Name, target.Replicas, ready)
	return 0, nil
}

// readyIn is the number of ready replicas that a cluster reports of what the binding gave it. It says nothing before it has
// applied that, while its own controllers have not taken notice, and of kinds that do not count ready replicas.
func readyIn(bound binding.Binding, cluster string) (ready int32, says bool) {
	at := slices.IndexFunc(bound.Status.AggregatedStatus, func(item workv1alpha2.AggregatedStatusItem) bool { return item.ClusterName == cluster })
	if at < 0 || !bound.Status.AggregatedStatus[at].Applied || bound.Status.AggregatedStatus[at].Status == nil {
		return 0, false
	}
	var status struct {
		Generation         *int64 `json:"generation"`
		ObservedGeneration *int64 `json:"observedGeneration"`
		Replicas           *int32 `json:"replicas"`
		ReadyReplicas      *int32 `json:"readyReplicas"`
	}
	if err := json.Unmarshal(bound.Status.AggregatedStatus[at].Status.Raw, &status); err != nil {
		return 0, false
	}
	if status.Generation != nil && status.ObservedGeneration != nil && *status.Generation != *status.ObservedGeneration {
		return 0, false
	}
	if status.ReadyReplicas != nil {
		return *status.ReadyReplicas, true
	}
	// Zero is left out. Those that count replicas at all count the ready ones.
	return 0, status.Replicas != nil
}
