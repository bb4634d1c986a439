package propagate

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// defaultScheduler serves policies that name no scheduler.
const defaultScheduler = "default-scheduler"

// syncBinding makes the binding of a template say what the template and its policy say now. What others write on the
// binding, above all where it is scheduled, stays.
func (d *detector) syncBinding(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, claimer policy.Policy, current binding.Binding, lazily activation) error {
	switch {
	case current.Object != nil && !current.GetDeletionTimestamp().IsZero():
		// It belongs to an earlier template of this name; its end wakes this one again.
		return nil
	case lazily.waits && current.Object == nil:
		return nil
	case lazily.waits && !lazily.first:
		return upToDate(ctx, deps, current)
	}
	desired, err := d.describe(ctx, deps, template, claimer)
	if err != nil {
		return err
	}
	setAnnotation(desired.Object, names.AnnotationTemplateFingerprint, lazily.stamp(template))
	if current.Object == nil {
		return createBinding(ctx, deps, template, desired)
	}
	if reports(template) && sameTemplate(current, desired) {
		desired.Spec.Resource.ResourceVersion = current.Spec.Resource.ResourceVersion
	}
	changed := current.Clone()
	if lazily.waits && sameDemand(current, desired) {
		setAnnotation(changed.Object, names.AnnotationTemplateFingerprint, lazily.stamp(template))
	} else {
		adopt(changed, desired, claimer)
	}
	if differs(current, changed) {
		if err := deps.Client.Update(ctx, changed.Object); err != nil {
			return fmt.Errorf("updating the binding of %s: %w", workload.Describe(template), err)
		}
	}
	return upToDate(ctx, deps, changed)
}

// upToDate takes back what was complained of before.
func upToDate(ctx context.Context, deps control.Deps, bound binding.Binding) error {
	return binding.Report(ctx, deps, bound, names.ConditionUpToDate, names.EventApplyPolicyFailed, nil)
}

func createBinding(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, desired binding.Binding) error {
	desired.SetLabels(merged(desired.GetLabels(), map[string]string{desired.IDLabel(): deps.IDs.NewID()}))
	controllerutil.AddFinalizer(desired.Object, desired.Finalizer())
	if err := deps.Client.Create(ctx, desired.Object, fieldpatch.Unread{}); err != nil {
		return fmt.Errorf("creating the binding of %s: %w", workload.Describe(template), err)
	}
	return nil
}

// reports tells a template of which another version may be no more than another status. Versions of one without generation and status
// are all made by users: when it was changed and changed back, members may have what it said in between.
func reports(template *unstructured.Unstructured) bool {
	_, status := template.Object["status"]
	return status || template.GetGeneration() > 0
}

// sameTemplate tells whether a binding need not be made anew for the version of its template alone: nothing of it that reaches
// members has changed. The claim of its policy is among that.
func sameTemplate(current, desired binding.Binding) bool {
	seen := current.GetAnnotations()[names.AnnotationTemplateFingerprint]
	before, _ := policy.ClaimOf(current)
	now, _ := policy.ClaimOf(desired)
	return seen != "" && seen == desired.GetAnnotations()[names.AnnotationTemplateFingerprint] &&
		current.Spec.Resource.UID == desired.Spec.Resource.UID && before == now
}

// sameDemand tells whether a binding still says of its template what can be read from it: one that does not has missed a change
// of the template, and not only one of its policy.
func sameDemand(current, desired binding.Binding) bool {
	return current.Spec.Resource.UID == desired.Spec.Resource.UID && current.Spec.Replicas == desired.Spec.Replicas &&
		workload.Equal(current.Spec.ReplicaRequirements, desired.Spec.ReplicaRequirements) &&
		workload.Equal(current.Spec.Components, desired.Spec.Components)
}

// describe is the binding as the template and its policy want it, without what others write.
func (d *detector) describe(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, claimer policy.Policy) (binding.Binding, error) {
	desired := binding.New(template.GetNamespace(), names.Binding(template.GetKind(), template.GetName()))
	policy.SetClaim(desired.Object, claimer.Claim())
	setWishes(desired.Object, claimer)
	desired.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(template, template.GroupVersionKind())})
	spec := claimer.Spec
	*desired.Spec = workv1alpha2.ResourceBindingSpec{
		Resource: workv1alpha2.ObjectReference{
			APIVersion: template.GetAPIVersion(), Kind: template.GetKind(), Namespace: template.GetNamespace(), Name: template.GetName(),
			UID: template.GetUID(), ResourceVersion: template.GetResourceVersion(),
		},
		PropagateDeps:               spec.PropagateDeps,
		SchedulerName:               spec.SchedulerName,
		Placement:                   spec.Placement.DeepCopy(),
		Failover:                    spec.Failover.DeepCopy(),
		ConflictResolution:          spec.ConflictResolution,
		PreserveResourcesOnDeletion: copied(spec.PreserveResourcesOnDeletion),
		WorkloadAffinityGroups:      groupsOf(template.GetLabels(), spec.Placement),
	}
	if desired.Spec.SchedulerName == "" {
		desired.Spec.SchedulerName = defaultScheduler
	}
	var err error
	if desired.Spec.SchedulePriority, err = priorityOf(ctx, deps, spec.SchedulePriority); err != nil {
		return desired, fmt.Errorf("making the binding of %s for %s: %w", workload.Describe(template), claimer, err)
	}
	if spec.Suspension != nil {
		desired.Spec.Suspension = &workv1alpha2.Suspension{Suspension: *spec.Suspension.DeepCopy()}
	}
	counted, err := d.interpret(ctx, deps, template, desired.Spec)
	if err != nil || !counted {
		return desired, err
	}
	return desired, setDemand(deps, template, desired)
}

// unreadable says that an interpreter cannot read a template. The reason is that of the event about it.
type unreadable struct {
	error
	reason string
}

func (u unreadable) Unwrap() error { return u.error }

// interpret reads what a workload needs: its components, where it has several and they count, or else its replicas. It tells
// whether it has replicas.
func (d *detector) interpret(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, spec *workv1alpha2.ResourceBindingSpec) (counted bool, err error) {
	kind := template.GroupVersionKind()
	if d.options.Components && deps.Interpreter.Supports(kind, configv1alpha1.InterpreterOperationInterpretComponent) {
		if spec.Components, err = deps.Interpreter.Components(ctx, template); err != nil {
			err = unreadable{fmt.Errorf("reading the components of %s: %w", workload.Describe(template), err), names.EventGetComponentsFailed}
			deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventGetComponentsFailed, "%v", err)
		}
		return false, err
	}
	if !deps.Interpreter.Supports(kind, configv1alpha1.InterpreterOperationInterpretReplica) {
		return false, nil
	}
	if spec.Replicas, spec.ReplicaRequirements, err = deps.Interpreter.Replicas(ctx, template); err != nil {
		err = unreadable{fmt.Errorf("reading the replicas of %s: %w", workload.Describe(template), err), names.EventGetReplicasFailed}
		deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventGetReplicasFailed, "%v", err)
	}
	return true, err
}

// adopt writes into a binding what this controller owns of it.
func adopt(changed, desired binding.Binding, claimer policy.Policy) {
	policy.SetClaim(changed.Object, claimer.Claim())
	setWishes(changed.Object, claimer)
	for _, key := range []string{names.AnnotationPodDemand, names.AnnotationTemplateFingerprint} {
		setAnnotation(changed.Object, key, desired.GetAnnotations()[key])
	}
	changed.SetOwnerReferences(desired.GetOwnerReferences())
	controllerutil.AddFinalizer(changed.Object, changed.Finalizer())
	kept := *changed.Spec
	*changed.Spec = *desired.Spec
	changed.Spec.Clusters = kept.Clusters
	changed.Spec.GracefulEvictionTasks = kept.GracefulEvictionTasks
	changed.Spec.RequiredBy = kept.RequiredBy
	changed.Spec.RescheduleTriggeredAt = kept.RescheduleTriggeredAt
	if kept.Suspension != nil && kept.Suspension.Scheduling != nil {
		suspension := ptr.Deref(changed.Spec.Suspension, workv1alpha2.Suspension{})
		suspension.Scheduling = kept.Suspension.Scheduling
		changed.Spec.Suspension = &suspension
	}
}

// setWishes makes a binding ask of the scheduler what its policy asks in annotations.
func setWishes(bound client.Object, claimer policy.Policy) {
	annotations := maps.Clone(bound.GetAnnotations())
	for _, key := range names.PolicyAnnotations() {
		if value, asked := claimer.GetAnnotations()[key]; asked {
			annotations[key] = value
		} else {
			delete(annotations, key)
		}
	}
	bound.SetAnnotations(annotations)
}

// setDemand notes on a binding what its pods ask beyond their requirements. Estimates are the poorer for a demand that cannot
// be read, and nothing else is: the template goes its way without.
func setDemand(deps control.Deps, template *unstructured.Unstructured, desired binding.Binding) error {
	demand, err := estimator.WorkloadDemand(template)
	if err != nil {
		deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventGetReplicasFailed, "estimates will not heed what its pods ask: %v", err)
		return nil
	}
	if demand.IsZero() {
		return nil
	}
	text, err := json.Marshal(demand)
	if err != nil {
		return fmt.Errorf("writing down what the pods of %s ask: %w", workload.Describe(template), err)
	}
	setAnnotation(desired.Object, names.AnnotationPodDemand, string(text))
	return nil
}

// setAnnotation sets an annotation, or takes it off for an empty value.
func setAnnotation(object metav1.Object, key, value string) {
	annotations := object.GetAnnotations()
	if have, found := annotations[key]; have == value && found == (value != "") {
		return
	}
	annotations = maps.Clone(annotations)
	if value == "" {
		delete(annotations, key)
	} else {
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[key] = value
	}
	object.SetAnnotations(annotations)
}

// differs tells whether a binding has to be written.
func differs(current, changed binding.Binding) bool {
	return !maps.Equal(current.GetLabels(), changed.GetLabels()) || !maps.Equal(current.GetAnnotations(), changed.GetAnnotations()) ||
		!workload.Equal(current.GetOwnerReferences(), changed.GetOwnerReferences()) ||
		!workload.Equal(current.GetFinalizers(), changed.GetFinalizers()) || !workload.Equal(*current.Spec, *changed.Spec)
}

func merged(base, more map[string]string) map[string]string {
	all := maps.Clone(base)
	maps.Copy(all, more)
	return all
}

// copied keeps what a policy says apart from the binding that takes it over.
func copied(value *bool) *bool {
	if value == nil {
		return nil
	}
	return ptr.To(*value)
}
