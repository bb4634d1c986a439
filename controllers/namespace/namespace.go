// Package namespace makes the namespaces of the control plane exist in every member cluster.
package namespace

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// New is the controller named "namespace". Its keys are Namespaces. Those that match a skipped pattern, the reserved ones and
// "default", which every member has, are left alone.
func New(skipped []*regexp.Regexp, workers int) control.Controller {
	syncer := &syncer{skipped: skipped}
	return control.Controller{
		Name: "namespace",
		Watches: []control.Watch{
			{Object: &corev1.Namespace{}, Keys: syncer.onNamespace},
			{Object: &workv1alpha1.Work{}, Keys: onWorkGone},
		},
		Workers:   workers,
		Reconcile: syncer.reconcile,
	}
}

var namespaceKind = corev1.SchemeGroupVersion.WithKind("Namespace")

type syncer struct {
	skipped []*regexp.Regexp
}

func (s *syncer) concerns(namespace client.Object) bool {
	name := namespace.GetName()
	if name == metav1.NamespaceDefault || names.IsReservedNamespace(name) ||
		namespace.GetLabels()[names.LabelSkipAutoPropagation] == names.LabelSkipAutoPropagationValue {
		return false
	}
	for _, pattern := range s.skipped {
		if pattern.MatchString(name) {
			return false
		}
	}
	return true
}

// onNamespace wakes the namespace itself; a new execution space, hence a new member, wakes all.
func (s *syncer) onNamespace(ctx context.Context, reader client.Reader, event control.Event) []control.Key {
	if s.concerns(event.Object()) {
		return []control.Key{control.KeyOf(event.Object())}
	}
	if _, err := names.ClusterOfExecutionSpace(event.Object().GetName()); err != nil || event.Old != nil {
		return nil
	}
	namespaces := &corev1.NamespaceList{}
	if err := reader.List(ctx, namespaces); err != nil {
		return nil
	}
	var keys []control.Key
	for i := range namespaces.Items {
		if s.concerns(&namespaces.Items[i]) {
			keys = append(keys, control.KeyOf(&namespaces.Items[i]))
		}
	}
	return keys
}

// onWorkGone wakes the namespace whose Work was deleted: a live one gets another.
func onWorkGone(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	owner := metav1.GetControllerOf(event.Object())
	if event.New != nil || owner == nil || owner.Kind != namespaceKind.Kind || owner.APIVersion != namespaceKind.GroupVersion().String() {
		return nil
	}
	return []control.Key{{Name: owner.Name}}
}

// reconcile writes one Work a cluster. They are owned by the namespace, so its deletion takes them along.
func (s *syncer) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	namespace := &unstructured.Unstructured{}
	namespace.SetGroupVersionKind(namespaceKind)
	if err := deps.Client.Get(ctx, key.NamespacedName(), namespace); err != nil {
		return control.Result{}, client.IgnoreNotFound(err)
	}
	if !namespace.GetDeletionTimestamp().IsZero() || !s.concerns(namespace) {
		return control.Result{}, nil
	}
	spaces := &corev1.NamespaceList{}
	if err := deps.Client.List(ctx, spaces); err != nil {
		return control.Result{}, fmt.Errorf("listing execution spaces: %w", err)
	}
	var failures []error
	for i := range spaces.Items {
		cluster, err := names.ClusterOfExecutionSpace(spaces.Items[i].Name)
		if err != nil || !spaces.Items[i].DeletionTimestamp.IsZero() {
			continue
		}
		if err := write(ctx, deps, namespace, cluster); err != nil {
			failures = append(failures, err)
		}
	}
	return control.Result{}, errors.Join(failures...)
}

func write(ctx context.Context, deps control.Deps, namespace *unstructured.Unstructured, cluster string) error {
	manifest := namespace.DeepCopy()
	unstructured.RemoveNestedField(manifest.Object, "spec")
	owner := metav1.NewControllerRef(namespace, namespace.GroupVersionKind())
	_, err := workload.Write(ctx, deps, workload.Plan{Cluster: cluster, Template: namespace, Manifest: manifest, Owner: owner})
	return err
}
