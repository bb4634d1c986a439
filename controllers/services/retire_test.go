package services_test

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/services"
	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/scheduler"
)

// TestSwitchedOffLetsGo: what was exposed while the gate was on stays while it is off, and goes with its MultiClusterService.
func TestSwitchedOffLetsGo(t *testing.T) {
	s := newStage(t, "m1", "m2")
	mcs := s.expose([]string{"m1"}, []string{"m2"})
	s.endpoints("m1", "web", "10.1.0.1")
	s.want("m2", "m1-web=10.1.0.1")
	s.must(s.env.Restart(append(controlplane.Controllers(controlplane.Defaults()), scheduler.New(scheduler.Options{Name: "default-scheduler"}))...))
	s.pass(time.Minute)
	s.want("m2", "m1-web=10.1.0.1")
	s.must(s.plane.Delete(s.Context(), mcs))
	s.want("m2", "")
	s.pass(10 * time.Second)
	if err := s.plane.Get(s.Context(), client.ObjectKeyFromObject(mcs), mcs); !apierrors.IsNotFound(err) {
		t.Errorf("the MultiClusterService is still there: %v, finalizers %v", err, mcs.Finalizers)
	}
	works := &workv1alpha1.WorkList{}
	s.must(s.plane.List(s.Context(), works, client.HasLabels{names.MultiClusterServiceName}))
	if len(works.Items) > 0 {
		t.Errorf("%d Works are left", len(works.Items))
	}
	web := service()
	s.must(s.plane.Get(s.Context(), client.ObjectKeyFromObject(web), web))
	if web.Labels[names.LabelClaimedBy] != "" {
		t.Errorf("the Service is claimed still: %v", web.Labels)
	}
	for _, member := range []string{"m1", "m2"} {
		s.must(s.of(member).Get(s.Context(), client.ObjectKeyFromObject(web), &corev1.Service{}))
	}
}

// TestNamesStayApart: clusters and slices whose names add up to the same do not take each other's endpoints away.
func TestNamesStayApart(t *testing.T) {
	s := newStage(t, "m", "m-a", "n")
	s.expose([]string{"m", "m-a"}, []string{"n"})
	s.endpoints("m", "a-web", "10.1.0.1")
	s.endpoints("m-a", "web", "10.2.0.1")
	hashed := "m-a-web-" + names.Hash("m/a-web")
	s.want("n", hashed+"=10.1.0.1 m-a-web=10.2.0.1")
	s.endpoints("m", "a-web", "10.1.0.2")
	s.want("n", hashed+"=10.1.0.2 m-a-web=10.2.0.1")
	s.must(s.env.Unjoin(s.Context(), "m-a"))
	s.want("n", "m-a-web=10.1.0.2")
}

// TestDispatchReadsNoWorkTwice: a turn that changes nothing reads the Works of all consumers by one list.
func TestDispatchReadsNoWorkTwice(t *testing.T) {
	s := newStage(t, "m1", "m2", "m3")
	mcs := s.expose(nil, nil)
	for _, member := range []string{"m1", "m2", "m3"} {
		s.endpoints(member, "web", "10.1.0.1")
	}
	s.want("m1", "m2-web=10.1.0.1 m3-web=10.1.0.1 web=10.1.0.1")
	s.pass(time.Minute)
	settings := services.Options{MultiClusterService: true, Workers: 1}
	counted := &countedReads{}
	for _, value := range services.New(settings) {
		if value.Name == "endpointsliceDispatch" {
			reconcile := value.Reconcile
			value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
				counted.Client = deps.Client
				deps.Client = counted
				return reconcile(ctx, deps, key)
			}
			s.must(s.env.Restart(value))
		}
	}
	s.pass(time.Minute)
	counted.turns, counted.works = 0, 0
	s.must(s.plane.Get(s.Context(), client.ObjectKeyFromObject(mcs), mcs))
	mcs.Annotations = map[string]string{"looked": "at"}
	s.must(s.plane.Update(s.Context(), mcs))
	s.pass(time.Minute)
	if counted.turns == 0 || counted.works > 0 {
		t.Errorf("%d lists of Works, and %d reads of single ones beside", counted.turns, counted.works)
	}
}

// countedReads counts what is read of Works.
type countedReads struct {
	client.Client
	turns, works int
}

func (c *countedReads) Get(ctx context.Context, name client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if _, ok := object.(*workv1alpha1.Work); ok {
		c.works++
	}
	return c.Client.Get(ctx, name, object, options...)
}

func (c *countedReads) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if _, ok := list.(*workv1alpha1.WorkList); ok {
		c.turns++
	}
	return c.Client.List(ctx, list, options...)
}
