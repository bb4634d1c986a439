package native

import (
	"k8s.io/apimachinery/pkg/util/sets"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
)

// defaultServiceAccount exists in every namespace of every cluster.
const defaultServiceAccount = "default"

// templateDependencies reads spec.template, which all workload controllers have in common.
func templateDependencies(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	workload, err := decode[appsv1.Deployment](object)
	if err != nil {
		return nil, err
	}
	return PodDependencies(object.GetNamespace(), &workload.Spec.Template.Spec), nil
}

func podDependencies(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	pod, err := decode[corev1.Pod](object)
	if err != nil {
		return nil, err
	}
	return PodDependencies(object.GetNamespace(), &pod.Spec), nil
}

func cronJobDependencies(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	cron, err := decode[batchv1.CronJob](object)
	if err != nil {
		return nil, err
	}
	return PodDependencies(object.GetNamespace(), &cron.Spec.JobTemplate.Spec.Template.Spec), nil
}

// statefulSetDependencies leaves out claims that the member makes from the claim templates.
func statefulSetDependencies(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	set, err := decode[appsv1.StatefulSet](object)
	if err != nil {
		return nil, err
	}
	found := podNeeds(&set.Spec.Template.Spec)
	for _, claim := range set.Spec.VolumeClaimTemplates {
		found.claims.Delete(claim.Name)
	}
	return references(object.GetNamespace(), found), nil
}

func ingressDependencies(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	ingress, err := decode[networkingv1.Ingress](object)
	if err != nil {
		return nil, err
	}
	found := newNeeds()
	for _, tls := range ingress.Spec.TLS {
		found.secrets.Insert(tls.SecretName)
	}
	return references(object.GetNamespace(), found), nil
}

// serviceImportDependencies are the Service derived from the import and its slices.
func serviceImportDependencies(object *unstructured.Unstructured) ([]configv1alpha1.DependentObjectReference, error) {
	service := names.DerivedService(object.GetName())
	return []configv1alpha1.DependentObjectReference{
		{
			APIVersion: discoveryv1.SchemeGroupVersion.String(), Kind: "EndpointSlice", Namespace: object.GetNamespace(),
			LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{discoveryv1.LabelServiceName: service}},
		},
		{APIVersion: "v1", Kind: "Service", Namespace: object.GetNamespace(), Name: service},
	}, nil
}

// needs are names of objects in the namespace of a pod.
type needs struct {
	configMaps, claims, secrets, serviceAccounts sets.Set[string]
}

func newNeeds() needs {
	return needs{sets.New[string](), sets.New[string](), sets.New[string](), sets.New[string]()}
}

// references lists needs by kind and name. Empty names, which come from unset fields, are no references.
func references(namespace string, found needs) []configv1alpha1.DependentObjectReference {
	found.serviceAccounts.Delete(defaultServiceAccount)
	var list []configv1alpha1.DependentObjectReference
	for _, kind := range []struct {
		kind  string
		names sets.Set[string]
	}{
		{"ConfigMap", found.configMaps},
		{"PersistentVolumeClaim", found.claims},
		{"Secret", found.secrets},
		{"ServiceAccount", found.serviceAccounts},
	} {
		for _, name := range sets.List(kind.names.Delete("")) {
			list = append(list, configv1alpha1.DependentObjectReference{
				APIVersion: "v1", Kind: kind.kind, Namespace: namespace, Name: name,
			})
		}
	}
	return list
}
