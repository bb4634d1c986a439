package e2e

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
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
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	remedyv1alpha1 "github.com/seatrial/seatrial/api/remedy/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

// MultiClusterServiceReachesConsumers lets two clusters, one of them in Pull mode, serve a third one: slices follow as they change,
// clusters stop and begin to provide and to consume, and all goes with the MultiClusterService but the Service.
func MultiClusterServiceReachesConsumers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("mcs")()
	web, mcs := bareService("mcs", "web"), multiCluster("mcs", "web", []string{"member1", "member3"}, []string{"member2"})
	f.create(web)
	f.create(mcs)
	f.awaitHolders(web, members...)
	f.endpoints("member1", "mcs", "web", "10.1.0.1")
	f.endpoints("member3", "mcs", "web", "10.3.0.1")
	f.awaitSlices("member2", "mcs", map[string]string{"member1-web": "10.1.0.1", "member3-web": "10.3.0.1"})
	eventually(f, f.member("member2"), slice("mcs", "member1-web"), "the marks of where it comes from", func(s *discoveryv1.EndpointSlice) bool {
		return s.Labels[discoveryv1.LabelServiceName] == "web" && s.Labels[discoveryv1.LabelManagedBy] == names.EndpointSliceDispatchControllerValue &&
			s.Annotations[names.AnnotationProvisionCluster] == "member1"
	})
	f.awaitSlices("member1", "mcs", map[string]string{"web": "10.1.0.1"})
	eventually(f, f.plane, mcs, "both conditions", func(m *networkingv1alpha1.MultiClusterService) bool {
		return meta.IsStatusConditionTrue(m.Status.Conditions, names.ConditionServiceApplied) &&
			meta.IsStatusConditionTrue(m.Status.Conditions, names.ConditionEndpointSliceDispatched)
	})
	f.endpoints("member1", "mcs", "web", "10.1.0.2", "10.1.0.3")
	f.awaitSlices("member2", "mcs", map[string]string{"member1-web": "10.1.0.2 10.1.0.3", "member3-web": "10.3.0.1"})

	update(f, f.plane, mcs, func(m *networkingv1alpha1.MultiClusterService) {
		m.Spec.ProviderClusters = m.Spec.ProviderClusters[1:]
		m.Spec.ConsumerClusters = append(m.Spec.ConsumerClusters, networkingv1alpha1.ClusterSelector{Name: "member1"})
	})
	f.awaitSlices("member2", "mcs", map[string]string{"member3-web": "10.3.0.1"})
	f.awaitSlices("member1", "mcs", map[string]string{"web": "10.1.0.2 10.1.0.3", "member3-web": "10.3.0.1"})
	f.delete(f.member("member3"), slice("mcs", "web"))
	f.awaitSlices("member2", "mcs", nil)
	f.endpoints("member3", "mcs", "web", "10.3.0.2")
	f.awaitSlices("member2", "mcs", map[string]string{"member3-web": "10.3.0.2"})

	f.delete(f.plane, mcs)
	f.awaitAbsent(f.plane, mcs)
	f.awaitSlices("member2", "mcs", nil)
	f.awaitNoReports("mcs", "web")
	f.stays("the copies of the Service", f.held(web, members...))
}

// ExportedServiceIsImported exports a Service from two clusters and imports it into the third, where it has a name of its own.
func ExportedServiceIsImported(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	for _, kind := range []string{"serviceexports.multicluster.x-k8s.io", "serviceimports.multicluster.x-k8s.io"} {
		definition := f.definition(kind)
		for _, member := range members {
			f.createIn(f.member(member), definition.DeepCopy())
		}
		defer func() {
			for _, member := range members {
				f.delete(f.member(member), definition)
				f.awaitAbsent(f.member(member), definition)
			}
		}()
	}
	defer f.space("export")()
	f.awaitHolders(namespace("export"), members...)
	f.endpoints("member1", "export", "web", "10.1.0.1")
	f.endpoints("member3", "export", "web", "10.3.0.1")
	export := &multiclusterv1alpha1.ServiceExport{ObjectMeta: metav1.ObjectMeta{Namespace: "export", Name: "web"}}
	f.create(export)
	exporting := f.propagate(export, "member1", "member3")
	f.awaitSlices(fleet.ControlPlaneName, "export", map[string]string{"imported-member1-web": "10.1.0.1", "imported-member3-web": "10.3.0.1"})

	importing := &multiclusterv1alpha1.ServiceImport{
		ObjectMeta: metav1.ObjectMeta{Namespace: "export", Name: "web"},
		Spec: multiclusterv1alpha1.ServiceImportSpec{
			Type: multiclusterv1alpha1.ClusterSetIP, Ports: []multiclusterv1alpha1.ServicePort{{Name: "http", Protocol: corev1.ProtocolTCP, Port: 80}},
		},
	}
	f.create(importing)
	wanted := f.placed(importing, "member2")
	wanted.PropagateDeps = true
	f.create(&policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "export", Name: "import"}, Spec: wanted})
	derived := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "export", Name: "derived-web"}}
	f.awaitHolders(derived, "member2")
	f.awaitSlices("member2", "export", map[string]string{"imported-member1-web": "10.1.0.1", "imported-member3-web": "10.3.0.1"})
	eventually(f, f.member("member2"), slice("export", "imported-member1-web"), "the name of the derived Service", func(s *discoveryv1.EndpointSlice) bool {
		return s.Labels[discoveryv1.LabelServiceName] == "derived-web"
	})
	f.endpoints("member1", "export", "web", "10.1.0.7")
	f.awaitSlices("member2", "export", map[string]string{"imported-member1-web": "10.1.0.7", "imported-member3-web": "10.3.0.1"})
	// No slice can change its type of addresses, so it is made anew everywhere.
	f.delete(f.member("member1"), slice("export", "web"))
	f.endpoints("member1", "export", "web", "fd00::7")
	f.awaitSlices("member2", "export", map[string]string{"imported-member1-web": "fd00::7", "imported-member3-web": "10.3.0.1"})

	update(f, f.plane, exporting, func(p *policyv1alpha1.PropagationPolicy) {
		p.Spec.Placement.ClusterAffinity.ClusterNames = []string{"member3"}
	})
	f.awaitSlices("member2", "export", map[string]string{"imported-member3-web": "10.3.0.1"})
	f.delete(f.plane, importing)
	f.awaitHolders(derived)
	f.awaitAbsent(f.plane, derived)
	f.delete(f.plane, export)
	f.awaitSlices(fleet.ControlPlaneName, "export", nil)
	f.awaitNoReports("export", "web")
}

// LostEndpointsLeaveConsumers kills one of two providers: its endpoints leave the consumer soon after the cluster counts as lost, and
// come back with it. When the other one looks lost, too, nobody is left who could serve, and nothing is withdrawn.
func LostEndpointsLeaveConsumers(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("lost-endpoints")()
	web, mcs := bareService("lost-endpoints", "web"), multiCluster("lost-endpoints", "web", []string{"member1", "member3"}, []string{"member2"})
	f.create(web)
	f.create(mcs)
	f.awaitHolders(web, members...)
	f.endpoints("member1", "lost-endpoints", "web", "10.1.0.1")
	f.endpoints("member3", "lost-endpoints", "web", "10.3.0.1")
	both := map[string]string{"member1-web": "10.1.0.1", "member3-web": "10.3.0.1"}
	f.awaitSlices("member2", "lost-endpoints", both)

	f.must(env.Kill(f.ctx, "member1"))
	// A fleet that has just come up counts as blind for a minute.
	f.await(toNotice, "the endpoints of the lost cluster gone", f.slices("member2", "lost-endpoints", map[string]string{"member3-web": "10.3.0.1"}))
	f.must(env.Partition(f.ctx, "member3"))
	f.awaitReadiness("member3", false)
	f.stays("the last endpoints", func(ctx context.Context) (bool, error) {
		list := &discoveryv1.EndpointSliceList{}
		err := f.member("member2").List(ctx, list, client.InNamespace("lost-endpoints"))
		return slices.ContainsFunc(list.Items, func(s discoveryv1.EndpointSlice) bool { return s.Name == "member3-web" }), err
	})
	f.must(env.Heal(f.ctx, "member3"))
	f.must(env.Revive(f.ctx, "member1"))
	f.awaitReady(members...)
	f.awaitSlices("member2", "lost-endpoints", both)

	taint := corev1.Taint{Key: "maintenance", Effect: corev1.TaintEffectNoExecute}
	update(f, f.plane, clusterNamed("member3"), func(c *clusterv1alpha1.Cluster) { c.Spec.Taints = append(c.Spec.Taints, taint) })
	f.awaitSlices("member2", "lost-endpoints", map[string]string{"member1-web": "10.1.0.1"})
	update(f, f.plane, clusterNamed("member3"), func(c *clusterv1alpha1.Cluster) {
		c.Spec.Taints = slices.DeleteFunc(c.Spec.Taints, func(t corev1.Taint) bool { return t.Key == taint.Key })
	})
	f.awaitSlices("member2", "lost-endpoints", both)
}

// RemediesPrescribeActions has two clusters say that names do not resolve, one of which a remedy looks after.
func RemediesPrescribeActions(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	remedy := &remedyv1alpha1.Remedy{
		ObjectMeta: metav1.ObjectMeta{Name: "names"},
		Spec: remedyv1alpha1.RemedySpec{
			ClusterAffinity: &remedyv1alpha1.ClusterAffinity{ClusterNames: []string{"member1", "member2"}},
			DecisionMatches: []remedyv1alpha1.DecisionMatch{{ClusterConditionMatch: &remedyv1alpha1.ClusterConditionRequirement{
				ConditionType: remedyv1alpha1.ServiceDomainNameResolutionReady, Operator: remedyv1alpha1.ClusterConditionEqual, ConditionStatus: "False",
			}}},
			Actions: []remedyv1alpha1.RemedyAction{remedyv1alpha1.TrafficControl},
		},
	}
	f.create(remedy)
	f.resolution("member1", metav1.ConditionFalse)
	f.resolution("member3", metav1.ConditionFalse)
	f.awaitActions("member1", "TrafficControl")
	f.stays("no actions for others", func(ctx context.Context) (bool, error) {
		for _, other := range []string{"member2", "member3"} {
			if none, err := as(f.plane, clusterNamed(other), func(c *clusterv1alpha1.Cluster) bool { return len(c.Status.RemedyActions) == 0 })(ctx); err != nil || !none {
				return false, err
			}
		}
		return true, nil
	})
	f.resolution("member1", metav1.ConditionTrue)
	f.awaitActions("member1")
	update(f, f.plane, remedy, func(r *remedyv1alpha1.Remedy) { r.Spec.ClusterAffinity = nil })
	f.awaitActions("member3", "TrafficControl")
	f.delete(f.plane, remedy)
	f.awaitActions("member3")
	f.resolution("member3", metav1.ConditionTrue)
}

// resolution is what a detector in a cluster reports of its names.
func (f *fixture) resolution(cluster string, status metav1.ConditionStatus) {
	f.Helper()
	updateStatus(f, f.plane, clusterNamed(cluster), func(found *clusterv1alpha1.Cluster) {
		meta.SetStatusCondition(&found.Status.Conditions, metav1.Condition{
			Type: names.ConditionServiceDomainNameResolutionReady, Status: status, Reason: "Asked", LastTransitionTime: metav1.Unix(1, 0),
		})
	})
}

func (f *fixture) awaitActions(cluster string, actions ...string) {
	f.Helper()
	eventually(f, f.plane, clusterNamed(cluster), fmt.Sprintf("actions %v for %s", actions, cluster), func(c *clusterv1alpha1.Cluster) bool {
		return slices.Equal(c.Status.RemedyActions, actions)
	})
}

// bareService has no selector, so that its endpoints are what a suite says, whatever controllers a cluster runs.
func bareService(namespace, name string) *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func multiCluster(namespace, name string, providers, consumers []string) *networkingv1alpha1.MultiClusterService {
	mcs := &networkingv1alpha1.MultiClusterService{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       networkingv1alpha1.MultiClusterServiceSpec{Types: []networkingv1alpha1.ExposureType{networkingv1alpha1.ExposureTypeCrossCluster}},
	}
	for _, provider := range providers {
		mcs.Spec.ProviderClusters = append(mcs.Spec.ProviderClusters, networkingv1alpha1.ClusterSelector{Name: provider})
	}
	for _, consumer := range consumers {
		mcs.Spec.ConsumerClusters = append(mcs.Spec.ConsumerClusters, networkingv1alpha1.ClusterSelector{Name: consumer})
	}
	return mcs
}

func slice(namespace, name string) *discoveryv1.EndpointSlice {
	return &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
}

// endpoints says which addresses of a member serve, in a slice of the Service's name.
func (f *fixture) endpoints(member, namespace, service string, addresses ...string) {
	f.Helper()
	say := func(s *discoveryv1.EndpointSlice) {
		s.Labels = map[string]string{discoveryv1.LabelServiceName: service, discoveryv1.LabelManagedBy: "e2e"}
		s.AddressType, s.Ports = discoveryv1.AddressTypeIPv4, []discoveryv1.EndpointPort{{Name: ptr.To("http"), Port: ptr.To[int32](8080), Protocol: ptr.To(corev1.ProtocolTCP)}}
		s.Endpoints = nil
		for _, address := range addresses {
			if strings.Contains(address, ":") {
				s.AddressType = discoveryv1.AddressTypeIPv6
			}
			s.Endpoints = append(s.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}})
		}
	}
	made := slice(namespace, service)
	say(made)
	err := f.member(member).Create(f.ctx, made)
	if err != nil {
		update(f, f.member(member), slice(namespace, service), say)
	}
}

// awaitSlices waits until a cluster has these EndpointSlices in a namespace and no others, by name with their addresses.
func (f *fixture) awaitSlices(cluster, namespace string, expected map[string]string) {
	f.Helper()
	f.await(toSettle, fmt.Sprintf("EndpointSlices %v in %s", expected, cluster), f.slices(cluster, namespace, expected))
}

func (f *fixture) slices(cluster, namespace string, expected map[string]string) func(context.Context) (bool, error) {
	return func(ctx context.Context) (bool, error) {
		list := &discoveryv1.EndpointSliceList{}
		if err := f.member(cluster).List(ctx, list, client.InNamespace(namespace)); err != nil {
			return false, err
		}
		for i := range list.Items {
			if addresses, wanted := expected[list.Items[i].Name]; !wanted || addresses != addressesOf(&list.Items[i]) {
				return false, nil
			}
		}
		return len(list.Items) == len(expected), nil
	}
}

func addressesOf(slice *discoveryv1.EndpointSlice) (text string) {
	for i, endpoint := range slice.Endpoints {
		if i > 0 {
			text += " "
		}
		text += endpoint.Addresses[0]
	}
	return text
}

// awaitNoReports waits until no execution space has a Work for the endpoints of a Service.
func (f *fixture) awaitNoReports(namespace, service string) {
	f.Helper()
	f.await(toSettle, "no Works for the endpoints of "+service, func(ctx context.Context) (bool, error) {
		works := &workv1alpha1.WorkList{}
		if err := f.plane.List(ctx, works); err != nil {
			return false, err
		}
		return !slices.ContainsFunc(works.Items, func(w workv1alpha1.Work) bool {
			return w.Labels[names.MultiClusterServiceName] == service && w.Labels[names.MultiClusterServiceNamespace] == namespace ||
				w.Labels[names.LabelEndpointSliceName] == service && w.Labels[names.LabelEndpointSliceNamespace] == namespace
		}), nil
	})
}

// definition is the definition of a kind of the API, for a member.
func (f *fixture) definition(name string) *unstructured.Unstructured {
	f.Helper()
	all, err := crds.Load()
	f.must(err)
	for _, definition := range all {
		if definition.Name != name {
			continue
		}
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(definition)
		f.must(err)
		delete(content, "status")
		made := &unstructured.Unstructured{Object: content}
		made.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		return made
	}
	f.Fatalf("there is no definition %s", name)
	return nil
}
