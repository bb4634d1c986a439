package embedded

import (
	"os/exec"
	"testing"
	"time"

	"github.com/seatrial/seatrial/fleet"
)

func TestScratch(t *testing.T) {
	f := newFleet(t)
	ctx := t.Context()
	b := time.Now()
	if err := f.Add(ctx, fleet.Spec{Name: "m1"}); err != nil {
		t.Fatal(err)
	}
	t.Logf("add %s", time.Since(b))
	runWeb(ctx, f, "m1", 20)
	for range 4 {
		f.Kill(ctx, "m1")
		b := time.Now()
		if err := f.Revive(ctx, "m1"); err != nil {
			t.Fatal(err)
		}
		t.Logf("revive at %s took %s", b, time.Since(b))
		time.Sleep(2 * time.Second)
	}
	exec.Command("cp", f.files("m1").Log, "/tmp/m1.log").Run()
}
