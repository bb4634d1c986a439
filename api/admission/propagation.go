package admission

import (
	"fmt"
	"strconv"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"

	multiclusterv1alpha1 "github.com/seatrial/seatrial/api/multicluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// defaultGracePeriodSeconds is how long a failed application may keep its old copy.
const defaultGracePeriodSeconds = int32(600)

// Propagation is a view of a PropagationPolicy or a ClusterPropagationPolicy: Meta and Spec are those of the object itself.
type Propagation struct {
	Meta *metav1.ObjectMeta
	Spec *policyv1alpha1.PropagationSpec

	idLabel, finalizer string
	namespaced         bool
}

// PropagationOf views a namespaced policy.
func PropagationOf(policy *policyv1alpha1.PropagationPolicy) Propagation {
	return Propagation{
		Meta: &policy.ObjectMeta, Spec: &policy.Spec, namespaced: true,
		idLabel: names.LabelPropagationPolicyID, finalizer: names.FinalizerPropagationPolicy,
	}
}

// ClusterPropagationOf views a cluster-scoped policy.
func ClusterPropagationOf(policy *policyv1alpha1.ClusterPropagationPolicy) Propagation {
	return Propagation{
		Meta: &policy.ObjectMeta, Spec: &policy.Spec,
		idLabel: names.LabelClusterPropagationPolicyID, finalizer: names.FinalizerClusterPropagationPolicy,
	}
}

// Default completes the policy. A new one gets a fresh identity, whatever it brings, and the finalizer that keeps it until its
// claims are gone.
func (p Propagation) Default(create bool, ids func() string) {
	if p.namespaced {
		defaultSelectors(p.Spec.ResourceSelectors, p.Meta.Namespace)
	}
	defaultSpread(p.Spec.Placement.SpreadConstraints)
	for _, selector := range p.Spec.ResourceSelectors {
		if selector.APIVersion == multiclusterv1alpha1.GroupVersion.String() && selector.Kind == "ServiceImport" {
			p.Spec.PropagateDeps = true
		}
	}
	if scheduling := p.Spec.Placement.ReplicaScheduling; scheduling != nil &&
		scheduling.ReplicaSchedulingType == policyv1alpha1.ReplicaSchedulingTypeDivided &&
		scheduling.ReplicaDivisionPreference == "" {
		scheduling.ReplicaDivisionPreference = policyv1alpha1.ReplicaDivisionPreferenceWeighted
	}
	p.defaultFailover()
	if create {
		metav1.SetMetaDataLabel(p.Meta, p.idLabel, ids())
		p.addFinalizer()
	}
}

func (p Propagation) addFinalizer() {
	for _, have := range p.Meta.Finalizers {
		if have == p.finalizer {
			return
		}
	}
	p.Meta.Finalizers = append(p.Meta.Finalizers, p.finalizer)
}

func defaultSelectors(selectors []policyv1alpha1.ResourceSelector, namespace string) {
	for i := range selectors {
		if selectors[i].Namespace == "" {
			selectors[i].Namespace = namespace
		}
	}
}

// defaultSpread makes each constraint spread over clusters and at least one group, unless it says otherwise.
func defaultSpread(constraints []policyv1alpha1.SpreadConstraint) {
	for i := range constraints {
		constraint := &constraints[i]
		if constraint.SpreadByLabel == "" && constraint.SpreadByField == "" {
			constraint.SpreadByField = policyv1alpha1.SpreadByFieldCluster
		}
		if constraint.MinGroups == 0 {
			constraint.MinGroups = 1
		}
	}
}

// defaultFailover gives an application that leaves gracefully its time, and leaves a mark that the user did not.
func (p Propagation) defaultFailover() {
	var application *policyv1alpha1.ApplicationFailoverBehavior
	if p.Spec.Failover != nil {
		application = p.Spec.Failover.Application
	}
	graceful := application != nil && application.PurgeMode == policyv1alpha1.PurgeModeGracefully
	switch mark := strconv.Itoa(int(defaultGracePeriodSeconds)); {
	case graceful && application.GracePeriodSeconds == nil:
		seconds := defaultGracePeriodSeconds
		application.GracePeriodSeconds = &seconds
		metav1.SetMetaDataAnnotation(p.Meta, names.AnnotationDefaultGracePeriod, mark)
	case !graceful || strconv.Itoa(int(*application.GracePeriodSeconds)) != p.Meta.Annotations[names.AnnotationDefaultGracePeriod]:
		delete(p.Meta.Annotations, names.AnnotationDefaultGracePeriod)
	}
}

// Validate checks a policy that Default has completed.
func (p Propagation) Validate() field.ErrorList {
	var faults field.ErrorList
	if p.Meta.Labels[p.idLabel] == "" {
		faults = append(faults, field.Required(field.NewPath("metadata", "labels").Key(p.idLabel), "a policy has an identity"))
	}
	if _, err := placement.ParsePreferences(p.Meta.Annotations); err != nil {
		faults = append(faults, field.Forbidden(field.NewPath("metadata", "annotations"), strings.ReplaceAll(err.Error(), "\n", "; ")))
	}
	faults = append(faults, validateFloor(p.Meta.Annotations)...)
	faults = append(faults, validateStatefulMoves(p.Meta.Annotations)...)
	path := field.NewPath("spec")
	if p.namespaced {
		faults = append(faults, validateSelectorNamespaces(p.Spec.ResourceSelectors, p.Meta.Namespace, path)...)
	}
	faults = append(faults, validatePlacement(&p.Spec.Placement, path.Child("placement"))...)
	faults = append(faults, validateFailover(p.Spec, path.Child("failover"))...)
	if p.Spec.Preemption == policyv1alpha1.PreemptAlways {
		for i, selector := range p.Spec.ResourceSelectors {
			if selector.Name == "" {
				at := path.Child("resourceSelectors").Index(i).Child("name")
				faults = append(faults, field.Required(at, "a policy that preempts others must name its resources"))
			}
		}
	}
	return append(faults, validateSuspension(p.Spec.Suspension, path.Child("suspension"))...)
}

// ValidateUpdate checks a changed policy.
func (p Propagation) ValidateUpdate(old Propagation) field.ErrorList {
	return append(p.Validate(), p.validateImmutable(old)...)
}

// validateImmutable keeps what bindings copied from the policy. One that came past admission may still get its identity.
func (p Propagation) validateImmutable(old Propagation) field.ErrorList {
	var faults field.ErrorList
	if p.Spec.SchedulerName != old.Spec.SchedulerName {
		faults = append(faults, field.Invalid(field.NewPath("spec", "schedulerName"), p.Spec.SchedulerName, "must not change"))
	}
	if id, was := p.Meta.Labels[p.idLabel], old.Meta.Labels[p.idLabel]; was != "" && id != was {
		faults = append(faults, field.Invalid(field.NewPath("metadata", "labels").Key(p.idLabel), id, "must not change"))
	}
	return faults
}

func validateSelectorNamespaces(
	selectors []policyv1alpha1.ResourceSelector, namespace string, path *field.Path,
) field.ErrorList {
	var faults field.ErrorList
	for i, selector := range selectors {
		if selector.Namespace != namespace {
			fault := fmt.Sprintf("must be %q, the namespace of the policy", namespace)
			at := path.Child("resourceSelectors").Index(i).Child("namespace")
			faults = append(faults, field.Invalid(at, selector.Namespace, fault))
		}
	}
	return faults
}

func validateSuspension(suspension *policyv1alpha1.Suspension, path *field.Path) field.ErrorList {
	if suspension == nil || suspension.Dispatching == nil || !*suspension.Dispatching {
		return nil
	}
	if suspension.DispatchingOnClusters == nil || len(suspension.DispatchingOnClusters.ClusterNames) == 0 {
		return nil
	}
	return field.ErrorList{field.Invalid(path.Child("dispatchingOnClusters"),
		suspension.DispatchingOnClusters.ClusterNames, "must be empty when dispatching is suspended everywhere")}
}
