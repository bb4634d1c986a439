package e2e_test

import (
	"testing"

	"github.com/seatrial/seatrial/e2e"
)

// TestMembersThroughTheControlPlane speaks to members by way of their clusters' proxy.
func TestMembersThroughTheControlPlane(t *testing.T) {
	realServers(t)
	env := install(t)
	t.Run("AdministratorsReachMembers", func(t *testing.T) { e2e.AdministratorsReachMembers(t, env) })
	t.Run("UsersReachMembersAsThemselves", func(t *testing.T) { e2e.UsersReachMembersAsThemselves(t, env) })
	t.Run("TheFleetIsReadAsOne", func(t *testing.T) { e2e.TheFleetIsReadAsOne(t, env) })
	t.Run("PodsAnswerThroughTheControlPlane", func(t *testing.T) { e2e.PodsAnswerThroughTheControlPlane(t, env) })
	t.Run("CommandLine", func(t *testing.T) { e2e.CommandLine(t, env, buildSeatrial(t)) })
}
