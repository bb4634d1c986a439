package embedded

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

const (
	readyTimeout = 2 * time.Minute
	// askTimeout bounds one question to a starting or paused API server.
	askTimeout = 2 * time.Second
	readyPoll  = 50 * time.Millisecond
	// stopPatience is how long a cluster may take to shut down before it is killed.
	stopPatience = 10 * time.Second
	// needFree is what a starting cluster may write before it is of use: etcd alone sets 128 MiB of log aside.
	needFree = 256 << 20
	// memberNice keeps the members, which have machines of their own elsewhere, from taking the time that the control plane needs.
	memberNice = 5
)

// create makes the record and the credentials of a cluster, without starting it.
func (f *Fleet) create(ctx context.Context, spec fleet.Spec, mayExist bool) error {
	spec = spec.WithDefaults()
	if err := spec.Validate(); err != nil {
		return err
	}
	unlock, err := lock(ctx, f.root)
	if err != nil {
		return err
	}
	defer unlock()
	records, err := readRecords(f.root)
	if err != nil {
		return err
	}
	taken := map[int]bool{}
	for _, r := range records {
		if r.name() == spec.Name {
			if mayExist {
				return nil
			}
			return fmt.Errorf("adding cluster %s: there is one of that name", spec.Name)
		}
		for _, p := range r.Ports.all() {
			taken[p.port] = true
		}
	}
	r := &record{Spec: spec, Index: lowestFreeIndex(records)}
	if r.Index >= maxIndex {
		return fmt.Errorf("adding cluster %s: a fleet has at most %d clusters", spec.Name, maxIndex)
	}
	if r.Ports, err = choosePorts(f.root, taken, portFree, spec.Role == fleet.Member); err != nil {
		return fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	files := f.files(spec.Name)
	// Without a record, what is there is the remains of an interrupted Add or Remove.
	if err := os.RemoveAll(files.Dir); err != nil {
		return fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	if err := os.MkdirAll(files.Dir, 0o700); err != nil {
		return fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	if err := makeCredentials(files, r); err != nil {
		return fmt.Errorf("making the credentials of cluster %s: %w", spec.Name, err)
	}
	if err := writeRecord(files.Dir, r); err != nil {
		return err
	}
	return f.mergeKubeconfigs()
}

func (f *Fleet) mergeKubeconfigs() error {
	records, err := readRecords(f.root)
	if err != nil {
		return err
	}
	return mergeKubeconfigs(f.root, records)
}

// change does something to a cluster under its lock, with its record as it is then.
func (f *Fleet) change(ctx context.Context, cluster string, do func(context.Context, *record) error) error {
	if _, err := f.record(cluster); err != nil {
		return err
	}
	unlock, err := lock(ctx, f.files(cluster).Dir)
	if err != nil {
		return fmt.Errorf("cluster %s: %w", cluster, err)
	}
	defer unlock()
	r, err := f.record(cluster)
	if err != nil {
		return err
	}
	return do(ctx, r)
}

// bringUp makes the cluster run and answer, from whatever state it is in.
func (f *Fleet) bringUp(ctx context.Context, r *record) error {
	switch r.Process.State() {
	case process.Gone:
		return f.launch(ctx, r)
	case process.Frozen:
		return f.resume(ctx, r)
	default:
		return f.awaitReady(ctx, r)
	}
}

// launch starts the cluster's process and waits until the cluster is whole. A process that does not get there is ended again.
func (f *Fleet) launch(ctx context.Context, r *record) error {
	if err := f.prepare(r); err != nil {
		return err
	}
	logStart, err := f.spawn(ctx, r)
	if err != nil {
		return fmt.Errorf("starting cluster %s: %w", r.name(), err)
	}
	err = f.awaitReady(ctx, r)
	if err == nil {
		return nil
	}
	// Not with ctx, which may be what ended the wait.
	if killErr := f.kill(context.WithoutCancel(ctx), r); killErr != nil {
		err = errors.Join(err, killErr)
	}
	if tail := process.LogTail(f.files(r.name()).Log, logStart); tail != "" {
		return fmt.Errorf("%w; its log %s ends in:\n%s", err, f.files(r.name()).Log, tail)
	}
	return err
}

// prepare checks what a start needs and writes the process's configuration.
func (f *Fleet) prepare(r *record) error {
	files := f.files(r.name())
	free, err := freeBytes(files.Dir)
	if err != nil {
		return fmt.Errorf("starting cluster %s: %w", r.name(), err)
	}
	if free < needFree {
		return fmt.Errorf("starting cluster %s: the disk of %s has %d MiB left, and it needs %d MiB", r.name(), files.Dir, free>>20, needFree>>20)
	}
	if err := checkPorts(r.name(), r.Ports, portFree); err != nil {
		return fmt.Errorf("starting cluster %s: %w", r.name(), err)
	}
	if path := filepath.Join(files.Dir, controlFile); len(path) > maxSocketPath {
		return fmt.Errorf("starting cluster %s: the path %s is too long for a unix socket (%d bytes, at most %d): choose another state folder",
			r.name(), path, len(path), maxSocketPath)
	}
	records, err := readRecords(f.root)
	if err != nil {
		return err
	}
	controlPlane := 0
	for _, other := range records {
		if other.Spec.Role == fleet.ControlPlane {
			controlPlane = other.Ports.API
		}
	}
	var extra []string
	if f.audited {
		if extra, err = writeAuditPolicy(files); err != nil {
			return fmt.Errorf("starting cluster %s: %w", r.name(), err)
		}
	}
	return writeConfig(files, r, controlPlane, extra)
}

// spawn starts the process and records it; the result is where in the log its output begins.
func (f *Fleet) spawn(ctx context.Context, r *record) (int64, error) {
	files := f.files(r.name())
	binary := f.binary
	if binary == "" {
		var err error
		if binary, err = FindBinary(); err != nil {
			return 0, err
		}
	}
	command := process.Command{
		Binary: binary,
		Args:   []string{"--config", filepath.Join(files.Dir, configFile)},
		Dir:    files.Dir,
		Log:    files.Log,
		Tied:   f.tied,
	}
	if r.Spec.Role == fleet.Member {
		command.Nice = memberNice
	}
	id, offset, err := command.Start()
	if err != nil {
		return 0, err
	}
	r.Process = id
	if err := writeRecord(files.Dir, r); err != nil {
		// Nobody would find it again.
		return 0, errors.Join(err, f.kill(context.WithoutCancel(ctx), r))
	}
	return offset, nil
}

// awaitReady returns once the API server says that it is ready, the member's nodes exist and are ready.
func (f *Fleet) awaitReady(ctx context.Context, r *record) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	cfg, err := f.RESTConfig(r.name())
	if err != nil {
		return err
	}
	cfg.Timeout = askTimeout
	if err := f.poll(ctx, r, "its API server", func(ctx context.Context) error { return askReady(ctx, cfg) }); err != nil {
		return err
	}
	if r.Spec.Role != fleet.Member {
		return nil
	}
	c, err := client.New(cfg, client.Options{})
	if err != nil {
		return fmt.Errorf("making a client of cluster %s: %w", r.name(), err)
	}
	if !r.NodesMade {
		// On a busy machine an API server that is ready may still take longer than a question may.
		if err := f.poll(ctx, r, "the creation of its nodes", func(ctx context.Context) error { return createNodes(ctx, c, r) }); err != nil {
			return err
		}
		r.NodesMade = true
		if err := writeRecord(f.files(r.name()).Dir, r); err != nil {
			return err
		}
	}
	return f.poll(ctx, r, "its nodes", func(ctx context.Context) error { return nodesReady(ctx, c) })
}

// poll asks until there is no error, ctx ends or the process does.
func (f *Fleet) poll(ctx context.Context, r *record, what string, ask func(context.Context) error) error {
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		if r.Process.State() == process.Gone {
			return fmt.Errorf("cluster %s ended by itself while it was starting", r.name())
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for cluster %s and %s: %w (last: %w)", r.name(), what, ctx.Err(), err)
		case <-time.After(readyPoll):
		}
	}
}

func askReady(ctx context.Context, cfg *rest.Config) error {
	c, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cfg.Host+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := c.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("/readyz answered %s", resp.Status)
	}
	return nil
}

func (f *Fleet) resume(ctx context.Context, r *record) error {
	if err := r.Process.Signal(syscall.SIGCONT); err != nil {
		return fmt.Errorf("resuming cluster %s: %w", r.name(), err)
	}
	return f.awaitReady(ctx, r)
}

func (f *Fleet) kill(ctx context.Context, r *record) error {
	if err := r.Process.Signal(syscall.SIGKILL); err != nil {
		return fmt.Errorf("killing cluster %s: %w", r.name(), err)
	}
	return awaitState(ctx, r, process.Gone)
}

// shutDown ends the process in order, or kills it when that takes too long. A paused one has to go on to be able to end.
func (f *Fleet) shutDown(ctx context.Context, r *record) error {
	for _, sig := range []syscall.Signal{syscall.SIGTERM, syscall.SIGCONT} {
		if err := r.Process.Signal(sig); err != nil {
			return fmt.Errorf("shutting down cluster %s: %w", r.name(), err)
		}
	}
	patience, cancel := context.WithTimeout(ctx, stopPatience)
	defer cancel()
	if awaitState(patience, r, process.Gone) == nil {
		return nil
	}
	return f.kill(context.WithoutCancel(ctx), r)
}

func (f *Fleet) erase(ctx context.Context, r *record) error {
	if err := f.kill(ctx, r); err != nil {
		return err
	}
	dir := f.files(r.name()).Dir
	// The record goes first: without it the cluster is no more, even if the rest is interrupted.
	for _, remove := range []func() error{
		func() error { return os.Remove(filepath.Join(dir, stateFile)) },
		func() error { return os.RemoveAll(dir) },
	} {
		if err := remove(); err != nil {
			return fmt.Errorf("removing the data of cluster %s: %w", r.name(), err)
		}
	}
	return nil
}

func awaitState(ctx context.Context, r *record, want process.State) error {
	if err := r.Process.Await(ctx, want); err != nil {
		return fmt.Errorf("cluster %s: %w", r.name(), err)
	}
	return nil
}
