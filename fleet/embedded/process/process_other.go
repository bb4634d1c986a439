//go:build !linux

package process

import (
	"errors"
	"syscall"
)

// Processes are found again through Linux's /proc; elsewhere the package compiles and refuses.
var errNotLinux = errors.New("finding processes again needs Linux")

// ID names a process for good.
type ID struct {
	PID int `json:"pid,omitempty"`
}

// Identify finds the lasting name of a process that exists now.
func Identify(int) (ID, error) { return ID{}, errNotLinux }

// State asks the kernel how the process is.
func (ID) State() State { return Gone }

// Signal sends a signal to this very process.
func (ID) Signal(syscall.Signal) error { return errNotLinux }

func spawnAttributes(bool) *syscall.SysProcAttr { return nil }

func giveWay(int, int) error { return errNotLinux }
