package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

const lockFile = "lock"

// lock keeps other commands from changing the installation; the file names the process that holds it. The kernel frees the lock with
// the process, so a dead one never stands in the way.
func (i *Installation) lock() (unlock func(), err error) {
	path := filepath.Join(i.dir, lockFile)
	for {
		file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, fmt.Errorf("locking the state folder: %w", err)
		}
		if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			defer file.Close()
			if errors.Is(err, syscall.EWOULDBLOCK) {
				return nil, fmt.Errorf("another command (process %s) is changing the fleet in %s: wait until it has ended, or end it", holder(file), i.dir)
			}
			return nil, fmt.Errorf("locking the state folder %s: %w", i.dir, err)
		}
		if !isAt(file, path) {
			// Its holder removed the folder, and the file with it, between our opening and locking it.
			file.Close()
			continue
		}
		// The number only makes a message better, so a disk without room for it is no reason to stop here.
		if file.Truncate(0) == nil {
			_, _ = file.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
		}
		return func() { file.Close() }, nil
	}
}

func isAt(file *os.File, path string) bool {
	opened, err := file.Stat()
	if err != nil {
		return false
	}
	there, err := os.Stat(path)
	return err == nil && os.SameFile(opened, there)
}

func holder(file *os.File) string {
	text := make([]byte, 20)
	n, _ := file.ReadAt(text, 0)
	if pid := strings.TrimSpace(string(text[:n])); pid != "" {
		return pid
	}
	return "unknown"
}

// freeSpace is how many bytes an unprivileged process can still write below the folder.
func freeSpace(dir string) (uint64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, fmt.Errorf("looking for free space in %s: %w", dir, err)
	}
	return fs.Bavail * uint64(fs.Bsize), nil
}
