package propagate

import (
	"context"
	"fmt"
	"reflect"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

// unknownKindRetry is how often a selected kind that the API server does not serve is looked for again.
const unknownKindRetry = 30 * time.Second

// reconcileTemplate settles whose the template is and keeps its binding up to date.
func (d *detector) reconcileTemplate(ctx context.Context, deps control.Deps, key control.Key) error {
	if d.skipped(key) {
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
	claimer, ok, err := d.settleClaim(ctx, deps, template)
	if err != nil || !ok {
		return err
	}
	if err := syncBinding(ctx, deps, template, claimer); err != nil {
		if !control.Stale(err) {
			deps.Events.Eventf(template, corev1.EventTypeWarning, names.EventApplyPolicyFailed, "%v", err)
		}
		return err
	}
	return nil
}

// skipped tells templates that are never propagated, whatever a policy says.
func (d *detector) skipped(key control.Key) bool {
	if names.IsReservedNamespace(key.Namespace) || neverPropagated(key.GVK) {
		return true
	}
	for _, pattern := range d.options.SkippedNamespaces {
		if key.Namespace != "" && pattern.MatchString(key.Namespace) {
			return true
		}
	}
	return false
}

// neverPropagated tells the kinds that belong to the control plane itself, and events, which would echo for ever.
func neverPropagated(kind schema.GroupVersionKind) bool {
	switch kind.Group {
	case "apps.karmada.io", "autoscaling.karmada.io", "cluster.karmada.io", "config.karmada.io", "networking.karmada.io",
		"policy.karmada.io", "remedy.karmada.io", "work.karmada.io", "events.k8s.io":
		return true
	case "coordination.k8s.io":
		return kind.Version == "v1"
	case "":
		return kind.Kind == "Event"
	}
	return false
}

// settleClaim finds the policy the template belongs to, and writes its claim on the template when that changes. ok is false
// when no policy selects it.
func (d *detector) settleClaim(ctx context.Context, deps control.Deps, template *unstructured.Unstructured) (claimer policy.Policy, ok bool, err error) {
	policies, err := policy.ListFor(ctx, deps.Client, template.GetNamespace())
	if err != nil {
		return policy.Policy{}, false, err
	}
	claimer, ok = d.claimer(policies, template)
	if !ok {
		// What a policy propagated before it let go stays where it is, but belongs to nobody any more.
		return claimer, false, disown(ctx, deps, template)
	}
	if claimer.ID() == "" {
		// Its own turn gives the policy an identity and wakes this template again.
		return claimer, false, nil
	}
	before := template.DeepCopy()
	if policy.SetClaim(template, claimer.Claim()) {
		if err := deps.Client.Patch(ctx, template, client.MergeFrom(before)); err != nil {
			return claimer, false, fmt.Errorf("claiming %s for %s: %w", workload.Describe(template), claimer, err)
		}
		deps.Events.Eventf(template, corev1.EventTypeNormal, names.EventApplyPolicySucceed, "claimed by %s", claimer)
	}
	return claimer, true, nil
}

// disown takes the claims off a template and its binding.
func disown(ctx context.Context, deps control.Deps, template *unstructured.Unstructured) error {
	if _, claimed := policy.ClaimOf(template); !claimed {
		return nil
	}
	name := types.NamespacedName{Namespace: template.GetNamespace(), Name: names.Binding(template.GetKind(), template.GetName())}
	bound, err := binding.Get(ctx, deps.Client, name)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("reading the binding of %s: %w", workload.Describe(template), err)
	}
	if err == nil {
		if err := unclaim(ctx, deps, bound.Object, "binding "+bound.NamespacedName().String()); err != nil {
			return err
		}
	}
	return unclaim(ctx, deps, template, workload.Describe(template))
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

// sameSpecification tells whether two versions of a template differ only in status and bookkeeping.
func sameSpecification(old, current *unstructured.Unstructured) bool {
	if old.GetDeletionTimestamp().IsZero() != current.GetDeletionTimestamp().IsZero() {
		return false
	}
	return reflect.DeepEqual(specification(old), specification(current))
}

func specification(object *unstructured.Unstructured) map[string]any {
	kept := make(map[string]any, len(object.Object))
	for key, value := range object.Object {
		if key != "status" && key != "metadata" {
			kept[key] = value
		}
	}
	kept["labels"], kept["annotations"] = object.GetLabels(), object.GetAnnotations()
	return kept
}
