package e2e_test

import (
	"context"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/interpreter"
	"github.com/seatrial/seatrial/interpreter/webhook"
	"github.com/seatrial/seatrial/simulator"
)

// TestHangingWebhookIsTold lets simulated controllers ask a webhook of this process, which hangs for a while. The suite looks at
// conditions, and at others that go on; here it is the events.
func TestHangingWebhookIsTold(t *testing.T) {
	kept := &ledger{}
	var values []control.Controller
	for _, value := range controllers() {
		values = append(values, kept.keep(remote(t, value)))
	}
	e2e.WebhooksInterpretKinds(t, simulatedWith(t, simulator.Options{Seed: 1}, values))
	_, notices := kept.close()
	const silence = "asking webhook shipyard/rafts.example.com for InterpretReplica: no answer within 1s"
	for _, want := range []struct{ reason, regarding, says string }{
		{names.EventGetReplicasFailed, "Raft yard/kon-tiki", silence},
		{names.EventApplyPolicyFailed, "Raft yard/kon-tiki", silence},
		{names.EventGetReplicasSucceed, "ResourceBinding yard/kon-tiki-raft", ""},
	} {
		told := map[string]bool{}
		for _, made := range notices {
			if made.reason == want.reason && made.regarding == want.regarding && strings.Contains(made.note, want.says) {
				told[made.note] = true
			}
		}
		if len(told) != 1 {
			t.Errorf("event %s of %s tells of %q in %d ways among:\n%s", want.reason, want.regarding, want.says, len(told), tallyNotices(notices))
		}
	}
	for _, made := range notices {
		if strings.Contains(made.note, "shipyard") && !strings.Contains(made.regarding, "kon-tiki") {
			t.Errorf("%s is told of the webhook: %s", made.regarding, made.note)
		}
	}
}

// remote lets a controller ask the webhook that the control plane knows. What a simulation asks does not leave it otherwise.
func remote(t *testing.T, value control.Controller) control.Controller {
	t.Helper()
	reconcile := value.Reconcile
	var asked *webhook.Interpreter
	var known client.Object
	value.Reconcile = func(ctx context.Context, deps control.Deps, key control.Key) (control.Result, error) {
		if asked == nil {
			shared, err := webhook.NewClient(webhook.Options{Clock: deps.Clock})
			if err != nil {
				return control.Result{}, err
			}
			asked = shared.Interpreter()
		}
		configurations := &configv1alpha1.ResourceInterpreterWebhookConfigurationList{}
		if err := deps.Client.List(ctx, configurations); err != nil {
			return control.Result{}, err
		}
		var now client.Object
		if len(configurations.Items) > 0 {
			now = &configurations.Items[0]
		}
		asked.Observe(known, now)
		known = now
		deps.Interpreter = interpreter.Chain{asked, deps.Interpreter}
		return reconcile(ctx, deps, key)
	}
	return value
}
