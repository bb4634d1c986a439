package e2e

import (
	"reflect"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// IngressesAreKept has a user write a MultiClusterIngress, and whoever serves it write where: both stay as they are. One that no cluster
// could take as an Ingress is refused, and so is a change into such a one.
func IngressesAreKept(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("ingresses")()
	web := ingress("ingresses", "web", "web.example.com")
	f.create(web)
	served := blank(web)
	f.must(f.plane.Get(f.ctx, clientKey(web), served))
	served.Status.LoadBalancer.Ingress = []networkingv1.IngressLoadBalancerIngress{{IP: "192.0.2.1"}}
	served.Status.ServiceLocations = []networkingv1alpha1.ServiceLocation{{Name: "web", Clusters: []string{"member1"}}}
	f.must(f.plane.Status().Update(f.ctx, served))
	update(f, f.plane, web, func(m *networkingv1alpha1.MultiClusterIngress) { m.Spec.Rules[0].Host = "shop.example.com" })
	f.stays("the ingress as both wrote it", as(f.plane, web, func(m *networkingv1alpha1.MultiClusterIngress) bool {
		return m.Spec.Rules[0].Host == "shop.example.com" && reflect.DeepEqual(m.Status, served.Status)
	}))
	if err := f.plane.Create(f.ctx, ingress("ingresses", "wrong", "no host")); !apierrors.IsInvalid(err) {
		f.Errorf("a host that is none: %v", err)
	}
	f.must(f.plane.Get(f.ctx, clientKey(web), served))
	served.Spec.Rules[0].HTTP.Paths[0].Path = "nowhere"
	if err := f.plane.Update(f.ctx, served); !apierrors.IsInvalid(err) {
		f.Errorf("a path that is none: %v", err)
	}
	f.delete(f.plane, web)
	f.awaitAbsent(f.plane, web)
}

// ingress sends what asks for a host to a Service.
func ingress(namespace, name, host string) *networkingv1alpha1.MultiClusterIngress {
	return &networkingv1alpha1.MultiClusterIngress{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: host, IngressRuleValue: networkingv1.IngressRuleValue{
			HTTP: &networkingv1.HTTPIngressRuleValue{Paths: []networkingv1.HTTPIngressPath{{
				Path: "/", PathType: ptr.To(networkingv1.PathTypePrefix),
				Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "web", Port: networkingv1.ServiceBackendPort{Number: 80}}},
			}}},
		}}}},
	}
}
