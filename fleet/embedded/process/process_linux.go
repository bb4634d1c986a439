package process

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ID names a process for good: process numbers come round again, a number with its start time does not.
type ID struct {
	PID int `json:"pid,omitempty"`
	// Start is when the process started, in clock ticks since boot; Boot is which boot that was.
	Start uint64 `json:"start,omitempty"`
	Boot  string `json:"boot,omitempty"`
}

// Identify finds the lasting name of a process that exists now.
func Identify(pid int) (ID, error) {
	s, err := readStat(pid)
	if err != nil {
		return ID{}, err
	}
	return ID{PID: pid, Start: s.start, Boot: bootID()}, nil
}

// State asks the kernel how the process is.
func (p ID) State() State {
	if p.PID == 0 || p.Boot != bootID() {
		return Gone
	}
	s, err := readStat(p.PID)
	switch {
	case err != nil || s.start != p.Start || s.ended():
		return Gone
	case s.letter == 'T' || s.letter == 't':
		return Frozen
	}
	return Running
}

// Signal sends a signal to this very process; one that is gone is no error.
func (p ID) Signal(sig syscall.Signal) error {
	if p.State() == Gone {
		return nil
	}
	if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("sending signal %q to process %d: %w", sig, p.PID, err)
	}
	return nil
}

// stat is what is used of /proc/<pid>/stat, see proc_pid_stat(5).
type stat struct {
	letter  byte // the state
	threads int
	start   uint64 // clock ticks since boot
}

// ended: nothing of the process is left but its exit status. A zombie whose other threads are still ending holds its ports.
func (s stat) ended() bool { return s.letter == 'X' || s.letter == 'Z' && s.threads <= 1 }

func readStat(pid int) (stat, error) {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return stat{}, fmt.Errorf("looking for process %d: %w", pid, err)
	}
	return parseStat(data)
}

func parseStat(data []byte) (stat, error) {
	// The command's name is in parentheses and may hold any byte; fields are counted after its end.
	const state, threads, starttime = 3, 20, 22 // 1-based, of the whole line
	end := bytes.LastIndexByte(data, ')')
	if end < 0 {
		return stat{}, errors.New("process status without a command name")
	}
	fields := strings.Fields(string(data[end+1:]))
	if len(fields) <= starttime-state {
		return stat{}, fmt.Errorf("process status with %d fields after the command name", len(fields))
	}
	s := stat{letter: fields[0][0]}
	var err error
	if s.threads, err = strconv.Atoi(fields[threads-state]); err != nil {
		return stat{}, fmt.Errorf("number of threads in a process status: %w", err)
	}
	if s.start, err = strconv.ParseUint(fields[starttime-state], 10, 64); err != nil {
		return stat{}, fmt.Errorf("start time in a process status: %w", err)
	}
	return s, nil
}

func bootID() string {
	data, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(data))
}

// spawnAttributes give the process a session of its own, so that no terminal's Ctrl-C reaches it; a tied one is killed when its
// parent ends, however that ends.
func spawnAttributes(tied bool) *syscall.SysProcAttr {
	attr := &syscall.SysProcAttr{Setsid: true}
	if tied {
		attr.Pdeathsig = syscall.SIGKILL
	}
	return attr
}

// giveWay sets the priority of a process that leads a session, and of all its threads. Where the kernel schedules sessions as
// groups, see sched(7), the group must give way too: within it there is nobody else.
func giveWay(pid, nice int) error {
	if err := syscall.Setpriority(syscall.PRIO_PGRP, pid, nice); err != nil {
		return fmt.Errorf("setting the priority of process %d to %d: %w", pid, nice, err)
	}
	if err := sessionGivesWay(pid, nice); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("setting the priority of the session of process %d to %d: %w", pid, nice, err)
	}
	return nil
}

// sessionGivesWay asks again while the kernel is busy: it takes one such call in a tenth of a second from those without privileges.
func sessionGivesWay(pid, nice int) error {
	const tries, between = 20, 50 * time.Millisecond
	var err error
	for range tries {
		err = os.WriteFile("/proc/"+strconv.Itoa(pid)+"/autogroup", []byte(strconv.Itoa(nice)), 0)
		if !errors.Is(err, syscall.EAGAIN) {
			return err
		}
		time.Sleep(between)
	}
	return err
}
