package e2e_test

import (
	"context"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/seatrial/seatrial/e2e"
	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/fleet/local"
)

// embeddedFleet is a whole installation of its own: real API servers, and the components as processes, as a user starts
// them. They end with the test.
func embeddedFleet(t *testing.T) *embedded.Fleet {
	t.Helper()
	clusters, err := embedded.EnsureBinary(t.Context(), t.Output())
	if err != nil {
		t.Fatal(err)
	}
	installation, err := local.Open(local.Options{
		StateDir: t.TempDir(), Executable: buildSeatrial(t), ClusterBinary: clusters, Tied: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if _, err := installation.Down(context.Background(), false); err != nil {
			t.Errorf("ending the installation: %v", err)
		}
	})
	progress := local.NewProgress(t.Output())
	if err := installation.Up(t.Context(), local.UpOptions{Members: 3, Timeout: 5 * time.Minute}, progress); err != nil {
		t.Fatal(err)
	}
	env, err := installation.Fleet()
	if err != nil {
		t.Fatal(err)
	}
	return env
}

func buildSeatrial(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "seatrial")
	if printed, err := exec.CommandContext(t.Context(), "go", "build", "-o", path, "../cmd/seatrial").CombinedOutput(); err != nil {
		t.Fatalf("building seatrial: %v\n%s", err, printed)
	}
	return path
}

func TestEmbedded(t *testing.T) {
	if testing.Short() {
		t.Skip("starts real API servers")
	}
	env := embeddedFleet(t)
	t.Run("Propagation", func(t *testing.T) { e2e.Propagation(t, env) })
	t.Run("DuplicatedPropagation", func(t *testing.T) { e2e.DuplicatedPropagation(t, env) })
}
