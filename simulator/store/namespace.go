package store

import (
	"context"
	"errors"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// namespaceRules: a namespace is held by its own kind of finalizers until its content is gone.
func namespaceRules() *nativeRules {
	return &nativeRules{
		unconditional: true,
		name:          nameIsDNSLabel,
		fields: map[string]func(client.Object) string{
			"status.phase": func(o client.Object) string { return string(o.(*corev1.Namespace).Status.Phase) },
		},
		prepareCreate: func(object client.Object) {
			namespace := object.(*corev1.Namespace)
			namespace.Status.Phase = corev1.NamespaceActive
			if !slices.Contains(namespace.Spec.Finalizers, corev1.FinalizerKubernetes) {
				namespace.Spec.Finalizers = append(namespace.Spec.Finalizers, corev1.FinalizerKubernetes)
			}
			labelNamespace(namespace)
		},
		prepareUpdate: func(object, old client.Object) {
			namespace := object.(*corev1.Namespace)
			namespace.Spec.Finalizers = old.(*corev1.Namespace).Spec.Finalizers
			labelNamespace(namespace)
		},
		held: func(object client.Object) bool {
			return len(object.(*corev1.Namespace).Spec.Finalizers) > 0
		},
		terminate: func(object client.Object) {
			object.(*corev1.Namespace).Status.Phase = corev1.NamespaceTerminating
		},
		undeletable: func(object client.Object) error {
			switch object.GetName() {
			case metav1.NamespaceDefault, metav1.NamespaceSystem, metav1.NamespacePublic:
				return errors.New("this namespace may not be deleted")
			}
			return nil
		},
	}
}

// labelNamespace sets the label that lets selectors find a namespace by its name.
func labelNamespace(namespace *corev1.Namespace) {
	if namespace.Name == "" || namespace.Labels[corev1.LabelMetadataName] == namespace.Name {
		return
	}
	labels := map[string]string{corev1.LabelMetadataName: namespace.Name}
	for key, value := range namespace.Labels {
		if key != corev1.LabelMetadataName {
			labels[key] = value
		}
	}
	namespace.Labels = labels
}

// finalizeNamespace takes away what holds an empty namespace.
func (s *Store) finalizeNamespace(ctx context.Context, r *record) error {
	_, err := s.modify(ctx, modification{
		kind: r.kind, key: r.key, aspect: aspectFinalize,
		next: func(current *version) (client.Object, error) {
			if current == nil {
				return nil, apierrors.NewNotFound(r.kind.resource.groupResource(), r.key.Name)
			}
			namespace := current.object.DeepCopyObject().(*corev1.Namespace)
			namespace.Spec.Finalizers = slices.DeleteFunc(namespace.Spec.Finalizers,
				func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
			if len(namespace.Spec.Finalizers) == 0 {
				namespace.Spec.Finalizers = nil
			}
			return namespace, nil
		},
	})
	return client.IgnoreNotFound(err)
}
