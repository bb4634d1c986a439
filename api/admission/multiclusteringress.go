package admission

import (
	"slices"
	"strings"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
)

// ValidateMultiClusterIngress checks an ingress by the rules of a Kubernetes Ingress.
func ValidateMultiClusterIngress(ingress *networkingv1alpha1.MultiClusterIngress) field.ErrorList {
	spec, at := &ingress.Spec, field.NewPath("spec")
	var faults field.ErrorList
	if len(spec.Rules) == 0 && spec.DefaultBackend == nil {
		faults = append(faults, field.Required(at.Child("rules"), "needs rules or a default backend"))
	}
	if spec.IngressClassName != nil {
		faults = append(faults, validateSubdomain(*spec.IngressClassName, at.Child("ingressClassName"))...)
	}
	if spec.DefaultBackend != nil {
		faults = append(faults, validateBackend(spec.DefaultBackend, at.Child("defaultBackend"))...)
	}
	for i, tls := range spec.TLS {
		for j, host := range tls.Hosts {
			faults = append(faults, validateHost(host, at.Child("tls").Index(i).Child("hosts").Index(j))...)
		}
		if tls.SecretName != "" {
			faults = append(faults, validateSubdomain(tls.SecretName, at.Child("tls").Index(i).Child("secretName"))...)
		}
	}
	for i := range spec.Rules {
		faults = append(faults, validateIngressRule(&spec.Rules[i], at.Child("rules").Index(i))...)
	}
	return faults
}

func validateSubdomain(name string, at *field.Path) field.ErrorList {
	var faults field.ErrorList
	for _, fault := range validation.IsDNS1123Subdomain(name) {
		faults = append(faults, field.Invalid(at, name, fault))
	}
	return faults
}

// validateHost takes names, of which the first label may be a star, and no addresses.
func validateHost(host string, at *field.Path) field.ErrorList {
	check := validation.IsDNS1123Subdomain
	if strings.HasPrefix(host, "*") {
		check = validation.IsWildcardDNS1123Subdomain
	}
	var faults field.ErrorList
	for _, fault := range check(host) {
		faults = append(faults, field.Invalid(at, host, fault))
	}
	if len(validation.IsValidIP(at, host)) == 0 {
		faults = append(faults, field.Invalid(at, host, "must be a DNS name, not an IP address"))
	}
	return faults
}

func validateIngressRule(rule *networkingv1.IngressRule, at *field.Path) field.ErrorList {
	var faults field.ErrorList
	if rule.Host != "" {
		faults = validateHost(rule.Host, at.Child("host"))
	}
	if rule.HTTP == nil {
		return faults
	}
	at = at.Child("http", "paths")
	if len(rule.HTTP.Paths) == 0 {
		return append(faults, field.Required(at, "needs at least one path"))
	}
	for i := range rule.HTTP.Paths {
		path := &rule.HTTP.Paths[i]
		faults = append(faults, validateIngressPath(path, at.Index(i))...)
		faults = append(faults, validateBackend(&path.Backend, at.Index(i).Child("backend"))...)
	}
	return faults
}

func validateIngressPath(path *networkingv1.HTTPIngressPath, at *field.Path) field.ErrorList {
	types := []networkingv1.PathType{
		networkingv1.PathTypeExact, networkingv1.PathTypePrefix, networkingv1.PathTypeImplementationSpecific,
	}
	if path.PathType == nil {
		return field.ErrorList{field.Required(at.Child("pathType"), "must be given")}
	}
	if !slices.Contains(types, *path.PathType) {
		return field.ErrorList{field.NotSupported(at.Child("pathType"), *path.PathType, types)}
	}
	literal := *path.PathType != networkingv1.PathTypeImplementationSpecific
	at = at.Child("path")
	if !strings.HasPrefix(path.Path, "/") && (literal || path.Path != "") {
		return field.ErrorList{field.Invalid(at, path.Path, "must be an absolute path")}
	}
	var faults field.ErrorList
	if literal {
		for _, part := range []string{"//", "/./", "/../", "%2f", "%2F"} {
			if strings.Contains(path.Path, part) {
				faults = append(faults, field.Invalid(at, path.Path, "must not contain "+part))
			}
		}
		for _, end := range []string{"/..", "/."} {
			if strings.HasSuffix(path.Path, end) {
				faults = append(faults, field.Invalid(at, path.Path, "must not end in "+end))
			}
		}
	}
	return faults
}

// validateBackend takes a Service with one port, or any other object of the same namespace.
func validateBackend(backend *networkingv1.IngressBackend, at *field.Path) field.ErrorList {
	service, resource := backend.Service, backend.Resource
	if (service == nil) == (resource == nil) {
		return field.ErrorList{field.Required(at, "needs either a service or a resource")}
	}
	if resource != nil {
		at = at.Child("resource")
		faults := validatePathSegment(resource.Kind, at.Child("kind"))
		if resource.APIGroup != nil {
			faults = append(faults, validateSubdomain(*resource.APIGroup, at.Child("apiGroup"))...)
		}
		return append(faults, validatePathSegment(resource.Name, at.Child("name"))...)
	}
	at = at.Child("service")
	var faults field.ErrorList
	for _, fault := range validation.IsDNS1035Label(service.Name) {
		faults = append(faults, field.Invalid(at.Child("name"), service.Name, fault))
	}
	at = at.Child("port")
	switch port := service.Port; {
	case (port.Name == "") == (port.Number == 0):
		faults = append(faults, field.Required(at, "needs either a name or a number"))
	case port.Name != "":
		for _, fault := range validation.IsValidPortName(port.Name) {
			faults = append(faults, field.Invalid(at.Child("name"), port.Name, fault))
		}
	default:
		for _, fault := range validation.IsValidPortNum(int(port.Number)) {
			faults = append(faults, field.Invalid(at.Child("number"), port.Number, fault))
		}
	}
	return faults
}
