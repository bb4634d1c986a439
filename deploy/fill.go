package deploy

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
)

// dataVolume is where etcd keeps its data.
const dataVolume = "data"

// fill sets the values in the objects, and adds what follows from them.
func (v Values) fill(objects []client.Object) []client.Object {
	var added []client.Object
	for _, object := range objects {
		mark(object)
		if object.GetObjectKind().GroupVersionKind().Kind == "Namespace" {
			object.SetName(v.Namespace)
			continue
		}
		object.SetNamespace(v.Namespace)
		switch object := object.(type) {
		case *corev1.Service:
			if object.Spec.Type == corev1.ServiceTypeNodePort {
				object.Spec.Ports[0].NodePort = v.NodePort
			}
		case *appsv1.Deployment:
			object.Spec.Replicas = ptr.To(v.Replicas)
			v.fillPods(&object.Spec.Template)
			if v.Replicas > 1 {
				added = append(added, v.budget(object))
			}
		case *appsv1.StatefulSet:
			v.fillPods(&object.Spec.Template)
			v.store(object)
		}
	}
	return append(objects, added...)
}

func (v Values) fillPods(pods *corev1.PodTemplateSpec) {
	setLabel(&pods.ObjectMeta, LabelManagedBy, ManagedBy)
	for _, secret := range v.PullSecrets {
		pods.Spec.ImagePullSecrets = append(pods.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: secret})
	}
	for n := range pods.Spec.Containers {
		container := &pods.Spec.Containers[n]
		container.Image = v.Images.byName()[container.Image]
	}
}

// store gives etcd a volume that outlives its pod.
func (v Values) store(etcd *appsv1.StatefulSet) {
	if v.Storage == nil {
		return
	}
	volumes := &etcd.Spec.Template.Spec.Volumes
	*volumes = slices.DeleteFunc(*volumes, func(volume corev1.Volume) bool { return volume.Name == dataVolume })
	claim := corev1.PersistentVolumeClaim{
		// The host adds both where they are missing, and would take a manifest without them for another one.
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
		ObjectMeta: metav1.ObjectMeta{Name: dataVolume, Labels: map[string]string{LabelManagedBy: ManagedBy}},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: v.Storage.Size}},
		},
	}
	if v.Storage.Class != "" {
		claim.Spec.StorageClassName = ptr.To(v.Storage.Class)
	}
	etcd.Spec.VolumeClaimTemplates = []corev1.PersistentVolumeClaim{claim}
}

// budget lets nodes be drained one after the other. Where there is one copy, it would have nothing to say.
func (v Values) budget(of *appsv1.Deployment) client.Object {
	return &policyv1.PodDisruptionBudget{
		TypeMeta: metav1.TypeMeta{APIVersion: policyv1.SchemeGroupVersion.String(), Kind: "PodDisruptionBudget"},
		ObjectMeta: metav1.ObjectMeta{
			Namespace: v.Namespace, Name: of.Name, Labels: map[string]string{LabelManagedBy: ManagedBy},
		},
		Spec: policyv1.PodDisruptionBudgetSpec{Selector: of.Spec.Selector.DeepCopy(), MaxUnavailable: ptr.To(intstr.FromInt32(1))},
	}
}

// forMember makes the manifests of an estimator those of one member's.
func forMember(objects []client.Object, member string) {
	name := names.Estimator(names.DefaultEstimatorPrefix, member)
	labels := map[string]string{"app": Estimator, "cluster": member}
	for _, object := range objects {
		object.SetName(name)
		switch object := object.(type) {
		case *corev1.Service:
			object.Spec.Selector = labels
		case *appsv1.Deployment:
			object.Spec.Selector.MatchLabels = labels
			object.Spec.Template.Labels = maps.Clone(labels)
			pod := &object.Spec.Template.Spec
			pod.Containers[0].Env[0].Value = member
			for n := range pod.Volumes {
				if pod.Volumes[n].Name == "config" {
					pod.Volumes[n].Secret.SecretName = EstimatorSecret(member)
				}
			}
		}
	}
}

// EstimatorSecret names the Secret with the kubeconfig of a member's estimator.
func EstimatorSecret(member string) string {
	return names.Estimator(names.DefaultEstimatorPrefix, member) + "-config"
}

// secretsAnnotation stands on pods: a hash of the Secrets they mount. Programs read some of them when they start only.
const secretsAnnotation = "seatrial/secrets"

// Stamp has pods replaced when a Secret they mount changes.
func Stamp(objects []client.Object, secrets []*corev1.Secret) {
	for _, object := range objects {
		switch object := object.(type) {
		case *appsv1.Deployment:
			stamp(&object.Spec.Template, secrets)
		case *appsv1.StatefulSet:
			stamp(&object.Spec.Template, secrets)
		}
	}
}

func stamp(pods *corev1.PodTemplateSpec, secrets []*corev1.Secret) {
	hash := sha256.New()
	for _, volume := range pods.Spec.Volumes {
		if volume.Secret == nil {
			continue
		}
		for _, secret := range secrets {
			if secret.Name != volume.Secret.SecretName {
				continue
			}
			for _, key := range slices.Sorted(maps.Keys(secret.Data)) {
				fmt.Fprintf(hash, "%q %q %q\n", secret.Name, key, secret.Data[key])
			}
		}
	}
	metav1.SetMetaDataAnnotation(&pods.ObjectMeta, secretsAnnotation, hex.EncodeToString(hash.Sum(nil)))
}

func mark(object client.Object) {
	labels := object.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[LabelManagedBy] = ManagedBy
	object.SetLabels(labels)
}

func setLabel(of *metav1.ObjectMeta, key, value string) {
	if of.Labels == nil {
		of.Labels = map[string]string{}
	}
	of.Labels[key] = value
}
