package invariant

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/workload"
)

// refused: a template that asks more for a replica than quotas have room for reaches no cluster, neither one that is new nor one that has
// what was admitted. A Work may ask what its binding was admitted with not long ago, and what it asked before.
func refused(w *World, c Change) error {
	work, is := c.After.(*workv1alpha1.Work)
	if !w.quotasEnforced || c.Cluster != "" || !is {
		return nil
	}
	owner, owned := binding.OwnerOf(work)
	if !owned {
		return nil
	}
	bound, there := w.binding(owner)
	if !there || bound.GetNamespace() == "" || bound.Spec.ReplicaRequirements == nil {
		return nil
	}
	template := w.template(bound)
	if template == nil || !w.outgrown(bound, template) {
		return nil
	}
	asks := requestIn(work)
	if before, was := c.Before.(*workv1alpha1.Work); was && within(asks, requestIn(before)) {
		return nil
	}
	if w.ever(bindingKind, owner, func(object client.Object) bool {
		said, there := binding.Of(object)
		return there && said.Spec.ReplicaRequirements != nil && within(asks, w.limited(owner, said.Spec.ReplicaRequirements.ResourceRequest))
	}) {
		return nil
	}
	return fmt.Errorf("it carries %s for a replica, for which quotas of namespace %s have no room, and its binding was admitted with less", written(asks), owner.Namespace)
}

// limited are the resources of a request that quotas of a namespace limit; those that they do not limit may be any.
func (w *World) limited(owner types.NamespacedName, request corev1.ResourceList) corev1.ResourceList {
	limited := corev1.ResourceList{}
	for _, quota := range w.quotas(owner.Namespace) {
		for name := range quota.Spec.Overall {
			limited[requested(name)] = request[requested(name)]
		}
	}
	return limited
}

// requestIn is what a replica of what a Work carries asks for.
func requestIn(work *workv1alpha1.Work) corev1.ResourceList {
	manifests, err := workload.Manifests(work)
	if err != nil || len(manifests) != 1 {
		return nil
	}
	return requestOf(manifests[0])
}

// within tells whether a request asks no more of anything that a limit names.
func within(request, limit corev1.ResourceList) bool {
	for name, most := range limit {
		if asked := request[name]; asked.Cmp(most) > 0 {
			return false
		}
	}
	return true
}

// written reads "cpu 2, memory 64Mi".
func written(request corev1.ResourceList) string {
	text := ""
	for _, name := range slices.Sorted(maps.Keys(request)) {
		if text != "" {
			text += ", "
		}
		amount := request[name]
		text += string(name) + " " + amount.String()
	}
	return text
}
