package e2e_test

import (
	"testing"

	"github.com/seatrial/seatrial/controlplane"
	"github.com/seatrial/seatrial/e2e"
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

// TestMembersScale runs the controllers that are off unless they are named.
func TestMembersScale(t *testing.T) {
	running := append(controllers(), controlplane.Optional(controlplane.Defaults())...)
	e2e.AutoscaledReplicasComeBack(t, simulatedFrom(t, simulator.Options{Seed: 1, Checked: true}, running))
}
