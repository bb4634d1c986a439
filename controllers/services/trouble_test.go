package services_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/crds"
	multiclusterv1alpha1 "github.com/seatrial/seatrial/api/multicluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// retype makes a slice of a member anew under its name, with an address of IPv6.
func (s *stage) retype(member, name, address string) {
	s.Helper()
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	s.must(s.of(member).Delete(s.Context(), slice.DeepCopy()))
	slice.Labels, slice.AddressType = map[string]string{discoveryv1.LabelServiceName: "web"}, discoveryv1.AddressTypeIPv6
	slice.Endpoints = []discoveryv1.Endpoint{{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}}}
	s.must(s.of(member).Create(s.Context(), slice))
}

func (s *stage) wantIPv6(cluster, name string) {
	s.Helper()
	slice := &discoveryv1.EndpointSlice{}
	s.must(s.of(cluster).Get(s.Context(), client.ObjectKey{Namespace: "shop", Name: name}, slice))
	if slice.AddressType != discoveryv1.AddressTypeIPv6 {
		s.Errorf("%s in %s has addresses of type %s", name, cluster, slice.AddressType)
	}
}

// report are the labels of a Work that reports a slice.
var report = map[string]string{
	names.MultiClusterServiceNamespace: "shop", names.MultiClusterServiceName: "web",
	names.LabelEndpointSliceNamespace: "shop", names.LabelEndpointSliceName: "web",
	names.LabelEndpointSliceWorkManagedBy: "MultiClusterService.ServiceExport",
}

// forge writes a Work into the execution space of a cluster, as its agent may.
func (s *stage) forge(cluster, name string, labels map[string]string, manifest string) {
	s.Helper()
	work := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace(cluster), Name: name, Labels: labels}}
	work.Spec.SuspendDispatching = ptr.To(true)
	work.Spec.Workload.Manifests = []workv1alpha1.Manifest{{RawExtension: runtime.RawExtension{Raw: []byte(manifest)}}}
	s.create(work)
}

// policy places an object of the namespace in members.
func (s *stage) policy(object client.Object, apiVersion, kind string, members ...string) *policyv1alpha1.PropagationPolicy {
	s.Helper()
	placed := &policyv1alpha1.PropagationPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "policy"},
		Spec: policyv1alpha1.PropagationSpec{
			ResourceSelectors: []policyv1alpha1.ResourceSelector{{APIVersion: apiVersion, Kind: kind, Namespace: "shop", Name: object.GetName()}},
			Placement:         policyv1alpha1.Placement{ClusterAffinity: &policyv1alpha1.ClusterAffinity{ClusterNames: members}},
		},
	}
	s.create(placed)
	return placed
}

// TestAddressTypeChanges: no slice can change its type of addresses, so that those in consumers are made anew as well.
func TestAddressTypeChanges(t *testing.T) {
	s := newStage(t, "m1", "m2")
	s.expose([]string{"m1"}, []string{"m2"})
	s.endpoints("m1", "web", "10.1.0.1")
	s.want("m2", "m1-web=10.1.0.1")
	s.retype("m1", "web", "fd00::1")
	s.want("m2", "m1-web=fd00::1")
	s.wantIPv6("m2", "m1-web")
}

// TestExportsComeFromWhereTheyWerePlaced: what the others say in their execution spaces makes no slice in the control plane.
func TestExportsComeFromWhereTheyWerePlaced(t *testing.T) {
	s := newStage(t, "m1", "p2")
	definitions, err := crds.Load()
	s.must(err)
	for _, definition := range definitions {
		if definition.Name != "serviceexports.multicluster.x-k8s.io" {
			continue
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition)
		s.must(err)
		delete(content, "status")
		made := &unstructured.Unstructured{Object: content}
		made.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		s.must(s.of("m1").Create(s.Context(), made))
	}
	s.pass(time.Minute)
	s.endpoints("m1", "web", "10.1.0.1")
	export := &multiclusterv1alpha1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	s.create(export)
	s.policy(export, multiclusterv1alpha1.GroupVersion.String(), "ServiceExport", "m1")
	s.want(fleet.ControlPlaneName, "imported-m1-web=10.1.0.1")
	s.must(s.env.StopAgent("p2"))
	s.forge("p2", "forged", report, `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"forged","namespace":"shop"},"addressType":"IPv4","endpoints":[{"addresses":["6.6.6.6"]}]}`)
	s.forge("p2", "broken", report, `{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"broken","namespace":"shop"},"endpoints":7}`)
	s.pass(10 * time.Second)
	s.want(fleet.ControlPlaneName, "imported-m1-web=10.1.0.1")
	s.retype("m1", "web", "fd00::1")
	s.want(fleet.ControlPlaneName, "imported-m1-web=fd00::1")
	s.wantIPv6(fleet.ControlPlaneName, "imported-m1-web")
	foreign := &discoveryv1.EndpointSlice{}
	s.must(s.plane.Get(s.Context(), client.ObjectKey{Namespace: "shop", Name: "imported-m1-web"}, foreign))
	foreign.Labels = nil
	s.must(s.plane.Update(s.Context(), foreign))
	s.pass(10 * time.Second)
	s.must(s.plane.Delete(s.Context(), export))
	s.want(fleet.ControlPlaneName, "")
}

// TestOneConsumerHoldsUpNoOther: a consumer that takes the names of Works in its execution space gets no slices; the others do not keep
// those of a cluster that is drained.
func TestOneConsumerHoldsUpNoOther(t *testing.T) {
	s := newStage(t, "m1", "m2", "m3", "p4")
	s.forge("p4", names.Work("EndpointSlice", "other", "shop"), nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","namespace":"shop"}}`)
	s.forge("p4", names.Work("EndpointSlice", names.DispatchedEndpointSlice("other", "m2"), "shop"), nil, `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"b","namespace":"shop"}}`)
	s.expose([]string{"m1", "m2"}, []string{"m3", "p4"})
	s.endpoints("m1", "web", "10.1.0.1")
	s.endpoints("m2", "other", "10.2.0.1")
	s.want("m3", "m1-web=10.1.0.1 m2-other=10.2.0.1")
	s.want("p4", "m1-web=10.1.0.1")
	drained := &clusterv1alpha1.Cluster{}
	s.must(s.plane.Get(s.Context(), client.ObjectKey{Name: "m1"}, drained))
	drained.Spec.Taints = append(drained.Spec.Taints, corev1.Taint{Key: "off", Effect: corev1.TaintEffectNoExecute})
	s.must(s.plane.Update(s.Context(), drained))
	s.want("m3", "m2-other=10.2.0.1")
}

// TestEarlierServiceGoesFirst: the binding of a Service that a policy had placed is still on its way out when the Service comes back.
func TestEarlierServiceGoesFirst(t *testing.T) {
	s := newStage(t, "m1", "m2")
	web := service()
	s.create(web)
	placed := s.policy(web, "v1", "Service", "m1")
	copied := func(member string) error {
		return s.of(member).Get(s.Context(), client.ObjectKeyFromObject(web), &corev1.Service{})
	}
	s.pass(10 * time.Second)
	s.must(copied("m1"))
	s.must(s.env.Partition(s.Context(), "m1"))
	s.pass(2 * time.Minute)
	s.must(s.plane.Delete(s.Context(), placed))
	s.must(s.plane.Delete(s.Context(), web))
	s.pass(10 * time.Second)
	s.expose([]string{"m1"}, []string{"m2"})
	s.pass(10 * time.Second)
	if copied("m2") == nil {
		t.Fatal("nothing was on its way out")
	}
	s.must(s.env.Heal(s.Context(), "m1"))
	s.pass(2 * time.Minute)
	for _, member := range []string{"m1", "m2"} {
		if err := copied(member); err != nil {
			t.Error(fmt.Errorf("the Service in %s: %w", member, err))
		}
	}
}

// TestInvalidImportIsToldOnce: a Service that no API server takes is not tried again and again.
func TestInvalidImportIsToldOnce(t *testing.T) {
	s := newStage(t, "m1")
	s.create(&multiclusterv1alpha1.ServiceImport{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: strings.Repeat("a", 250)},
		Spec: multiclusterv1alpha1.ServiceImportSpec{
			Type: multiclusterv1alpha1.ClusterSetIP, Ports: []multiclusterv1alpha1.ServicePort{{Port: 80}},
		},
	})
	s.pass(2 * time.Minute)
	told := 0
	for _, event := range s.events {
		if strings.HasPrefix(event, names.EventSyncDerivedServiceFailed+": ") {
			told++
		}
	}
	if told != 1 {
		t.Errorf("told %d times: %v", told, s.events)
	}
}
