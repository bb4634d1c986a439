package e2e

import (
	"slices"
	"testing"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/fleet"
)

// Frozen marks a Cluster whose status a suite writes itself; the fleet must keep its controllers from doing so.
const Frozen = "e2e.example.com/frozen"

// StrangersServeNobody names a cluster that does not exist as a provider of a Service, and as a consumer one that knows no
// EndpointSlices: what the others provide and consume is as it would be without them.
func StrangersServeNobody(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("strangers")()
	old := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "member3"}}
	f.freeze(old, func(c *clusterv1alpha1.Cluster) {
		c.Status.APIEnablements = slices.DeleteFunc(c.Status.APIEnablements, func(served clusterv1alpha1.APIEnablement) bool {
			return served.GroupVersion == discoveryv1.SchemeGroupVersion.String()
		})
	})
	web, mcs := bareService("strangers", "web"), multiCluster("strangers", "web", []string{"member1", "nowhere"}, []string{"member2", "member3"})
	f.create(web)
	f.create(mcs)
	f.awaitHolders(web, members...)
	f.endpoints("member1", "strangers", "web", "10.1.0.1")
	f.awaitSlices("member2", "strangers", map[string]string{"member1-web": "10.1.0.1"})
	f.awaitSlices("member3", "strangers", nil)
	eventually(f, f.plane, mcs, "a Service on its way", func(m *networkingv1alpha1.MultiClusterService) bool {
		return meta.IsStatusConditionTrue(m.Status.Conditions, names.ConditionServiceApplied)
	})
	f.delete(f.plane, mcs)
	f.awaitAbsent(f.plane, mcs)
	update(f, f.plane, old, func(c *clusterv1alpha1.Cluster) { delete(c.Annotations, Frozen) })
	f.delete(f.plane, web)
	f.awaitHolders(web)
}

// freeze keeps the status of a cluster as the suite writes it.
func (f *fixture) freeze(cluster *clusterv1alpha1.Cluster, change func(*clusterv1alpha1.Cluster)) {
	f.Helper()
	update(f, f.plane, cluster, func(c *clusterv1alpha1.Cluster) { metav1.SetMetaDataAnnotation(&c.ObjectMeta, Frozen, "true") })
	updateStatus(f, f.plane, cluster, change)
}

// WaitingReplicasMove has a workload divided by room whose pods find no node, and closes member1: what waits there is placed elsewhere.
// The fleet has a descheduler whose estimators count one such replica in member1.
func WaitingReplicasMove(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("waiting")()
	web := deployment("waiting", "web", 2)
	web.Spec.Template.Spec.NodeSelector = map[string]string{"disk": "of-no-node"}
	f.create(web)
	spec := f.placed(web, "member1", "member2")
	spec.Placement.ReplicaScheduling = &policyv1alpha1.ReplicaSchedulingStrategy{
		ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
		ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
		WeightPreference:          &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
	}
	f.create(&policyv1alpha1.PropagationPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "waiting", Name: "web"}, Spec: spec})
	f.awaitHolders(web, "member1", "member2")
	f.taint("member1", closed)
	f.await(toMove, "what waits in member1 placed elsewhere", as(f.plane, f.bindingOf(web), func(found client.Object) bool {
		bound, _ := binding.Of(found)
		return scheduled(bound, "member2") && bound.Spec.Clusters[0].Replicas == 2
	}))
	f.taint("member1")
	f.delete(f.plane, web)
	f.awaitHolders(web)
}

// toMove covers several looks of a descheduler.
const toMove = 10 * time.Minute

// ComponentsAreTaught explains a kind by its components, then by a script that fails, and mends that. The fleet schedules workloads
// of several pod templates.
func ComponentsAreTaught(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	ship, cleanUp := f.ship("Convoy", "components")
	defer cleanUp()
	scripts := f.teach("convoys", "Convoy", "return desiredObj.spec.crew")
	defer f.delete(f.plane, scripts)
	explain := func(body string) {
		t.Helper()
		update(f, f.plane, scripts, func(c *configv1alpha1.ResourceInterpreterCustomization) {
			c.Spec.Customizations.ReplicaResource, c.Spec.Customizations.ReplicaRevision = nil, nil
			c.Spec.Customizations.ComponentResource = &configv1alpha1.ComponentResourceRequirement{LuaScript: "function GetComponents(desiredObj) " + body + " end"}
		})
	}
	explain("return {{name = 'crew', replicas = desiredObj.spec.crew}}")
	f.create(ship)
	f.propagate(ship, "member1")
	eventually(f, f.member("member1"), ship, "the copy", func(*unstructured.Unstructured) bool { return true })
	f.awaitBinding(ship, "the component", func(b binding.Binding) bool {
		return len(b.Spec.Components) == 1 && b.Spec.Components[0].Replicas == 4
	})
	explain("return desiredObj.missing.field")
	f.awaitTrouble(ship, names.ConditionUpToDate, "attempt to index")
	explain("return {{name = 'crew', replicas = desiredObj.spec.crew + 1}}")
	f.awaitNoTrouble(ship, names.ConditionUpToDate)
	f.awaitBinding(ship, "the component as it is now", func(b binding.Binding) bool {
		return len(b.Spec.Components) == 1 && b.Spec.Components[0].Replicas == 5
	})
}
