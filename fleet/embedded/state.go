package embedded

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

const (
	stateFile    = "state.json"
	lockFile     = "lock"
	stateVersion = 1
	lockPoll     = 20 * time.Millisecond
)

// record is what is kept of a cluster: <root>/<cluster>/state.json. A cluster without one does not exist, whatever else is in its
// folder; whether it runs is asked of the kernel.
type record struct {
	Version int        `json:"version"`
	Spec    fleet.Spec `json:"spec"`
	// Index is the cluster's own number in the fleet, from which its address ranges follow.
	Index int   `json:"index"`
	Ports ports `json:"ports"`
	// Process is the last process that was started for it; the zero value before the first.
	Process     process.ID `json:"process"`
	Partitioned bool       `json:"partitioned,omitempty"`
	// NodesMade: the nodes of the spec were created once; what became of them since is the cluster's own affair.
	NodesMade bool `json:"nodesMade,omitempty"`
}

func (r *record) name() string { return r.Spec.Name }

// readRecord reads the record in a cluster's folder. Without one the error wraps os.ErrNotExist.
func readRecord(dir string) (*record, error) {
	path := filepath.Join(dir, stateFile)
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the state of a cluster: %w", err)
	}
	r := &record{}
	if err := json.Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("reading the state of a cluster from %s: %w", path, err)
	}
	if r.Version != stateVersion {
		return nil, fmt.Errorf("the cluster in %s was made by another version (state %d, this one knows %d): delete it with that, or by hand", dir, r.Version, stateVersion)
	}
	if r.name() != filepath.Base(dir) {
		return nil, fmt.Errorf("%s says that it is of cluster %q", path, r.name())
	}
	return r, nil
}

// writeRecord replaces the record in one step: a reader, or a start after a crash, sees the old one or the new one.
func writeRecord(dir string, r *record) error {
	r.Version = stateVersion
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of cluster %s: %w", r.name(), err)
	}
	if err := replaceFile(filepath.Join(dir, stateFile), append(data, '\n')); err != nil {
		return fmt.Errorf("writing the state of cluster %s: %w", r.name(), err)
	}
	return nil
}

func replaceFile(path string, data []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer func() {
		// It is gone already when the rename went well.
		_ = os.Remove(tmp.Name())
	}()
	if _, err = tmp.Write(data); err == nil {
		err = tmp.Sync()
	}
	if closeErr := tmp.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}

// readRecords reads all clusters of a fleet, sorted by name. A folder without a record is what an interrupted Add or Remove left.
func readRecords(root string) ([]*record, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("reading the fleet in %s: %w", root, err)
	}
	var records []*record
	for _, e := range entries {
		if !e.IsDir() {
			continue
		}
		r, err := readRecord(filepath.Join(root, e.Name()))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// lowestFreeIndex is the number for a new cluster.
func lowestFreeIndex(records []*record) int {
	index := 0
	for slices.ContainsFunc(records, func(r *record) bool { return r.Index == index }) {
		index++
	}
	return index
}

// lock takes the lock of a folder against other processes and other goroutines of this one, and returns its release.
func lock(ctx context.Context, dir string) (func(), error) {
	f, err := os.OpenFile(filepath.Join(dir, lockFile), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
	for {
		ok, err := tryLock(f)
		if ok {
			return func() { f.Close() }, nil
		}
		if err == nil {
			select {
			case <-time.After(lockPoll):
				continue
			case <-ctx.Done():
				err = fmt.Errorf("another command is at work on it: %w", ctx.Err())
			}
		}
		f.Close()
		return nil, fmt.Errorf("locking %s: %w", dir, err)
	}
}
