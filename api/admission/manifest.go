package admission

import (
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// CleanManifest removes what an API server or a controller wrote into a template and what must not reach a member: most of
// the metadata, the status, and per kind the fields that name objects of the source cluster.
func CleanManifest(object *unstructured.Unstructured) {
	for _, name := range serverFields() {
		unstructured.RemoveNestedField(object.Object, "metadata", name)
	}
	delete(object.Object, "status")
	switch object.GroupVersionKind() {
	case appsv1.SchemeGroupVersion.WithKind("Deployment"):
		removeAnnotations(object, annotationRevision, annotationRevisionHistory)
	case batchv1.SchemeGroupVersion.WithKind("Job"):
		cleanJob(object)
	case corev1.SchemeGroupVersion.WithKind("Secret"):
		cleanSecret(object)
	case corev1.SchemeGroupVersion.WithKind("ServiceAccount"):
		cleanServiceAccount(object)
	case corev1.SchemeGroupVersion.WithKind("Service"):
		cleanService(object)
	case corev1.SchemeGroupVersion.WithKind("PersistentVolumeClaim"):
		removeAnnotations(object, annotationSelectedNode)
	}
}

// serverFields are those of the metadata that an API server or a controller writes.
func serverFields() []string {
	return []string{
		"creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields",
		"resourceVersion", "selfLink", "uid", "ownerReferences", "finalizers",
	}
}

// What clusters note on objects of their own.
const (
	annotationRevision        = "deployment.kubernetes.io/revision"
	annotationRevisionHistory = "deployment.kubernetes.io/revision-history"
	annotationSelectedNode    = "volume.kubernetes.io/selected-node"
)

// cleanedAnnotation tells whether there are annotations that CleanManifest takes away from objects of some kind.
func cleanedAnnotation(annotations map[string]string) bool {
	return slices.ContainsFunc([]string{annotationRevision, annotationRevisionHistory, annotationSelectedNode}, func(key string) bool {
		_, found := annotations[key]
		return found
	})
}

// CleansBelow tells the kinds of which CleanManifest takes more than metadata and status.
func CleansBelow(gvk schema.GroupVersionKind) bool {
	switch gvk {
	case batchv1.SchemeGroupVersion.WithKind("Job"), corev1.SchemeGroupVersion.WithKind("Secret"),
		corev1.SchemeGroupVersion.WithKind("ServiceAccount"), corev1.SchemeGroupVersion.WithKind("Service"):
		return true
	}
	return false
}

func hasAny(entries map[string]any, keys []string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { return entries[key] != nil })
}

func removeAnnotations(object *unstructured.Unstructured, keys ...string) {
	if entries, plain := plainEntries(object, "annotations"); plain && len(entries) > 0 && !hasAny(entries, keys) {
		return
	}
	annotations := object.GetAnnotations()
	for _, key := range keys {
		delete(annotations, key)
	}
	if len(annotations) == 0 {
		annotations = nil
	}
	object.SetAnnotations(annotations)
}

// cleanJob removes the labels by which a Job finds its pods, unless its author chose them, and the clean-up after its end,
// which would make the control plane create it again.
func cleanJob(job *unstructured.Unstructured) {
	unstructured.RemoveNestedField(job.Object, "spec", "ttlSecondsAfterFinished")
	if manual, _, _ := unstructured.NestedBool(job.Object, "spec", "manualSelector"); manual {
		return
	}
	for _, label := range []string{
		"controller-uid", "job-name", batchv1.ControllerUidLabel, batchv1.JobNameLabel,
	} {
		unstructured.RemoveNestedField(job.Object, "spec", "selector", "matchLabels", label)
		unstructured.RemoveNestedField(job.Object, "spec", "template", "metadata", "labels", label)
	}
}

// cleanSecret empties tokens of service accounts: every cluster signs its own.
func cleanSecret(secret *unstructured.Unstructured) {
	kind, _, _ := unstructured.NestedString(secret.Object, "type")
	if kind != string(corev1.SecretTypeServiceAccountToken) {
		return
	}
	removeAnnotations(secret, corev1.ServiceAccountUIDKey)
	secret.Object["data"] = nil
}

// cleanServiceAccount removes references to generated token secrets.
func cleanServiceAccount(account *unstructured.Unstructured) {
	secrets, found, err := unstructured.NestedSlice(account.Object, "secrets")
	if !found || err != nil {
		return
	}
	account.Object["secrets"] = slices.DeleteFunc(secrets, func(entry any) bool {
		reference, _ := entry.(map[string]any)
		name, _ := reference["name"].(string)
		return strings.HasPrefix(name, account.GetName()+"-token-")
	})
}

// cleanService removes addresses that the source cluster allocated.
func cleanService(service *unstructured.Unstructured) {
	address, _, _ := unstructured.NestedString(service.Object, "spec", "clusterIP")
	if address == corev1.ClusterIPNone {
		return
	}
	unstructured.RemoveNestedField(service.Object, "spec", "clusterIP")
	unstructured.RemoveNestedField(service.Object, "spec", "clusterIPs")
}
