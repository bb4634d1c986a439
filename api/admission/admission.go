package admission

import (
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/policy"
)

// Options are what admission needs from outside and the switches that change its rules.
type Options struct {
	// IDs makes permanent identities; every call answers another one.
	IDs func() string
	// Now dates the taints of clusters.
	Now metav1.Time
	// Modeling is the gate CustomizedClusterResourceModeling.
	Modeling bool
	// MultiplePodTemplates is the gate MultiplePodTemplatesScheduling.
	MultiplePodTemplates bool
	// NoExecuteTaintPolicy permits the effect NoExecute in a ClusterTaintPolicy.
	NoExecuteTaintPolicy bool
	// Customizations are the stored interpreter customizations, which may not contradict each other.
	Customizations []configv1alpha1.ResourceInterpreterCustomization
}

// Default completes an object of any wire kind before it is stored; old is nil on create. Kinds without defaults stay as they
// are. An error means that the object cannot be read, such as a Work with a manifest that is no object.
func Default(object, old runtime.Object, options Options) error {
	create := old == nil
	switch object := object.(type) {
	case *clusterv1alpha1.Cluster:
		if create {
			DefaultCluster(object, options.Now, options.Modeling)
		} else {
			DefaultClusterUpdate(object, options.Now, options.Modeling)
		}
	case *policyv1alpha1.PropagationPolicy:
		PropagationOf(object).Default(create, options.IDs)
		noteFormerKinds(object, old)
	case *policyv1alpha1.ClusterPropagationPolicy:
		ClusterPropagationOf(object).Default(create, options.IDs)
		noteFormerKinds(object, old)
	case *policyv1alpha1.OverridePolicy:
		OverrideOf(object).Default()
	case *workv1alpha2.ResourceBinding:
		if create {
			BindingOf(object).Default(options.IDs)
		}
	case *workv1alpha2.ClusterResourceBinding:
		if create {
			ClusterBindingOf(object).Default(options.IDs)
		}
	case *workv1alpha1.Work:
		return DefaultWork(object, options.IDs)
	case *networkingv1alpha1.MultiClusterService:
		DefaultMultiClusterService(object, options.IDs)
	case *autoscalingv1alpha1.FederatedHPA:
		DefaultFederatedHPA(object)
	}
	return nil
}

// noteFormerKinds keeps on a changed policy which kinds it does not select any more. What it claims of them has to be found again, also by
// a process that did not see the change.
func noteFormerKinds(object client.Object, old runtime.Object) {
	before, isObject := old.(client.Object)
	if !isObject {
		return
	}
	changed, isPolicy := policy.Of(object)
	previous, wasPolicy := policy.Of(before)
	if isPolicy && wasPolicy {
		changed.NoteFormerKinds(previous)
	}
}

// Validate checks an object of any wire kind that Default has completed; old is nil on create. Kinds without rules of their
// own pass, and so does what is being deleted: a fault must not keep its finalizers on it.
func Validate(object, old runtime.Object, options Options) field.ErrorList {
	if metadata, err := meta.Accessor(object); err == nil && metadata.GetDeletionTimestamp() != nil {
		return nil
	}
	switch object := object.(type) {
	case *clusterv1alpha1.Cluster:
		if old, ok := old.(*clusterv1alpha1.Cluster); ok {
			return ValidateClusterUpdate(object, old)
		}
		return ValidateCluster(object)
	case *policyv1alpha1.PropagationPolicy:
		faults := PropagationOf(object).Validate()
		if old, ok := old.(*policyv1alpha1.PropagationPolicy); ok {
			faults = append(faults, PropagationOf(object).validateImmutable(PropagationOf(old))...)
		}
		return faults
	case *policyv1alpha1.ClusterPropagationPolicy:
		faults := ClusterPropagationOf(object).Validate()
		if old, ok := old.(*policyv1alpha1.ClusterPropagationPolicy); ok {
			faults = append(faults, ClusterPropagationOf(object).validateImmutable(ClusterPropagationOf(old))...)
		}
		return faults
	case *policyv1alpha1.OverridePolicy:
		return OverrideOf(object).Validate()
	case *policyv1alpha1.ClusterOverridePolicy:
		return ClusterOverrideOf(object).Validate()
	case *workv1alpha2.ResourceBinding:
		return BindingOf(object).Validate(options.MultiplePodTemplates)
	case *networkingv1alpha1.MultiClusterService:
		oldService, _ := old.(*networkingv1alpha1.MultiClusterService)
		return ValidateMultiClusterService(object, oldService)
	default:
		return validateOther(object, options)
	}
}

// validateOther checks the kinds whose rules do not look at the old object.
func validateOther(object runtime.Object, options Options) field.ErrorList {
	switch object := object.(type) {
	case *policyv1alpha1.ClusterTaintPolicy:
		return ValidateClusterTaintPolicy(object, options.NoExecuteTaintPolicy)
	case *policyv1alpha1.FederatedResourceQuota:
		return ValidateFederatedResourceQuota(object)
	case *autoscalingv1alpha1.FederatedHPA:
		return ValidateFederatedHPA(object)
	case *autoscalingv1alpha1.CronFederatedHPA:
		return ValidateCronFederatedHPA(object)
	case *networkingv1alpha1.MultiClusterIngress:
		return ValidateMultiClusterIngress(object)
	case *configv1alpha1.ResourceInterpreterCustomization:
		return ValidateInterpreterCustomization(object, options.Customizations)
	case *configv1alpha1.ResourceInterpreterWebhookConfiguration:
		return ValidateInterpreterWebhooks(object)
	default:
		return nil
	}
}

// ensureLabel sets a label that is absent or empty to a new identity.
func ensureLabel(meta *metav1.ObjectMeta, key string, ids func() string) {
	if meta.Labels[key] == "" {
		metav1.SetMetaDataLabel(meta, key, ids())
	}
}
