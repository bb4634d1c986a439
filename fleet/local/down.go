package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"

	"github.com/seatrial/seatrial/fleet/embedded/process"
)

// Down ends what Up started, and removes its data unless they are to be kept: then Up goes on from them. It says whether anything
// was there. What the installation did not make is left alone, other files in the state folder too.
func (i *Installation) Down(ctx context.Context, keepData bool) (found bool, err error) {
	if !i.exists() {
		return false, nil
	}
	unlock, err := i.lock()
	if err != nil {
		return true, err
	}
	defer unlock()
	// What cannot be ended is no reason to leave the rest running; its record stays, for it is how it is found again.
	stopErr := i.stopComponents(ctx)
	clusters, err := i.Fleet()
	if err != nil {
		return true, fmt.Errorf("%w; if this cannot be mended, end its processes by hand (`ps -ef | grep %s` shows them) and remove the folder",
			errors.Join(stopErr, err), i.dir)
	}
	if keepData || stopErr != nil {
		return true, errors.Join(stopErr, clusters.Down(ctx))
	}
	if err := clusters.Delete(ctx); err != nil {
		return true, err
	}
	return true, i.removeFolders()
}

// stopComponents ends the components first, while what they talk to still answers. Their records go with them.
func (i *Installation) stopComponents(ctx context.Context) error {
	names, err := i.components()
	if err != nil {
		return err
	}
	errs := make([]error, len(names))
	var wg sync.WaitGroup
	for n, name := range names {
		wg.Go(func() {
			c := i.component(name)
			if errs[n] = c.stop(ctx); errs[n] == nil {
				errs[n] = c.forget()
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// forget clears which process the component last was, and keeps its ports.
func (c component) forget() error {
	r, err := c.record()
	if err != nil || r.Process == (process.ID{}) {
		return err
	}
	r.Process = process.ID{}
	return c.write(r)
}

func (i *Installation) removeFolders() error {
	for _, name := range []string{componentsFolder, clustersFolder, lockFile} {
		if err := os.RemoveAll(filepath.Join(i.dir, name)); err != nil {
			return fmt.Errorf("removing the state: %w", err)
		}
	}
	// A folder with anything else in it stays, and so does one that is a mount point.
	_ = os.Remove(i.dir)
	return nil
}
