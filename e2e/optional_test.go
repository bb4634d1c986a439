package e2e_test

import (
	"testing"
	"time"

	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet/local"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator"
)

// TestQuotaIsEnforced turns on what refuses bindings beyond a quota.
func TestQuotaIsEnforced(t *testing.T) {
	settings := controlplane.Defaults()
	settings.Quota.Enforced = true
	running := append(controlplane.Controllers(settings), scheduler.New(scheduler.Options{Name: "default-scheduler"}))
	e2e.QuotaHoldsBindings(t, simulatedFrom(t, simulator.Options{Seed: 1, Checked: true, QuotaEnforcement: true}, running))
}

// TestQuotaIsEnforcedByWebhook does the same on real API servers, which ask the webhook server.
func TestQuotaIsEnforcedByWebhook(t *testing.T) {
	realServers(t)
	installed := prepare(t, local.Options{})
	gates := []string{"--feature-gates=FederatedQuotaEnforcement=true"}
	if err := installed.Up(t.Context(), local.UpOptions{
		Members: 3, Timeout: 5 * time.Minute,
		Flags: map[string][]string{"controller-manager": append(gates, soon...), "webhook": gates, "agent": soon},
	}, local.NewProgress(t.Output())); err != nil {
		t.Fatal(err)
	}
	env, err := installed.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	e2e.QuotaHoldsBindings(t, env)
}

// TestMembersScale runs the controllers that are off unless they are named.
func TestMembersScale(t *testing.T) {
	running := append(controllers(), controlplane.Optional(controlplane.Defaults())...)
	e2e.AutoscaledReplicasComeBack(t, simulatedFrom(t, simulator.Options{Seed: 1, Checked: true}, running))
}
