package store

import (
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The defaults a real API server sets, for the fields that controllers of fleets read. Its own defaulting code is not
// available as a library.

// setDefault gives a field a value when it has none.
func setDefault[T comparable](target *T, value T) {
	var zero T
	if *target == zero {
		*target = value
	}
}

// pointTo gives a pointer field a value when it has none.
func pointTo[T any](target **T, value T) {
	if *target == nil {
		*target = &value
	}
}

func defaultDeployment(object client.Object) {
	spec := &object.(*appsv1.Deployment).Spec
	pointTo(&spec.Replicas, 1)
	pointTo(&spec.RevisionHistoryLimit, 10)
	pointTo(&spec.ProgressDeadlineSeconds, 600)
	setDefault(&spec.Strategy.Type, appsv1.RollingUpdateDeploymentStrategyType)
	if spec.Strategy.Type == appsv1.RollingUpdateDeploymentStrategyType {
		pointTo(&spec.Strategy.RollingUpdate, appsv1.RollingUpdateDeployment{})
		pointTo(&spec.Strategy.RollingUpdate.MaxUnavailable, intstr.FromString("25%"))
		pointTo(&spec.Strategy.RollingUpdate.MaxSurge, intstr.FromString("25%"))
	}
	defaultPodSpec(&spec.Template.Spec)
}

func defaultReplicaSet(object client.Object) {
	spec := &object.(*appsv1.ReplicaSet).Spec
	pointTo(&spec.Replicas, 1)
	defaultPodSpec(&spec.Template.Spec)
}

func defaultStatefulSet(object client.Object) {
	spec := &object.(*appsv1.StatefulSet).Spec
	pointTo(&spec.Replicas, 1)
	pointTo(&spec.RevisionHistoryLimit, 10)
	setDefault(&spec.PodManagementPolicy, appsv1.OrderedReadyPodManagement)
	setDefault(&spec.UpdateStrategy.Type, appsv1.RollingUpdateStatefulSetStrategyType)
	if spec.UpdateStrategy.Type == appsv1.RollingUpdateStatefulSetStrategyType {
		pointTo(&spec.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateStatefulSetStrategy{})
		pointTo(&spec.UpdateStrategy.RollingUpdate.Partition, 0)
	}
	pointTo(&spec.PersistentVolumeClaimRetentionPolicy, appsv1.StatefulSetPersistentVolumeClaimRetentionPolicy{})
	retention := spec.PersistentVolumeClaimRetentionPolicy
	setDefault(&retention.WhenDeleted, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	setDefault(&retention.WhenScaled, appsv1.RetainPersistentVolumeClaimRetentionPolicyType)
	defaultPodSpec(&spec.Template.Spec)
}

func defaultDaemonSet(object client.Object) {
	spec := &object.(*appsv1.DaemonSet).Spec
	pointTo(&spec.RevisionHistoryLimit, 10)
	setDefault(&spec.UpdateStrategy.Type, appsv1.RollingUpdateDaemonSetStrategyType)
	if spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		pointTo(&spec.UpdateStrategy.RollingUpdate, appsv1.RollingUpdateDaemonSet{})
		pointTo(&spec.UpdateStrategy.RollingUpdate.MaxUnavailable, intstr.FromInt32(1))
		pointTo(&spec.UpdateStrategy.RollingUpdate.MaxSurge, intstr.FromInt32(0))
	}
	defaultPodSpec(&spec.Template.Spec)
}

func defaultJob(object client.Object) {
	defaultJobSpec(&object.(*batchv1.Job).Spec)
}

func defaultJobSpec(spec *batchv1.JobSpec) {
	if spec.Completions == nil && spec.Parallelism == nil {
		spec.Completions = ptr.To[int32](1)
	}
	pointTo(&spec.Parallelism, 1)
	pointTo(&spec.BackoffLimit, 6)
	pointTo(&spec.CompletionMode, batchv1.NonIndexedCompletion)
	pointTo(&spec.Suspend, false)
	pointTo(&spec.ManualSelector, false)
	pointTo(&spec.PodReplacementPolicy, batchv1.TerminatingOrFailed)
	defaultPodSpec(&spec.Template.Spec)
}

func defaultCronJob(object client.Object) {
	spec := &object.(*batchv1.CronJob).Spec
	setDefault(&spec.ConcurrencyPolicy, batchv1.AllowConcurrent)
	pointTo(&spec.Suspend, false)
	pointTo(&spec.SuccessfulJobsHistoryLimit, 3)
	pointTo(&spec.FailedJobsHistoryLimit, 1)
	// Only the pods of the template are completed; its job is when it is created.
	defaultPodSpec(&spec.JobTemplate.Spec.Template.Spec)
}

func defaultPod(object client.Object) {
	spec := &object.(*corev1.Pod).Spec
	defaultPodSpec(spec)
	pointTo(&spec.EnableServiceLinks, true)
	// A limit without a request requests what it limits.
	for i := range spec.Containers {
		defaultRequests(&spec.Containers[i].Resources)
	}
	for i := range spec.InitContainers {
		defaultRequests(&spec.InitContainers[i].Resources)
	}
}

func defaultRequests(resources *corev1.ResourceRequirements) {
	for name, limit := range resources.Limits {
		if _, requested := resources.Requests[name]; requested {
			continue
		}
		if resources.Requests == nil {
			resources.Requests = corev1.ResourceList{}
		}
		resources.Requests[name] = limit.DeepCopy()
	}
}

func defaultPodSpec(spec *corev1.PodSpec) {
	setDefault(&spec.RestartPolicy, corev1.RestartPolicyAlways)
	setDefault(&spec.DNSPolicy, corev1.DNSClusterFirst)
	setDefault(&spec.SchedulerName, corev1.DefaultSchedulerName)
	pointTo(&spec.TerminationGracePeriodSeconds, corev1.DefaultTerminationGracePeriodSeconds)
	pointTo(&spec.SecurityContext, corev1.PodSecurityContext{})
	setDefault(&spec.DeprecatedServiceAccount, spec.ServiceAccountName)
	for i := range spec.InitContainers {
		defaultContainer(&spec.InitContainers[i])
	}
	for i := range spec.Containers {
		defaultContainer(&spec.Containers[i])
	}
}

func defaultContainer(container *corev1.Container) {
	setDefault(&container.TerminationMessagePath, corev1.TerminationMessagePathDefault)
	setDefault(&container.TerminationMessagePolicy, corev1.TerminationMessageReadFile)
	setDefault(&container.ImagePullPolicy, pullPolicy(container.Image))
	for i := range container.Ports {
		setDefault(&container.Ports[i].Protocol, corev1.ProtocolTCP)
	}
	for _, probe := range []*corev1.Probe{container.LivenessProbe, container.ReadinessProbe, container.StartupProbe} {
		if probe != nil {
			setDefault(&probe.TimeoutSeconds, 1)
			setDefault(&probe.PeriodSeconds, 10)
			setDefault(&probe.SuccessThreshold, 1)
			setDefault(&probe.FailureThreshold, 3)
			if probe.HTTPGet != nil {
				setDefault(&probe.HTTPGet.Scheme, corev1.URISchemeHTTP)
				setDefault(&probe.HTTPGet.Path, "/")
			}
		}
	}
}

// pullPolicy is Always for images that may change under the same name.
func pullPolicy(image string) corev1.PullPolicy {
	name := []byte(image)
	if slices.Contains(name, '@') {
		return corev1.PullIfNotPresent
	}
	slash, colon := lastIndex(name, '/'), lastIndex(name, ':')
	if colon <= slash || string(name[colon:]) == ":latest" {
		return corev1.PullAlways
	}
	return corev1.PullIfNotPresent
}

func lastIndex(text []byte, wanted byte) int {
	for i := len(text) - 1; i >= 0; i-- {
		if text[i] == wanted {
			return i
		}
	}
	return -1
}

func defaultService(object client.Object) {
	spec := &object.(*corev1.Service).Spec
	setDefault(&spec.Type, corev1.ServiceTypeClusterIP)
	setDefault(&spec.SessionAffinity, corev1.ServiceAffinityNone)
	for i := range spec.Ports {
		port := &spec.Ports[i]
		setDefault(&port.Protocol, corev1.ProtocolTCP)
		if port.TargetPort == intstr.FromInt32(0) || port.TargetPort == intstr.FromString("") {
			port.TargetPort = intstr.FromInt32(port.Port)
		}
	}
	if spec.Type != corev1.ServiceTypeExternalName {
		pointTo(&spec.InternalTrafficPolicy, corev1.ServiceInternalTrafficPolicyCluster)
	}
	if spec.Type == corev1.ServiceTypeNodePort || spec.Type == corev1.ServiceTypeLoadBalancer {
		setDefault(&spec.ExternalTrafficPolicy, corev1.ServiceExternalTrafficPolicyCluster)
	}
	if spec.Type == corev1.ServiceTypeLoadBalancer {
		pointTo(&spec.AllocateLoadBalancerNodePorts, true)
	}
}

func defaultAutoscaler(object client.Object) {
	spec := &object.(*autoscalingv2.HorizontalPodAutoscaler).Spec
	pointTo(&spec.MinReplicas, 1)
	if len(spec.Metrics) == 0 {
		spec.Metrics = []autoscalingv2.MetricSpec{{
			Type: autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{
				Name: corev1.ResourceCPU,
				Target: autoscalingv2.MetricTarget{
					Type: autoscalingv2.UtilizationMetricType, AverageUtilization: ptr.To[int32](80),
				},
			},
		}}
	}
}

func defaultSecret(object client.Object) {
	secret := object.(*corev1.Secret)
	setDefault(&secret.Type, corev1.SecretTypeOpaque)
	if len(secret.StringData) == 0 {
		return
	}
	// Data of callers is never written to: the draft is a copy.
	if secret.Data == nil {
		secret.Data = map[string][]byte{}
	}
	for key, value := range secret.StringData {
		secret.Data[key] = []byte(value)
	}
	secret.StringData = nil
}

const immutableText = "field is immutable when `immutable` is set"

func validateConfigMap(object, old client.Object) field.ErrorList {
	if old == nil {
		return nil
	}
	now, before := object.(*corev1.ConfigMap), old.(*corev1.ConfigMap)
	if !ptr.Deref(before.Immutable, false) {
		return nil
	}
	var errs field.ErrorList
	if !ptr.Deref(now.Immutable, false) {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), immutableText))
	}
	if !apiequality.Semantic.DeepEqual(now.Data, before.Data) {
		errs = append(errs, field.Forbidden(field.NewPath("data"), immutableText))
	}
	if !apiequality.Semantic.DeepEqual(now.BinaryData, before.BinaryData) {
		errs = append(errs, field.Forbidden(field.NewPath("binaryData"), immutableText))
	}
	return errs
}

func validateSecret(object, old client.Object) field.ErrorList {
	if old == nil {
		return nil
	}
	now, before := object.(*corev1.Secret), old.(*corev1.Secret)
	var errs field.ErrorList
	if now.Type != before.Type {
		errs = append(errs, field.Invalid(field.NewPath("type"), now.Type, "field is immutable"))
	}
	if !ptr.Deref(before.Immutable, false) {
		return errs
	}
	if !ptr.Deref(now.Immutable, false) {
		errs = append(errs, field.Forbidden(field.NewPath("immutable"), immutableText))
	}
	if !apiequality.Semantic.DeepEqual(now.Data, before.Data) {
		errs = append(errs, field.Forbidden(field.NewPath("data"), immutableText))
	}
	return errs
}

func validateEndpointSlice(object, old client.Object) field.ErrorList {
	if old == nil || object.(*discoveryv1.EndpointSlice).AddressType == old.(*discoveryv1.EndpointSlice).AddressType {
		return nil
	}
	return field.ErrorList{field.Invalid(field.NewPath("addressType"), object.(*discoveryv1.EndpointSlice).AddressType, "field is immutable")}
}
