package quota_test

import (
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/seatrial/seatrial/controllers/quota"
)

// TestSameChangeIsChargedOnce: an API server that finds an object changed in between asks again about a patch, and what it asked before
// is not stored.
func TestSameChangeIsChargedOnce(t *testing.T) {
	s := newStage(t, false)
	s.must(s.plane.Create(t.Context(), budget("cpu=3")))
	s.pass(time.Second)
	before, after, more := bound("web", "cpu=1", 2), bound("web", "cpu=1", 3), bound("web", "cpu=1", 4)
	before.UID = "web"
	clock := testclock.NewFakePassiveClock(time.Unix(1000, 0))
	ledger := quota.NewLedger(clock)
	s.must(ledger.Admit(t.Context(), s.plane, nil, before, false))
	s.must(ledger.Admit(t.Context(), s.plane, before, after, true))
	for range 3 {
		s.must(ledger.Admit(t.Context(), s.plane, before, after, false))
		if got, want := s.status(), "cpu=3 | cpu=3"; got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	if err := ledger.Admit(t.Context(), s.plane, before, more, false); err == nil {
		t.Error("a greater change has room")
	}
	clock.SetTime(clock.Now().Add(time.Second))
	if err := ledger.Admit(t.Context(), s.plane, before, after, false); err == nil {
		t.Error("what was charged long ago is not charged again: it may have been released")
	}
}
