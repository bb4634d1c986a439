package workload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
)

// Plan says which Work shall carry a manifest to a cluster.
type Plan struct {
	Cluster string
	// Template is the object the manifest was made from; Manifest is its form for this cluster. Neither is changed.
	Template, Manifest *unstructured.Unstructured
	// Labels and Annotations lead from the Work, and from the member object, back to what they were made for.
	Labels, Annotations map[string]string
	// WorkLabels and WorkAnnotations stand on the Work alone.
	WorkLabels, WorkAnnotations map[string]string
	Owner                       *metav1.OwnerReference
	// Finalizers hold the Work until whoever they belong to lets it go; nil means that of the execution controller.
	Finalizers []string

	ConflictResolution          policyv1alpha1.ConflictResolution
	SuspendDispatching          bool
	PreserveResourcesOnDeletion *bool
}

// ErrBeingRemoved says that an earlier Work of the same name has to go first. Its end wakes whoever watches it.
var ErrBeingRemoved = errors.New("is still being removed")

// Write creates the Work of a plan, or changes it where it differs. It says whether it wrote.
func Write(ctx context.Context, deps control.Deps, plan Plan) (written bool, err error) {
	desired := plan.frame()
	current := &workv1alpha1.Work{}
	err = deps.Client.Get(ctx, client.ObjectKeyFromObject(desired), current, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("reading Work %s/%s: %w", desired.Namespace, desired.Name, err)
	}
	missing := err != nil
	if !missing && !current.DeletionTimestamp.IsZero() {
		return false, fmt.Errorf("the Work %s/%s %w", current.Namespace, current.Name, ErrBeingRemoved)
	}
	id := current.Labels[names.LabelWorkID]
	if id == "" {
		id = deps.IDs.NewID()
	}
	desired.Labels[names.LabelWorkID] = id
	if err := plan.fill(desired, id); err != nil {
		return false, fmt.Errorf("rendering %s for cluster %s: %w", Describe(plan.Template), plan.Cluster, err)
	}
	if missing {
		if err := deps.Client.Create(ctx, desired, fieldpatch.Unread{}); err != nil {
			return false, fmt.Errorf("creating Work %s/%s: %w", desired.Namespace, desired.Name, err)
		}
		return true, nil
	}
	return update(ctx, deps, current, desired)
}

// update changes a Work where it differs. What others have added to its metadata stays. The current Work belongs to a cache.
func update(ctx context.Context, deps control.Deps, current, desired *workv1alpha1.Work) (written bool, err error) {
	labels := merged(current.Labels, desired.Labels)
	annotations := merged(withoutWritten(current.Annotations), desired.Annotations)
	if maps.Equal(labels, current.Labels) && maps.Equal(annotations, current.Annotations) &&
		len(withFinalizers(current.Finalizers, desired.Finalizers)) == len(current.Finalizers) &&
		Equal(current.OwnerReferences, desired.OwnerReferences) && Equal(current.Spec, desired.Spec) {
		return false, nil
	}
	changed := current.DeepCopy()
	changed.Labels, changed.Annotations, changed.OwnerReferences, changed.Spec = labels, annotations, desired.OwnerReferences, desired.Spec
	changed.Finalizers = withFinalizers(changed.Finalizers, desired.Finalizers)
	if err := deps.Client.Update(ctx, changed, fieldpatch.Unread{}); err != nil {
		return false, fmt.Errorf("updating Work %s/%s: %w", changed.Namespace, changed.Name, err)
	}
	return true, nil
}

// frame is the Work of a plan without its manifest.
func (p Plan) frame() *workv1alpha1.Work {
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{
		Namespace:   names.ExecutionSpace(p.Cluster),
		Name:        names.Work(p.Template.GetKind(), p.Template.GetName(), p.Template.GetNamespace()),
		Labels:      merged(p.Labels, p.WorkLabels),
		Annotations: merged(p.Annotations, p.WorkAnnotations),
		Finalizers:  p.Finalizers,
	}}
	if p.Finalizers == nil {
		work.Finalizers = []string{names.FinalizerExecution}
	}
	if p.Owner != nil {
		work.OwnerReferences = []metav1.OwnerReference{*p.Owner}
	}
	work.Annotations[names.AnnotationConflictResolution] = conflictResolution(p.Template, p.ConflictResolution)
	if p.SuspendDispatching {
		work.Spec.SuspendDispatching = ptr.To(true)
	}
	if p.PreserveResourcesOnDeletion != nil {
		work.Spec.PreserveResourcesOnDeletion = ptr.To(*p.PreserveResourcesOnDeletion)
	}
	return work
}

// fill puts the manifest into a Work of this identity, as admission would leave it.
func (p Plan) fill(work *workv1alpha1.Work, id string) error {
	manifest := mayChange(p.Manifest)
	labels, annotations := admission.Entries(manifest, "labels"), admission.Entries(manifest, "annotations")
	for key, value := range p.Labels {
		labels[key] = value
	}
	for key, value := range p.Annotations {
		annotations[key] = value
	}
	labels[names.LabelManaged] = names.LabelManagedValue
	annotations[names.AnnotationWorkNamespace] = work.Namespace
	annotations[names.AnnotationWorkName] = work.Name
	annotations[names.AnnotationTemplateUID] = string(p.Template.GetUID())
	annotations[names.AnnotationConflictResolution] = work.Annotations[names.AnnotationConflictResolution]
	if generation := p.Template.GetGeneration(); generation > 0 {
		annotations[names.AnnotationTemplateGeneration] = strconv.FormatInt(generation, 10)
	}
	raw, err := admission.FinishManifest(manifest, id)
	if err != nil {
		return err
	}
	work.Spec.Workload.Manifests = []workv1alpha1.Manifest{{}}
	work.Spec.Workload.Manifests[0].Raw = raw
	return nil
}

// mayChange is a manifest that admission and the marks of the control plane may change, without what no manifest carries. What they
// leave alone is shared.
func mayChange(manifest *unstructured.Unstructured) *unstructured.Unstructured {
	frame := &unstructured.Unstructured{Object: maps.Clone(manifest.Object)}
	delete(frame.Object, "status")
	if metadata, ok := frame.Object["metadata"].(map[string]any); ok {
		metadata = maps.Clone(metadata)
		delete(metadata, "managedFields")
		frame.Object["metadata"] = runtime.DeepCopyJSONValue(metadata)
	}
	if admission.CleansBelow(frame.GroupVersionKind()) {
		return frame.DeepCopy()
	}
	return frame
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

// withFinalizers adds those that are missing.
func withFinalizers(present, wanted []string) []string {
	all := slices.Clip(present)
	for _, finalizer := range wanted {
		if !slices.Contains(all, finalizer) {
			all = append(all, finalizer)
		}
	}
	return all
}

func merged(base, more map[string]string) map[string]string {
	all := make(map[string]string, len(base)+len(more))
	maps.Copy(all, base)
	maps.Copy(all, more)
	return all
}
