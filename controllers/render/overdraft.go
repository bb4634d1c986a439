package render

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// overdrawn tells that the template asks more than a quota allows, and the binding still says what was admitted before.
func overdrawn(object client.Object) bool {
	bound, ok := binding.Of(object)
	if !ok {
		return false
	}
	told := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionUpToDate)
	return told != nil && told.Status == metav1.ConditionFalse && told.Reason == names.ReasonQuotaExceeded
}

// outpaced tells that the template asks more for a replica than its binding says: the binding has yet to follow, and a quota may refuse
// that. When it does follow, that wakes the binding.
func outpaced(ctx context.Context, deps control.Deps, bound binding.Binding, template *unstructured.Unstructured) bool {
	said := bound.Spec.ReplicaRequirements
	if said == nil || bound.GetNamespace() == "" || bound.Spec.Resource.ResourceVersion == template.GetResourceVersion() ||
		!deps.Interpreter.Supports(template.GroupVersionKind(), configv1alpha1.InterpreterOperationInterpretReplica) {
		return false
	}
	_, asked, err := deps.Interpreter.Replicas(ctx, template)
	if err != nil || asked == nil {
		// What cannot be read is told where bindings are made.
		return false
	}
	for name, amount := range asked.ResourceRequest {
		if admitted := said.ResourceRequest[name]; amount.Cmp(admitted) > 0 {
			return true
		}
	}
	return false
}

// errRefused says that a cluster has to wait for the quota.
var errRefused = errors.New("a quota refuses its template, and none of its Works carries what was admitted as this cluster would have it")

// errUnasked says that a cluster has to wait until the binding follows the template, a quota refuses that, or the policy lets go of it.
var errUnasked = errors.New("the binding has yet to follow the template")

// keepOrRender renders the template for a cluster, unless it gets what was admitted: then the cluster keeps what it was given before, and
// nothing but its share of the replicas changes, so that moves within the quota go on. One that has nothing yet is given what
// others have: neither does a workload that moves wait for somebody to mend its quota, nor does a move bring in what was refused.
func keepOrRender(
	ctx context.Context, deps control.Deps, bound binding.Binding, works []workv1alpha1.Work, template *unstructured.Unstructured,
	target share, overrides []override.Policy,
) (written bool, err error) {
	if !target.admitted {
		return renderFor(ctx, deps, bound, template, target, overrides)
	}
	for i := range works {
		if works[i].Namespace == names.ExecutionSpace(target.Name) && works[i].DeletionTimestamp.IsZero() {
			return reshare(ctx, deps, bound, &works[i], target)
		}
	}
	return renderAdmitted(ctx, deps, bound, works, template, target, overrides)
}

// renderAdmitted gives a cluster what was admitted, by the Work of another one: by one that no override has changed, or else by one
// that has the overrides of this cluster.
func renderAdmitted(
	ctx context.Context, deps control.Deps, bound binding.Binding, works []workv1alpha1.Work, template *unstructured.Unstructured,
	target share, overrides []override.Policy,
) (written bool, err error) {
	result, there, err := overridden(ctx, deps, bound, template, target, overrides)
	if err != nil || !there {
		return false, err
	}
	applied, err := result.Annotations()
	if err != nil {
		return false, err
	}
	if plain := firstWith(nil, works); plain != nil {
		admitted, err := carriedBy(plain, template)
		if err != nil {
			return false, err
		}
		return renderFor(ctx, deps, bound, admitted, target, overrides)
	}
	like := firstWith(applied, works)
	switch {
	case like != nil:
	case overdrawn(bound.Object):
		return false, fmt.Errorf("giving cluster %s its Work: %w", target.Name, errRefused)
	case policy.Wants(bound):
		return false, errUnasked
	default:
		// Nobody will ask the quota any more.
		return renderFor(ctx, deps, bound, template, target, overrides)
	}
	admitted, err := carriedBy(like, template)
	if err != nil {
		return false, err
	}
	if result.Manifest, err = divided(ctx, deps, bound, admitted, target); err != nil {
		return false, fmt.Errorf("giving %s its replicas for cluster %s: %w", workload.Describe(admitted), target.Name, err)
	}
	return deliver(ctx, deps, bound, admitted, target.Name, result)
}

// firstWith is the first Work, by cluster, that has these overrides, be it on its way out; nil when there is none.
func firstWith(applied map[string]string, works []workv1alpha1.Work) (first *workv1alpha1.Work) {
	for i := range works {
		work := &works[i]
		if work.Annotations[names.AnnotationAppliedOverrides] == applied[names.AnnotationAppliedOverrides] &&
			work.Annotations[names.AnnotationAppliedClusterOverrides] == applied[names.AnnotationAppliedClusterOverrides] &&
			len(work.Spec.Workload.Manifests) == 1 && (first == nil || work.Namespace < first.Namespace) {
			first = work
		}
	}
	return first
}

// carriedBy is the template as it was when a Work was written.
func carriedBy(work *workv1alpha1.Work, template *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return nil, err
	}
	carried := manifests[0]
	carried.SetUID(template.GetUID())
	if text, said := carried.GetAnnotations()[names.AnnotationTemplateGeneration]; said {
		generation, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading annotation %s of what Work %s/%s carries: %w", names.AnnotationTemplateGeneration, work.Namespace, work.Name, err)
		}
		carried.SetGeneration(generation)
	}
	return carried, nil
}

// reshare gives the manifests of a Work the replicas of its cluster. The completions of a Job are divided anew with its template.
func reshare(ctx context.Context, deps control.Deps, bound binding.Binding, work *workv1alpha1.Work, target share) (written bool, err error) {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return false, err
	}
	target.completions = nil
	changed := work.DeepCopy()
	for i, manifest := range manifests {
		revised, err := divided(ctx, deps, bound, manifest, target)
		if err != nil {
			return false, fmt.Errorf("giving manifest %d of Work %s/%s its replicas: %w", i, work.Namespace, work.Name, err)
		}
		if workload.Equal(revised.Object, manifest.Object) {
			continue
		}
		if changed.Spec.Workload.Manifests[i].Raw, err = json.Marshal(revised.Object); err != nil {
			return false, fmt.Errorf("encoding manifest %d of Work %s/%s: %w", i, work.Namespace, work.Name, err)
		}
		written = true
	}
	if !written {
		return false, nil
	}
	if err := deps.Client.Update(ctx, changed); err != nil {
		return false, fmt.Errorf("updating Work %s/%s: %w", work.Namespace, work.Name, err)
	}
	return true, nil
}
