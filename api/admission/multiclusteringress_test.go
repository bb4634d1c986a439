package admission

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"

	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
)

func TestValidateMultiClusterIngress(t *testing.T) {
	exact, vague, odd := networkingv1.PathTypeExact, networkingv1.PathTypeImplementationSpecific, networkingv1.PathType("Glob")
	web := func(port networkingv1.ServiceBackendPort) networkingv1.IngressBackend {
		return networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: port}}
	}
	numbered := web(networkingv1.ServiceBackendPort{Number: 80})
	class := func(name string) func(*networkingv1.IngressSpec) {
		return func(spec *networkingv1.IngressSpec) { spec.IngressClassName = &name }
	}
	host := func(name string) func(*networkingv1.IngressSpec) {
		return func(spec *networkingv1.IngressSpec) { spec.Rules[0].Host = name }
	}
	path := func(kind *networkingv1.PathType, text string) func(*networkingv1.IngressSpec) {
		return func(spec *networkingv1.IngressSpec) {
			spec.Rules[0].HTTP.Paths[0].PathType, spec.Rules[0].HTTP.Paths[0].Path = kind, text
		}
	}
	backend := func(backend networkingv1.IngressBackend) func(*networkingv1.IngressSpec) {
		return func(spec *networkingv1.IngressSpec) { spec.DefaultBackend = &backend }
	}
	const firstPath, port = "spec.rules[0].http.paths[0]", "spec.defaultBackend.service.port"
	for _, c := range []struct {
		name   string
		change func(*networkingv1.IngressSpec)
		want   []string
	}{
		{"as it is", func(*networkingv1.IngressSpec) {}, nil},
		{"empty", func(spec *networkingv1.IngressSpec) { spec.Rules = nil }, []string{"spec.rules"}},
		{"class", class("nginx"), nil},
		{"bad class", class("Nginx!"), []string{"spec.ingressClassName"}},
		{"wildcard", host("*.example.com"), nil},
		{"star in the middle", host("a.*.example.com"), []string{"spec.rules[0].host"}},
		{"address", host("10.0.0.1"), []string{"spec.rules[0].host"}},
		{"hosts without paths", func(spec *networkingv1.IngressSpec) { spec.Rules[0].HTTP = nil }, nil},
		{"no path", func(spec *networkingv1.IngressSpec) { spec.Rules[0].HTTP.Paths = nil }, []string{"spec.rules[0].http.paths"}},
		{"no path type", path(nil, "/"), []string{firstPath + ".pathType"}},
		{"odd path type", path(&odd, "/"), []string{firstPath + ".pathType"}},
		{"relative", path(&exact, "a"), []string{firstPath + ".path"}},
		{"nothing exactly", path(&exact, ""), []string{firstPath + ".path"}},
		{"nothing vaguely", path(&vague, ""), nil},
		{"up", path(&exact, "/a/../b/.."), []string{firstPath + ".path", firstPath + ".path"}},
		{"up vaguely", path(&vague, "/a/../b"), nil},
		{"secret", func(spec *networkingv1.IngressSpec) {
			spec.TLS = []networkingv1.IngressTLS{{Hosts: []string{"", "a.b"}, SecretName: "A"}}
		}, []string{"spec.tls[0].hosts[0]", "spec.tls[0].secretName"}},
		{"no backend", backend(networkingv1.IngressBackend{}), []string{"spec.defaultBackend"}},
		{"bucket", backend(networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "Bucket", Name: "b"}}), nil},
		{"nameless bucket", backend(networkingv1.IngressBackend{Resource: &corev1.TypedLocalObjectReference{Kind: "Bucket"}}),
			[]string{"spec.defaultBackend.resource.name"}},
		{"no port", backend(web(networkingv1.ServiceBackendPort{})), []string{port}},
		{"two ports", backend(web(networkingv1.ServiceBackendPort{Name: "http", Number: 1})), []string{port}},
		{"named port", backend(web(networkingv1.ServiceBackendPort{Name: "http"})), nil},
		{"bad name", backend(web(networkingv1.ServiceBackendPort{Name: "-"})), []string{port + ".name", port + ".name"}},
		{"bad number", backend(web(networkingv1.ServiceBackendPort{Number: 70000})), []string{port + ".number"}},
	} {
		ingress := &networkingv1alpha1.MultiClusterIngress{Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{
			IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &exact, Backend: numbered}},
			}},
		}}}}
		c.change(&ingress.Spec)
		wantFaults(t, c.name, Validate(ingress, nil, Options{}), c.want...)
	}
}
