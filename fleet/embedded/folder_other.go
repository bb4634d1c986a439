//go:build !linux

package embedded

import (
	"errors"
	"os"
)

var errNotLinux = errors.New("embedded clusters need Linux")

func tryLock(*os.File) (bool, error) { return false, errNotLinux }

func freeBytes(string) (uint64, error) { return 0, errNotLinux }
