// Package aggregate sums up, on a binding and on its template, what the Works of the binding report.
package aggregate

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/interpreter/wake"
	"github.com/seatrial/seatrial/workload"
)

// Sums that tell of progress only are written at most so often. They rest longer than the statuses of Works at first, so that a rollout
// of a few seconds is summed up once.
const (
	firstRest   = 4 * time.Second
	longestRest = 10 * time.Second
)

type aggregator struct {
	pace *control.Pace

	// mu guards written, which only saves work.
	mu      sync.Mutex
	written map[control.Key]summary
}

// summary is the status that a template was given, and the version that it had before: while a view shows that version, it is
// older than the status.
type summary struct {
	over   string
	status any
}

// New is the controller named "bindingStatus". Its keys are bindings of both scopes.
func New(workers int) control.Controller {
	a := &aggregator{pace: control.NewPace(firstRest, longestRest), written: map[control.Key]summary{}}
	watches := append(wake.Bindings(), control.Watch{Object: &workv1alpha1.Work{}, Keys: workload.BindingOf})
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	return control.Controller{
		Name:       "bindingStatus",
		Watches:    watches,
		SourceKeys: onTemplate,
		Indexes:    []control.Index{workload.ByBinding()},
		Workers:    workers,
		Reconcile:  a.reconcile,
	}
}

// onBinding wakes a binding when its targets may have changed, and when its sum was written: the turn after may have compared
// its own with an older view of the binding.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, wasThere := binding.Of(event.Old)
	current, isThere := binding.Of(event.New)
	if wasThere && isThere && old.GetGeneration() == current.GetGeneration() && sameSum(old, current) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

func sameSum(a, b binding.Binding) bool {
	return slices.EqualFunc(a.Status.AggregatedStatus, b.Status.AggregatedStatus, workload.EqualItems) &&
		meta.IsStatusConditionTrue(a.Status.Conditions, names.ConditionFullyApplied) ==
			meta.IsStatusConditionTrue(b.Status.Conditions, names.ConditionFullyApplied)
}

// onTemplate wakes the binding of a template whose status someone wrote, or which takes the place of another.
func onTemplate(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.New == nil || event.Old != nil && workload.SameStatus(event.Old, event.New) {
		return nil
	}
	return []control.Key{{Namespace: event.New.GetNamespace(), Name: names.Binding(event.GVK.Kind, event.New.GetName())}}
}

func (a *aggregator) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName(), client.UnsafeDisableDeepCopy)
	if err != nil {
		a.remember(key, summary{})
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return control.Result{}, nil
	}
	works, err := workload.WorksOf(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	copies := counted(bound, works)
	items, now, templates := sum(bound, copies), deps.Clock.Now(), sources(deps, bound)
	if fields := news(bound, items, now); len(fields) > 0 {
		if progress(bound, items, judged(deps, bound)) {
			if wait := a.pace.Gather(key, now); wait > 0 {
				return control.Result{RequeueAfter: wait, Sources: templates}, nil
			}
		}
		a.pace.Wrote(key, now)
		if err := writeBinding(ctx, deps, bound, fields); err != nil {
			return control.Result{}, err
		}
	}
	var failure error
	if len(templates) > 0 {
		failure = a.writeTemplate(ctx, deps, key, bound.Spec.Resource, items)
	}
	told := report(ctx, deps, bound, errors.Join(failure, unreflected(copies)))
	return control.Result{Sources: templates}, errors.Join(failure, told)
}

// counted are the Works that speak for the clusters of a binding, one a cluster: those it is scheduled to, those it leaves, and those
// that need its template for another. Agents may make Works in the execution spaces of their own clusters, and what such a Work calls
// its binding is for nobody to believe.
func counted(bound binding.Binding, works []workv1alpha1.Work) []*workv1alpha1.Work {
	const none = -1
	at := map[string]int{}
	for _, target := range bound.Spec.Clusters {
		at[target.Name] = none
	}
	for _, task := range bound.Spec.GracefulEvictionTasks {
		at[task.FromCluster] = none
	}
	for _, dependent := range bound.Spec.RequiredBy {
		for _, target := range dependent.Clusters {
			at[target.Name] = none
		}
	}
	var kept []*workv1alpha1.Work
	for i := range works {
		cluster, err := names.ClusterOfExecutionSpace(works[i].Namespace)
		place, meant := at[cluster]
		switch {
		case err != nil || !meant || !works[i].DeletionTimestamp.IsZero():
		case place == none:
			at[cluster] = len(kept)
			kept = append(kept, &works[i])
		case replaces(bound.Spec.Resource, &works[i], kept[place]):
			kept[place] = &works[i]
		}
	}
	return kept
}

// replaces tells which of two Works of a cluster counts: the one of the name that render gives.
func replaces(template workv1alpha2.ObjectReference, work, other *workv1alpha1.Work) bool {
	own := names.Work(template.Kind, template.Name, template.Namespace)
	return work.Name == own || other.Name != own && work.Name < other.Name
}

// unreflected is what the clusters cannot tell about their copies.
func unreflected(works []*workv1alpha1.Work) error {
	var failures []error
	for _, work := range works {
		condition := meta.FindStatusCondition(work.Status.Conditions, names.ConditionStatusReflected)
		if condition != nil {
			failures = append(failures, errors.New(condition.Message))
		}
	}
	slices.SortFunc(failures, func(a, b error) int { return cmp.Compare(a.Error(), b.Error()) })
	return errors.Join(failures...)
}

// report tells users of a failure in a condition of the binding, and in an event when it is news.
func report(ctx context.Context, deps control.Deps, bound binding.Binding, failure error) error {
	standing := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionStatusAggregated)
	if failure != nil && !control.Stale(failure) && (standing == nil || standing.Message != binding.Shortened(failure.Error())) {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventAggregateStatusFailed, "%v", failure)
	}
	return binding.Report(ctx, deps, bound, names.ConditionStatusAggregated, names.EventAggregateStatusFailed, failure)
}

// sources are the templates of the kind of a binding, if their status can be summed up.
func sources(deps control.Deps, bound binding.Binding) []control.Source {
	kind := schema.FromAPIVersionAndKind(bound.Spec.Resource.APIVersion, bound.Spec.Resource.Kind)
	if !deps.Interpreter.Supports(kind, configv1alpha1.InterpreterOperationAggregateStatus) {
		return nil
	}
	return []control.Source{{GVK: kind}}
}

// judged tells whether copies of the template are healthy or not, as those of a ConfigMap are neither.
func judged(deps control.Deps, bound binding.Binding) bool {
	kind := schema.FromAPIVersionAndKind(bound.Spec.Resource.APIVersion, bound.Spec.Resource.Kind)
	return deps.Interpreter.Supports(kind, configv1alpha1.InterpreterOperationInterpretHealth)
}

// progress tells whether nobody waits for a new sum of a binding: no copy has got worse, and the last of them has not just come
// to be as it shall be either. While copies are held for others, the health of those others is waited for.
func progress(bound binding.Binding, after []workv1alpha2.AggregatedStatusItem, judged bool) bool {
	before := bound.Status.AggregatedStatus
	if meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionFullyApplied) && fullyApplied(bound, after).Status != metav1.ConditionTrue {
		return false
	}
	for _, is := range after {
		was := itemOf(before, is.ClusterName)
		if is.AppliedMessage != "" && was.AppliedMessage != is.AppliedMessage {
			return false
		}
	}
	for _, was := range before {
		is := itemOf(after, was.ClusterName)
		if is.ClusterName == "" || was.Applied && !is.Applied {
			return false
		}
		if was.Health != is.Health && (was.Health == workv1alpha2.ResourceHealthy || len(bound.Spec.GracefulEvictionTasks) > 0) {
			return false
		}
	}
	return !arrived(bound, after, judged) || arrived(bound, before, judged)
}

// arrived tells whether every scheduled cluster has applied the template, and its copy is healthy if it can be.
func arrived(bound binding.Binding, items []workv1alpha2.AggregatedStatusItem, judged bool) bool {
	return len(bound.Spec.Clusters) > 0 && !slices.ContainsFunc(bound.Spec.Clusters, func(target workv1alpha2.TargetCluster) bool {
		item := itemOf(items, target.Name)
		return !item.Applied || judged && item.Health != workv1alpha2.ResourceHealthy
	})
}

// itemOf is what a sum says of a cluster, empty when that is nothing.
func itemOf(items []workv1alpha2.AggregatedStatusItem, cluster string) workv1alpha2.AggregatedStatusItem {
	for _, item := range items {
		if item.ClusterName == cluster {
			return item
		}
	}
	return workv1alpha2.AggregatedStatusItem{}
}

// sum makes one item of each Work that counts, sorted by cluster, of the manifest that stands for the template.
func sum(bound binding.Binding, works []*workv1alpha1.Work) []workv1alpha2.AggregatedStatusItem {
	var items []workv1alpha2.AggregatedStatusItem
	for _, work := range works {
		cluster, _ := names.ClusterOfExecutionSpace(work.Namespace)
		item := workv1alpha2.AggregatedStatusItem{ClusterName: cluster, Health: workv1alpha2.ResourceUnknown}
		if condition := meta.FindStatusCondition(work.Status.Conditions, names.ConditionWorkApplied); condition != nil {
			item.Applied = condition.Status == metav1.ConditionTrue
			if !item.Applied {
				item.AppliedMessage = condition.Message
			}
		}
		for _, status := range work.Status.ManifestStatuses {
			if standsFor(status.Identifier, bound.Spec.Resource) {
				item.Status = status.Status
				item.Health = workv1alpha2.ResourceHealth(cmp.Or(status.Health, workv1alpha1.ResourceUnknown))
			}
		}
		items = append(items, item)
	}
	slices.SortFunc(items, func(a, b workv1alpha2.AggregatedStatusItem) int { return cmp.Compare(a.ClusterName, b.ClusterName) })
	return items
}

func standsFor(identifier workv1alpha1.ResourceIdentifier, template workv1alpha2.ObjectReference) bool {
	gv := metav1.GroupVersion{Group: identifier.Group, Version: identifier.Version}
	return gv.String() == template.APIVersion && identifier.Kind == template.Kind &&
		identifier.Namespace == template.Namespace && identifier.Name == template.Name
}

// news are the fields of the status of a binding that a sum changes.
func news(bound binding.Binding, items []workv1alpha2.AggregatedStatusItem, now time.Time) map[string]any {
	condition := fullyApplied(bound, items)
	condition.LastTransitionTime = metav1.NewTime(now)
	condition.ObservedGeneration = bound.GetGeneration()
	fields := map[string]any{}
	if !slices.EqualFunc(bound.Status.AggregatedStatus, items, workload.EqualItems) {
		fields["aggregatedStatus"] = items
	}
	conditions := slices.Clone(bound.Status.Conditions)
	if meta.SetStatusCondition(&conditions, condition) {
		fields["conditions"] = conditions
	}
	return fields
}

func writeBinding(ctx context.Context, deps control.Deps, bound binding.Binding, fields map[string]any) error {
	// The scheduler writes conditions as well, and the patch replaces the list whole: it must not be older than the rest.
	if err := fieldpatch.Status(ctx, deps.Client, bound.Shallow().Object, fieldpatch.Fields{Status: fields}); client.IgnoreNotFound(err) != nil {
		if !control.Stale(err) {
			deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventAggregateStatusFailed, "%v", err)
		}
		return fmt.Errorf("writing the status of binding %s: %w", bound.NamespacedName(), err)
	}
	return nil
}

// fullyApplied holds when every scheduled cluster reports that it has what it should have.
func fullyApplied(bound binding.Binding, items []workv1alpha2.AggregatedStatusItem) metav1.Condition {
	condition := metav1.Condition{Type: names.ConditionFullyApplied, Status: metav1.ConditionFalse, Reason: names.ReasonFullyApplyFailed}
	applied := map[string]bool{}
	for _, item := range items {
		applied[item.ClusterName] = item.Applied
	}
	missing := 0
	for _, target := range bound.Spec.Clusters {
		if !applied[target.Name] {
			missing++
		}
	}
	switch {
	case len(bound.Spec.Clusters) == 0:
		condition.Message = "no cluster is scheduled"
	case missing > 0:
		condition.Message = fmt.Sprintf("%d of %d scheduled clusters have not applied it", missing, len(bound.Spec.Clusters))
	default:
		condition.Status, condition.Reason = metav1.ConditionTrue, names.ReasonFullyApplied
		condition.Message = fmt.Sprintf("all %d scheduled clusters have applied it", len(bound.Spec.Clusters))
	}
	return condition
}

// writeTemplate puts the sum into the status of the template.
func (a *aggregator) writeTemplate(ctx context.Context, deps control.Deps, key control.Key, reference workv1alpha2.ObjectReference, items []workv1alpha2.AggregatedStatusItem) error {
	template := &unstructured.Unstructured{}
	template.SetAPIVersion(reference.APIVersion)
	template.SetKind(reference.Kind)
	name := types.NamespacedName{Namespace: reference.Namespace, Name: reference.Name}
	if err := deps.Client.Get(ctx, name, template, client.UnsafeDisableDeepCopy); err != nil {
		if err := client.IgnoreNotFound(err); err != nil {
			return fmt.Errorf("reading %s %s: %w", reference.Kind, name, err)
		}
		return nil
	}
	summed, err := deps.Interpreter.AggregateStatus(ctx, template, items)
	if err != nil {
		return fmt.Errorf("summing up the status of %s %s: %w", reference.Kind, name, err)
	}
	status := summed.Object["status"]
	if a.knows(key, template.GetResourceVersion(), status) || workload.Equal(template.Object["status"], status) {
		return nil
	}
	if err := writeStatus(ctx, deps, template, summed); err != nil {
		return err
	}
	a.remember(key, summary{over: template.GetResourceVersion(), status: status})
	return nil
}

// knows tells whether a status was written over that same version of a template.
func (a *aggregator) knows(key control.Key, version string, status any) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	last, known := a.written[key]
	if known && last.over != version {
		delete(a.written, key)
		return false
	}
	return known && workload.Equal(last.status, status)
}

// remember notes what a template was given; the empty summary forgets it.
func (a *aggregator) remember(key control.Key, given summary) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if given.over == "" {
		delete(a.written, key)
		return
	}
	a.written[key] = given
}

// writeStatus uses the status subresource where the kind has one.
func writeStatus(ctx context.Context, deps control.Deps, template, summed *unstructured.Unstructured) error {
	before, _ := template.Object["status"].(map[string]any)
	after, _ := summed.Object["status"].(map[string]any)
	patched := &unstructured.Unstructured{Object: maps.Clone(template.Object)}
	patched.Object["metadata"] = maps.Clone(template.Object["metadata"].(map[string]any))
	err := fieldpatch.Status(ctx, deps.Client, patched, fieldpatch.Fields{Status: fieldpatch.BetweenTrees(before, after), Force: true})
	if apierrors.IsNotFound(err) {
		// Either the template is gone or the kind has no such subresource: a patch of the object tells.
		err = client.IgnoreNotFound(deps.Client.Patch(ctx, summed.DeepCopy(), client.MergeFrom(template)))
	}
	if err != nil {
		return fmt.Errorf("writing the status of %s: %w", workload.Describe(template), err)
	}
	return nil
}
