package store

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

func deploymentRules() *nativeRules {
	return &nativeRules{
		unconditional: true, generation: generationBySpecAndAnnotations, defaults: defaultDeployment,
		prepareStatus: func(object, old client.Object) { object.SetLabels(old.GetLabels()) },
		validate: func(object, old client.Object) field.ErrorList {
			spec := object.(*appsv1.Deployment).Spec
			errs := validateWorkload(spec.Selector, spec.Template, spec.Replicas)
			if old == nil {
				return errs
			}
			return append(errs, validateSameSelector(spec.Selector, old.(*appsv1.Deployment).Spec.Selector)...)
		},
	}
}

func replicaSetRules() *nativeRules {
	return &nativeRules{
		unconditional: true, generation: generationBySpec, defaults: defaultReplicaSet,
		validate: func(object, old client.Object) field.ErrorList {
			spec := object.(*appsv1.ReplicaSet).Spec
			errs := validateWorkload(spec.Selector, spec.Template, spec.Replicas)
			if old == nil {
				return errs
			}
			return append(errs, validateSameSelector(spec.Selector, old.(*appsv1.ReplicaSet).Spec.Selector)...)
		},
	}
}

func statefulSetRules() *nativeRules {
	return &nativeRules{
		unconditional: true, generation: generationBySpec, defaults: defaultStatefulSet,
		validate: func(object, old client.Object) field.ErrorList {
			spec := object.(*appsv1.StatefulSet).Spec
			errs := validateWorkload(spec.Selector, spec.Template, spec.Replicas)
			if old == nil {
				return errs
			}
			return append(errs, validateSameSelector(spec.Selector, old.(*appsv1.StatefulSet).Spec.Selector)...)
		},
	}
}

func daemonSetRules() *nativeRules {
	return &nativeRules{
		unconditional: true, generation: generationBySpec, defaults: defaultDaemonSet,
		validate: func(object, old client.Object) field.ErrorList {
			spec := object.(*appsv1.DaemonSet).Spec
			errs := validateWorkload(spec.Selector, spec.Template, nil)
			if old == nil {
				return errs
			}
			return append(errs, validateSameSelector(spec.Selector, old.(*appsv1.DaemonSet).Spec.Selector)...)
		},
	}
}

// validateWorkload checks what the roll-out of a workload depends on; it is far from all a real API server checks.
func validateWorkload(selector *metav1.LabelSelector, template corev1.PodTemplateSpec, replicas *int32) field.ErrorList {
	spec := field.NewPath("spec")
	errs := validatePodSpec(&template.Spec, spec.Child("template", "spec"))
	if replicas != nil {
		errs = append(errs, apivalidation.ValidateNonnegativeField(int64(*replicas), spec.Child("replicas"))...)
	}
	if selector == nil {
		return append(errs, field.Required(spec.Child("selector"), ""))
	}
	if len(selector.MatchLabels)+len(selector.MatchExpressions) == 0 {
		errs = append(errs, field.Invalid(spec.Child("selector"), selector, "empty selector is invalid for deployment"))
	}
	matcher, err := metav1.LabelSelectorAsSelector(selector)
	if err != nil {
		return append(errs, field.Invalid(spec.Child("selector"), selector, err.Error()))
	}
	if !matcher.Empty() && !matcher.Matches(labels.Set(template.Labels)) {
		errs = append(errs, field.Invalid(spec.Child("template", "metadata", "labels"), template.Labels,
			"`selector` does not match template `labels`"))
	}
	return errs
}

func validateSameSelector(selector, old *metav1.LabelSelector) field.ErrorList {
	return apivalidation.ValidateImmutableField(selector, old, field.NewPath("spec", "selector"))
}

// validatePodSpec checks the fields without which a pod makes no sense.
func validatePodSpec(spec *corev1.PodSpec, path *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(spec.Containers) == 0 {
		errs = append(errs, field.Required(path.Child("containers"), ""))
	}
	for i := range spec.Containers {
		container := &spec.Containers[i]
		at := path.Child("containers").Index(i)
		if container.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), ""))
		}
		if container.Image == "" {
			errs = append(errs, field.Required(at.Child("image"), ""))
		}
	}
	return errs
}

func podRules() *nativeRules {
	return &nativeRules{
		unconditional: true, generation: generationBySpec, defaults: defaultPod,
		fields: map[string]func(client.Object) string{
			"spec.nodeName":           func(o client.Object) string { return o.(*corev1.Pod).Spec.NodeName },
			"spec.restartPolicy":      func(o client.Object) string { return string(o.(*corev1.Pod).Spec.RestartPolicy) },
			"spec.schedulerName":      func(o client.Object) string { return o.(*corev1.Pod).Spec.SchedulerName },
			"spec.serviceAccountName": func(o client.Object) string { return o.(*corev1.Pod).Spec.ServiceAccountName },
			"status.phase":            func(o client.Object) string { return string(o.(*corev1.Pod).Status.Phase) },
			"status.nominatedNodeName": func(o client.Object) string {
				return o.(*corev1.Pod).Status.NominatedNodeName
			},
		},
		prepareCreate: func(object client.Object) {
			pod := object.(*corev1.Pod)
			pod.Status = corev1.PodStatus{Phase: corev1.PodPending, QOSClass: qualityOfService(&pod.Spec)}
		},
		prepareStatus: func(object, old client.Object) {
			pod, oldPod := object.(*corev1.Pod), old.(*corev1.Pod)
			pod.DeletionTimestamp = nil
			pod.OwnerReferences = oldPod.OwnerReferences
			if pod.Status.QOSClass == "" {
				pod.Status.QOSClass = oldPod.Status.QOSClass
			}
		},
		validate:    validatePod,
		gracePeriod: podGracePeriod,
	}
}

// validatePod refuses changes of what cannot change in a running pod: all but images, the deadline, added tolerations and
// a few more. A node can only be set by a binding.
func validatePod(object, old client.Object) field.ErrorList {
	pod := object.(*corev1.Pod)
	path := field.NewPath("spec")
	errs := validatePodSpec(&pod.Spec, path)
	if old == nil {
		return errs
	}
	oldPod := old.(*corev1.Pod)
	masked := pod.Spec.DeepCopy()
	masked.ActiveDeadlineSeconds = oldPod.Spec.ActiveDeadlineSeconds
	masked.TerminationGracePeriodSeconds = oldPod.Spec.TerminationGracePeriodSeconds
	masked.Tolerations = oldPod.Spec.Tolerations
	masked.SchedulingGates = oldPod.Spec.SchedulingGates
	maskImages(masked.Containers, oldPod.Spec.Containers)
	maskImages(masked.InitContainers, oldPod.Spec.InitContainers)
	if !apiequality.Semantic.DeepEqual(masked, &oldPod.Spec) {
		errs = append(errs, field.Forbidden(path, "pod updates may not change fields other than images, "+
			"`spec.activeDeadlineSeconds`, `spec.terminationGracePeriodSeconds` and `spec.tolerations`"))
	}
	return errs
}

func maskImages(containers, old []corev1.Container) {
	for i := range min(len(containers), len(old)) {
		containers[i].Image = old[i].Image
	}
}

// podGracePeriod gives a pod the time it asks for, unless nothing runs that could use it.
func podGracePeriod(object client.Object, requested *int64) int64 {
	pod := object.(*corev1.Pod)
	finished := pod.Status.Phase == corev1.PodFailed || pod.Status.Phase == corev1.PodSucceeded
	if pod.Spec.NodeName == "" || finished {
		return 0
	}
	grace := ptr.Deref(pod.Spec.TerminationGracePeriodSeconds, 0)
	if requested != nil {
		grace = *requested
	}
	if grace < 0 {
		return 1
	}
	return grace
}

// qualityOfService classifies a pod: Guaranteed when every container limits cpu and memory to what it requests,
// BestEffort when none says anything about them.
func qualityOfService(spec *corev1.PodSpec) corev1.PodQOSClass {
	guaranteed, mentioned := true, false
	for _, container := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, name := range []corev1.ResourceName{corev1.ResourceCPU, corev1.ResourceMemory} {
			request, requests := container.Resources.Requests[name]
			limit, limits := container.Resources.Limits[name]
			mentioned = mentioned || !request.IsZero() || !limit.IsZero()
			if !limits || limit.IsZero() || (requests && request.Cmp(limit) != 0) {
				guaranteed = false
			}
		}
	}
	switch {
	case !mentioned:
		return corev1.PodQOSBestEffort
	case guaranteed:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}

func jobRules() *nativeRules {
	return &nativeRules{
		unconditional: true, generation: generationBySpec, orphans: true, defaults: defaultJob,
		prepareCreate: func(object client.Object) {
			job := object.(*batchv1.Job)
			if ptr.Deref(job.Spec.ManualSelector, false) {
				return
			}
			// The UID is known by now; the job's pods are told by it.
			uid := string(job.UID)
			job.Spec.Selector = &metav1.LabelSelector{MatchLabels: map[string]string{batchv1.ControllerUidLabel: uid}}
			selected := map[string]string{
				"controller-uid": uid, "job-name": job.Name, batchv1.ControllerUidLabel: uid, batchv1.JobNameLabel: job.Name,
			}
			for key, value := range job.Spec.Template.Labels {
				if _, taken := selected[key]; !taken {
					selected[key] = value
				}
			}
			job.Spec.Template.Labels = selected
		},
		validate: func(object, old client.Object) field.ErrorList {
			spec := object.(*batchv1.Job).Spec
			errs := validatePodSpec(&spec.Template.Spec, field.NewPath("spec", "template", "spec"))
			if old == nil {
				return errs
			}
			oldSpec := old.(*batchv1.Job).Spec
			return append(errs, validateSameSelector(spec.Selector, oldSpec.Selector)...)
		},
	}
}

func cronJobRules() *nativeRules {
	return &nativeRules{unconditional: true, generation: generationBySpec, defaults: defaultCronJob}
}
