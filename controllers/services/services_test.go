package services_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/agent"
	"github.com/seatrial/seatrial/api/names"
	networkingv1alpha1 "github.com/seatrial/seatrial/api/networking/v1alpha1"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// stage is a whole fleet, with the namespace shop.
type stage struct {
	*testing.T
	env   *simulator.Fleet
	plane client.Client
	// events are what users are told.
	events []string
}

// Eventf implements control.EventRecorder.
func (s *stage) Eventf(_ runtime.Object, _, reason, format string, args ...any) {
	s.events = append(s.events, reason+": "+fmt.Sprintf(format, args...))
}

// listened are controllers whose events a stage hears.
func (s *stage) listened(all []control.Controller) []control.Controller {
	for i := range all {
		reconcile := all[i].Reconcile
		all[i].Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
			deps.Events = s
			return reconcile(ctx, deps, key)
		}
	}
	return all
}

// newStage joins members; those named p... are in Pull mode.
func newStage(t *testing.T, members ...string) *stage {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Checked: true})
	if err != nil {
		t.Fatal(err)
	}
	plane, err := env.Client(t.Context(), fleet.ControlPlaneName)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{T: t, env: env, plane: plane}
	settings := controlplane.Defaults()
	settings.MultiClusterService = true
	s.must(env.Run(s.listened(append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"})))...))
	for _, member := range members {
		s.join(member)
	}
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	s.pass(time.Minute)
	return s
}

func (s *stage) join(member string) {
	s.Helper()
	s.must(s.env.Add(s.Context(), fleet.Spec{Name: member, Role: fleet.Member}))
	if !strings.HasPrefix(member, "p") {
		s.must(s.env.Join(s.Context(), member))
		return
	}
	settings := agent.Defaults()
	settings.Cluster, settings.MultiClusterService = member, true
	s.must(s.env.Register(s.Context(), member, func() []control.Controller {
		return append(agent.Controllers(settings), agent.Heartbeat(settings))
	}))
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) pass(duration time.Duration) {
	s.Helper()
	s.must(s.env.Pass(s.Context(), duration))
}

func (s *stage) create(object client.Object) {
	s.Helper()
	s.must(s.plane.Create(s.Context(), object))
}

func (s *stage) of(cluster string) client.Client {
	s.Helper()
	found, err := s.env.Client(s.Context(), cluster)
	s.must(err)
	return found
}

// expose makes the Service web and exposes it; an empty list means all clusters.
func (s *stage) expose(providers, consumers []string) *networkingv1alpha1.MultiClusterService {
	s.Helper()
	s.create(service())
	mcs := exposure()
	for _, name := range providers {
		mcs.Spec.ProviderClusters = append(mcs.Spec.ProviderClusters, networkingv1alpha1.ClusterSelector{Name: name})
	}
	for _, name := range consumers {
		mcs.Spec.ConsumerClusters = append(mcs.Spec.ConsumerClusters, networkingv1alpha1.ClusterSelector{Name: name})
	}
	s.create(mcs)
	return mcs
}

func service() *corev1.Service {
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       corev1.ServiceSpec{Ports: []corev1.ServicePort{{Name: "http", Port: 80}}},
	}
}

func exposure() *networkingv1alpha1.MultiClusterService {
	return &networkingv1alpha1.MultiClusterService{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec:       networkingv1alpha1.MultiClusterServiceSpec{Types: []networkingv1alpha1.ExposureType{networkingv1alpha1.ExposureTypeCrossCluster}},
	}
}

// endpoints says what a slice of Service web in a member holds.
func (s *stage) endpoints(member, name string, addresses ...string) {
	s.Helper()
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: name}}
	err := s.of(member).Get(s.Context(), client.ObjectKeyFromObject(slice), slice)
	slice.Labels = map[string]string{discoveryv1.LabelServiceName: "web"}
	slice.AddressType = discoveryv1.AddressTypeIPv4
	slice.Endpoints = nil
	for _, address := range addresses {
		slice.Endpoints = append(slice.Endpoints, discoveryv1.Endpoint{Addresses: []string{address}, Conditions: discoveryv1.EndpointConditions{Ready: ptr.To(true)}})
	}
	if apierrors.IsNotFound(err) {
		s.must(s.of(member).Create(s.Context(), slice))
		return
	}
	s.must(err)
	s.must(s.of(member).Update(s.Context(), slice))
}

// slices lists the EndpointSlices of the namespace in a cluster, as "name=address,address ...".
func (s *stage) slices(cluster string) string {
	s.Helper()
	list := &discoveryv1.EndpointSliceList{}
	s.must(s.of(cluster).List(s.Context(), list, client.InNamespace("shop")))
	var found []string
	for i := range list.Items {
		var addresses []string
		for _, endpoint := range list.Items[i].Endpoints {
			addresses = append(addresses, endpoint.Addresses...)
		}
		found = append(found, list.Items[i].Name+"="+strings.Join(addresses, ","))
	}
	slices.Sort(found)
	return strings.Join(found, " ")
}

// want fails unless a cluster has these slices after some seconds.
func (s *stage) want(cluster, slices string) {
	s.Helper()
	s.within(10*time.Second, cluster, slices)
}

// within tells after how long a cluster has these slices.
func (s *stage) within(limit time.Duration, cluster, slices string) time.Duration {
	s.Helper()
	began := s.env.Now()
	err := s.env.Await(s.Context(), limit, "slices "+slices, func(context.Context) (bool, error) { return s.slices(cluster) == slices, nil })
	if err != nil {
		s.Fatalf("%s has %q after %s, want %q: %v", cluster, s.slices(cluster), limit, slices, err)
	}
	return s.env.Now().Sub(began)
}

// reports are the Works about EndpointSlices, by cluster and with what they are needed for.
func (s *stage) reports() map[string]string {
	s.Helper()
	works := &workv1alpha1.WorkList{}
	s.must(s.plane.List(s.Context(), works))
	found := map[string]string{}
	for i := range works.Items {
		work := &works.Items[i]
		if users := work.Labels[names.LabelEndpointSliceWorkManagedBy]; users != "" {
			found[strings.TrimPrefix(work.Namespace, names.ExecutionSpacePrefix)] = users
		}
	}
	return found
}

// TestRolloutIsGathered changes a slice a hundred times in 20 s. Consumers see a few of the states, the first at once and the last
// soon after.
func TestRolloutIsGathered(t *testing.T) {
	s := newStage(t, "m1", "m2", "p3")
	s.expose([]string{"m1"}, nil)
	s.endpoints("m1", "web", "10.0.0.0")
	s.want("m2", "m1-web=10.0.0.0")
	s.want("p3", "m1-web=10.0.0.0")
	s.pass(time.Minute)
	since := map[string]uint64{}
	for _, consumer := range []string{"m2", "p3"} {
		revision, err := s.env.Revision(consumer)
		s.must(err)
		since[consumer] = revision
	}
	s.endpoints("m1", "web", "10.0.0.1")
	if took := s.within(time.Second, "m2", "m1-web=10.0.0.1"); took > 500*time.Millisecond {
		t.Errorf("the first change took %s", took)
	}
	for i := 2; i <= 100; i++ {
		s.pass(200 * time.Millisecond)
		s.endpoints("m1", "web", fmt.Sprintf("10.0.0.%d", i))
	}
	if took := s.within(10*time.Second, "m2", "m1-web=10.0.0.100"); took > 6*time.Second {
		t.Errorf("the last change took %s", took)
	}
	s.want("p3", "m1-web=10.0.0.100")
	for _, consumer := range slices.Sorted(maps.Keys(since)) {
		writes, err := s.env.Writes(consumer, since[consumer])
		s.must(err)
		count := 0
		for _, write := range writes {
			if strings.Contains(write, "m1-web") {
				count++
			}
		}
		if count < 3 || count > 10 {
			t.Errorf("%s saw %d writes of a hundred: %s", consumer, count, strings.Join(writes, "\n"))
		}
	}
}

// TestLostEndpointsLeaveInTime: within a minute of the death of a cluster its endpoints have left, in either mode, and those of a
// cluster that is back are there within a minute of its return.
func TestLostEndpointsLeaveInTime(t *testing.T) {
	for _, dead := range []string{"m1", "p1"} {
		s := newStage(t, dead, "m2", "m3", "p4")
		s.expose([]string{dead, "m2"}, []string{"m3", "p4"})
		s.endpoints(dead, "web", "10.1.0.1")
		s.endpoints("m2", "web", "10.2.0.1")
		both, left := dead+"-web=10.1.0.1 m2-web=10.2.0.1", "m2-web=10.2.0.1"
		if dead > "m2" {
			both = "m2-web=10.2.0.1 " + dead + "-web=10.1.0.1"
		}
		s.want("m3", both)
		s.want("p4", both)
		s.must(s.env.Kill(s.Context(), dead))
		t.Logf("%s: gone after %s", dead, s.within(time.Minute, "m3", left))
		s.want("p4", left)
		s.must(s.env.Revive(s.Context(), dead))
		t.Logf("%s: back after %s", dead, s.within(time.Minute, "m3", both))
		s.want("p4", both)
	}
}

// TestBlindControlPlaneWithdrawsNothing cuts the control plane off from all members for minutes. No member sees a slice go, be it
// during that time or as the members come back one by one.
func TestBlindControlPlaneWithdrawsNothing(t *testing.T) {
	members := []string{"m1", "m2", "m3", "p4"}
	s := newStage(t, members...)
	s.expose(nil, nil)
	for i, member := range members {
		s.endpoints(member, "web", fmt.Sprintf("10.%d.0.1", i+1))
	}
	s.want("m2", "m1-web=10.1.0.1 m3-web=10.3.0.1 p4-web=10.4.0.1 web=10.2.0.1")
	s.pass(time.Minute)
	since := map[string]uint64{}
	for _, member := range members {
		revision, err := s.env.Revision(member)
		s.must(err)
		since[member] = revision
		s.must(s.env.Partition(s.Context(), member))
	}
	s.pass(5 * time.Minute)
	for _, member := range members {
		s.must(s.env.Heal(s.Context(), member))
		s.pass(10 * time.Second)
	}
	s.pass(3 * time.Minute)
	for _, member := range members {
		writes, err := s.env.Writes(member, since[member])
		s.must(err)
		for _, write := range writes {
			if strings.Contains(write, "DELETED EndpointSlice") {
				t.Errorf("%s: %s", member, write)
			}
		}
		if len(strings.Fields(s.slices(member))) != len(members) {
			t.Errorf("%s has %s", member, s.slices(member))
		}
	}
}

// TestMembersComeAndGo: a MultiClusterService that names no clusters means all there are.
func TestMembersComeAndGo(t *testing.T) {
	s := newStage(t, "m1", "m2")
	s.expose(nil, nil)
	s.endpoints("m1", "web", "10.1.0.1")
	s.want("m2", "m1-web=10.1.0.1")
	s.join("p3")
	s.within(time.Minute, "p3", "m1-web=10.1.0.1")
	s.endpoints("p3", "web", "10.3.0.1")
	s.want("m2", "m1-web=10.1.0.1 p3-web=10.3.0.1")
	s.must(s.env.Unjoin(s.Context(), "m1"))
	s.want("m2", "p3-web=10.3.0.1")
	s.want("p3", "web=10.3.0.1")
}

// TestEqualNames: slices of one name in several clusters, the consumer included, keep apart.
func TestEqualNames(t *testing.T) {
	s := newStage(t, "m1", "m2", "m3")
	s.expose(nil, nil)
	for i, member := range []string{"m1", "m2", "m3"} {
		s.endpoints(member, "web", fmt.Sprintf("10.%d.0.1", i+1))
	}
	s.want("m1", "m2-web=10.2.0.1 m3-web=10.3.0.1 web=10.1.0.1")
	s.want("m3", "m1-web=10.1.0.1 m2-web=10.2.0.1 web=10.3.0.1")
	s.must(s.of("m1").Delete(s.Context(), &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}))
	s.want("m3", "m2-web=10.2.0.1 web=10.3.0.1")
	s.endpoints("m2", "web", "10.2.0.2")
	s.want("m3", "m2-web=10.2.0.2 web=10.3.0.1")
	s.want("m1", "m2-web=10.2.0.2 m3-web=10.3.0.1")
}

// TestMendsWhatOthersBreak deletes what the controllers made, in the control plane and in a member.
func TestMendsWhatOthersBreak(t *testing.T) {
	s := newStage(t, "m1", "m2")
	s.expose([]string{"m1"}, []string{"m2"})
	s.endpoints("m1", "web", "10.1.0.1")
	s.want("m2", "m1-web=10.1.0.1")
	slice := &discoveryv1.EndpointSlice{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "m1-web"}}
	s.must(s.of("m2").Delete(s.Context(), slice))
	s.want("m2", "m1-web=10.1.0.1")
	works := &workv1alpha1.WorkList{}
	s.must(s.plane.List(s.Context(), works))
	for i := range works.Items {
		if works.Items[i].Labels[names.MultiClusterServiceName] == "web" {
			s.must(client.IgnoreNotFound(s.plane.Delete(s.Context(), &works.Items[i])))
		}
	}
	s.pass(10 * time.Second)
	s.want("m2", "m1-web=10.1.0.1")
	if got := s.reports(); got["m1"] != "MultiClusterService" {
		t.Errorf("the reports are %v", got)
	}
}

// TestDeletionNeedsNoProvider deletes a MultiClusterService while the agent that collects for it is away.
func TestDeletionNeedsNoProvider(t *testing.T) {
	s := newStage(t, "p1", "m2")
	mcs := s.expose([]string{"p1"}, []string{"m2"})
	s.endpoints("p1", "web", "10.1.0.1")
	s.want("m2", "p1-web=10.1.0.1")
	s.must(s.env.StopAgent("p1"))
	s.must(s.plane.Delete(s.Context(), mcs))
	s.want("m2", "")
	if err := s.plane.Get(s.Context(), client.ObjectKeyFromObject(mcs), mcs); !apierrors.IsNotFound(err) {
		t.Errorf("reading the MultiClusterService: %v", err)
	}
	web := service()
	s.must(s.plane.Get(s.Context(), client.ObjectKeyFromObject(web), web))
	if web.Labels[names.LabelClaimedBy] != "" || web.Annotations[names.MultiClusterServiceName] != "" {
		t.Errorf("the Service is still marked: %v %v", web.Labels, web.Annotations)
	}
	s.must(s.env.StartAgent("p1"))
	s.pass(time.Minute)
	if got := s.reports(); len(got) > 0 {
		t.Errorf("reports are left: %v", got)
	}
}

// TestForeignSlicesAreNotSpread: what stands in an execution space about another namespace, or about a cluster that is no provider,
// reaches nobody.
func TestForeignSlicesAreNotSpread(t *testing.T) {
	s := newStage(t, "m1", "m2", "m3")
	s.expose([]string{"m1"}, []string{"m2"})
	s.endpoints("m1", "web", "10.1.0.1")
	s.want("m2", "m1-web=10.1.0.1")
	forge := func(cluster, namespace string) {
		s.forge(cluster, "forged", report, fmt.Sprintf(
			`{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{"name":"forged","namespace":%q},"addressType":"IPv4","endpoints":[{"addresses":["6.6.6.6"]}]}`, namespace))
	}
	forge("m1", "kube-system")
	forge("m3", "shop")
	s.pass(10 * time.Second)
	s.want("m2", "m1-web=10.1.0.1")
	for _, place := range []string{"m2", fleet.ControlPlaneName} {
		err := s.of(place).Get(s.Context(), types.NamespacedName{Namespace: "kube-system", Name: "m1-forged"}, &discoveryv1.EndpointSlice{})
		if !apierrors.IsNotFound(err) {
			t.Errorf("a forged slice of %s: %v", place, err)
		}
	}
}
