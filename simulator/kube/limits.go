package kube

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"
)

// applyLimits follows a LimitRange. It counts for the pods of templates that come after it.
func (c *Cluster) applyLimits(object *corev1.LimitRange) {
	key := Key{KindLimitRange, object.Namespace, object.Name}
	c.deleteLimits(key)
	c.limits = append(c.limits, object)
	slices.SortFunc(c.limits, func(a, b *corev1.LimitRange) int { return limitsKey(a).compare(limitsKey(b)) })
}

func limitsKey(object *corev1.LimitRange) Key {
	return Key{KindLimitRange, object.Namespace, object.Name}
}

func (c *Cluster) deleteLimits(key Key) {
	c.limits = slices.DeleteFunc(c.limits, func(other *corev1.LimitRange) bool { return limitsKey(other) == key })
}

// limited gives containers the requests and limits that the limit ranges of a namespace make of none, and reports whether they
// admit the pod.
func (c *Cluster) limited(namespace string, spec *corev1.PodSpec) (limited *corev1.PodSpec, admitted bool) {
	admitted = true
	for _, object := range c.limits {
		if object.Namespace != namespace {
			continue
		}
		if limited == nil {
			limited = spec.DeepCopy()
		}
		for i := range object.Spec.Limits {
			if item := &object.Spec.Limits[i]; item.Type == corev1.LimitTypeContainer {
				requests, limits := containerDefaults(item)
				for _, container := range containersOf(limited) {
					container.Resources.Limits = filled(container.Resources.Limits, limits)
					container.Resources.Requests = filled(container.Resources.Requests, requests)
				}
			}
		}
	}
	if limited == nil {
		return spec, true
	}
	for _, object := range c.limits {
		for i := range object.Spec.Limits {
			admitted = admitted && (object.Namespace != namespace || limitsAdmit(&object.Spec.Limits[i], limited))
		}
	}
	return limited, admitted
}

// containersOf are all containers of a pod.
func containersOf(spec *corev1.PodSpec) []*corev1.Container {
	var all []*corev1.Container
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			all = append(all, &containers[i])
		}
	}
	return all
}

// containerDefaults are what a container gets that does not say. The API server derives what an item leaves out: limits from the
// maximum, requests from the limits, or else from the minimum.
func containerDefaults(item *corev1.LimitRangeItem) (requests, limits corev1.ResourceList) {
	limits = filled(item.Default, item.Max)
	return filled(filled(item.DefaultRequest, limits), item.Min), limits
}

// filled is a list with the entries of another one that it lacks.
func filled(list, with corev1.ResourceList) corev1.ResourceList {
	if len(with) == 0 {
		return list
	}
	whole := maps.Clone(with)
	maps.Copy(whole, list)
	return whole
}

// limitsAdmit reports whether a pod, or each of its containers, is within the bounds of an item.
func limitsAdmit(item *corev1.LimitRangeItem, spec *corev1.PodSpec) bool {
	switch item.Type {
	case corev1.LimitTypeContainer:
		return !slices.ContainsFunc(containersOf(spec), func(container *corev1.Container) bool {
			return !within(item, container.Resources.Requests, container.Resources.Limits)
		})
	case corev1.LimitTypePod:
		pod := &corev1.Pod{Spec: *spec}
		return within(item, resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}),
			resourcehelper.PodLimits(pod, resourcehelper.PodResourcesOptions{}))
	}
	return true
}

// within holds requests to the minimum, limits to the maximum, and limits to a multiple of the requests. What is bounded must
// be said.
func within(item *corev1.LimitRangeItem, requests, limits corev1.ResourceList) bool {
	beyond := func(amount, bound resource.Quantity) bool { return amount.Cmp(bound) > 0 }
	for name, least := range item.Min {
		request, requested := requests[name]
		limit, limited := limits[name]
		if !requested || beyond(least, request) || limited && beyond(least, limit) {
			return false
		}
	}
	for name, most := range item.Max {
		request, limit := requests[name], limits[name]
		if _, limited := limits[name]; !limited || beyond(limit, most) || beyond(request, most) {
			return false
		}
	}
	for name, ratio := range item.MaxLimitRequestRatio {
		request, limit := requests[name], limits[name]
		if request.IsZero() || limit.IsZero() || limit.AsApproximateFloat64() > request.AsApproximateFloat64()*ratio.AsApproximateFloat64() {
			return false
		}
	}
	return true
}
