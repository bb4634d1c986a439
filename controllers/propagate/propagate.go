// Package propagate finds the templates that policies select, claims them, and keeps a binding for each.
//
// Its keys are of two shapes: a policy (its GVK is one of the two policy kinds) and a template (any other GVK). A policy's
// turn subscribes to the kinds it selects and wakes the templates it touches; a template's turn does the rest.
package propagate

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/interpreter/wake"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// Options say what is left alone and who may take templates over.
type Options struct {
	// Skipped is never propagated.
	Skipped policy.Skipped
	// Preemption lets policies with preemption Always take templates from others.
	Preemption bool
	// Components describes workloads that have several pod templates by these, and not by one number of replicas.
	Components bool
	Workers    int
}

// New is the controller named "detector".
func New(options Options) control.Controller {
	detector := &detector{options: options}
	watches := wake.Policies(policyKey)
	for _, kind := range policy.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onPolicy})
	}
	for _, kind := range binding.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onBindingGone})
	}
	for _, kind := range override.Kinds() {
		watches = append(watches, control.Watch{Object: kind, Keys: onOverride})
	}
	return control.Controller{
		Name:       "detector",
		Watches:    watches,
		SourceKeys: onTemplate,
		Workers:    options.Workers,
		Reconcile:  detector.reconcile,
	}
}

// policyKind is the kind of a policy key.
func policyKind(p policy.Policy) schema.GroupVersionKind {
	if p.ClusterScoped() {
		return policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindClusterPropagationPolicy)
	}
	return policyv1alpha1.GroupVersion.WithKind(policyv1alpha1.ResourceKindPropagationPolicy)
}

// policyKey is the key of a policy of either scope.
func policyKey(object client.Object) control.Key {
	view, _ := policy.Of(object)
	return control.KindKeyOf(policyKind(view), view)
}

// onPolicy wakes the policy, and what it still claims when it is gone: its finalizer may have been taken off by force, or a
// template claimed for it from a view that did not know of its end.
func onPolicy(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	changed, ok := policy.Of(event.Object())
	if !ok {
		return nil
	}
	keys := []control.Key{control.KindKeyOf(policyKind(changed), changed)}
	if event.New != nil {
		return keys
	}
	bindings, err := claimedBindings(ctx, reader, changed)
	if err != nil {
		return keys
	}
	for _, bound := range bindings {
		keys = append(keys, templateOf(bound))
	}
	return keys
}

// onBindingGone wakes the template of a binding that was deleted: a live template gets another.
func onBindingGone(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	gone, ok := binding.Of(event.Object())
	if !ok || event.New != nil {
		return nil
	}
	return []control.Key{templateOf(gone)}
}

func templateOf(bound binding.Binding) control.Key {
	resource := bound.Spec.Resource
	return control.Key{
		GVK:       schema.FromAPIVersionAndKind(resource.APIVersion, resource.Kind),
		Namespace: resource.Namespace,
		Name:      resource.Name,
	}
}

func claimedBindings(ctx context.Context, reader client.Reader, claimer policy.Policy) ([]binding.Binding, error) {
	if claimer.ID() == "" {
		return nil, nil
	}
	return binding.List(ctx, reader, client.MatchingLabels{claimer.IDLabel(): claimer.ID()})
}

// onTemplate leaves out what neither a policy nor a member could notice: status and bookkeeping.
func onTemplate(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && workload.SameSpecification(event.Old, event.New) {
		return nil
	}
	return []control.Key{control.KindKeyOf(event.GVK, event.Object())}
}

type detector struct {
	options Options
}

func (d *detector) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	if key.GVK.Group == policyv1alpha1.GroupName &&
		(key.GVK.Kind == policyv1alpha1.ResourceKindPropagationPolicy || key.GVK.Kind == policyv1alpha1.ResourceKindClusterPropagationPolicy) {
		return d.reconcilePolicy(ctx, deps, key)
	}
	return control.Result{}, d.reconcileTemplate(ctx, deps, key)
}

// reconcilePolicy watches what the policy selects and wakes what it selects or claims.
func (d *detector) reconcilePolicy(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	current, err := policy.Get(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !current.GetDeletionTimestamp().IsZero() {
		return control.Result{}, release(ctx, deps, current)
	}
	if err := ensureIdentity(ctx, deps, current); err != nil {
		return control.Result{}, err
	}
	bindings, err := claimedBindings(ctx, deps.Client, current)
	if err != nil {
		return control.Result{}, err
	}
	result := control.Result{}
	for _, bound := range bindings {
		// The selectors may have been others when the policy claimed the template.
		result.Wake = append(result.Wake, templateOf(bound))
	}
	var failures []error
	for _, kind := range current.SelectedKinds() {
		if _, err := deps.Client.RESTMapper().RESTMapping(kind.GroupKind(), kind.Version); err != nil {
			failures = append(failures, fmt.Errorf("%s selects %s: %w", current, kind, err))
			continue
		}
		result.Sources = append(result.Sources, control.Source{GVK: kind})
		concerned, err := concerns(ctx, deps, current, kind)
		if err != nil {
			failures = append(failures, err)
		}
		result.Wake = append(result.Wake, concerned...)
	}
	left, err := formerClaims(ctx, deps, current)
	if err != nil {
		failures = append(failures, err)
	}
	if len(left) > 0 {
		// Nobody tells when they are let go: their kinds are not watched any more.
		result.Wake, result.RequeueAfter = append(result.Wake, left...), formerKindRetry
	}
	if failure := errors.Join(failures...); failure != nil {
		deps.Events.Eventf(current.Object, corev1.EventTypeWarning, names.EventApplyPolicyFailed, "%v", failure)
		// A kind that is not served yet must not hold back the others; it is looked for again until it is.
		result.RequeueAfter = unknownKindRetry
	}
	return result, nil
}

// ensureIdentity gives a policy that came past admission its identity and finalizer.
func ensureIdentity(ctx context.Context, deps control.Deps, current policy.Policy) error {
	before := current.Clone()
	changed := controllerutil.AddFinalizer(current.Object, current.Finalizer())
	if current.ID() == "" {
		labels := map[string]string{current.IDLabel(): deps.IDs.NewID()}
		for key, value := range current.GetLabels() {
			labels[key] = value
		}
		current.SetLabels(labels)
		changed = true
	}
	if !changed {
		return nil
	}
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, current.Object, patch); err != nil {
		return fmt.Errorf("giving %s its identity: %w", current, err)
	}
	return nil
}

// concerns are the templates of a kind that the policy selects or claims.
func concerns(ctx context.Context, deps control.Deps, current policy.Policy, kind schema.GroupVersionKind) ([]control.Key, error) {
	templates, err := listTemplates(ctx, deps, kind, client.InNamespace(current.GetNamespace()), client.UnsafeDisableDeepCopy)
	if err != nil {
		return nil, fmt.Errorf("listing what %s selects: %w", current, err)
	}
	var keys []control.Key
	for i := range templates {
		claim, claimed := policy.ClaimOf(&templates[i])
		if current.Matches(&templates[i]) || claimed && claim.ID == current.ID() {
			keys = append(keys, control.KindKeyOf(kind, &templates[i]))
		}
	}
	return keys, nil
}

// formerClaims are the templates that a policy claims of kinds that it does not select any more. Those without a binding are found by
// nothing else. When there are none left, the note about those kinds goes.
func formerClaims(ctx context.Context, deps control.Deps, current policy.Policy) ([]control.Key, error) {
	var left []schema.GroupVersionKind
	var keys []control.Key
	former := current.FormerKinds()
	for _, kind := range former {
		templates, err := claimedTemplates(ctx, deps, current, kind)
		if err != nil {
			return nil, err
		}
		for i := range templates {
			keys = append(keys, control.KindKeyOf(kind, &templates[i]))
		}
		if len(templates) > 0 {
			left = append(left, kind)
		}
	}
	if len(left) == len(former) {
		return keys, nil
	}
	changed := current.Clone()
	policy.SetFormerKinds(changed, left)
	fields := fieldpatch.Fields{Annotations: fieldpatch.BetweenText(current.GetAnnotations(), changed.GetAnnotations()), KeepOwners: true}
	// A policy that has changed meanwhile comes back.
	if err := fieldpatch.Object(ctx, deps.Client, changed.Object, fields); client.IgnoreNotFound(err) != nil && !control.Stale(err) {
		return keys, fmt.Errorf("noting what %s still claims: %w", current, err)
	}
	return keys, nil
}

// claimedTemplates are those of a kind that a policy claims; none of a kind that is not served any more.
func claimedTemplates(ctx context.Context, deps control.Deps, current policy.Policy, kind schema.GroupVersionKind) ([]unstructured.Unstructured, error) {
	templates, err := listTemplates(ctx, deps, kind, client.MatchingLabels{current.IDLabel(): current.ID()})
	if err != nil && !meta.IsNoMatchError(err) {
		return nil, fmt.Errorf("listing what %s claims of %s: %w", current, kind, err)
	}
	return templates, nil
}

func listTemplates(ctx context.Context, deps control.Deps, kind schema.GroupVersionKind, options ...client.ListOption) ([]unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(kind.GroupVersion().WithKind(kind.Kind + "List"))
	if err := deps.Client.List(ctx, list, options...); err != nil {
		return nil, err
	}
	return list.Items, nil
}

// release takes the claims of a policy that is being deleted off templates and bindings, and then lets it go. What it
// propagated stays where it is.
func release(ctx context.Context, deps control.Deps, current policy.Policy) error {
	if !controllerutil.ContainsFinalizer(current.Object, current.Finalizer()) {
		return nil
	}
	bindings, err := claimedBindings(ctx, deps.Client, current)
	if err != nil {
		return err
	}
	kinds := append(current.SelectedKinds(), current.FormerKinds()...)
	for _, bound := range bindings {
		if kind := templateOf(bound).GVK; !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	for _, kind := range kinds {
		templates, err := claimedTemplates(ctx, deps, current, kind)
		if err != nil {
			return err
		}
		for i := range templates {
			if err := unclaim(ctx, deps, &templates[i], workload.Describe(&templates[i])); err != nil {
				return err
			}
		}
	}
	for _, bound := range bindings {
		if err := unclaim(ctx, deps, bound.Object, "binding "+bound.NamespacedName().String()); err != nil {
			return err
		}
	}
	before := current.Clone()
	controllerutil.RemoveFinalizer(current.Object, current.Finalizer())
	patch := client.MergeFromWithOptions(before.Object, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, current.Object, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("releasing %s: %w", current, err)
	}
	return nil
}

// unclaim fails with a conflict when the object has changed: it may belong to another policy by now.
func unclaim(ctx context.Context, deps control.Deps, object client.Object, what string) error {
	before := object.DeepCopyObject().(client.Object)
	if !policy.Unclaim(object) {
		return nil
	}
	setAnnotation(object, names.AnnotationTemplateFingerprint, "")
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	if err := deps.Client.Patch(ctx, object, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("taking the claim off %s: %w", what, err)
	}
	return nil
}
