package admission

import (
	"slices"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
)

// DefaultMultiClusterService gives the service its identity.
func DefaultMultiClusterService(service *networkingv1alpha1.MultiClusterService, ids func() string) {
	ensureLabel(&service.ObjectMeta, names.LabelMultiClusterServiceID, ids)
}

// ValidateMultiClusterService checks a service; old is nil on create.
func ValidateMultiClusterService(service, old *networkingv1alpha1.MultiClusterService) field.ErrorList {
	faults := apivalidation.ValidateObjectMeta(&service.ObjectMeta, true, apivalidation.NameIsDNS1035Label,
		field.NewPath("metadata"))
	path := field.NewPath("spec")
	faults = append(faults, validateExposedPorts(service.Spec.Ports, path.Child("ports"))...)
	faults = append(faults, validateExposureTypes(service.Spec.Types, path.Child("types"))...)
	if old != nil && !slices.Equal(service.Spec.Types, old.Spec.Types) {
		faults = append(faults, field.Invalid(path.Child("types"), service.Spec.Types, "must not change"))
	}
	faults = append(faults, validateClusterSelectors(service.Spec.ProviderClusters, path.Child("providerClusters"))...)
	return append(faults, validateClusterSelectors(service.Spec.ConsumerClusters, path.Child("consumerClusters"))...)
}

func validateExposedPorts(ports []networkingv1alpha1.ExposurePort, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	seen := sets.New[string]()
	for i, port := range ports {
		at := path.Index(i)
		for _, fault := range validation.IsValidPortNum(int(port.Port)) {
			faults = append(faults, field.Invalid(at.Child("port"), port.Port, fault))
		}
		if port.Name == "" && len(ports) == 1 {
			continue
		}
		for _, fault := range validation.IsDNS1123Label(port.Name) {
			faults = append(faults, field.Invalid(at.Child("name"), port.Name, fault))
		}
		if seen.Has(port.Name) {
			faults = append(faults, field.Duplicate(at.Child("name"), port.Name))
		}
		seen.Insert(port.Name)
	}
	return faults
}

func validateExposureTypes(types []networkingv1alpha1.ExposureType, path *field.Path) field.ErrorList {
	known := []networkingv1alpha1.ExposureType{
		networkingv1alpha1.ExposureTypeCrossCluster, networkingv1alpha1.ExposureTypeLoadBalancer,
	}
	var faults field.ErrorList
	for i, exposure := range types {
		if !slices.Contains(known, exposure) {
			faults = append(faults, field.NotSupported(path.Index(i), exposure, known))
		}
	}
	if sets.New(types...).Len() > 1 {
		faults = append(faults, field.Invalid(path, types, "a service is exposed in one way only"))
	}
	return faults
}

func validateClusterSelectors(clusters []networkingv1alpha1.ClusterSelector, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	for i, cluster := range clusters {
		for _, fault := range ClusterNameFaults(cluster.Name) {
			faults = append(faults, field.Invalid(path.Index(i).Child("name"), cluster.Name, fault))
		}
	}
	return faults
}
