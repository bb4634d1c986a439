// Package binding looks at ResourceBindings and ClusterResourceBindings through one view, so that no code needs a copy for
// each scope.
package binding

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// Binding is a ResourceBinding or a ClusterResourceBinding. Spec and Status point into the object: writing through them
// changes it.
type Binding struct {
	client.Object
	Spec   *workv1alpha2.ResourceBindingSpec
	Status *workv1alpha2.ResourceBindingStatus
}

// Of looks at an object as a binding; ok is false when it is neither kind.
func Of(object client.Object) (view Binding, ok bool) {
	switch typed := object.(type) {
	case *workv1alpha2.ResourceBinding:
		return Binding{Object: typed, Spec: &typed.Spec, Status: &typed.Status}, true
	case *workv1alpha2.ClusterResourceBinding:
		return Binding{Object: typed, Spec: &typed.Spec, Status: &typed.Status}, true
	}
	return Binding{}, false
}

// New is an empty binding of the scope the namespace tells: a ClusterResourceBinding when it is empty.
func New(namespace, name string) Binding {
	var object client.Object = &workv1alpha2.ResourceBinding{}
	if namespace == "" {
		object = &workv1alpha2.ClusterResourceBinding{}
	}
	object.SetNamespace(namespace)
	object.SetName(name)
	view, _ := Of(object)
	return view
}

// Get reads a binding; an empty namespace asks for a ClusterResourceBinding.
func Get(ctx context.Context, reader client.Reader, name types.NamespacedName, options ...client.GetOption) (Binding, error) {
	view := New(name.Namespace, name.Name)
	if err := reader.Get(ctx, name, view.Object, options...); err != nil {
		return Binding{}, err
	}
	return view, nil
}

// List reads the bindings of both scopes, cluster-scoped ones last.
func List(ctx context.Context, reader client.Reader, options ...client.ListOption) ([]Binding, error) {
	namespaced, clusterScoped := &workv1alpha2.ResourceBindingList{}, &workv1alpha2.ClusterResourceBindingList{}
	if err := reader.List(ctx, namespaced, options...); err != nil {
		return nil, fmt.Errorf("listing resource bindings: %w", err)
	}
	if err := reader.List(ctx, clusterScoped, options...); err != nil {
		return nil, fmt.Errorf("listing cluster resource bindings: %w", err)
	}
	views := make([]Binding, 0, len(namespaced.Items)+len(clusterScoped.Items))
	for i := range namespaced.Items {
		view, _ := Of(&namespaced.Items[i])
		views = append(views, view)
	}
	for i := range clusterScoped.Items {
		view, _ := Of(&clusterScoped.Items[i])
		views = append(views, view)
	}
	return views, nil
}

// Kinds are prototypes of both kinds, for watches.
func Kinds() []client.Object {
	return []client.Object{&workv1alpha2.ResourceBinding{}, &workv1alpha2.ClusterResourceBinding{}}
}

// Clone is a deep copy.
func (b Binding) Clone() Binding {
	view, _ := Of(b.DeepCopyObject().(client.Object))
	return view
}

// Shallow copies the object alone: what lies below it stays shared.
func (b Binding) Shallow() Binding {
	var copied client.Object
	switch object := b.Object.(type) {
	case *workv1alpha2.ResourceBinding:
		shallow := *object
		copied = &shallow
	case *workv1alpha2.ClusterResourceBinding:
		shallow := *object
		copied = &shallow
	}
	view, _ := Of(copied)
	return view
}

// Decided tells whether the scheduler has answered the binding as it is.
func (b Binding) Decided() bool { return b.Status.SchedulerObservedGeneration == b.GetGeneration() }

// Answered tells whether the scheduler has answered the last reschedule that was asked for, if any.
func (b Binding) Answered() bool {
	asked, last := b.Spec.RescheduleTriggeredAt, b.Status.LastScheduledTime
	return asked == nil || last != nil && !asked.After(last.Time)
}

// NamespacedName names the binding; the namespace of a ClusterResourceBinding is empty.
func (b Binding) NamespacedName() types.NamespacedName {
	return types.NamespacedName{Namespace: b.GetNamespace(), Name: b.GetName()}
}

// Finalizer is the one that holds the binding until its Works are gone.
func (b Binding) Finalizer() string {
	if b.GetNamespace() == "" {
		return names.FinalizerClusterResourceBinding
	}
	return names.FinalizerResourceBinding
}

// IDLabel is the key under which the binding, its Works and their manifests carry the binding's identity.
func (b Binding) IDLabel() string {
	if b.GetNamespace() == "" {
		return names.LabelClusterResourceBindingID
	}
	return names.LabelResourceBindingID
}

// ID is the binding's identity; empty until it has been given one.
func (b Binding) ID() string { return b.GetLabels()[b.IDLabel()] }

// OwnerAnnotations are what the binding's Works and manifests carry to be led back to it.
func (b Binding) OwnerAnnotations() map[string]string {
	if b.GetNamespace() == "" {
		return map[string]string{names.AnnotationClusterResourceBindingName: b.GetName()}
	}
	return map[string]string{
		names.AnnotationResourceBindingNamespace: b.GetNamespace(),
		names.AnnotationResourceBindingName:      b.GetName(),
	}
}

// OwnerOf is the name of the binding a Work was made for; ok is false for Works made for something else.
func OwnerOf(work *workv1alpha1.Work) (owner types.NamespacedName, ok bool) {
	annotations := work.GetAnnotations()
	if name := annotations[names.AnnotationClusterResourceBindingName]; name != "" {
		return types.NamespacedName{Name: name}, true
	}
	owner = types.NamespacedName{
		Namespace: annotations[names.AnnotationResourceBindingNamespace],
		Name:      annotations[names.AnnotationResourceBindingName],
	}
	return owner, owner.Name != "" && owner.Namespace != ""
}
