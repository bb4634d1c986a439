// Package local runs a whole installation on this machine: embedded clusters, the control plane's components as processes beside
// them, the members joined and an example workload. Everything is below one state folder, by which a later command finds it again.
package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"k8s.io/apimachinery/pkg/runtime"

	"github.com/seatrial/seatrial/api/scheme"
	"github.com/seatrial/seatrial/fleet/embedded"
)

const (
	// StateDirEnv names the state folder when no flag does.
	StateDirEnv = "SEATRIAL_STATE_DIR"

	clustersFolder   = "clusters"
	componentsFolder = "components"
)

// Options say where an installation lives and how its processes are run.
type Options struct {
	// StateDir is the state folder; empty means DefaultStateDir.
	StateDir string
	// Executable is the seatrial executable that the components are started from; empty means this process's own.
	Executable string
	// ClusterBinary is the binary of the embedded clusters; empty means that Up finds it, or builds it inside the source tree.
	ClusterBinary string
	// Tied ends all processes with this one (for tests). Otherwise they outlive it.
	Tied bool
	// Audited has the API servers that Up starts log every change (see embedded.Options).
	Audited bool
}

// Installation is what Up makes, Status looks at and Down ends. Several, with different state folders, can exist at once.
type Installation struct {
	dir           string
	program       string
	clusterBinary string
	tied          bool
	audited       bool
	scheme        *runtime.Scheme
}

// Open names the installation in the state folder. It reads and starts nothing.
func Open(options Options) (*Installation, error) {
	var err error
	if options.StateDir == "" {
		if options.StateDir, err = DefaultStateDir(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(options.StateDir)
	if err != nil {
		return nil, fmt.Errorf("finding the state folder: %w", err)
	}
	if options.Executable == "" {
		if options.Executable, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("finding the seatrial executable: %w", err)
		}
	}
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		return nil, fmt.Errorf("collecting the known kinds: %w", err)
	}
	return &Installation{
		dir: dir, program: options.Executable, clusterBinary: options.ClusterBinary, tied: options.Tied, audited: options.Audited, scheme: kinds,
	}, nil
}

// DefaultStateDir is $SEATRIAL_STATE_DIR, or else the folder seatrial in the user's folder for state ($XDG_STATE_HOME, or
// ~/.local/state).
func DefaultStateDir() (string, error) {
	if dir := os.Getenv(StateDirEnv); dir != "" {
		return dir, nil
	}
	if state := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(state) {
		return filepath.Join(state, "seatrial"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("choosing a state folder: %w; name one with --state-dir", err)
	}
	return filepath.Join(home, ".local", "state", "seatrial"), nil
}

// Dir is the state folder.
func (i *Installation) Dir() string { return i.dir }

// Fleet opens the clusters. It makes their folder.
func (i *Installation) Fleet() (*embedded.Fleet, error) {
	return embedded.Open(embedded.Options{
		Root:    filepath.Join(i.dir, clustersFolder),
		Binary:  i.clusterBinary,
		Tied:    i.tied,
		Audited: i.audited,
		Scheme:  i.scheme,
	})
}

// exists: there is something to look at. Commands that only look or end must not make folders.
func (i *Installation) exists() bool {
	for _, folder := range []string{clustersFolder, componentsFolder} {
		if _, err := os.Stat(filepath.Join(i.dir, folder)); err == nil {
			return true
		}
	}
	return false
}

const poll = 100 * time.Millisecond

// await asks until there is nothing to wait for any more: pending is empty. Errors of asking end the wait only when they are final,
// for a server that is starting refuses at first.
func await(ctx context.Context, say func(string), ask func(context.Context) (pending string, err error)) error {
	for {
		pending, err := ask(ctx)
		if pending == "" && err == nil {
			return nil
		}
		var end finalError
		if errors.As(err, &end) {
			return end.error
		}
		last := pending
		if err != nil {
			last = err.Error()
		}
		say(pending)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %s", context.Cause(ctx), last)
		case <-time.After(poll):
		}
	}
}

// finalError is one that no waiting mends.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }
