// Package graceful ends the tasks by which bindings hold copies in clusters they leave: once the replacement is healthy, or the
// time for that is over.
package graceful

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "gracefulEviction". Its keys are bindings of both scopes that leave a cluster.
func New(options eviction.Options, workers int) control.Controller {
	a := &assessor{options: options}
	watches := []control.Watch{
		{Object: &clusterv1alpha1.Cluster{}, Keys: a.onCluster},
		{Object: &policyv1.PodDisruptionBudget{}, Keys: a.onBudget},
	}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: a.onBinding})
	}
	return control.Controller{Name: "gracefulEviction", Watches: watches, Workers: workers, Reconcile: a.reconcile}
}

type assessor struct{ options eviction.Options }

// onBinding wakes bindings with tasks for every change: what their copies report matters as much as the tasks. Without any, or with the
// gate off, those that still tell of a copy that was held.
func (a *assessor) onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	bound, ok := binding.Of(event.New)
	if !ok || !a.assesses(bound) && !tells(bound) {
		return nil
	}
	return []control.Key{control.KeyOf(bound)}
}

func (a *assessor) assesses(bound binding.Binding) bool {
	return a.options.GracefulEviction && len(bound.Spec.GracefulEvictionTasks) > 0
}

// tells: a binding bears the condition that copies wait for their replacement.
func tells(bound binding.Binding) bool {
	return meta.FindStatusCondition(bound.Status.Conditions, names.ConditionReplaced) != nil
}

// onCluster wakes the bindings with tasks when a cluster is seen again or not any more, or is gone.
func (a *assessor) onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if !a.options.GracefulEviction || old == nil || current != nil && workload.Ready(old) == workload.Ready(current) {
		return nil
	}
	bindings, err := binding.List(ctx, reader, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil
	}
	var keys []control.Key
	for _, bound := range bindings {
		if len(bound.Spec.GracefulEvictionTasks) > 0 {
			keys = append(keys, control.KeyOf(bound))
		}
	}
	return keys
}

func (a *assessor) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName(), client.UnsafeDisableDeepCopy)
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return control.Result{}, nil
	}
	if !a.assesses(bound) {
		return control.Result{}, report(ctx, deps, bound.Clone(), nil)
	}
	clusters, err := bound.Clusters(ctx, deps.Client)
	if err != nil {
		return control.Result{}, err
	}
	changed := bound.Clone()
	dated := a.date(deps, changed)
	ended, stepped, next, stuck := a.assess(ctx, deps, changed, clusters)
	if !dated && !stepped && len(ended) == 0 {
		return control.Result{RequeueAfter: next}, report(ctx, deps, changed, stuck)
	}
	if err := write(ctx, deps, bound, changed); err != nil {
		return control.Result{}, err
	}
	for _, cluster := range ended {
		deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventEvictWorkloadFromClusterSucceed, "the copy in cluster %s is not held any more", cluster)
	}
	return control.Result{RequeueAfter: next}, report(ctx, deps, changed, nil)
}

// report tells users why copies are still held, nil when they are not or the move gets on.
func report(ctx context.Context, deps control.Deps, bound binding.Binding, stuck error) error {
	return binding.Report(ctx, deps, bound, names.ConditionReplaced, names.ReasonReplacementsNotReady, stuck)
}

// date starts the time of the tasks for which it runs now.
func (a *assessor) date(deps control.Deps, changed binding.Binding) bool {
	now := metav1.NewTime(deps.Clock.Now())
	dated := false
	for i := range changed.Spec.GracefulEvictionTasks {
		task := &changed.Spec.GracefulEvictionTasks[i]
		if a.options.Dates(changed.Spec, task) {
			task.CreationTimestamp, dated = &now, true
		}
	}
	return dated
}

// assess takes out the tasks that end, and a target that was to be left and whose time is over with it. Those that stay may give up
// a part of what they hold. Next is how long it is until time alone may change more, 0 for never. Stuck says why those that stay give
// nothing up, when they have not for long.
func (a *assessor) assess(
	ctx context.Context, deps control.Deps, changed binding.Binding, clusters map[string]*clusterv1alpha1.Cluster,
) (ended []string, stepped bool, next time.Duration, stuck error) {
	before := changed.Clone()
	spec, view := before.Spec, eviction.Look(before, clusters, deps.Clock.Now())
	view.Least = func() int64 { return a.floor(ctx, deps, changed) }
	var kept []workv1alpha2.GracefulEvictionTask
	for i := range spec.GracefulEvictionTasks {
		task := &spec.GracefulEvictionTasks[i]
		ends, wait := a.options.Assess(task, view)
		if !ends {
			kept = append(kept, *task)
			next = sooner(next, wait)
			continue
		}
		ended = append(ended, task.FromCluster)
		if eviction.Waiting(spec, task) && clusters[task.FromCluster] != nil {
			eviction.Remove(changed.Spec, task.FromCluster)
		}
	}
	stepped, wait := a.options.Step(kept, view)
	if stepped {
		kept = slices.DeleteFunc(kept, func(task workv1alpha2.GracefulEvictionTask) bool { return eviction.Spared(spec, &task) })
	}
	changed.Spec.GracefulEvictionTasks = kept
	return ended, stepped, sooner(next, wait), a.options.Stuck(kept, view)
}

// sooner is the shorter of two waits, of which 0 or less never ends.
func sooner(a, b time.Duration) time.Duration {
	if a <= 0 || b > 0 && b < a {
		return max(b, 0)
	}
	return a
}

func write(ctx context.Context, deps control.Deps, bound, changed binding.Binding) error {
	fields := fieldpatch.Fields{Spec: map[string]any{"gracefulEvictionTasks": changed.Spec.GracefulEvictionTasks}}
	if len(changed.Spec.Clusters) != len(bound.Spec.Clusters) {
		fields.Spec["clusters"] = changed.Spec.Clusters
	}
	err := fieldpatch.Object(ctx, deps.Client, changed.Object, fields)
	if client.IgnoreNotFound(err) == nil {
		return nil
	}
	if !control.Stale(err) {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventEvictWorkloadFromClusterFailed, "ending graceful eviction: %v", err)
	}
	return fmt.Errorf("ending graceful evictions of binding %s: %w", bound.NamespacedName(), err)
}
