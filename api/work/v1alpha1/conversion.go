package v1alpha1

import (
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/conversion"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// ConvertTo writes the binding into its stored form, a v1alpha2 ResourceBinding; any other hub is an error. Fields
// that v1alpha1 does not have come from the annotation that ConvertFrom has left, or are left empty.
func (b *ResourceBinding) ConvertTo(hub conversion.Hub) error {
	stored, ok := hub.(*workv1alpha2.ResourceBinding)
	if !ok {
		return wrongHub(b, hub)
	}
	b.ObjectMeta.DeepCopyInto(&stored.ObjectMeta)
	stored.Spec, stored.Status = b.Spec.toStored(), b.Status.toStored()
	return restore(&stored.ObjectMeta, &stored.Spec, &stored.Status)
}

// ConvertFrom reads the binding from its stored form, a v1alpha2 ResourceBinding; any other hub is an error. Fields
// that v1alpha1 does not have are noted in an annotation.
func (b *ResourceBinding) ConvertFrom(hub conversion.Hub) error {
	stored, ok := hub.(*workv1alpha2.ResourceBinding)
	if !ok {
		return wrongHub(b, hub)
	}
	stored.ObjectMeta.DeepCopyInto(&b.ObjectMeta)
	b.Spec, b.Status = specFromStored(stored.Spec), statusFromStored(stored.Status)
	return keep(&b.ObjectMeta, stored.Spec, stored.Status)
}

// ConvertTo writes the binding into its stored form, a v1alpha2 ClusterResourceBinding; any other hub is an error.
// Fields that v1alpha1 does not have come from the annotation that ConvertFrom has left, or are left empty.
func (b *ClusterResourceBinding) ConvertTo(hub conversion.Hub) error {
	stored, ok := hub.(*workv1alpha2.ClusterResourceBinding)
	if !ok {
		return wrongHub(b, hub)
	}
	b.ObjectMeta.DeepCopyInto(&stored.ObjectMeta)
	stored.Spec, stored.Status = b.Spec.toStored(), b.Status.toStored()
	return restore(&stored.ObjectMeta, &stored.Spec, &stored.Status)
}

// ConvertFrom reads the binding from its stored form, a v1alpha2 ClusterResourceBinding; any other hub is an error.
// Fields that v1alpha1 does not have are noted in an annotation.
func (b *ClusterResourceBinding) ConvertFrom(hub conversion.Hub) error {
	stored, ok := hub.(*workv1alpha2.ClusterResourceBinding)
	if !ok {
		return wrongHub(b, hub)
	}
	stored.ObjectMeta.DeepCopyInto(&b.ObjectMeta)
	b.Spec, b.Status = specFromStored(stored.Spec), statusFromStored(stored.Status)
	return keep(&b.ObjectMeta, stored.Spec, stored.Status)
}

func wrongHub(binding, hub any) error {
	return fmt.Errorf("converting %T: %T is not its stored form", binding, hub)
}

func (s ResourceBindingSpec) toStored() workv1alpha2.ResourceBindingSpec {
	stored := workv1alpha2.ResourceBindingSpec{
		Resource: workv1alpha2.ObjectReference{
			APIVersion:      s.Resource.APIVersion,
			Kind:            s.Resource.Kind,
			Namespace:       s.Resource.Namespace,
			Name:            s.Resource.Name,
			ResourceVersion: s.Resource.ResourceVersion,
		},
		Replicas: s.Resource.Replicas,
	}
	if requests := s.Resource.ReplicaResourceRequirements; requests != nil {
		stored.ReplicaRequirements = &workv1alpha2.ReplicaRequirements{ResourceRequest: requests.DeepCopy()}
	}
	for _, cluster := range s.Clusters {
		stored.Clusters = append(stored.Clusters, workv1alpha2.TargetCluster{
			Name: cluster.Name, Replicas: cluster.Replicas,
		})
	}
	return stored
}

func specFromStored(stored workv1alpha2.ResourceBindingSpec) ResourceBindingSpec {
	spec := ResourceBindingSpec{
		Resource: ObjectReference{
			APIVersion:      stored.Resource.APIVersion,
			Kind:            stored.Resource.Kind,
			Namespace:       stored.Resource.Namespace,
			Name:            stored.Resource.Name,
			ResourceVersion: stored.Resource.ResourceVersion,
			Replicas:        stored.Replicas,
		},
	}
	if requirements := stored.ReplicaRequirements; requirements != nil {
		spec.Resource.ReplicaResourceRequirements = requirements.ResourceRequest.DeepCopy()
	}
	for _, cluster := range stored.Clusters {
		spec.Clusters = append(spec.Clusters, TargetCluster{Name: cluster.Name, Replicas: cluster.Replicas})
	}
	return spec
}

func (s ResourceBindingStatus) toStored() workv1alpha2.ResourceBindingStatus {
	s = *s.DeepCopy()
	stored := workv1alpha2.ResourceBindingStatus{Conditions: s.Conditions}
	for _, item := range s.AggregatedStatus {
		stored.AggregatedStatus = append(stored.AggregatedStatus, workv1alpha2.AggregatedStatusItem{
			ClusterName:    item.ClusterName,
			Status:         item.Status,
			Applied:        item.Applied,
			AppliedMessage: item.AppliedMessage,
		})
	}
	return stored
}

func statusFromStored(stored workv1alpha2.ResourceBindingStatus) ResourceBindingStatus {
	stored = *stored.DeepCopy()
	status := ResourceBindingStatus{Conditions: stored.Conditions}
	for _, item := range stored.AggregatedStatus {
		status.AggregatedStatus = append(status.AggregatedStatus, AggregatedStatusItem{
			ClusterName:    item.ClusterName,
			Status:         item.Status,
			Applied:        item.Applied,
			AppliedMessage: item.AppliedMessage,
		})
	}
	return status
}
