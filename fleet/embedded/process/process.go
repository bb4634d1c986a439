// Package process starts processes that outlive their parent, and finds them again in later runs without mistaking another process
// for them.
package process

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	maxLog    = 16 << 20
	tailSize  = 4 << 10
	statePoll = 10 * time.Millisecond
)

// State is how a process is now.
type State int

// A process is Gone once nothing of it holds a port or a file, Frozen while it is stopped by a signal, and otherwise Running.
const (
	Gone State = iota
	Running
	Frozen
)

// Command is a process to start.
type Command struct {
	Binary string
	Args   []string
	Dir    string
	// Env is added to this process's environment.
	Env []string
	// Log is the path of the file to which its output is appended; one that has grown past 16 MiB is set aside before.
	Log string
	// Tied kills the process when this one ends, however that ends. Otherwise it outlives it, in a session of its own.
	Tied bool
	// Nice is by how much others on the machine go before it, from 0 to 19; see nice(2).
	Nice int
}

// Start starts the command, names the process and says where in its log its output begins.
func (c Command) Start() (ID, int64, error) {
	log, offset, err := openLog(c.Log)
	if err != nil {
		return ID{}, 0, fmt.Errorf("opening the log of %s: %w", c.Binary, err)
	}
	defer log.Close()
	cmd := exec.Command(c.Binary, c.Args...)
	cmd.Dir = c.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.Env = append(os.Environ(), c.Env...)
	cmd.SysProcAttr = spawnAttributes(c.Tied)
	if err := cmd.Start(); err != nil {
		return ID{}, 0, fmt.Errorf("starting %s: %w", c.Binary, err)
	}
	id, err := Identify(cmd.Process.Pid)
	if err == nil && c.Nice != 0 {
		err = giveWay(cmd.Process.Pid, c.Nice)
	}
	if err != nil {
		// Nobody would find it again.
		return ID{}, 0, errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	// Its end is seen in /proc; waiting keeps it from staying there as a zombie for as long as this process lives.
	go func() {
		// How it ended is in its own log.
		_ = cmd.Wait()
	}()
	return id, offset, nil
}

// Await returns once the process is in the state.
func (p ID) Await(ctx context.Context, want State) error {
	for p.State() != want {
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for process %d: %w", p.PID, ctx.Err())
		case <-time.After(statePoll):
		}
	}
	return nil
}

func openLog(path string) (*os.File, int64, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, 0, err
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, info.Size(), nil
}

// LogTail is the end, a few kilobytes at most, of what was written to the log from an offset on; empty when it cannot be read.
func LogTail(path string, from int64) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return ""
	}
	if _, err := f.Seek(max(from, info.Size()-tailSize), io.SeekStart); err != nil {
		return ""
	}
	data, err := io.ReadAll(f)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}
