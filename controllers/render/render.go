// Package render turns a scheduled binding into one Work for each cluster.
package render

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/interpreter/wake"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "binding". Its keys are bindings of both scopes.
func New(options eviction.Options, workers int) control.Controller {
	r := &renderer{options: options}
	watches := append(wake.Bindings(), control.Watch{Object: &workv1alpha1.Work{}, Keys: onWork})
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBinding})
	}
	for _, kind := range override.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onOverride})
	}
	watches = append(watches, control.Watch{Object: &clusterv1alpha1.Cluster{}, Keys: onCluster})
	return control.Controller{
		Name:      "binding",
		Watches:   watches,
		Indexes:   []control.Index{workload.ByBinding()},
		Workers:   workers,
		Reconcile: r.reconcile,
	}
}

// renderer knows how far workloads may grow while they move.
type renderer struct{ options eviction.Options }

// onBinding leaves out status changes, except that a template has come back into its quota.
func onBinding(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	old, current := event.Old, event.New
	if old != nil && current != nil && old.GetGeneration() == current.GetGeneration() &&
		old.GetDeletionTimestamp().IsZero() == current.GetDeletionTimestamp().IsZero() && (!overdrawn(old) || overdrawn(current)) {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

// onWork wakes the binding of a Work whose spec someone changed, or which is gone.
func onWork(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return workload.BindingOf(ctx, reader, event)
}

// onOverride wakes the bindings whose templates an override policy may select, or selected before.
func onOverride(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	var policies []override.Policy
	for _, object := range []client.Object{event.Old, event.New} {
		if changed, ok := override.Of(object); ok {
			policies = append(policies, changed)
		}
	}
	return bindingsWhere(ctx, reader, func(bound binding.Binding) bool {
		return slices.ContainsFunc(policies, func(changed override.Policy) bool { return maySelect(changed, &bound.Spec.Resource) })
	})
}

// maySelect leaves out templates that an override policy cannot select, as far as that shows without their labels.
func maySelect(changed override.Policy, template *workv1alpha2.ObjectReference) bool {
	if namespace := changed.GetNamespace(); namespace != "" && namespace != template.Namespace {
		return false
	}
	orAny := func(wanted, have string) bool { return wanted == "" || wanted == have }
	return len(changed.Spec.ResourceSelectors) == 0 || slices.ContainsFunc(changed.Spec.ResourceSelectors, func(s policyv1alpha1.ResourceSelector) bool {
		return s.APIVersion == template.APIVersion && s.Kind == template.Kind && orAny(s.Namespace, template.Namespace) && orAny(s.Name, template.Name)
	})
}

// onCluster wakes the bindings that have a cluster among their targets when overrides may see it in another light.
func onCluster(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	old, _ := event.Old.(*clusterv1alpha1.Cluster)
	current, _ := event.New.(*clusterv1alpha1.Cluster)
	if current == nil || old != nil && maps.Equal(old.Labels, current.Labels) && old.Spec.Provider == current.Spec.Provider &&
		old.Spec.Region == current.Spec.Region && slices.Equal(old.Spec.Zones, current.Spec.Zones) {
		return nil
	}
	return bindingsWhere(ctx, reader, func(bound binding.Binding) bool {
		return slices.ContainsFunc(targets(bound.Spec), func(target workv1alpha2.TargetCluster) bool { return target.Name == current.Name })
	})
}

func bindingsWhere(ctx context.Context, reader client.Reader, concerned func(binding.Binding) bool) []control.Key {
	bindings, err := binding.List(ctx, reader, client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil
	}
	var keys []control.Key
	for _, bound := range bindings {
		if concerned(bound) {
			keys = append(keys, control.KeyOf(bound))
		}
	}
	return keys
}

func (r *renderer) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	bound, err := binding.Get(ctx, deps.Client, key.NamespacedName())
	if apierrors.IsNotFound(err) {
		return control.Result{}, sweep(ctx, deps, key.NamespacedName())
	}
	if err != nil {
		return control.Result{}, fmt.Errorf("reading binding %s: %w", key.NamespacedName(), err)
	}
	works, err := workload.WorksOf(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	if !bound.GetDeletionTimestamp().IsZero() {
		return control.Result{}, remove(ctx, deps, bound, works)
	}
	if bound.ID() == "" || !controllerutil.ContainsFinalizer(bound.Object, bound.Finalizer()) {
		return control.Result{}, ensureIdentity(ctx, deps, bound)
	}
	targets := targets(bound.Spec)
	if err := removeOrphans(ctx, deps, bound, works, targets); err != nil {
		return control.Result{}, err
	}
	next, err := r.render(ctx, deps, bound, works, targets)
	return control.Result{RequeueAfter: next}, err
}

// ensureIdentity prepares a binding that came past admission. Its own change wakes it again.
func ensureIdentity(ctx context.Context, deps control.Deps, bound binding.Binding) error {
	before := bound.Clone()
	controllerutil.AddFinalizer(bound.Object, bound.Finalizer())
	if bound.ID() == "" {
		labels := map[string]string{bound.IDLabel(): deps.IDs.NewID()}
		for key, value := range bound.GetLabels() {
			labels[key] = value
		}
		bound.SetLabels(labels)
	}
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, bound.Object, patch); err != nil {
		return fmt.Errorf("giving binding %s its identity: %w", bound.NamespacedName(), err)
	}
	return nil
}

// targets are the clusters that shall hold the template, by name: those it is scheduled to, those where replicas are held until
// others have taken over, and those that need it for another binding.
func targets(spec *workv1alpha2.ResourceBindingSpec) []workv1alpha2.TargetCluster {
	var all []workv1alpha2.TargetCluster
	seen := map[string]bool{}
	add := func(clusters []workv1alpha2.TargetCluster) {
		for _, cluster := range clusters {
			if !seen[cluster.Name] {
				seen[cluster.Name] = true
				all = append(all, cluster)
			}
		}
	}
	add(eviction.Granted(spec))
	for _, dependent := range spec.RequiredBy {
		add(dependent.Clusters)
	}
	return all
}

// removeOrphans deletes the Works of clusters that shall not hold the template any more. Copies under graceful eviction
// stay until their task ends.
func removeOrphans(ctx context.Context, deps control.Deps, bound binding.Binding, works []workv1alpha1.Work, targets []workv1alpha2.TargetCluster) error {
	kept := map[string]bool{}
	for _, target := range targets {
		kept[names.ExecutionSpace(target.Name)] = true
	}
	for _, task := range bound.Spec.GracefulEvictionTasks {
		if task.PurgeMode != policyv1alpha1.PurgeModeDirectly {
			kept[names.ExecutionSpace(task.FromCluster)] = true
		}
	}
	var failures []error
	for i := range works {
		if !kept[works[i].Namespace] {
			failures = append(failures, deleteWork(ctx, deps, &works[i]))
		}
	}
	if failure := errors.Join(failures...); failure != nil {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventCleanupWorkFailed, "%v", failure)
		return failure
	}
	return nil
}

func deleteWork(ctx context.Context, deps control.Deps, work *workv1alpha1.Work) error {
	if !work.DeletionTimestamp.IsZero() {
		return nil
	}
	if err := deps.Client.Delete(ctx, work); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("deleting Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return nil
}

// remove deletes all Works of a binding that is being deleted, and lets it go when they are gone.
func remove(ctx context.Context, deps control.Deps, bound binding.Binding, works []workv1alpha1.Work) error {
	if err := deleteWorks(ctx, deps, works); err != nil || len(works) > 0 {
		return err
	}
	if !controllerutil.ContainsFinalizer(bound.Object, bound.Finalizer()) {
		return nil
	}
	before := bound.Clone()
	controllerutil.RemoveFinalizer(bound.Object, bound.Finalizer())
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, bound.Object, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("releasing binding %s: %w", bound.NamespacedName(), err)
	}
	return nil
}

func deleteWorks(ctx context.Context, deps control.Deps, works []workv1alpha1.Work) error {
	var failures []error
	for i := range works {
		failures = append(failures, deleteWork(ctx, deps, &works[i]))
	}
	return errors.Join(failures...)
}

// render writes a Work for every target. One cluster that cannot be served does not hold back the others. Next is how long it is until
// time alone calls for another turn, 0 for never.
func (r *renderer) render(
	ctx context.Context, deps control.Deps, bound binding.Binding, works []workv1alpha1.Work, targets []workv1alpha2.TargetCluster,
) (next time.Duration, err error) {
	if len(targets) == 0 {
		return 0, binding.Report(ctx, deps, bound, names.ConditionRendered, names.EventSyncWorkFailed, nil)
	}
	template := &unstructured.Unstructured{}
	template.SetAPIVersion(bound.Spec.Resource.APIVersion)
	template.SetKind(bound.Spec.Resource.Kind)
	name := types.NamespacedName{Namespace: bound.Spec.Resource.Namespace, Name: bound.Spec.Resource.Name}
	if err := deps.Client.Get(ctx, name, template, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			// The binding is owned by the template and follows it.
			return 0, nil
		}
		return 0, fmt.Errorf("reading the template %s %s: %w", bound.Spec.Resource.Kind, name, err)
	}
	overrides, err := override.ListFor(ctx, deps.Client, template.GetNamespace(), client.UnsafeDisableDeepCopy)
	if err != nil {
		return 0, err
	}
	bounded := r.withinSurge
	if eviction.Once(bound.Spec, bound.GetAnnotations()) {
		bounded = r.handedOver
	}
	if targets, next, err = bounded(ctx, deps, bound, template, works, targets); err != nil {
		return 0, refuse(ctx, deps, bound, err)
	}
	completions, err := completionsOf(bound, template, targets)
	if err != nil {
		return 0, refuse(ctx, deps, bound, err)
	}
	var failures, refused []error
	wrote, admitted := 0, overdrawn(bound.Object) || outpaced(ctx, deps, bound, template)
	twice := cmp.Or(r.wouldRunAgain(bound, template, works, targets), r.mayStillRun(bound, works, targets))
	for i, target := range targets {
		if twice != nil && !begun(works, target.Name) {
			refused = append(refused, fmt.Errorf("giving cluster %s its Work: %w", target.Name, twice))
			continue
		}
		share := share{TargetCluster: target, admitted: admitted}
		if completions != nil {
			share.completions = &completions[i]
		}
		written, err := keepOrRender(ctx, deps, bound, works, template, share, overrides)
		switch {
		case errors.Is(err, workload.ErrBeingRemoved): // Its end wakes the binding.
		case errors.Is(err, errUnasked):
			next = min(cmp.Or(next, unwind), unwind)
		case errors.Is(err, errRefused): // The end of the refusal does.
			refused = append(refused, err)
		case err != nil:
			failures = append(failures, err)
		}
		if written {
			wrote++
		}
	}
	if failure := errors.Join(failures...); failure != nil {
		return 0, refuse(ctx, deps, bound, failure)
	}
	if wrote > 0 {
		deps.Events.Eventf(bound.Object, corev1.EventTypeNormal, names.EventSyncWorkSucceed, "wrote the Works of %d of %d clusters", wrote, len(targets))
	}
	return next, binding.Report(ctx, deps, bound, names.ConditionRendered, names.EventSyncWorkFailed, errors.Join(refused...))
}

// refuse tells users why a binding is not rendered, or not everywhere.
func refuse(ctx context.Context, deps control.Deps, bound binding.Binding, failure error) error {
	if !control.Stale(failure) {
		deps.Events.Eventf(bound.Object, corev1.EventTypeWarning, names.EventSyncWorkFailed, "%v", failure)
	}
	return errors.Join(failure, binding.Report(ctx, deps, bound, names.ConditionRendered, names.EventSyncWorkFailed, failure))
}

// renderFor writes the Work of one cluster: the template with its share of the replicas, as the overrides want it there.
func renderFor(ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, target share, overrides []override.Policy) (bool, error) {
	result, there, err := overridden(ctx, deps, bound, template, target, overrides)
	if err != nil || !there {
		return false, err
	}
	return deliver(ctx, deps, bound, template, target.Name, result)
}

// overridden is the template for one cluster, which may have left: the scheduler takes it off the targets then.
func overridden(
	ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, target share, overrides []override.Policy,
) (result override.Result, there bool, err error) {
	cluster := &clusterv1alpha1.Cluster{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: target.Name}, cluster, client.UnsafeDisableDeepCopy); err != nil {
		if apierrors.IsNotFound(err) {
			return result, false, nil
		}
		return result, false, fmt.Errorf("reading cluster %s: %w", target.Name, err)
	}
	manifest, err := divided(ctx, deps, bound, template, target)
	if err != nil {
		return result, false, fmt.Errorf("giving %s its replicas for cluster %s: %w", workload.Describe(template), target.Name, err)
	}
	if result, err = override.Apply(withState(manifest, bound.Spec, target.Name), cluster, overrides); err != nil {
		deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventApplyOverridePolicyFailed, "%v", err)
	}
	return result, true, err
}

// deliver writes the Work that carries a manifest to one cluster.
func deliver(
	ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured, cluster string, result override.Result,
) (bool, error) {
	applied, err := result.Annotations()
	if err != nil {
		return false, err
	}
	written, err := workload.Write(ctx, deps, workload.Plan{
		Cluster:                     cluster,
		Template:                    template,
		Manifest:                    result.Manifest,
		Labels:                      map[string]string{bound.IDLabel(): bound.ID()},
		Annotations:                 bound.OwnerAnnotations(),
		WorkAnnotations:             applied,
		ConflictResolution:          bound.Spec.ConflictResolution,
		SuspendDispatching:          suspended(bound.Spec.Suspension, cluster),
		PreserveResourcesOnDeletion: bound.Spec.PreserveResourcesOnDeletion,
	})
	if written && len(applied) > 0 {
		deps.Events.Eventf(template, corev1.EventTypeNormal, names.EventApplyOverridePolicySucceed, "its copies are overridden as its override policies say")
	}
	return written, err
}

// withState labels the replacement of a copy that failed elsewhere with what was preserved of that.
func withState(manifest *unstructured.Unstructured, spec *workv1alpha2.ResourceBindingSpec, cluster string) *unstructured.Unstructured {
	state := eviction.InjectedLabels(spec, cluster)
	if len(state) == 0 {
		return manifest
	}
	labelled, labels := manifest.DeepCopy(), map[string]string{}
	maps.Copy(labels, manifest.GetLabels())
	maps.Copy(labels, state)
	labelled.SetLabels(labels)
	return labelled
}

func suspended(suspension *workv1alpha2.Suspension, cluster string) bool {
	if suspension == nil {
		return false
	}
	if ptr.Deref(suspension.Dispatching, false) {
		return true
	}
	return suspension.DispatchingOnClusters != nil && slices.Contains(suspension.DispatchingOnClusters.ClusterNames, cluster)
}
