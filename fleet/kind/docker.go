package kind

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"

	"github.com/seatrial/seatrial/fleet"
)

// ErrNoEngine says that there is no Docker engine to run containers with.
var ErrNoEngine = errors.New("no Docker engine")

// docker is the engine, reached by its command as kind reaches it.
type docker struct {
	// run gives what the command wrote to its output; the error holds what it complained about.
	run func(ctx context.Context, input io.Reader, arguments ...string) ([]byte, error)
}

func runDocker(ctx context.Context, input io.Reader, arguments ...string) ([]byte, error) {
	var output, complaints bytes.Buffer
	cmd := exec.CommandContext(ctx, "docker", arguments...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = input, &output, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("docker %s: %w: %s", arguments[0], err, strings.TrimSpace(complaints.String()))
	}
	return output.Bytes(), nil
}

// do runs a command whose output says nothing.
func (d docker) do(ctx context.Context, arguments ...string) error {
	_, err := d.run(ctx, nil, arguments...)
	return err
}

// available says what to do where no engine answers.
func (d docker) available(ctx context.Context) error {
	_, err := d.run(ctx, nil, "version", "--format", "{{.Server.Version}}")
	switch {
	case err == nil:
		return nil
	case errors.Is(err, exec.ErrNotFound):
		return fmt.Errorf("%w: there is no docker command; install Docker, which distributions package", ErrNoEngine)
	default:
		return fmt.Errorf("%w: none answers; start it (systemctl start docker, or fleet/kind/engine/engine.sh start as root): %w", ErrNoEngine, err)
	}
}

// container is what the engine says of one.
type container struct {
	State struct {
		Running bool
		Paused  bool
	}
	NetworkSettings struct {
		Networks map[string]struct{}
		// Ports is keyed by port and protocol inside.
		Ports map[string][]struct{ HostIP, HostPort string }
	}
}

func (c container) state() fleet.State {
	switch {
	case c.State.Paused:
		return fleet.Paused
	case c.State.Running:
		return fleet.Running
	default:
		return fleet.Stopped
	}
}

func (c container) linked() bool {
	_, ok := c.NetworkSettings.Networks[linkNetwork]
	return ok
}

// inspect looks at a container. There must be one.
func (d docker) inspect(ctx context.Context, name string) (container, error) {
	output, err := d.run(ctx, nil, "container", "inspect", name)
	if err != nil {
		return container{}, err
	}
	var found []container
	if err := json.Unmarshal(output, &found); err != nil {
		return container{}, fmt.Errorf("docker container inspect %s: %w", name, err)
	}
	if len(found) != 1 {
		return container{}, fmt.Errorf("docker container inspect %s: %d containers", name, len(found))
	}
	return found[0], nil
}

// exists tells whether there is a container of that name.
func (d docker) exists(ctx context.Context, name string) (bool, error) {
	output, err := d.run(ctx, nil, "container", "ls", "--all", "--quiet", "--filter", "name=^"+name+"$")
	return len(bytes.TrimSpace(output)) > 0, err
}
