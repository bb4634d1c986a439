package admission

import (
	"fmt"
	"net/url"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1validation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// maxClusterName leaves room for the prefixes of generated names.
const maxClusterName = 48

// ClusterNameFaults tells what is wrong with the name of a cluster; nothing when it is fine.
func ClusterNameFaults(name string) []string {
	if len(name) == 0 {
		return []string{"must not be empty"}
	}
	if len(name) > maxClusterName {
		return []string{fmt.Sprintf("must be no more than %d characters", maxClusterName)}
	}
	return validation.IsDNS1123Label(name)
}

// ValidateCluster checks a cluster that is complete, see DefaultCluster.
func ValidateCluster(cluster *clusterv1alpha1.Cluster) field.ErrorList {
	nameFaults := func(name string, _ bool) []string { return ClusterNameFaults(name) }
	faults := apivalidation.ValidateObjectMeta(&cluster.ObjectMeta, false, nameFaults, field.NewPath("metadata"))
	return append(faults, validateClusterSpec(&cluster.Spec, field.NewPath("spec"))...)
}

// ValidateClusterUpdate checks a changed cluster.
func ValidateClusterUpdate(changed, old *clusterv1alpha1.Cluster) field.ErrorList {
	faults := apivalidation.ValidateObjectMetaUpdate(&changed.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	return append(faults, ValidateCluster(changed)...)
}

// ValidateClusterStatusUpdate checks a changed status.
func ValidateClusterStatusUpdate(changed, old *clusterv1alpha1.Cluster) field.ErrorList {
	faults := apivalidation.ValidateObjectMetaUpdate(&changed.ObjectMeta, &old.ObjectMeta, field.NewPath("metadata"))
	conditions := field.NewPath("status", "conditions")
	return append(faults, metav1validation.ValidateConditions(changed.Status.Conditions, conditions)...)
}

func validateClusterSpec(spec *clusterv1alpha1.ClusterSpec, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	modes := []clusterv1alpha1.ClusterSyncMode{clusterv1alpha1.Pull, clusterv1alpha1.Push}
	if spec.SyncMode == "" {
		faults = append(faults, field.Required(path.Child("syncMode"), "a cluster is either pushed to or pulls"))
	} else if !slices.Contains(modes, spec.SyncMode) {
		faults = append(faults, field.NotSupported(path.Child("syncMode"), spec.SyncMode, modes))
	}
	faults = append(faults, validateSecretReference(spec.SecretRef, path.Child("secretRef"))...)
	faults = append(faults, validateSecretReference(spec.ImpersonatorSecretRef, path.Child("impersonatorSecretRef"))...)
	faults = append(faults, validateEndpoint(spec.APIEndpoint, path.Child("apiEndpoint"))...)
	faults = append(faults, validateProxyURL(spec.ProxyURL, path.Child("proxyURL"))...)
	faults = append(faults, validateLocation(spec, path)...)
	faults = append(faults, validateTaints(spec.Taints, path.Child("taints"))...)
	return append(faults, validateResourceModels(spec.ResourceModels, path.Child("resourceModels"))...)
}

func validateSecretReference(secret *clusterv1alpha1.LocalSecretReference, path *field.Path) field.ErrorList {
	if secret == nil {
		return nil
	}
	var faults field.ErrorList
	if secret.Namespace == "" {
		faults = append(faults, field.Required(path.Child("namespace"), "a secret has a namespace"))
	}
	if secret.Name == "" {
		faults = append(faults, field.Required(path.Child("name"), "a secret has a name"))
	}
	return faults
}

func validateEndpoint(endpoint string, path *field.Path) field.ErrorList {
	if endpoint == "" {
		return nil
	}
	parsed, err := url.Parse(endpoint)
	if err != nil {
		return field.ErrorList{field.Invalid(path, endpoint, err.Error())}
	}
	var faults field.ErrorList
	if parsed.Host == "" {
		faults = append(faults, field.Invalid(path, endpoint, "must name a host"))
	}
	if parsed.User != nil {
		faults = append(faults, field.Invalid(path, parsed.Redacted(), "must not hold credentials"))
	}
	if parsed.RawQuery != "" {
		faults = append(faults, field.Invalid(path, endpoint, "must not have a query"))
	}
	if parsed.Fragment != "" {
		faults = append(faults, field.Invalid(path, endpoint, "must not have a fragment"))
	}
	return faults
}

func validateProxyURL(proxy string, path *field.Path) field.ErrorList {
	if proxy == "" {
		return nil
	}
	parsed, err := url.Parse(proxy)
	if err != nil {
		return field.ErrorList{field.Invalid(path, proxy, err.Error())}
	}
	switch parsed.Scheme {
	case "http", "https", "socks5":
		return nil
	default:
		return field.ErrorList{field.Invalid(path, parsed.Redacted(), "scheme must be http, https or socks5")}
	}
}

// validateLocation keeps provider, region and zones usable as label values, since spread groups are made of them.
func validateLocation(spec *clusterv1alpha1.ClusterSpec, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	faults = append(faults, validateLabelValue(spec.Provider, path.Child("provider"))...)
	faults = append(faults, validateLabelValue(spec.Region, path.Child("region"))...)
	faults = append(faults, validateLabelValue(spec.Zone, path.Child("zone"))...)
	if spec.Zone != "" && len(spec.Zones) > 0 {
		faults = append(faults, field.Invalid(path.Child("zone"), spec.Zone, "must be empty when zones are given"))
	}
	for i, zone := range spec.Zones {
		faults = append(faults, validateLabelValue(zone, path.Child("zones").Index(i))...)
	}
	return faults
}

func validateLabelValue(value string, path *field.Path) field.ErrorList {
	var faults field.ErrorList
	for _, fault := range validation.IsValidLabelValue(value) {
		faults = append(faults, field.Invalid(path, value, fault))
	}
	return faults
}

// validateTaints follows the rules of node taints.
func validateTaints(taints []corev1.Taint, path *field.Path) field.ErrorList {
	type identity struct {
		key    string
		effect corev1.TaintEffect
	}
	effects := []corev1.TaintEffect{
		corev1.TaintEffectNoExecute, corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule,
	}
	var faults field.ErrorList
	seen := sets.New[identity]()
	for i, taint := range taints {
		at := path.Index(i)
		faults = append(faults, metav1validation.ValidateLabelName(taint.Key, at.Child("key"))...)
		faults = append(faults, validateLabelValue(taint.Value, at.Child("value"))...)
		if taint.Effect == "" {
			faults = append(faults, field.Required(at.Child("effect"), "a taint has an effect"))
		} else if !slices.Contains(effects, taint.Effect) {
			faults = append(faults, field.NotSupported(at.Child("effect"), taint.Effect, effects))
		}
		this := identity{taint.Key, taint.Effect}
		if seen.Has(this) {
			faults = append(faults, field.Duplicate(at, fmt.Sprintf("%s:%s", taint.Key, taint.Effect)))
		}
		seen.Insert(this)
	}
	return faults
}
