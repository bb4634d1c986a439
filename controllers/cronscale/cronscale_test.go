package cronscale_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	testclock "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	autoscalingv1alpha1 "github.com/seatrial/seatrial/api/autoscaling/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/cronscale"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/internal/byhand"
	"github.com/seatrial/seatrial/simulator"
)

// start is a Thursday at midnight.
var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// plane is a control plane with the controller, whose time passes.
type plane struct {
	*testing.T
	*simulator.Fleet
	client client.Client
}

func newPlane(t *testing.T) *plane {
	t.Helper()
	env, err := simulator.New(t.Context(), simulator.Options{Start: start, Seed: 1, Checked: true})
	p := &plane{T: t, Fleet: env}
	p.must(err)
	p.client, err = env.Client(t.Context(), fleet.ControlPlaneName)
	p.must(err)
	p.begin()
	p.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}})
	return p
}

func controllers() []control.Controller {
	return []control.Controller{cronscale.New(cronscale.Defaults())}
}

func (p *plane) begin() {
	p.Helper()
	p.must(p.Fleet.Run(controllers()...))
}

func (p *plane) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *plane) create(objects ...client.Object) {
	p.Helper()
	for _, object := range objects {
		p.must(p.client.Create(p.Context(), object))
	}
}

// at lets time pass until the clock shows something on a day of the year.
func (p *plane) at(day, hour, minute int) {
	p.Helper()
	p.must(p.Advance(p.Context(), start.AddDate(0, 0, day-1).Add(time.Duration(hour)*time.Hour+time.Duration(minute)*time.Minute)))
}

func (p *plane) replicas() int32 {
	p.Helper()
	read := deployment(0)
	p.must(p.client.Get(p.Context(), client.ObjectKeyFromObject(read), read))
	return *read.Spec.Replicas
}

func (p *plane) history(rule string) autoscalingv1alpha1.ExecutionHistory {
	p.Helper()
	read := &autoscalingv1alpha1.CronFederatedHPA{}
	p.must(p.client.Get(p.Context(), client.ObjectKey{Namespace: "shop", Name: "cron"}, read))
	for _, history := range read.Status.ExecutionHistories {
		if history.RuleName == rule {
			return history
		}
	}
	p.Fatalf("nothing is known of rule %s: %+v", rule, read.Status)
	return autoscalingv1alpha1.ExecutionHistory{}
}

func deployment(replicas int32) *appsv1.Deployment {
	labels := map[string]string{"app": "web"}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Image: "web"}}},
			},
		},
	}
}

func rule(name, schedule string, replicas int32) autoscalingv1alpha1.CronFederatedHPARule {
	return autoscalingv1alpha1.CronFederatedHPARule{Name: name, Schedule: schedule, TargetReplicas: &replicas}
}

func cron(rules ...autoscalingv1alpha1.CronFederatedHPARule) *autoscalingv1alpha1.CronFederatedHPA {
	return &autoscalingv1alpha1.CronFederatedHPA{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "cron"},
		Spec: autoscalingv1alpha1.CronFederatedHPASpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, Rules: rules,
		},
	}
}

// change changes the rules.
func (p *plane) change(edit func(*autoscalingv1alpha1.CronFederatedHPA)) {
	p.Helper()
	read := cron()
	p.must(p.client.Get(p.Context(), client.ObjectKeyFromObject(read), read))
	edit(read)
	p.must(p.client.Update(p.Context(), read))
}

func (p *plane) want(what string, replicas int32) {
	p.Helper()
	if got := p.replicas(); got != replicas {
		p.Errorf("%s: %d replicas, want %d", what, got, replicas)
	}
}

func TestRulesRunInTurn(t *testing.T) {
	p := newPlane(t)
	p.create(deployment(2), cron(rule("day", "0 8 * * *", 9), rule("night", "0 22 * * *", 1)))
	p.at(1, 7, 59)
	p.want("before the day", 2)
	p.at(1, 8, 1)
	p.want("by day", 9)
	p.at(1, 22, 1)
	p.want("by night", 1)
	for range 4 {
		p.at(6, 12, 0)
	}
	day := p.history("day")
	if len(day.SuccessfulExecutions) != 3 || !day.SuccessfulExecutions[0].ScheduleTime.Equal(&metav1.Time{Time: start.AddDate(0, 0, 5).Add(8 * time.Hour)}) ||
		*day.SuccessfulExecutions[0].AppliedReplicas != 9 || !day.NextExecutionTime.Equal(&metav1.Time{Time: start.AddDate(0, 0, 6).Add(8 * time.Hour)}) {
		t.Errorf("the history of the day: %+v", day)
	}
	before, err := p.Revision("")
	p.must(err)
	p.at(6, 21, 0)
	if after, err := p.Revision(""); err != nil || after != before {
		t.Errorf("%d writes while nothing was due: %v", after-before, err)
	}
}

// TestMissedRunsOnce: what was missed runs once, in the order in which it was due, and what is suspended is not caught up.
func TestMissedRunsOnce(t *testing.T) {
	p := newPlane(t)
	asleep := rule("asleep", "30 8 * * *", 7)
	asleep.Suspend = ptr.To(true)
	p.create(deployment(2), cron(rule("night", "0 22 * * *", 1), rule("day", "0 8 * * *", 9), rule("often", "*/5 3 * * *", 4), asleep))
	p.at(1, 1, 0)
	p.Stop(func(string) bool { return true })
	p.at(4, 12, 0)
	p.begin()
	p.at(4, 12, 1)
	p.want("back by day, after nights that came before", 9)
	for _, name := range []string{"night", "day", "often"} {
		if runs := p.history(name).SuccessfulExecutions; len(runs) != 1 {
			t.Errorf("rule %s ran %d times for what was missed", name, len(runs))
		}
	}
	if often := p.history("often").SuccessfulExecutions[0]; !often.ScheduleTime.Equal(&metav1.Time{Time: start.AddDate(0, 0, 3).Add(3*time.Hour + 55*time.Minute)}) {
		t.Errorf("the last missed run was due at %s", often.ScheduleTime)
	}
	if asleep := p.history("asleep"); asleep.NextExecutionTime != nil || asleep.SuccessfulExecutions != nil {
		t.Errorf("the suspended rule: %+v", asleep)
	}
	p.change(func(c *autoscalingv1alpha1.CronFederatedHPA) { c.Spec.Rules[3].Suspend = nil })
	p.at(4, 21, 0)
	p.want("resumed, not caught up", 9)
	p.at(5, 8, 31)
	p.want("resumed, when it is due", 7)
}

// TestChangedRules: another schedule begins anew, a rule that is gone leaves no trace, and limits hold for what is there.
func TestChangedRules(t *testing.T) {
	p := newPlane(t)
	p.create(deployment(2), cron(rule("often", "* * * * *", 3), rule("gone", "0 0 1 1 *", 5)))
	p.at(1, 0, 10)
	p.change(func(c *autoscalingv1alpha1.CronFederatedHPA) {
		c.Spec.Rules = c.Spec.Rules[:1]
		c.Spec.Rules[0].Schedule, c.Spec.Rules[0].SuccessfulHistoryLimit = "0 12 * * *", ptr.To[int32](1)
		c.Spec.Rules[0].TargetReplicas = ptr.To[int32](6)
	})
	p.at(1, 11, 59)
	p.want("nothing of the new schedule", 3)
	if runs := p.history("often").SuccessfulExecutions; len(runs) != 1 {
		t.Errorf("%d runs are kept, 1 shall be", len(runs))
	}
	read := cron()
	p.must(p.client.Get(p.Context(), client.ObjectKeyFromObject(read), read))
	if len(read.Status.ExecutionHistories) != 1 {
		t.Errorf("the status tells of rules that are gone: %+v", read.Status)
	}
	p.at(1, 12, 1)
	p.want("the new schedule", 6)
}

// TestIntervalGoesOn: what is due after an interval is not put off by turns for other rules.
func TestIntervalGoesOn(t *testing.T) {
	p := newPlane(t)
	p.create(deployment(1), cron(rule("often", "*/5 * * * *", 2), rule("interval", "@every 62m", 7)))
	p.at(1, 1, 1)
	p.want("before the interval is over", 2)
	p.at(1, 1, 3)
	p.want("after the interval", 7)
	p.at(1, 2, 5)
	p.want("after another one", 2)
	if runs := p.history("interval").SuccessfulExecutions; len(runs) != 2 {
		t.Errorf("the interval has ended %d times, want 2", len(runs))
	}
}

// TestBounds moves the bounds of a FederatedHPA, each rule those that it names.
func TestBounds(t *testing.T) {
	p := newPlane(t)
	scaler := &autoscalingv1alpha1.FederatedHPA{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"},
		Spec: autoscalingv1alpha1.FederatedHPASpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Name: "web"}, MaxReplicas: 10,
		},
	}
	low := autoscalingv1alpha1.CronFederatedHPARule{Name: "low", Schedule: "0 22 * * *", TargetMinReplicas: ptr.To[int32](1), TargetMaxReplicas: ptr.To[int32](3)}
	high := autoscalingv1alpha1.CronFederatedHPARule{Name: "high", Schedule: "0 8 * * *", TargetMinReplicas: ptr.To[int32](5), FailedHistoryLimit: ptr.To[int32](2)}
	rules := cron(low, high)
	rules.Spec.ScaleTargetRef = autoscalingv2.CrossVersionObjectReference{APIVersion: "autoscaling.karmada.io/v1alpha1", Kind: "FederatedHPA", Name: "web"}
	p.create(scaler, rules)
	bounds := func() string {
		p.must(p.client.Get(p.Context(), client.ObjectKeyFromObject(scaler), scaler))
		return fmt.Sprintf("%d to %d", *scaler.Spec.MinReplicas, scaler.Spec.MaxReplicas)
	}
	p.at(1, 9, 0)
	if got := bounds(); got != "5 to 10" {
		t.Errorf("by day: %s", got)
	}
	p.at(1, 23, 0)
	if got := bounds(); got != "1 to 3" {
		t.Errorf("by night: %s", got)
	}
	// The rule of the day raises no maximum, so that its minimum is refused.
	p.at(5, 9, 0)
	failed := p.history("high").FailedExecutions
	if got := bounds(); got != "1 to 3" || len(failed) != 2 || !strings.Contains(failed[0].Message, "maxReplicas") {
		t.Errorf("by another day: %s; %+v", got, failed)
	}
}

// TestFailuresAreTold: a run that fails is told, kept, and not tried again until it is due again.
func TestFailuresAreTold(t *testing.T) {
	plane := byhand.New(t, cronscale.New(cronscale.Defaults()))
	rules := cron(rule("day", "0 8 * * *", 9))
	plane.Create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "shop"}}, rules)
	first := plane.Turn(control.KeyOf(rules))
	if first.RequeueAfter != 8*time.Hour {
		t.Errorf("waits %s for what is due in 8 hours", first.RequeueAfter)
	}
	plane.Clock = testclock.NewFakePassiveClock(start.Add(8*time.Hour + time.Second))
	if again := plane.Turn(control.KeyOf(rules)); again.RequeueAfter != 24*time.Hour-time.Second {
		t.Errorf("waits %s for the next day", again.RequeueAfter)
	}
	plane.Read(rules)
	if failed := rules.Status.ExecutionHistories[0].FailedExecutions; len(failed) != 1 || !strings.Contains(failed[0].Message, "web") {
		t.Errorf("failed runs: %+v", failed)
	}
	if !plane.Told.Has("ScaleFailed", "rule day") {
		t.Errorf("told:\n%s", plane.Told)
	}
}
