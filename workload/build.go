package workload

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/seatrial/seatrial/api/admission"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// Plan says which Work shall carry a manifest to a cluster.
type Plan struct {
	Cluster string
	// Template is the object the manifest was made from; Manifest is its form for this cluster. Neither is changed.
	Template, Manifest *unstructured.Unstructured
	// Labels and Annotations lead from the Work, and from the member object, back to what they were made for.
	Labels, Annotations map[string]string
	// WorkAnnotations stand on the Work alone.
	WorkAnnotations map[string]string
	Owner           *metav1.OwnerReference

	ConflictResolution          policyv1alpha1.ConflictResolution
	SuspendDispatching          bool
	PreserveResourcesOnDeletion *bool
}

// Write creates the Work of a plan, or changes it where it differs. It says whether it wrote.
func Write(ctx context.Context, deps control.Deps, plan Plan) (written bool, err error) {
	desired, err := build(plan)
	if err != nil {
		return false, fmt.Errorf("rendering %s for cluster %s: %w", Describe(plan.Template), plan.Cluster, err)
	}
	current := &workv1alpha1.Work{}
	err = deps.Client.Get(ctx, client.ObjectKeyFromObject(desired), current)
	if apierrors.IsNotFound(err) {
		return true, create(ctx, deps, desired)
	}
	if err != nil {
		return false, fmt.Errorf("reading Work %s/%s: %w", desired.Namespace, desired.Name, err)
	}
	if !current.DeletionTimestamp.IsZero() {
		return false, fmt.Errorf("the Work %s/%s is still being removed", current.Namespace, current.Name)
	}
	changed := current.DeepCopy()
	changed.Labels = merged(current.Labels, desired.Labels)
	changed.Annotations = merged(withoutWritten(current.Annotations), desired.Annotations)
	changed.OwnerReferences = desired.OwnerReferences
	changed.Spec = desired.Spec
	controllerutil.AddFinalizer(changed, names.FinalizerExecution)
	if err := admission.DefaultWork(changed, deps.IDs.NewID); err != nil {
		return false, err
	}
	if Equal(current.ObjectMeta, changed.ObjectMeta) && Equal(current.Spec, changed.Spec) {
		return false, nil
	}
	if err := deps.Client.Update(ctx, changed); err != nil {
		return false, fmt.Errorf("updating Work %s/%s: %w", changed.Namespace, changed.Name, err)
	}
	return true, nil
}

func create(ctx context.Context, deps control.Deps, desired *workv1alpha1.Work) error {
	controllerutil.AddFinalizer(desired, names.FinalizerExecution)
	if err := admission.DefaultWork(desired, deps.IDs.NewID); err != nil {
		return err
	}
	if err := deps.Client.Create(ctx, desired); err != nil {
		return fmt.Errorf("creating Work %s/%s: %w", desired.Namespace, desired.Name, err)
	}
	return nil
}

// build makes the Work of a plan, without what admission adds.
func build(plan Plan) (*workv1alpha1.Work, error) {
	template := plan.Template
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{
		Namespace:   names.ExecutionSpace(plan.Cluster),
		Name:        names.Work(template.GetKind(), template.GetName(), template.GetNamespace()),
		Labels:      maps.Clone(plan.Labels),
		Annotations: merged(plan.Annotations, plan.WorkAnnotations),
	}}
	if plan.Owner != nil {
		work.OwnerReferences = []metav1.OwnerReference{*plan.Owner}
	}
	resolution := conflictResolution(template, plan.ConflictResolution)
	work.Annotations[names.AnnotationConflictResolution] = resolution

	manifest := plan.Manifest.DeepCopy()
	manifest.SetLabels(merged(merged(manifest.GetLabels(), plan.Labels), map[string]string{names.LabelManaged: names.LabelManagedValue}))
	annotations := merged(manifest.GetAnnotations(), plan.Annotations)
	annotations[names.AnnotationWorkNamespace] = work.Namespace
	annotations[names.AnnotationWorkName] = work.Name
	annotations[names.AnnotationTemplateUID] = string(template.GetUID())
	annotations[names.AnnotationConflictResolution] = resolution
	if generation := template.GetGeneration(); generation > 0 {
		annotations[names.AnnotationTemplateGeneration] = strconv.FormatInt(generation, 10)
	}
	manifest.SetAnnotations(annotations)
	raw, err := json.Marshal(manifest.Object)
	if err != nil {
		return nil, err
	}
	work.Spec.Workload.Manifests = []workv1alpha1.Manifest{{}}
	work.Spec.Workload.Manifests[0].Raw = raw
	work.Spec.SuspendDispatching = ptr.To(plan.SuspendDispatching)
	if !plan.SuspendDispatching {
		work.Spec.SuspendDispatching = nil
	}
	work.Spec.PreserveResourcesOnDeletion = plan.PreserveResourcesOnDeletion
	return work, nil
}

// conflictResolution is what the template says, when it says something valid, and else what its policy says.
func conflictResolution(template *unstructured.Unstructured, ofPolicy policyv1alpha1.ConflictResolution) string {
	switch own := template.GetAnnotations()[names.AnnotationConflictResolution]; own {
	case names.ConflictOverwrite, names.ConflictAbort:
		return own
	}
	if ofPolicy == policyv1alpha1.ConflictOverwrite {
		return names.ConflictOverwrite
	}
	return names.ConflictAbort
}

// withoutWritten leaves out what a plan writes only when it applies, so that it goes when it no longer does.
func withoutWritten(annotations map[string]string) map[string]string {
	return without(annotations, names.AnnotationAppliedOverrides, names.AnnotationAppliedClusterOverrides)
}

func merged(base, more map[string]string) map[string]string {
	all := make(map[string]string, len(base)+len(more))
	maps.Copy(all, base)
	maps.Copy(all, more)
	return all
}
