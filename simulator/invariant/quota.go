package invariant

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/workload"
)

// quota: a binding that comes to use more overdraws no FederatedResourceQuota of its namespace, by what the quota says is used.
func quota(w *World, c Change) error {
	after, is := binding.Of(c.After)
	if !w.quotasEnforced || c.Cluster != "" || !is || c.GVK != bindingKind {
		return nil
	}
	was := corev1.ResourceList{}
	if before, there := binding.Of(c.Before); there {
		was = usage(before)
	}
	now := usage(after)
	for _, quota := range w.quotas(c.Key.Namespace) {
		for _, limited := range slices.Sorted(maps.Keys(quota.Spec.Overall)) {
			before, used, limit := was[requested(limited)], quota.Status.OverallUsed[limited], quota.Spec.Overall[limited]
			if amount := now[requested(limited)]; amount.Cmp(before) > 0 && used.Cmp(limit) > 0 {
				return fmt.Errorf("it comes to use %s of %s, and quota %s has %s of %s in use", amount.String(), limited, quota.Name, used.String(), limit.String())
			}
		}
	}
	return nil
}

// quotas are the FederatedResourceQuotas of a namespace, all of them without one.
func (w *World) quotas(namespace string) []*policyv1alpha1.FederatedResourceQuota {
	var quotas []*policyv1alpha1.FederatedResourceQuota
	for _, event := range w.all(quotaKind) {
		if namespace == "" || event.Key.Namespace == namespace {
			quotas = append(quotas, event.Object().(*policyv1alpha1.FederatedResourceQuota))
		}
	}
	return quotas
}

// usage is what a binding uses: the request of a replica for each that it has assigned.
func usage(bound binding.Binding) corev1.ResourceList {
	var replicas int64
	for _, target := range bound.Spec.Clusters {
		replicas += int64(target.Replicas)
	}
	if bound.Spec.ReplicaRequirements == nil {
		return nil
	}
	return times(bound.Spec.ReplicaRequirements.ResourceRequest, replicas)
}

func times(request corev1.ResourceList, replicas int64) corev1.ResourceList {
	used := corev1.ResourceList{}
	for name, amount := range request {
		amount = amount.DeepCopy()
		amount.Mul(replicas)
		used[name] = amount
	}
	return used
}

// requested is what a quota limits, by the name under which bindings ask for it.
func requested(limited corev1.ResourceName) corev1.ResourceName {
	switch limited {
	case corev1.ResourceRequestsCPU:
		return corev1.ResourceCPU
	case corev1.ResourceRequestsMemory:
		return corev1.ResourceMemory
	}
	return limited
}

// used is what all bindings of a namespace use of what a quota limits.
func (w *World) used(quota *policyv1alpha1.FederatedResourceQuota) corev1.ResourceList {
	sum := corev1.ResourceList{}
	for limited := range quota.Spec.Overall {
		total := sum[limited]
		for _, event := range w.all(bindingKind) {
			if event.Key.Namespace == quota.Namespace {
				bound, _ := binding.Of(event.Object())
				total.Add(usage(bound)[requested(limited)])
			}
		}
		sum[limited] = total
	}
	return sum
}

// overdraws tells whether quotas have no room for a binding to use this.
func (w *World) overdraws(bound binding.Binding, wanted corev1.ResourceList) bool {
	if !w.quotasEnforced || bound.GetNamespace() == "" {
		return false
	}
	held := usage(bound)
	return slices.ContainsFunc(w.quotas(bound.GetNamespace()), func(quota *policyv1alpha1.FederatedResourceQuota) bool {
		for limited, used := range w.used(quota) {
			has, asks, limit := held[requested(limited)], wanted[requested(limited)], quota.Spec.Overall[limited]
			used.Sub(has)
			used.Add(asks)
			if asks.Cmp(has) > 0 && used.Cmp(limit) > 0 {
				return true
			}
		}
		return false
	})
}

// tooMuch tells whether quotas have no room for what a binding asks for in clusters, and in those that it has.
func (w *World) tooMuch(bound binding.Binding, clusters []*clusterv1alpha1.Cluster) bool {
	replicas := int64(bound.Spec.Replicas)
	if !divided(bound.Spec.Placement) {
		all := map[string]bool{}
		for _, cluster := range clusters {
			all[cluster.Name] = true
		}
		for _, target := range bound.Spec.Clusters {
			all[target.Name] = true
		}
		replicas *= int64(len(all))
	}
	return bound.Spec.ReplicaRequirements != nil && w.overdraws(bound, times(bound.Spec.ReplicaRequirements.ResourceRequest, replicas))
}

// outgrown tells whether quotas have no room for what the targets of a binding would use by its template as it is now.
func (w *World) outgrown(bound binding.Binding, template *unstructured.Unstructured) bool {
	var replicas int64
	for _, target := range bound.Spec.Clusters {
		replicas += int64(target.Replicas)
	}
	return w.overdraws(bound, times(requestOf(template), replicas))
}

// requestOf is what the containers of one replica ask for.
func requestOf(template *unstructured.Unstructured) corev1.ResourceList {
	containers, _, _ := unstructured.NestedSlice(template.Object, "spec", "template", "spec", "containers")
	request := corev1.ResourceList{}
	for _, tree := range containers {
		container := corev1.Container{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(tree.(map[string]any), &container); err != nil {
			return nil
		}
		for name, amount := range container.Resources.Requests {
			sum := request[name]
			sum.Add(amount)
			request[name] = sum
		}
	}
	return request
}

// servable tells whether a cluster can be given what was admitted of a template: as a Work without overrides has it, or one with those
// of this cluster.
func (w *World) servable(bound binding.Binding, template *unstructured.Unstructured, name string) bool {
	cluster := w.cluster(name)
	if cluster == nil {
		return false
	}
	result, err := override.Apply(template, cluster, w.overrides(template.GetNamespace()))
	if err != nil {
		return false
	}
	wanted, err := result.Annotations()
	if err != nil {
		return false
	}
	for key := range w.works[bound.NamespacedName()] {
		plain, same := true, true
		for _, name := range []string{names.AnnotationAppliedOverrides, names.AnnotationAppliedClusterOverrides} {
			applied := w.work(key).Annotations[name]
			plain, same = plain && applied == "", same && applied == wanted[name]
		}
		if plain || same {
			return true
		}
	}
	return false
}

// quotas: each cluster that a quota has a part for has the Work that carries it, no other cluster has one, and the status of the
// quota tells what the bindings use, or the members where nothing is enforced.
func quotas(w *World) error {
	for _, event := range w.all(workKind) {
		labels := event.Object().GetLabels()
		owner := types.NamespacedName{Namespace: labels[names.LabelFederatedResourceQuotaNamespace], Name: labels[names.LabelFederatedResourceQuotaName]}
		if owner.Name == "" {
			continue
		}
		quota, there := w.latest(quotaKind, owner).(*policyv1alpha1.FederatedResourceQuota)
		if cluster, err := names.ClusterOfExecutionSpace(event.Key.Namespace); !there || err != nil || partOf(quota, cluster) == nil {
			return fmt.Errorf("the Work %s is for a part of quota %s that there is not", event.Key, owner)
		}
	}
	for _, quota := range w.quotas("") {
		if err := w.parts(quota); err != nil {
			return fmt.Errorf("quota %s/%s: %w", quota.Namespace, quota.Name, err)
		}
		if err := w.tells(quota); err != nil {
			return fmt.Errorf("the status of quota %s/%s: %w", quota.Namespace, quota.Name, err)
		}
	}
	return nil
}

func partOf(quota *policyv1alpha1.FederatedResourceQuota, cluster string) corev1.ResourceList {
	for _, assignment := range quota.Spec.StaticAssignments {
		if assignment.ClusterName == cluster {
			return assignment.Hard
		}
	}
	return nil
}

// parts: the clusters have theirs.
func (w *World) parts(quota *policyv1alpha1.FederatedResourceQuota) error {
	for _, assignment := range quota.Spec.StaticAssignments {
		if w.cluster(assignment.ClusterName) == nil {
			continue
		}
		work := w.work(types.NamespacedName{
			Namespace: names.ExecutionSpace(assignment.ClusterName), Name: names.Work(resourceQuotaKind.Kind, quota.Name, quota.Namespace),
		})
		if work == nil {
			return fmt.Errorf("cluster %s has no Work with its part", assignment.ClusterName)
		}
		manifests, err := workload.Manifests(work)
		if err != nil {
			return fmt.Errorf("reading the Work of cluster %s: %w", assignment.ClusterName, err)
		}
		if len(manifests) != 1 {
			return fmt.Errorf("the Work of cluster %s carries %d manifests", assignment.ClusterName, len(manifests))
		}
		carried := &corev1.ResourceQuota{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(manifests[0].Object, carried); err != nil {
			return err
		}
		if at := unequal(assignment.Hard, carried.Spec.Hard); at != "" || client.ObjectKeyFromObject(carried) != client.ObjectKeyFromObject(quota) {
			return fmt.Errorf("the Work of cluster %s does not carry its part of %s", assignment.ClusterName, at)
		}
	}
	return nil
}

// tells: the status of a quota tells what is used.
func (w *World) tells(quota *policyv1alpha1.FederatedResourceQuota) error {
	if at := unequal(quota.Spec.Overall, quota.Status.Overall); at != "" {
		return fmt.Errorf("its limit of %s is another", at)
	}
	told := map[string]corev1.ResourceQuotaStatus{}
	for _, part := range quota.Status.AggregatedStatus {
		told[part.ClusterName] = part.ResourceQuotaStatus
	}
	reported := corev1.ResourceList{}
	for _, assignment := range quota.Spec.StaticAssignments {
		held, there := w.members[assignment.ClusterName][identity{resourceQuotaKind, client.ObjectKeyFromObject(quota)}]
		if !there || w.cluster(assignment.ClusterName) == nil {
			continue
		}
		status := held.Object().(*corev1.ResourceQuota).Status
		if at := unequal(status.Used, told[assignment.ClusterName].Used); at != "" {
			return fmt.Errorf("cluster %s uses another amount of %s", assignment.ClusterName, at)
		}
		delete(told, assignment.ClusterName)
		for name, amount := range status.Used {
			sum := reported[name]
			sum.Add(amount)
			reported[name] = sum
		}
	}
	for _, cluster := range slices.Sorted(maps.Keys(told)) {
		return fmt.Errorf("cluster %s has no part", cluster)
	}
	wanted := w.used(quota)
	if !w.quotasEnforced {
		for limited := range wanted {
			wanted[limited] = reported[limited]
		}
	}
	if at := unequal(wanted, quota.Status.OverallUsed); at != "" {
		want, got := wanted[corev1.ResourceName(at)], quota.Status.OverallUsed[corev1.ResourceName(at)]
		return fmt.Errorf("%s of %s are used, and it says %s", want.String(), at, got.String())
	}
	return nil
}

// unequal names the first resource of which two lists have other amounts; empty when there is none.
func unequal(a, b corev1.ResourceList) string {
	all := maps.Clone(a)
	if all == nil {
		all = corev1.ResourceList{}
	}
	maps.Copy(all, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		left, right := a[name], b[name]
		if left.Cmp(right) != 0 {
			return string(name)
		}
	}
	return ""
}
