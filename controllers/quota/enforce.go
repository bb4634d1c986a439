package quota

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// uses is the controller that counts what the bindings of a namespace use of its quotas. Admission charges them as bindings
// are written; this one frees what goes, and mends what admission counted in vain.
func uses(options Options, releases *releases) control.Controller {
	counter := &counter{options: options, releases: releases}
	return control.Controller{
		Name: "federatedResourceQuotaEnforcement",
		Watches: []control.Watch{
			{Object: &policyv1alpha1.FederatedResourceQuota{}, Keys: onQuota},
			{Object: &workv1alpha2.ResourceBinding{}, Keys: onUse},
		},
		Workers:   options.Workers,
		Reconcile: counter.reconcile,
	}
}

// onUse wakes the quotas of a namespace when one of its bindings uses more or less than before.
func onUse(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if workload.Equal(usageOf(event.Old), usageOf(event.New)) {
		return nil
	}
	quotas := &policyv1alpha1.FederatedResourceQuotaList{}
	if err := reader.List(ctx, quotas, client.InNamespace(event.Object().GetNamespace())); err != nil {
		return nil
	}
	keys := make([]control.Key, 0, len(quotas.Items))
	for i := range quotas.Items {
		keys = append(keys, control.KeyOf(&quotas.Items[i]))
	}
	return keys
}

func usageOf(object client.Object) corev1.ResourceList {
	if bound, ok := object.(*workv1alpha2.ResourceBinding); ok && bound != nil {
		return admission.QuotaUsage(&bound.Spec)
	}
	return corev1.ResourceList{}
}

type counter struct {
	options  Options
	releases *releases
}

func (c *counter) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	quota := &policyv1alpha1.FederatedResourceQuota{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), quota); err != nil {
		c.releases.forget(key)
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !quota.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	written, again := false, c.options.Period
	usage, err := usageIn(ctx, deps.Client, quota.Namespace)
	if err == nil {
		changed := quota.DeepCopy()
		used, wait := c.releases.due(deps.Clock.Now(), quota, admission.QuotaUsed(quota.Spec.Overall, usage))
		if wait > 0 {
			again = wait
		}
		changed.Status.Overall, changed.Status.OverallUsed = quota.Spec.Overall, used
		written, err = writeStatus(ctx, deps, quota, changed)
	}
	switch {
	case err != nil && !control.Stale(err):
		deps.Events.Eventf(quota, corev1.EventTypeWarning, names.EventCollectOverallStatusFailed, "%v", err)
	case written:
		deps.Events.Eventf(quota, corev1.EventTypeNormal, names.EventCollectOverallStatusSucceed, "the status tells what the bindings of the namespace use")
	}
	return control.Result{RequeueAfter: again}, err
}

// usageIn adds up what all bindings of a namespace use.
func usageIn(ctx context.Context, reader client.Reader, namespace string) (corev1.ResourceList, error) {
	bindings := &workv1alpha2.ResourceBindingList{}
	if err := reader.List(ctx, bindings, client.InNamespace(namespace), client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the bindings of namespace %s: %w", namespace, err)
	}
	total := corev1.ResourceList{}
	for i := range bindings.Items {
		for name, used := range admission.QuotaUsage(&bindings.Items[i].Spec) {
			sum := total[name]
			sum.Add(used)
			total[name] = sum
		}
	}
	return total, nil
}
