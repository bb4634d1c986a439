package scenario

import (
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// generate makes the generated workloads and their policies.
func (p *planner) generate() {
	for i := range p.scenario.Workloads {
		field := index("workloads", i)
		w := &p.scenario.Workloads[i]
		group := groupOf(w.Name)
		namespaces := w.Namespaces
		if len(namespaces) == 0 {
			namespaces = []string{corev1.NamespaceDefault}
		}
		for _, namespace := range namespaces {
			p.addPolicy(field, group, namespace, w)
		}
		chance := source(p.plan.Seed, "workloads/"+w.Name)
		times := w.Arrival.times(max(w.Count, 1), chance)
		for n := range max(w.Count, 1) {
			made := w.object(group, named(w.Name, n+1), namespaces[n%len(namespaces)], chance)
			p.arrive(field, times[n], made)
			if w.Lifetime != nil {
				p.leave(field, times[n]+w.Lifetime.Duration(chance), made)
			}
		}
	}
}

// groupOf is the pattern of a name without its placeholder.
func groupOf(pattern string) string {
	return strings.Trim(strings.ReplaceAll(pattern, placeholder, ""), "-")
}

// arrive plans the creation of a workload; at the beginning it is one of the first objects.
func (p *planner) arrive(field string, at time.Duration, object client.Object) {
	if at == 0 {
		p.plan.Objects = append(p.plan.Objects, object)
		p.load.apply(object)
		return
	}
	p.arrivals = append(p.arrivals, Action{
		At: at, Verb: Apply, Name: "create " + object.GetName(), Field: field, Objects: []client.Object{object},
	})
}

func (p *planner) leave(field string, at time.Duration, object client.Object) {
	gvk := object.GetObjectKind().GroupVersionKind()
	p.arrivals = append(p.arrivals, Action{
		At: at, Verb: Delete, Name: "delete " + object.GetName(), Field: field,
		Targets: []Target{{APIVersion: gvk.GroupVersion().String(), Kind: gvk.Kind, Namespace: object.GetNamespace(), Name: object.GetName()}},
	})
}

// times of the arrivals of so many workloads, in order.
func (a *Arrival) times(count int, chance rand.Source) []time.Duration {
	times := make([]time.Duration, count)
	at := a.At.Duration
	between := &Distribution{Shape: exponential, Mean: Amount{Value: 60 / max(a.PerMinute, 1e-9)}}
	for n := range times {
		switch a.Process {
		case uniform:
			times[n] = at + a.Over.Duration*time.Duration(n)/time.Duration(count)
		case poisson:
			at += between.Duration(chance)
			times[n] = at
		default:
			times[n] = at
		}
	}
	return times
}

// object is one generated workload.
func (w *Workloads) object(group, name, namespace string, chance rand.Source) client.Object {
	replicas := int32(1)
	if w.Replicas != nil {
		replicas = int32(min(w.Replicas.number(chance), maxReplicas))
	}
	kind := cmp.Or(w.Kind, "Deployment")
	labels := maps.Clone(w.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	labels[GroupLabel], labels["app"] = group, cmp.Or(labels["app"], name)
	meta := metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: labels}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": labels["app"]}}
	pod := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(labels)}, Spec: w.pod()}
	apps, batch := appsv1.SchemeGroupVersion, batchv1.SchemeGroupVersion
	switch kind {
	case "StatefulSet":
		made := &appsv1.StatefulSet{ObjectMeta: meta, Spec: appsv1.StatefulSetSpec{Replicas: &replicas, Selector: selector, Template: pod, ServiceName: name}}
		made.SetGroupVersionKind(apps.WithKind(string(kind)))
		return made
	case "Job":
		pod.Spec.RestartPolicy = corev1.RestartPolicyNever
		made := &batchv1.Job{ObjectMeta: meta, Spec: batchv1.JobSpec{Parallelism: &replicas, Completions: &replicas, Template: pod}}
		made.SetGroupVersionKind(batch.WithKind(string(kind)))
		return made
	}
	made := &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{Replicas: &replicas, Selector: selector, Template: pod}}
	made.SetGroupVersionKind(apps.WithKind(string(kind)))
	return made
}

func (w *Workloads) pod() corev1.PodSpec {
	requests := corev1.ResourceList{}
	if !w.CPU.empty() {
		requests[corev1.ResourceCPU] = w.CPU.Quantity
	}
	if !w.Memory.empty() {
		requests[corev1.ResourceMemory] = w.Memory.Quantity
	}
	resources := corev1.ResourceRequirements{Requests: requests}
	for name, quantity := range w.Extended {
		if resources.Limits == nil {
			resources.Limits = corev1.ResourceList{}
		}
		requests[corev1.ResourceName(name)], resources.Limits[corev1.ResourceName(name)] = quantity.Quantity, quantity.Quantity
	}
	return corev1.PodSpec{
		PriorityClassName: w.PriorityClass,
		Containers:        []corev1.Container{{Name: "main", Image: "example.com/workload:1", Resources: resources}},
	}
}

// addPolicy makes the policy for the workloads of a group in one namespace.
func (p *planner) addPolicy(field, group, namespace string, w *Workloads) {
	spec := p.propagation(field+".policy", w.Policy)
	if spec == nil {
		return
	}
	apiVersion, kind := "apps/v1", cmp.Or(w.Kind, "Deployment")
	if kind == "Job" {
		apiVersion = "batch/v1"
	}
	spec.ResourceSelectors = []policyv1alpha1.ResourceSelector{{
		APIVersion: apiVersion, Kind: string(kind), LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{GroupLabel: group}},
	}}
	made := &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: group, Annotations: maps.Clone(w.Annotations)}, Spec: *spec,
	}
	made.SetGroupVersionKind(policyv1alpha1.GroupVersion.WithKind("PropagationPolicy"))
	p.plan.Objects = append(p.plan.Objects, made)
}

// setFloors collects what workloads are held to: that of their group first, then that of the scenario.
func (p *planner) setFloors() {
	for i := range p.scenario.Workloads {
		if w := &p.scenario.Workloads[i]; !w.Floor.empty() {
			p.plan.floors = append(p.plan.floors, floorRule{groupOf(w.Name), w.Floor})
		}
	}
	for i := range p.scenario.Traces {
		if t := &p.scenario.Traces[i]; !t.Floor.empty() {
			p.plan.floors = append(p.plan.floors, floorRule{traceGroup(i), t.Floor})
		}
	}
	if !p.scenario.Floor.empty() {
		p.plan.floors = append(p.plan.floors, floorRule{"", p.scenario.Floor})
	}
}

func traceGroup(i int) string { return fmt.Sprintf("trace-%d", i) }
