package propagate

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/fieldpatch"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// unknownKindRetry is how often a selected kind that the API server does not serve is looked for again.
const unknownKindRetry = 30 * time.Second

// formerKindRetry is how often a policy looks whether all is let go that it claimed of kinds it does not select any more.
const formerKindRetry = 30 * time.Second

// reconcileTemplate settles whose the template is and keeps its binding up to date.
func (d *detector) reconcileTemplate(ctx context.Context, deps control.Deps, key control.Key) error {
	if d.options.Skipped.Skips(key.GVK, key.Namespace) {
		return nil
	}
	template := &unstructured.Unstructured{}
	template.SetGroupVersionKind(key.GVK)
	if err := deps.Client.Get(ctx, key.NamespacedName(), template); err != nil {
		return client.IgnoreNotFound(err)
	}
	if !template.GetDeletionTimestamp().IsZero() || template.GetLabels()[names.LabelClaimedBy] != "" {
		return nil
	}
	current, err := bindingOf(ctx, deps.Client, template)
	if err != nil {
		return err
	}
	claimer, ok, err := d.choose(ctx, deps, template, current)
	if err != nil || !ok {
		return err
	}
	missing, err := missingOverrides(ctx, deps.Client, claimer)
	if err != nil {
		return err
	}
	if len(missing) > 0 {
		// Each of them wakes the policy, and that the template, when it comes.
		return complain(ctx, deps, template, current, fmt.Errorf("%s waits for its override policies %s", claimer, strings.Join(missing, ", ")))
	}
	lazily := activationOf(template, claimer, current)
	if err := d.claim(ctx, deps, template, claimer, lazily); err != nil {
		return err
	}
	if err := d.syncBinding(ctx, deps, template, claimer, current, lazily); err != nil {
		return errors.Join(err, complain(ctx, deps, template, current, err))
	}
	return nil
}

// bindingOf is the binding of a template; without an object when there is none.
func bindingOf(ctx context.Context, reader client.Reader, template *unstructured.Unstructured) (binding.Binding, error) {
	name := types.NamespacedName{Namespace: template.GetNamespace(), Name: names.Binding(template.GetKind(), template.GetName())}
	bound, err := binding.Get(ctx, reader, name)
	if client.IgnoreNotFound(err) != nil {
		return binding.Binding{}, fmt.Errorf("reading the binding of %s: %w", workload.Describe(template), err)
	}
	return bound, nil
}

// complain tells users, on a template and on the binding that it has so far, why the binding does not follow.
func complain(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, current binding.Binding, failure error) error {
	if control.Stale(failure) {
		return nil
	}
	deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventApplyPolicyFailed, "%v", failure)
	if current.Object == nil {
		return nil
	}
	reason := names.EventApplyPolicyFailed
	if unread := (unreadable{}); errors.As(failure, &unread) {
		reason = unread.reason
	}
	if apierrors.ReasonForError(failure) == names.ReasonQuotaExceeded {
		// By that, what clusters have already is kept from following the template.
		reason = names.ReasonQuotaExceeded
	}
	return binding.Report(ctx, deps, current, names.ConditionUpToDate, reason, failure)
}

// choose finds the policy the template belongs to. ok is false when no policy selects it, or none that can claim it yet.
func (d *detector) choose(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, current binding.Binding) (claimer policy.Policy, ok bool, err error) {
	// They are read only: what a binding takes over from them is copied.
	policies, err := policy.ListFor(ctx, deps.Client, template.GetNamespace(), client.UnsafeDisableDeepCopy)
	if err != nil {
		return policy.Policy{}, false, err
	}
	claimer, ok = d.claimer(policies, template)
	if !ok {
		// What a policy propagated before it let go stays where it is, but belongs to nobody any more.
		return claimer, false, disown(ctx, deps, template, current)
	}
	// Its own turn gives the policy an identity and wakes this template again.
	return claimer, claimer.ID() != "", nil
}

// claim writes the claim of a policy on a template when that changes.
func (d *detector) claim(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, claimer policy.Policy, lazily activation) error {
	previous := ""
	if held, claimed := policy.ClaimOf(template); claimed && held != claimer.Claim() {
		previous = held.Policy.String()
	}
	marks := &metav1.ObjectMeta{Labels: template.GetLabels(), Annotations: template.GetAnnotations()}
	claimed := policy.SetClaim(marks, claimer.Claim())
	noted := lazily.noteOnTemplate(marks)
	if !claimed && !noted {
		return nil
	}
	fields := fieldpatch.Fields{
		Labels: fieldpatch.BetweenText(template.GetLabels(), marks.Labels), Annotations: fieldpatch.BetweenText(template.GetAnnotations(), marks.Annotations),
		KeepOwners: true,
	}
	preempts := claimed && previous != "" && claimer.Spec.Preemption == policyv1alpha1.PreemptAlways
	if err := fieldpatch.Object(ctx, deps.Client, template, fields); err != nil {
		if preempts && !control.Stale(err) {
			deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventPreemptPolicyFailed, "%s cannot take it over from policy %s: %v", claimer, previous, err)
		}
		return fmt.Errorf("claiming %s for %s: %w", workload.Describe(template), claimer, err)
	}
	template.SetLabels(marks.Labels)
	template.SetAnnotations(marks.Annotations)
	switch {
	case !claimed:
	case preempts:
		deps.Events.Eventf(template, corev1.EventTypeNormal, names.EventPreemptPolicySucceed, "%s took it over from policy %s", claimer, previous)
	default:
		deps.Events.Eventf(template, corev1.EventTypeNormal, names.EventApplyPolicySucceed, "claimed by %s", claimer)
	}
	return nil
}

// disown takes the claims off a template and its binding. That of the binding goes last: by it the policy's turn finds templates of a
// kind that the policy does not select any more, should this process die in between.
func disown(ctx context.Context, deps control.Deps, template *unstructured.Unstructured, current binding.Binding) error {
	if _, claimed := policy.ClaimOf(template); claimed {
		if err := unclaim(ctx, deps, template, workload.Describe(template)); err != nil {
			return err
		}
	}
	if current.Object == nil {
		return nil
	}
	return unclaim(ctx, deps, current.Object, "binding "+current.NamespacedName().String())
}

// claimer keeps a valid claim unless another policy may take the template over; an unclaimed template gets the best policy.
func (d *detector) claimer(policies []policy.Policy, template *unstructured.Unstructured) (policy.Policy, bool) {
	claim, claimed := policy.ClaimOf(template)
	if !claimed {
		return policy.Best(policies, template)
	}
	current, valid := find(policies, claim.Policy)
	valid = valid && current.ID() == claim.ID && current.GetDeletionTimestamp().IsZero() && current.Matches(template)
	if !valid {
		return policy.Best(policies, template)
	}
	if d.options.Preemption {
		var contenders []policy.Policy
		for _, contender := range policies {
			if contender.Contend(template, claim, &current) == policy.ContendWins {
				contenders = append(contenders, contender)
			}
		}
		if winner, found := policy.Best(contenders, template); found {
			return winner, true
		}
	}
	return current, true
}

func find(policies []policy.Policy, name types.NamespacedName) (policy.Policy, bool) {
	for _, candidate := range policies {
		if candidate.NamespacedName() == name {
			return candidate, true
		}
	}
	return policy.Policy{}, false
}
