package client

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	planefake "k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
)

func service(namespace, name string, spec corev1.ServiceSpec) *corev1.Service {
	return &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec}
}

// TestResolvers finds estimators by name, by Service, and by both.
func TestResolvers(t *testing.T) {
	outside := corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName, ExternalName: "10.1.2.3"}
	mapped, named := outside, outside
	mapped.Ports = []corev1.ServicePort{{Port: 1, TargetPort: intstr.FromInt32(2)}, {Port: 10352, TargetPort: intstr.FromInt32(30352)}}
	named.Ports = []corev1.ServicePort{{Port: 10352, TargetPort: intstr.FromString("grpc")}}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		plane := planefake.NewClientset(
			service("karmada-system", "karmada-scheduler-estimator-m1", corev1.ServiceSpec{ClusterIP: "10.0.0.7"}),
			service("karmada-system", "karmada-scheduler-estimator-m2", outside),
			service("karmada-system", "karmada-scheduler-estimator-m3", mapped),
			service("karmada-system", "karmada-scheduler-estimator-m4", named),
			service("karmada-system", "karmada-scheduler-estimator-m5", corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName}),
			service("other", "karmada-scheduler-estimator-m6", outside),
			service("karmada-system", "estimator-m6", outside),
		)
		services, err := WatchServices(ctx, plane, Naming{})
		if err != nil {
			t.Fatal(err)
		}
		byName := DNS(Naming{Namespace: "edge", Prefix: "estimator", Domain: "svc.fleet.example", Port: 7})
		both := FirstOf(services, byName)
		for _, c := range []struct {
			resolver                string
			resolve                 Resolver
			cluster, address, known string
		}{
			{"DNS", DNS(Naming{}), "m1", "karmada-scheduler-estimator-m1.karmada-system.svc:10352", "known"},
			{"DNS", byName, "m1", "estimator-m1.edge.svc.fleet.example:7", "known"},
			{"Services", services, "m1", "karmada-scheduler-estimator-m1.karmada-system.svc:10352", "known"},
			{"Services", services, "m2", "10.1.2.3:10352", "known"},
			{"Services", services, "m3", "10.1.2.3:30352", "known"},
			{"Services", services, "m4", "10.1.2.3:10352", "known"},
			{"Services", services, "m5", "", ""},
			{"Services", services, "m6", "", ""},
			{"FirstOf", both, "m2", "10.1.2.3:10352", "known"},
			{"FirstOf", both, "m6", "estimator-m6.edge.svc.fleet.example:7", "known"},
			{"FirstOf", FirstOf(services), "m6", "", ""},
		} {
			address, ok := c.resolve(c.cluster)
			if ok != (c.known != "") || ok && address != c.address {
				t.Errorf("%s of %s: got %q, %t, want %q", c.resolver, c.cluster, address, ok, c.address)
			}
		}
		// A deletion before the watch stands would be lost on the fake.
		synctest.Wait()
		if err := plane.CoreV1().Services("karmada-system").Delete(ctx, "karmada-scheduler-estimator-m2", metav1.DeleteOptions{}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if address, ok := services("m2"); ok {
			t.Errorf("a Service that has gone is at %s", address)
		}
		plane.PrependReactor("list", "services", func(clienttesting.Action) (bool, runtime.Object, error) {
			return true, nil, apierrors.NewForbidden(corev1.Resource("services"), "", errors.New("no such role"))
		})
		if _, err := WatchServices(ctx, plane, Naming{}); !apierrors.IsForbidden(err) {
			t.Errorf("got error %v, want that listing Services is forbidden", err)
		}
		plane.ReactionChain = plane.ReactionChain[1:]
		cancel()
		if _, err := WatchServices(ctx, plane, Naming{}); err == nil {
			t.Error("a watch began after the end of its context")
		}
	})
}
