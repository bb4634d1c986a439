package e2e_test

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// usage is what the processes of an installation have used, by component or cluster.
type usage map[string]used

type used struct {
	processor time.Duration
	// resident is the most memory that the process has had, in bytes.
	resident int64
}

// clockTick is the unit of processor times in /proc, the same on all platforms of Linux that Go knows.
const clockTick = 10 * time.Millisecond

// usageOf finds the processes that work below a state folder. Clusters work in folders of their names; components are named by
// their subcommand.
func usageOf(t *testing.T, stateDir string) usage {
	t.Helper()
	found := usage{}
	folders, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		cwd, err := os.Readlink(filepath.Join(folder, "cwd"))
		if err != nil || !strings.HasPrefix(cwd, stateDir+string(filepath.Separator)) {
			continue
		}
		name := filepath.Base(cwd)
		if arguments, err := os.ReadFile(filepath.Join(folder, "cmdline")); err == nil && name == "components" {
			name = string(bytes.Split(arguments, []byte{0})[1])
		}
		one, err := readUsage(folder)
		if err != nil {
			t.Fatalf("reading what %s uses: %v", name, err)
		}
		found[name] = one
	}
	return found
}

func readUsage(folder string) (used, error) {
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return used{}, err
	}
	// The name of the program, in parentheses, may hold anything; user and system time are the 12th and 13th field after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:13] {
		value, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return used{}, err
		}
		ticks += value
	}
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	if err != nil {
		return used{}, err
	}
	one := used{processor: time.Duration(ticks) * clockTick}
	for line := range strings.Lines(string(status)) {
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &one.resident); err == nil {
			one.resident <<= 10
		}
	}
	return one, nil
}

// since is what was used after another look.
func (u usage) since(before usage) usage {
	later := usage{}
	for name, now := range u {
		later[name] = used{processor: now.processor - before[name].processor, resident: now.resident}
	}
	return later
}

// sum adds up the processes that are chosen.
func (u usage) sum(chosen func(name string) bool) used {
	var total used
	for name, one := range u {
		if chosen(name) {
			total.processor += one.processor
			total.resident += one.resident
		}
	}
	return total
}

// each tells of every process, what was used most first; count divides the processor time.
func (u usage) each(count int) string {
	names := make([]string, 0, len(u))
	for name := range u {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(u[b].processor, u[a].processor), strings.Compare(a, b))
	})
	lines := make([]string, len(names))
	for i, name := range names {
		lines[i] = fmt.Sprintf("%s: %s each, at most %d MiB", name, (u[name].processor / time.Duration(count)).Round(100*time.Microsecond), u[name].resident>>20)
	}
	return strings.Join(lines, "\n")
}

// ofMembers and ofPlane divide the processes of an installation.
func ofMembers(name string) bool { return strings.HasPrefix(name, "member") }

func ofPlane(name string) bool { return !ofMembers(name) }
