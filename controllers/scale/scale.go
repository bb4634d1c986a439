// Package scale carries out FederatedHPAs: it looks at a workload in all clusters it was placed in, lets package autoscale decide how
// many replicas there shall be in all, and sets them on the template. Where they go is left to the policy.
package scale

import (
	"context"
	"fmt"
	"sync"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/autoscale"
	"github.com/seatrial/seatrial/autoscale/target"
	"github.com/seatrial/seatrial/control"
)

// Options are the settings of the controller.
type Options struct {
	autoscale.Options
	// Period is the time between two looks at a workload.
	Period time.Duration
	// Metrics answers what workloads use; nil for the metrics APIs of the members.
	Metrics autoscale.Metrics
	Workers int
}

// Defaults are those of the reference.
func Defaults() Options {
	return Options{Options: autoscale.Defaults(), Period: 15 * time.Second, Workers: 5}
}

// New is the controller named "federatedHorizontalPodAutoscaler". Its keys are FederatedHPAs.
//
// What it remembers is lost with the process. The next one keeps the replicas that it finds for as long as replicas stay after they
// were needed, see autoscale.Begin.
func New(options Options) control.Controller {
	s := &scaler{Options: options, known: map[control.Key]*memory{}}
	return control.Controller{
		Name:      "federatedHorizontalPodAutoscaler",
		Watches:   []control.Watch{{Object: &autoscalingv1alpha1.FederatedHPA{}, Keys: onSpec}},
		Workers:   options.Workers,
		Reconcile: s.reconcile,
	}
}

// onSpec leaves out what the controller writes itself.
func onSpec(_ context.Context, _ client.Reader, event control.Event) []control.Key {
	if event.Old != nil && event.New != nil && event.Old.GetGeneration() == event.New.GetGeneration() {
		return nil
	}
	return []control.Key{control.KeyOf(event.Object())}
}

type scaler struct {
	Options
	mu    sync.Mutex
	known map[control.Key]*memory
}

// memory is what is known of one autoscaler from the turns before.
type memory struct {
	history autoscale.History
	// selector finds the pods of its workload.
	selector labels.Selector
}

// turn is one look at the workload of an autoscaler.
type turn struct {
	*scaler
	deps control.Deps
	key  control.Key
	// read is the autoscaler, status what it shall be told to be.
	read   *autoscalingv1alpha1.FederatedHPA
	status *autoscalingv2.HorizontalPodAutoscalerStatus
	now    time.Time
}

func (s *scaler) reconcile(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
	read := &autoscalingv1alpha1.FederatedHPA{}
	if err := deps.Client.Get(ctx, key.NamespacedName(), read); err != nil || !read.DeletionTimestamp.IsZero() {
		s.forget(key)
		return control.Result{}, client.IgnoreNotFound(err)
	}
	t := &turn{scaler: s, deps: deps, key: key, read: read, status: read.Status.DeepCopy(), now: deps.Clock.Now()}
	t.status.ObservedGeneration = &read.Generation
	failure := t.run(ctx)
	if control.Stale(failure) {
		return control.Result{}, failure
	}
	if err := t.write(ctx); err != nil {
		return control.Result{}, err
	}
	// What went wrong stands in the conditions; the next look is soon enough.
	return control.Result{RequeueAfter: s.Period}, nil
}

// run looks, decides and acts. What it fails for stands in the status then.
func (t *turn) run(ctx context.Context) error {
	seen, wrong := t.look(ctx)
	if wrong != nil {
		t.fail(wrong)
		return wrong.err
	}
	t.tell(autoscale.Condition{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: names.ReasonSucceededGetScale,
		Message: "the replicas of the target are known"})
	t.status.CurrentReplicas = seen.Replicas
	decision, wrong := t.decide(ctx, seen)
	if wrong != nil {
		t.fail(wrong)
		return wrong.err
	}
	t.status.CurrentMetrics, t.status.DesiredReplicas = decision.Metrics, decision.Replicas
	t.unfollowed(decision)
	for _, condition := range decision.Conditions {
		t.tell(condition)
	}
	history := decision.History
	if decision.Replicas != seen.Replicas {
		if err := t.resize(ctx, seen, decision); err != nil {
			return err
		}
		history = history.Scaled(seen.Replicas, decision.Replicas, t.now)
	}
	if seen.Replicas == 0 {
		t.forget(t.key)
	} else {
		t.remember(t.key, history)
	}
	return decision.Failure
}

// decide asks for what the decision needs.
func (t *turn) decide(ctx context.Context, seen *sight) (autoscale.Decision, *fault) {
	in := autoscale.Input{Spec: &t.read.Spec, Workload: seen.Workload, History: t.history(seen.Replicas), Now: t.now}
	if autoscale.NeedsReadings(&t.read.Spec, seen.Replicas) {
		if shared := t.alone(seen); shared != nil {
			return autoscale.Decision{}, shared
		}
		source := t.source(seen)
		for i := range t.read.Spec.Metrics {
			in.Readings = append(in.Readings, autoscale.Read(ctx, source, t.key.Namespace, seen.selector, &t.read.Spec.Metrics[i]))
		}
	}
	return t.Decide(in), nil
}

// resize sets the replicas of the template.
func (t *turn) resize(ctx context.Context, seen *sight, decision autoscale.Decision) error {
	if err := target.Resize(ctx, t.deps.Client, seen.template, seen.scale, decision.Replicas); err != nil {
		if control.Stale(err) {
			return err
		}
		t.deps.Events.Eventf(t.read, corev1.EventTypeWarning, names.EventFailedRescale, "New size: %d; reason: %s; error: %v", decision.Replicas, decision.Reason, err)
		t.tell(autoscale.Condition{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionFalse, Reason: names.ReasonFailedUpdateScale,
			Message: fmt.Sprintf("setting %d replicas failed: %v", decision.Replicas, err)})
		return fmt.Errorf("setting %d replicas for FederatedHPA %s: %w", decision.Replicas, t.key, err)
	}
	t.status.LastScaleTime = t.at()
	t.tell(autoscale.Condition{Type: autoscalingv2.AbleToScale, Status: corev1.ConditionTrue, Reason: names.ReasonSucceededRescale,
		Message: fmt.Sprintf("the target was set to %d replicas", decision.Replicas)})
	t.deps.Events.Eventf(t.read, corev1.EventTypeNormal, names.EventSuccessfulRescale, "New size: %d; reason: %s", decision.Replicas, decision.Reason)
	return nil
}
