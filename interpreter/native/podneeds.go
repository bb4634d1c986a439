package native

import (
	corev1 "k8s.io/api/core/v1"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
)

// PodDependencies are the objects of its namespace that a pod names, by kind and name.
func PodDependencies(namespace string, pod *corev1.PodSpec) []configv1alpha1.DependentObjectReference {
	return references(namespace, podNeeds(pod))
}

// podNeeds collects every object of its namespace that a pod names: in its service account, pull secrets, containers and
// volumes.
func podNeeds(pod *corev1.PodSpec) needs {
	found := newNeeds()
	found.serviceAccounts.Insert(pod.ServiceAccountName)
	for _, secret := range pod.ImagePullSecrets {
		found.secrets.Insert(secret.Name)
	}
	for i := range pod.InitContainers {
		found.addEnvironment(pod.InitContainers[i].Env, pod.InitContainers[i].EnvFrom)
	}
	for i := range pod.Containers {
		found.addEnvironment(pod.Containers[i].Env, pod.Containers[i].EnvFrom)
	}
	for i := range pod.EphemeralContainers {
		found.addEnvironment(pod.EphemeralContainers[i].Env, pod.EphemeralContainers[i].EnvFrom)
	}
	for i := range pod.Volumes {
		found.addVolume(&pod.Volumes[i].VolumeSource)
	}
	return found
}

func (n needs) addEnvironment(variables []corev1.EnvVar, sources []corev1.EnvFromSource) {
	for _, variable := range variables {
		if variable.ValueFrom == nil {
			continue
		}
		if ref := variable.ValueFrom.ConfigMapKeyRef; ref != nil {
			n.configMaps.Insert(ref.Name)
		}
		if ref := variable.ValueFrom.SecretKeyRef; ref != nil {
			n.secrets.Insert(ref.Name)
		}
	}
	for _, source := range sources {
		if source.ConfigMapRef != nil {
			n.configMaps.Insert(source.ConfigMapRef.Name)
		}
		if source.SecretRef != nil {
			n.secrets.Insert(source.SecretRef.Name)
		}
	}
}

// addVolume looks at the one source that is set.
func (n needs) addVolume(volume *corev1.VolumeSource) {
	switch {
	case volume.ConfigMap != nil:
		n.configMaps.Insert(volume.ConfigMap.Name)
	case volume.PersistentVolumeClaim != nil:
		n.claims.Insert(volume.PersistentVolumeClaim.ClaimName)
	case volume.Projected != nil:
		for _, source := range volume.Projected.Sources {
			if source.ConfigMap != nil {
				n.configMaps.Insert(source.ConfigMap.Name)
			}
			if source.Secret != nil {
				n.secrets.Insert(source.Secret.Name)
			}
		}
	case volume.Secret != nil:
		n.secrets.Insert(volume.Secret.SecretName)
	case volume.AzureFile != nil:
		n.secrets.Insert(volume.AzureFile.SecretName)
	default:
		n.secrets.Insert(credentialOf(volume))
	}
}

// credentialOf is the secret by which a volume of a storage system is mounted, empty without any.
func credentialOf(volume *corev1.VolumeSource) string {
	var ref *corev1.LocalObjectReference
	switch {
	case volume.CephFS != nil:
		ref = volume.CephFS.SecretRef
	case volume.Cinder != nil:
		ref = volume.Cinder.SecretRef
	case volume.FlexVolume != nil:
		ref = volume.FlexVolume.SecretRef
	case volume.RBD != nil:
		ref = volume.RBD.SecretRef
	case volume.ScaleIO != nil:
		ref = volume.ScaleIO.SecretRef
	case volume.ISCSI != nil:
		ref = volume.ISCSI.SecretRef
	case volume.StorageOS != nil:
		ref = volume.StorageOS.SecretRef
	case volume.CSI != nil:
		ref = volume.CSI.NodePublishSecretRef
	}
	if ref == nil {
		return ""
	}
	return ref.Name
}
