package quota

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// statuses is the controller that collects what members report of their parts.
func statuses(options Options, releases *releases) control.Controller {
	collector := &collector{enforced: options.Enforced, releases: releases}
	return control.Controller{
		Name: "federatedResourceQuotaStatus",
		Watches: []control.Watch{
			{Object: &policyv1alpha1.FederatedResourceQuota{}, Keys: onQuota},
			{Object: &workv1alpha1.Work{}, Keys: onReport},
		},
		Indexes:   []control.Index{byQuota()},
		Workers:   options.Workers,
		Reconcile: collector.reconcile,
	}
}

// onReport wakes the quota of a Work whose member reports otherwise than before.
func onReport(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	keys := ownerKey(event.Object())
	old, _ := event.Old.(*workv1alpha1.Work)
	current, _ := event.New.(*workv1alpha1.Work)
	if len(keys) > 0 && old != nil && current != nil && old.DeletionTimestamp.IsZero() == current.DeletionTimestamp.IsZero() &&
		workload.Equal(old.Status.ManifestStatuses, current.Status.ManifestStatuses) {
		return nil
	}
	return keys
}

type collector struct {
	// enforced leaves overallUsed to the controller that counts bindings.
	enforced bool
	// releases would take what the collector writes for charges.
	releases *releases
}

func (c *collector) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	quota := &policyv1alpha1.FederatedResourceQuota{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), quota); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !quota.DeletionTimestamp.IsZero() {
		return control.Result{}, nil
	}
	works, err := worksOf(ctx, deps.Client, key.NamespacedName())
	if err != nil {
		return control.Result{}, err
	}
	written := false
	parts, err := reported(quota, works)
	if err == nil {
		changed := quota.DeepCopy()
		changed.Status.Overall, changed.Status.AggregatedStatus = quota.Spec.Overall, parts
		if !c.enforced {
			changed.Status.OverallUsed = sum(quota.Spec.Overall, parts)
		}
		if written, err = writeStatus(ctx, deps, quota, changed); written {
			c.releases.follow(key, quota.ResourceVersion, changed.ResourceVersion)
		}
	}
	switch {
	case err != nil && !control.Stale(err):
		deps.Events.Eventf(quota, corev1.EventTypeWarning, names.EventAggregateStatusFailed, "%v", err)
	case written:
		deps.Events.Eventf(quota, corev1.EventTypeNormal, names.EventAggregateStatusSucceed, "the status tells what the members report")
	}
	return control.Result{}, err
}

// reported are the statuses of the parts, by the names of their clusters. Members that have not reported yet are left out.
func reported(quota *policyv1alpha1.FederatedResourceQuota, works []workv1alpha1.Work) ([]policyv1alpha1.ClusterQuotaStatus, error) {
	var parts []policyv1alpha1.ClusterQuotaStatus
	for i := range works {
		work := &works[i]
		cluster, err := names.ClusterOfExecutionSpace(work.Namespace)
		if err != nil || !work.DeletionTimestamp.IsZero() || !assigned(quota, cluster) {
			continue
		}
		for _, manifest := range work.Status.ManifestStatuses {
			if manifest.Identifier.Kind != "ResourceQuota" || manifest.Identifier.Name != quota.Name || manifest.Status == nil {
				continue
			}
			part := policyv1alpha1.ClusterQuotaStatus{ClusterName: cluster}
			if err := json.Unmarshal(manifest.Status.Raw, &part.ResourceQuotaStatus); err != nil {
				return nil, fmt.Errorf("reading the status that Work %s/%s reports of the ResourceQuota %s/%s: %w",
					work.Namespace, work.Name, quota.Namespace, quota.Name, err)
			}
			parts = append(parts, part)
		}
	}
	slices.SortFunc(parts, func(a, b policyv1alpha1.ClusterQuotaStatus) int { return cmp.Compare(a.ClusterName, b.ClusterName) })
	return parts, nil
}

func assigned(quota *policyv1alpha1.FederatedResourceQuota, cluster string) bool {
	return slices.ContainsFunc(quota.Spec.StaticAssignments, func(a policyv1alpha1.StaticClusterAssignment) bool {
		return a.ClusterName == cluster
	})
}

// sum adds up what the parts use of each resource that the quota limits, zero included.
func sum(overall corev1.ResourceList, parts []policyv1alpha1.ClusterQuotaStatus) corev1.ResourceList {
	used := make(corev1.ResourceList, len(overall))
	for name := range overall {
		total := used[name]
		for i := range parts {
			total.Add(parts[i].Used[name])
		}
		used[name] = total
	}
	return used
}
