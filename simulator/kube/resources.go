package kube

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	resourcehelper "k8s.io/component-helpers/resource"

	"github.com/seatrial/seatrial/estimator"
)

// Columns that every cluster has; extended resources follow. Pods are counted apart.
const (
	columnCPU = iota
	columnMemory
	columnStorage
	firstExtended
)

// What a container without a request counts for in scores, as kube-scheduler has it.
const (
	defaultCPU    = 100
	defaultMemory = 200 << 20
)

// resources numbers the names of resources. Amounts are in millicores for cpu and whole units for all else.
type resources struct {
	names  []corev1.ResourceName
	byName map[corev1.ResourceName]int
}

func newResources() resources {
	r := resources{byName: map[corev1.ResourceName]int{}}
	for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage} {
		r.column(name)
	}
	return r
}

func (r *resources) column(name corev1.ResourceName) int {
	if column, ok := r.byName[name]; ok {
		return column
	}
	r.byName[name] = len(r.names)
	r.names = append(r.names, name)
	return len(r.names) - 1
}

// amount is what is asked of one column.
type amount struct {
	column int32
	value  int64
}

// amounts reads a list in the order of the columns. Columns are made in the order of names, so that they do not depend on
// the order of a map.
func (r *resources) amounts(list corev1.ResourceList) []amount {
	found := make([]amount, 0, len(list))
	for name, quantity := range list {
		if name == corev1.ResourcePods {
			continue
		}
		column, known := r.byName[name]
		if !known {
			return r.newAmounts(list)
		}
		if value := estimator.Integer(name, quantity); value > 0 {
			found = append(found, amount{int32(column), value})
		}
	}
	slices.SortFunc(found, func(a, b amount) int { return int(a.column - b.column) })
	return found
}

// newAmounts makes the columns that are not there yet.
func (r *resources) newAmounts(list corev1.ResourceList) []amount {
	for _, name := range slices.Sorted(maps.Keys(list)) {
		if name != corev1.ResourcePods && estimator.Integer(name, list[name]) > 0 {
			r.column(name)
		}
	}
	known := maps.Clone(list)
	maps.DeleteFunc(known, func(name corev1.ResourceName, _ resource.Quantity) bool { _, ok := r.byName[name]; return !ok })
	return r.amounts(known)
}

// list is the reverse of amounts, with the number of pods.
func (r *resources) list(values []int64, pods int64) corev1.ResourceList {
	list := corev1.ResourceList{corev1.ResourcePods: *resource.NewQuantity(pods, resource.DecimalSI)}
	for column, value := range values {
		switch {
		case column == columnCPU:
			list[corev1.ResourceCPU] = *resource.NewMilliQuantity(value, resource.DecimalSI)
		case column == columnMemory, column == columnStorage && value > 0:
			list[r.names[column]] = *resource.NewQuantity(value, resource.BinarySI)
		case value > 0:
			list[r.names[column]] = *resource.NewQuantity(value, resource.DecimalSI)
		}
	}
	return list
}

// withDefaultRequests gives containers the requests that the API server makes of their limits in pods, but not in templates.
func withDefaultRequests(spec *corev1.PodSpec) *corev1.PodSpec {
	lacking := func(container corev1.Container) bool {
		for name := range container.Resources.Limits {
			if _, ok := container.Resources.Requests[name]; !ok {
				return true
			}
		}
		return false
	}
	if !slices.ContainsFunc(spec.Containers, lacking) && !slices.ContainsFunc(spec.InitContainers, lacking) {
		return spec
	}
	spec = spec.DeepCopy()
	for _, containers := range [][]corev1.Container{spec.InitContainers, spec.Containers} {
		for i := range containers {
			if !lacking(containers[i]) {
				continue
			}
			requests := maps.Clone(containers[i].Resources.Limits)
			maps.Copy(requests, containers[i].Resources.Requests)
			containers[i].Resources.Requests = requests
		}
	}
	return spec
}

// podRequests is what a pod of the template asks for, and for what it counts in scores.
func (r *resources) podRequests(spec *corev1.PodSpec) (requests []amount, cpu, memory int64) {
	pod := &corev1.Pod{Spec: *spec}
	requests = r.amounts(resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{}))
	scored := resourcehelper.PodRequests(pod, resourcehelper.PodResourcesOptions{NonMissingContainerRequests: corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewMilliQuantity(defaultCPU, resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(defaultMemory, resource.BinarySI),
	}})
	return requests, scored.Cpu().MilliValue(), scored.Memory().Value()
}

// sums add up amounts per column.
type sums struct {
	values []int64
	pods   int64
}

func (s *sums) add(amounts []amount, sign int64) {
	for _, a := range amounts {
		for len(s.values) <= int(a.column) {
			s.values = append(s.values, 0)
		}
		s.values[a.column] += sign * a.value
	}
	s.pods += sign
}
