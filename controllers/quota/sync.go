package quota

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// assignments is the controller that sends each cluster its part of a quota, as a ResourceQuota of the quota's name.
func assignments(options Options) control.Controller {
	return control.Controller{
		Name: "federatedResourceQuotaSync",
		Watches: []control.Watch{
			{Object: &policyv1alpha1.FederatedResourceQuota{}, Keys: onQuota},
			{Object: &workv1alpha1.Work{}, Keys: onChangedWork},
			{Object: &corev1.Namespace{}, Keys: onSpace},
		},
		Indexes:   []control.Index{byQuota()},
		Workers:   options.Workers,
		Reconcile: assign,
	}
}

// onChangedWork wakes the quota of a Work that is new, gone or somebody else's: the quota may be gone, and want it removed.
func onChangedWork(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() &&
		workload.Equal(event.Old.GetLabels(), event.New.GetLabels()) {
		return nil
	}
	return ownerKey(event.Object())
}

// onSpace wakes the quotas that have a part for a new member.
func onSpace(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	cluster, err := names.ClusterOfExecutionSpace(event.Object().GetName())
	if err != nil || event.Old != nil {
		return nil
	}
	quotas := &policyv1alpha1.FederatedResourceQuotaList{}
	if err := reader.List(ctx, quotas); err != nil {
		return nil
	}
	var keys []control.Key
	for i := range quotas.Items {
		if slices.ContainsFunc(quotas.Items[i].Spec.StaticAssignments, func(a policyv1alpha1.StaticClusterAssignment) bool {
			return a.ClusterName == cluster
		}) {
			keys = append(keys, control.KeyOf(&quotas.Items[i]))
		}
	}
	return keys
}

// assign writes a Work for each part of a quota and removes those of clusters that have none any more. With the quota all go.
func assign(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	quota := &policyv1alpha1.FederatedResourceQuota{}
	err := deps.Client.Get(ctx, key.NamespacedName(), quota)
	if client.IgnoreNotFound(err) != nil {
		return control.Result{}, fmt.Errorf("reading FederatedResourceQuota %s: %w", key, err)
	}
	if err != nil || !quota.DeletionTimestamp.IsZero() {
		_, err := remove(ctx, deps, key.NamespacedName(), nil)
		return control.Result{}, err
	}
	removed, failure := remove(ctx, deps, key.NamespacedName(), quota.Spec.StaticAssignments)
	failures := []error{failure}
	changed, missing := removed, []string{}
	for i := range quota.Spec.StaticAssignments {
		assignment := &quota.Spec.StaticAssignments[i]
		written, err := send(ctx, deps, quota, assignment)
		switch {
		case errors.Is(err, errNoMember):
			missing = append(missing, assignment.ClusterName)
		case err != nil:
			failures = append(failures, err)
		}
		changed = changed || written
	}
	tell(deps, quota, changed, missing, errors.Join(failures...))
	return control.Result{}, errors.Join(failures...)
}

// errNoMember says that a cluster has no execution space. It wakes the quotas that name it when it gets one.
var errNoMember = errors.New("is no member of the fleet")

func send(ctx context.Context, deps control.Deps, quota *policyv1alpha1.FederatedResourceQuota, assignment *policyv1alpha1.StaticClusterAssignment) (written bool, err error) {
	space := &corev1.Namespace{}
	if err := deps.Client.Get(ctx, types.NamespacedName{Name: names.ExecutionSpace(assignment.ClusterName)}, space); err != nil {
		if apierrors.IsNotFound(err) {
			return false, errNoMember
		}
		return false, fmt.Errorf("reading the execution space of cluster %s: %w", assignment.ClusterName, err)
	}
	if !space.DeletionTimestamp.IsZero() {
		return false, errNoMember
	}
	manifest, err := part(quota, assignment.Hard)
	if err != nil {
		return false, fmt.Errorf("rendering the ResourceQuota %s/%s for cluster %s: %w", quota.Namespace, quota.Name, assignment.ClusterName, err)
	}
	written, err = workload.Write(ctx, deps, workload.Plan{
		Cluster: assignment.ClusterName, Template: manifest, Manifest: manifest,
		Labels: map[string]string{
			names.LabelFederatedResourceQuotaNamespace: quota.Namespace, names.LabelFederatedResourceQuotaName: quota.Name,
		},
	})
	if errors.Is(err, workload.ErrBeingRemoved) {
		// Its end wakes the quota.
		return false, nil
	}
	return written, err
}

// part is the ResourceQuota of one cluster.
func part(quota *policyv1alpha1.FederatedResourceQuota, hard corev1.ResourceList) (*unstructured.Unstructured, error) {
	typed := &corev1.ResourceQuota{
		TypeMeta:   metav1.TypeMeta{APIVersion: corev1.SchemeGroupVersion.String(), Kind: "ResourceQuota"},
		ObjectMeta: metav1.ObjectMeta{Namespace: quota.Namespace, Name: quota.Name, UID: quota.UID},
		Spec:       corev1.ResourceQuotaSpec{Hard: hard},
	}
	tree, err := runtime.DefaultUnstructuredConverter.ToUnstructured(typed)
	return &unstructured.Unstructured{Object: tree}, err
}

// remove deletes the Works of a quota for clusters without an assignment.
func remove(ctx context.Context, deps control.Deps, quota types.NamespacedName, assignments []policyv1alpha1.StaticClusterAssignment) (removed bool, err error) {
	works, err := worksOf(ctx, deps.Client, quota)
	if err != nil {
		return false, err
	}
	var failures []error
	for i := range works {
		assigned := slices.ContainsFunc(assignments, func(a policyv1alpha1.StaticClusterAssignment) bool {
			return names.ExecutionSpace(a.ClusterName) == works[i].Namespace
		})
		if assigned || !works[i].DeletionTimestamp.IsZero() {
			continue
		}
		gone := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: works[i].Namespace, Name: works[i].Name}}
		if err := client.IgnoreNotFound(deps.Client.Delete(ctx, gone)); err != nil {
			failures = append(failures, fmt.Errorf("deleting Work %s/%s of FederatedResourceQuota %s: %w", gone.Namespace, gone.Name, quota, err))
			continue
		}
		removed = true
	}
	return removed, errors.Join(failures...)
}

// tell lets users know what became of the assignments, where there is news.
func tell(deps control.Deps, quota *policyv1alpha1.FederatedResourceQuota, changed bool, missing []string, failure error) {
	switch {
	case failure != nil && !control.Stale(failure):
		deps.Events.Eventf(quota, corev1.EventTypeWarning, names.EventSyncWorkFailed, "%v", failure)
	case len(missing) > 0:
		deps.Events.Eventf(quota, corev1.EventTypeWarning, names.EventSyncWorkFailed,
			"no cluster %s is a member of the fleet: the part assigned to it waits", strings.Join(missing, ", "))
	case changed:
		deps.Events.Eventf(quota, corev1.EventTypeNormal, names.EventSyncWorkSucceed, "the clusters get the parts assigned to them")
	}
}
