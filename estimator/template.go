package estimator

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// annotationProvisioner on a claim names the driver of its volume.
const annotationProvisioner = "volume.kubernetes.io/storage-provisioner"

// WorkloadDemand is what each replica of a workload asks beyond its requirements, nil for nothing. The annotation on the
// workload itself comes first; otherwise the pod template tells, which is a Pod itself, or spec.template of any other kind.
func WorkloadDemand(workload *unstructured.Unstructured) (*PodDemand, error) {
	given, err := ParsePodDemand(workload.GetAnnotations())
	if err != nil || given != nil {
		return given, err
	}
	raw, path := workload.Object, "the pod"
	if workload.GetAPIVersion() != "v1" || workload.GetKind() != "Pod" {
		path = "spec.template"
		if raw, _, err = unstructured.NestedMap(workload.Object, "spec", "template"); err != nil {
			return nil, fmt.Errorf("reading %s: %w", path, err)
		}
	}
	var template corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(raw, &template); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	claims, err := claimTemplates(workload)
	if err != nil {
		return nil, err
	}
	demand := PodDemandOf(&template, claims...)
	if demand == nil {
		return nil, nil
	}
	if err := demand.Validate(); err != nil {
		return nil, fmt.Errorf("reading what %s asks: %w", path, err)
	}
	return demand, nil
}

// claimTemplates are the claims that each replica gets for itself, which StatefulSets and kinds after their model have.
func claimTemplates(workload *unstructured.Unstructured) ([]corev1.PersistentVolumeClaim, error) {
	field, _, _ := unstructured.NestedFieldNoCopy(workload.Object, "spec", "volumeClaimTemplates")
	raw, isList := field.([]any)
	if !isList {
		// Kinds of others may call something else so.
		return nil, nil
	}
	var claims struct {
		Items []corev1.PersistentVolumeClaim `json:"items"`
	}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(map[string]any{"items": raw}, &claims); err != nil {
		return nil, fmt.Errorf("reading spec.volumeClaimTemplates: %w", err)
	}
	return claims.Items, nil
}

// PodDemandOf is what the pods of a template ask of the nodes and pods around them, nil when their requirements tell all.
// claims are those that each pod gets for itself; of them, as of ephemeral volumes, only those count whose annotations name
// their driver. A priority counts where it is a number in the template and the pods may preempt others.
func PodDemandOf(template *corev1.PodTemplateSpec, claims ...corev1.PersistentVolumeClaim) *PodDemand {
	pod := &template.Spec
	demand := &PodDemand{HostPorts: hostPorts(pod), Volumes: volumesOf(pod, claims)}
	if affinity := pod.Affinity; affinity != nil && affinity.PodAffinity != nil {
		demand.Affinity = affinity.PodAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	if affinity := pod.Affinity; affinity != nil && affinity.PodAntiAffinity != nil {
		demand.AntiAffinity = affinity.PodAntiAffinity.RequiredDuringSchedulingIgnoredDuringExecution
	}
	for _, spread := range pod.TopologySpreadConstraints {
		if spread.WhenUnsatisfiable == corev1.DoNotSchedule {
			demand.Spread = append(demand.Spread, spread)
		}
	}
	if pod.Priority != nil && (pod.PreemptionPolicy == nil || *pod.PreemptionPolicy != corev1.PreemptNever) {
		demand.Priority = pod.Priority
	}
	if demand.IsZero() {
		return nil
	}
	// Labels alone would make every workload special. Beside something else they tell whom the pods keep away.
	demand.Labels = template.Labels
	return demand
}

// hostPorts are the ports of the node that a pod takes: with the network of the host, all of its ports.
func hostPorts(pod *corev1.PodSpec) []HostPort {
	var ports []HostPort
	for i := range pod.InitContainers {
		if restart := pod.InitContainers[i].RestartPolicy; restart != nil && *restart == corev1.ContainerRestartPolicyAlways {
			ports = append(ports, hostPortsOf(&pod.InitContainers[i], pod.HostNetwork)...)
		}
	}
	for i := range pod.Containers {
		ports = append(ports, hostPortsOf(&pod.Containers[i], pod.HostNetwork)...)
	}
	return ports
}

func hostPortsOf(container *corev1.Container, hostNetwork bool) []HostPort {
	var ports []HostPort
	for _, port := range container.Ports {
		number := port.HostPort
		if number == 0 && hostNetwork {
			number = port.ContainerPort
		}
		if number != 0 {
			ports = append(ports, HostPort{IP: port.HostIP, Protocol: port.Protocol, Port: number})
		}
	}
	return ports
}

// volumesOf are the volumes that a pod attaches, as far as their driver is known.
func volumesOf(pod *corev1.PodSpec, claims []corev1.PersistentVolumeClaim) []Volume {
	var volumes []Volume
	for i := range claims {
		if driver := claims[i].Annotations[annotationProvisioner]; driver != "" {
			volumes = append(volumes, Volume{Driver: driver})
		}
	}
	for i := range pod.Volumes {
		source := &pod.Volumes[i].VolumeSource
		if source.Ephemeral != nil && source.Ephemeral.VolumeClaimTemplate != nil {
			if driver := source.Ephemeral.VolumeClaimTemplate.Annotations[annotationProvisioner]; driver != "" {
				volumes = append(volumes, Volume{Driver: driver})
			}
		}
		if driver := migratedDriver(source); driver != "" {
			volumes = append(volumes, Volume{Driver: driver, Shared: true})
		}
	}
	return volumes
}

// migratedDriver is the CSI driver that serves a disk which the template names by a type of its own; clusters count such
// disks against the limit of the driver.
func migratedDriver(source *corev1.VolumeSource) string {
	switch {
	case source.AWSElasticBlockStore != nil:
		return "ebs.csi.aws.com"
	case source.GCEPersistentDisk != nil:
		return "pd.csi.storage.gke.io"
	case source.AzureDisk != nil:
		return "disk.csi.azure.com"
	case source.Cinder != nil:
		return "cinder.csi.openstack.org"
	case source.VsphereVolume != nil:
		return "csi.vsphere.vmware.com"
	}
	return ""
}
