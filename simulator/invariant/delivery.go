package invariant

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/eviction"
	"github.com/seatrial/seatrial/override"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/workload"
)

func (w *World) work(key types.NamespacedName) *workv1alpha1.Work {
	work, _ := w.latest(workKind, key).(*workv1alpha1.Work)
	return work
}

// rendered: a binding has a Work in each cluster it names and in no other, and each carries the template with its replicas, as
// the overrides want it there. While replicas are held elsewhere they come as far as the surge allows, and no less far.
func rendered(w *World) error {
	for _, bound := range w.bindings() {
		if err := renderedBinding(w, bound); err != nil {
			return fmt.Errorf("binding %s: %w", bound.NamespacedName(), err)
		}
	}
	return nil
}

func renderedBinding(w *World, bound binding.Binding) error {
	for _, key := range slices.SortedFunc(maps.Keys(w.works[bound.NamespacedName()]), compareNames) {
		if cluster, _ := names.ClusterOfExecutionSpace(key.Namespace); !holds(bound.Spec, cluster) {
			return fmt.Errorf("it has a Work for cluster %s, which it does not name", cluster)
		}
	}
	template := w.template(bound)
	if template == nil {
		return fmt.Errorf("its template is gone")
	}
	name := names.Work(template.GetKind(), template.GetName(), template.GetNamespace())
	_, claimed := policy.ClaimOf(bound)
	outgrown, refused := w.outgrown(bound, template), false
	for _, target := range bound.Spec.Clusters {
		if !claimed && w.cluster(target.Name) == nil {
			// What no policy claims is not decided on again.
			continue
		}
		work := w.work(types.NamespacedName{Namespace: names.ExecutionSpace(target.Name), Name: name})
		if work == nil && inSteps(bound.Spec) {
			continue // as long as the surge is used up
		}
		if work == nil && outgrown && !w.servable(bound, template, target.Name) {
			refused = true
			continue
		}
		if work == nil {
			return fmt.Errorf("it names cluster %s and has no Work for it", target.Name)
		}
		if !claimed || outgrown {
			// What has outgrown its quotas stays as it was admitted.
			continue
		}
		if err := renderedFor(w, bound, template, target, work); err != nil {
			return fmt.Errorf("the Work for cluster %s: %w", target.Name, err)
		}
	}
	if !claimed || refused || !inSteps(bound.Spec) {
		return nil
	}
	return surged(w, bound, template)
}

// inSteps tells a binding whose replicas move within a surge. Others move whole.
func inSteps(spec *workv1alpha2.ResourceBindingSpec) bool {
	return eviction.Holding(spec) && eviction.Divided(spec) && len(spec.RequiredBy) == 0
}

// surged: the Works of a binding that moves carry all that its clusters were granted, or its replicas and its surge.
func surged(w *World, bound binding.Binding, template *unstructured.Unstructured) error {
	name := names.Work(template.GetKind(), template.GetName(), template.GetNamespace())
	var all, carried int64
	for _, target := range eviction.Granted(bound.Spec) {
		all += int64(target.Replicas)
		work := w.work(types.NamespacedName{Namespace: names.ExecutionSpace(target.Name), Name: name})
		if work == nil {
			continue
		}
		manifests, err := workload.Manifests(work)
		if err != nil {
			return err
		}
		for _, manifest := range manifests {
			replicas, _, _ := unstructured.NestedInt64(manifest.Object, "spec", "replicas")
			carried += replicas
		}
	}
	surge := (&eviction.Options{}).Beyond(template, bound.Spec.Replicas)
	if least := min(all, int64(bound.Spec.Replicas)+int64(surge)); carried < least {
		return fmt.Errorf("while it moves its Works carry %d replicas of %d, and %d may run at a time", carried, all, least)
	}
	return nil
}

func renderedFor(w *World, bound binding.Binding, template *unstructured.Unstructured, target workv1alpha2.TargetCluster, work *workv1alpha1.Work) error {
	manifests, err := workload.Manifests(work)
	if err != nil {
		return err
	}
	if len(manifests) != 1 || w.cluster(target.Name) == nil {
		return fmt.Errorf("it carries %d manifests", len(manifests))
	}
	wanted := template.DeepCopy()
	if bound.Spec.Replicas > 0 && (divided(bound.Spec.Placement) || decided(bound)) {
		// Without a decision on it, what is duplicated is as its template is, and no eviction holds more of it. Replicas that are divided
		// and have moved away are held until they are replaced.
		replicas := int64(target.Replicas)
		if divided(bound.Spec.Placement) {
			replicas = granted(bound.Spec, target.Name)
		}
		if present, said, _ := unstructured.NestedInt64(manifests[0].Object, "spec", "replicas"); said && inSteps(bound.Spec) {
			replicas = min(replicas, present)
		}
		if err := unstructured.SetNestedField(wanted.Object, replicas, "spec", "replicas"); err != nil {
			return err
		}
	}
	result, err := override.Apply(wanted, w.cluster(target.Name), w.overrides(template.GetNamespace()))
	if err != nil {
		return err
	}
	for _, field := range []string{"spec", "data", "rules"} {
		if at := missing(result.Manifest.Object[field], manifests[0].Object[field], field); at != "" {
			return fmt.Errorf("%s is not as the template and the overrides want it", at)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(result.Manifest.GetLabels())) {
		if value := result.Manifest.GetLabels()[key]; manifests[0].GetLabels()[key] != value {
			return fmt.Errorf("label %s is %q instead of %q", key, manifests[0].GetLabels()[key], value)
		}
	}
	return nil
}

func (w *World) overrides(namespace string) []override.Policy {
	var policies []override.Policy
	for _, gvk := range []schema.GroupVersionKind{overrideKind, clusterOverride} {
		for _, event := range w.all(gvk) {
			if view, ok := override.Of(event.Object()); ok && (event.Key.Namespace == "" || event.Key.Namespace == namespace) {
				policies = append(policies, view)
			}
		}
	}
	return policies
}

// missing names the first field of want that have does not hold; empty when it holds them all. What a member adds is no matter.
func missing(want, have any, path string) string {
	switch wanted := want.(type) {
	case nil:
		return ""
	case map[string]any:
		held, ok := have.(map[string]any)
		if !ok {
			return path
		}
		for _, key := range slices.Sorted(maps.Keys(wanted)) {
			if at := missing(wanted[key], held[key], path+"."+key); at != "" {
				return at
			}
		}
		return ""
	case []any:
		held, ok := have.([]any)
		if !ok || len(held) != len(wanted) {
			return path
		}
		for i := range wanted {
			if at := missing(wanted[i], held[i], fmt.Sprintf("%s[%d]", path, i)); at != "" {
				return at
			}
		}
		return ""
	}
	if want != have {
		return path
	}
	return ""
}

// followed: the ConfigMaps that pods read are where the pods are, when the policy of the pods says so.
func followed(w *World) error {
	for _, bound := range w.bindings() {
		template := w.template(bound)
		if _, claimed := policy.ClaimOf(bound); !claimed || !bound.Spec.PropagateDeps || template == nil {
			continue
		}
		for _, name := range configMapsOf(template) {
			needed := types.NamespacedName{Namespace: template.GetNamespace(), Name: name}
			if object := w.latest(configMapKind, needed); object == nil || !object.GetDeletionTimestamp().IsZero() {
				continue
			}
			for _, target := range bound.Spec.Clusters {
				key := types.NamespacedName{Namespace: names.ExecutionSpace(target.Name), Name: names.Work(configMapKind.Kind, name, needed.Namespace)}
				if w.cluster(target.Name) != nil && w.work(key) == nil {
					return fmt.Errorf("binding %s needs ConfigMap %s, and cluster %s has no Work for it", bound.NamespacedName(), needed, target.Name)
				}
			}
		}
	}
	return nil
}

// configMapsOf are those that the containers of a pod template take their environment from.
func configMapsOf(template *unstructured.Unstructured) []string {
	var found []string
	containers, _, _ := unstructured.NestedSlice(template.Object, "spec", "template", "spec", "containers")
	for _, container := range containers {
		sources, _, _ := unstructured.NestedSlice(container.(map[string]any), "envFrom")
		for _, source := range sources {
			if name, set, _ := unstructured.NestedString(source.(map[string]any), "configMapRef", "name"); set {
				found = append(found, name)
			}
		}
	}
	return found
}

// applied: every member holds what its Works carry, and the Works say so.
func applied(w *World) error {
	for _, event := range w.all(workKind) {
		work := w.work(event.Key)
		cluster, err := names.ClusterOfExecutionSpace(work.Namespace)
		if err != nil {
			return err
		}
		if w.cluster(cluster) == nil {
			continue
		}
		if !workload.Applied(work) {
			return fmt.Errorf("the Work %s is not applied", event.Key)
		}
		manifests, err := workload.Manifests(work)
		if err != nil {
			return err
		}
		for _, manifest := range manifests {
			if err := appliedTo(w, cluster, manifest); err != nil {
				return fmt.Errorf("the Work %s: %w", event.Key, err)
			}
		}
	}
	return nil
}

func appliedTo(w *World, cluster string, manifest *unstructured.Unstructured) error {
	held, there := w.members[cluster][identity{manifest.GroupVersionKind(), client.ObjectKeyFromObject(manifest)}]
	if !there {
		return fmt.Errorf("cluster %s does not hold %s", cluster, workload.Describe(manifest))
	}
	tree := held.Tree().(*unstructured.Unstructured)
	for _, field := range []string{"spec", "data", "rules"} {
		if at := missing(manifest.Object[field], tree.Object[field], field); at != "" {
			return fmt.Errorf("%s in cluster %s: %s is not as the Work carries it", workload.Describe(manifest), cluster, at)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(manifest.GetLabels())) {
		if tree.GetLabels()[key] != manifest.GetLabels()[key] {
			return fmt.Errorf("%s in cluster %s: label %s is not as the Work carries it", workload.Describe(manifest), cluster, key)
		}
	}
	return nil
}

// hasWork tells whether there is a Work of a binding for a cluster.
func (w *World) hasWork(bound binding.Binding, cluster string) bool {
	for key := range w.works[bound.NamespacedName()] {
		if key.Namespace == names.ExecutionSpace(cluster) {
			return true
		}
	}
	return false
}

// restless tells a binding with a copy in each cluster of which some leave for their health, and wait for nothing. There is no other
// place for them, so that they come back, again and again, and what is told of them is always a moment behind.
func restless(bound binding.Binding) bool {
	failover := bound.Spec.Failover
	if failover == nil || failover.Application == nil || failover.Application.PurgeMode != policyv1alpha1.PurgeModeDirectly || eviction.Divided(bound.Spec) {
		return false
	}
	return slices.ContainsFunc(bound.Spec.Clusters, func(target workv1alpha2.TargetCluster) bool {
		return !slices.ContainsFunc(bound.Status.AggregatedStatus, func(item workv1alpha2.AggregatedStatusItem) bool {
			return item.ClusterName == target.Name && item.Health == workv1alpha2.ResourceHealthy
		})
	})
}

// aggregated: bindings tell of all their Works that they are applied, and templates sum up the replicas that are ready.
func aggregated(w *World) error {
	for _, bound := range w.bindings() {
		lost := slices.ContainsFunc(bound.Spec.Clusters, func(t workv1alpha2.TargetCluster) bool { return w.cluster(t.Name) == nil })
		if len(bound.Spec.Clusters) == 0 || lost || restless(bound) {
			continue
		}
		// Targets get nothing while what is held uses up the surge.
		awaits := slices.ContainsFunc(bound.Spec.Clusters, func(t workv1alpha2.TargetCluster) bool { return !w.hasWork(bound, t.Name) })
		if full := meta.IsStatusConditionTrue(bound.Status.Conditions, names.ConditionFullyApplied); full == awaits {
			return fmt.Errorf("binding %s is fully applied: %t; it has yet to get Works: %t", bound.NamespacedName(), full, awaits)
		}
		if told, works := len(bound.Status.AggregatedStatus), len(w.works[bound.NamespacedName()]); told != works {
			return fmt.Errorf("binding %s tells of %d Works and has %d", bound.NamespacedName(), told, works)
		}
		if bound.Spec.Resource.Kind != "Deployment" {
			continue
		}
		template := w.template(bound)
		if template == nil {
			continue
		}
		var sum int64
		for key := range w.works[bound.NamespacedName()] {
			if cluster, err := names.ClusterOfExecutionSpace(key.Namespace); err == nil {
				sum += w.ready(cluster, copyOf(bound))
			}
		}
		if ready, _, _ := unstructured.NestedInt64(template.Object, "status", "readyReplicas"); ready != sum {
			return fmt.Errorf("%s tells of %d ready replicas, its clusters have %d", workload.Describe(template), ready, sum)
		}
	}
	return nil
}
