package controlplane

import (
	"slices"
	"strings"
	"testing"

	"github.com/seatrial/seatrial/control"
)

func TestChoose(t *testing.T) {
	all := []control.Controller{{Name: "cluster"}, {Name: "binding"}, {Name: "workStatus"}, {Name: "hpaScaleTargetMarker"}}
	for _, c := range []struct{ wanted, want, fault string }{
		{"*", "cluster, binding, workStatus", ""},
		{"*,-Binding", "cluster, workStatus", ""},
		{"WORKSTATUS,cluster", "cluster, workStatus", ""},
		{"*,HPAScaleTargetMarker", "cluster, binding, workStatus, hpaScaleTargetMarker", ""},
		{"*,-none", "", `there is no controller "none"; the controllers are cluster, binding, workStatus, hpaScaleTargetMarker`},
	} {
		chosen, err := Choose(all, strings.Split(c.wanted, ","))
		if got := listed(chosen); got != c.want {
			t.Errorf("%s chooses %q, want %q", c.wanted, got, c.want)
		}
		if err == nil && c.fault != "" || err != nil && err.Error() != c.fault {
			t.Errorf("%s: error %v, want %q", c.wanted, err, c.fault)
		}
	}
}

// TestControllersAreDistinct: metrics, leases and --controllers go by the name.
func TestControllersAreDistinct(t *testing.T) {
	seen, settings := map[string]bool{"scheduler": true}, Defaults()
	settings.Quota.Enforced = true
	for _, c := range slices.Concat(Controllers(settings), Optional(settings)) {
		if name := strings.ToLower(c.Name); seen[name] || name == "" {
			t.Errorf("there are two controllers named %q", c.Name)
		} else {
			seen[name] = true
		}
	}
}
