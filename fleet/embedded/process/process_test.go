package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLifeOfAProcess(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	log := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(log, []byte("of an earlier run\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	id, offset, err := Command{
		Binary: "/bin/sh", Args: []string{"-c", `echo "$SAY"; exec sleep 1000`}, Dir: t.TempDir(), Env: []string{"SAY=hello"}, Log: log, Tied: true,
	}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// It has ended already when the test went well.
		_ = id.Signal(syscall.SIGKILL)
	})
	if id.State() != Running {
		t.Fatalf("a started process is in state %d", id.State())
	}
	another := id
	another.Start++
	if another.State() != Gone {
		t.Error("a process with another start time is the same process")
	}
	another = id
	another.Boot = "of yore"
	if another.State() != Gone {
		t.Error("a process of another boot is the same process")
	}
	if err := another.Signal(syscall.SIGKILL); err != nil || id.State() == Gone {
		t.Errorf("a signal to a process that is gone: %v; it hit another", err)
	}
	for LogTail(log, offset) == "" && ctx.Err() == nil {
		time.Sleep(statePoll)
	}
	if got := LogTail(log, offset); got != "hello" {
		t.Errorf("its log is %q", got)
	}
	for _, step := range []struct {
		sig  syscall.Signal
		want State
	}{{syscall.SIGSTOP, Frozen}, {syscall.SIGCONT, Running}, {syscall.SIGSTOP, Frozen}, {syscall.SIGKILL, Gone}, {syscall.SIGKILL, Gone}} {
		if err := id.Signal(step.sig); err != nil {
			t.Fatal(err)
		}
		if err := id.Await(ctx, step.want); err != nil {
			t.Fatalf("after %s: %v", step.sig, err)
		}
	}
	over, cancel := context.WithCancel(t.Context())
	cancel()
	if err := id.Await(over, Running); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting for the dead: %v", err)
	}
	if (ID{}).State() != Gone {
		t.Error("the zero process is there")
	}
}

func TestStartOfNoBinary(t *testing.T) {
	_, _, err := Command{Binary: "/does/not/exist", Log: filepath.Join(t.TempDir(), "log")}.Start()
	if err == nil || !strings.Contains(err.Error(), "/does/not/exist") {
		t.Errorf("error %v", err)
	}
}

func TestParseStat(t *testing.T) {
	const tail = " 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 31 0 9876 1 2"
	for name, tc := range map[string]struct {
		line string
		want stat
		ok   bool
	}{
		"plain":                   {"7 (sleep) S" + tail, stat{'S', 31, 9876}, true},
		"parentheses and a blank": {"7 (a) Z (b) T" + tail, stat{'T', 31, 9876}, true},
		"no name":                 {"7 sleep S" + tail, stat{}, false},
		"cut short":               {"7 (sleep) S 1 2 3", stat{}, false},
		"no number":               {"7 (sleep) S" + strings.Replace(tail, "9876", "x", 1), stat{}, false},
		"empty":                   {"", stat{}, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseStat([]byte(tc.line))
			if (err == nil) != tc.ok || got != tc.want {
				t.Errorf("%+v, %v; want %+v", got, err, tc.want)
			}
		})
	}
	if (stat{letter: 'Z', threads: 2}).ended() {
		t.Error("a zombie with a thread that still runs has ended")
	}
	if !(stat{letter: 'Z', threads: 1}).ended() {
		t.Error("a zombie that awaits its parent has not ended")
	}
}

func FuzzParseStat(f *testing.F) {
	f.Add([]byte("7 (sleep) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 31 0 9876 1 2"))
	f.Add([]byte("7 ) )"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if s, err := parseStat(data); err == nil && s.letter == 0 {
			t.Errorf("a status without a state: %q", data)
		}
	})
}

// TestNice: every thread of a process gives way, also those that it starts later.
func TestNice(t *testing.T) {
	id, _, err := Command{Binary: "/bin/sh", Args: []string{"-c", "sleep 1000 & wait"}, Log: filepath.Join(t.TempDir(), "log"), Tied: true, Nice: 5}.Start()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		// Its child is in its group.
		if err := syscall.Kill(-id.PID, syscall.SIGKILL); err != nil {
			t.Error(err)
		}
	})
	// The call counts from 20 downwards, see getpriority(2).
	if got, err := syscall.Getpriority(syscall.PRIO_PROCESS, id.PID); err != nil || 20-got != 5 {
		t.Errorf("the priority is %d, %v; want 5", 20-got, err)
	}
	session, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", id.PID))
	if err == nil && !strings.HasSuffix(strings.TrimSpace(string(session)), "nice 5") {
		t.Errorf("the session is %q; want nice 5", session)
	}
}
