package embedded

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/fleet/embedded/process"
)

func testRecord(name string, index int) *record {
	return &record{
		Spec:  fleet.Spec{Name: name}.WithDefaults(),
		Index: index,
		Ports: ports{API: 20000 + 4*index, Etcd: 20001 + 4*index, Link: 20002 + 4*index, Uplink: 20003 + 4*index},
	}
}

func saveRecord(t *testing.T, root string, r *record) string {
	t.Helper()
	dir := filepath.Join(root, r.name())
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := writeRecord(dir, r); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRecordRoundTrip(t *testing.T) {
	r := testRecord("m1", 3)
	r.Process = process.ID{PID: 7, Start: 12345, Boot: "b"}
	r.Partitioned, r.NodesMade = true, true
	dir := saveRecord(t, t.TempDir(), r)
	got, err := readRecord(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Errorf("read back (-want +got):\n%s", diff)
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) != 1 {
		t.Errorf("writing left %v, %v", left, err)
	}
}

func TestReadRecordRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ content, want string }{
		"another version": {`{"version":2,"spec":{"name":"m1"}}`, "another version"},
		"another name":    {`{"version":1,"spec":{"name":"m2"}}`, `of cluster "m2"`},
		"torn":            {`{"version":1,"spec":{"na`, "unexpected end"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "m1")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, stateFile), []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := readRecord(dir); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}

func TestReadRecordsSkipsWhatIsNoCluster(t *testing.T) {
	root := t.TempDir()
	saveRecord(t, root, testRecord("m2", 1))
	saveRecord(t, root, testRecord("m1", 0))
	if err := os.MkdirAll(filepath.Join(root, "half-made", "pki"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "kubeconfig"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	records, err := readRecords(root)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"m1", "m2"}, recordNames(records)); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
	if got := lowestFreeIndex(records); got != 2 {
		t.Errorf("index %d for a third cluster, want 2", got)
	}
	if got := lowestFreeIndex(records[1:]); got != 0 {
		t.Errorf("index %d when 0 was given back, want 0", got)
	}
}

func TestLockExcludes(t *testing.T) {
	dir := t.TempDir()
	var inside, most int
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			unlock, err := lock(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			inside++
			most = max(most, inside)
			mu.Unlock()
			time.Sleep(time.Millisecond)
			mu.Lock()
			inside--
			mu.Unlock()
			unlock()
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once", most)
	}
	unlock, err := lock(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 3*lockPoll)
	defer cancel()
	if _, err := lock(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting for a held lock: %v", err)
	}
}

func TestChoosePorts(t *testing.T) {
	free := func(int) bool { return true }
	first, err := choosePorts("/root-a", nil, free, true)
	if err != nil {
		t.Fatal(err)
	}
	again, err := choosePorts("/root-a", nil, free, true)
	if err != nil || again != first {
		t.Errorf("the same root got %+v and then %+v, %v", first, again, err)
	}
	seen := map[int]bool{}
	for _, p := range first.all() {
		if p.port < firstPort || p.port >= firstPort+portCount || seen[p.port] {
			t.Errorf("port %d of %s is out of range or given twice: %+v", p.port, p.what, first)
		}
		seen[p.port] = true
	}
	second, err := choosePorts("/root-a", seen, free, false)
	if err != nil || second.Link != 0 || second.Uplink != 0 {
		t.Fatalf("a control plane's ports are %+v, %v", second, err)
	}
	if seen[second.API] || seen[second.Etcd] || second.API == second.Etcd {
		t.Errorf("ports %+v were given to another cluster: %v", second, seen)
	}
	onlyThree := func(port int) bool { return port < firstPort+3 }
	if p, err := choosePorts("/root-a", nil, onlyThree, true); err == nil {
		t.Errorf("four ports of three free ones: %+v", p)
	}
	if p, err := choosePorts("/root-a", nil, onlyThree, false); err != nil || p.API >= firstPort+3 || p.Etcd >= firstPort+3 {
		t.Errorf("two ports of three free ones: %+v, %v", p, err)
	}
}

func TestCheckPortsNamesPortAndCluster(t *testing.T) {
	l, err := net.Listen("tcp", loopback(0))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	taken := l.Addr().(*net.TCPAddr).Port
	if portFree(taken) {
		t.Fatalf("port %d is listened on and yet free", taken)
	}
	p := ports{API: 1, Etcd: taken}
	err = checkPorts("m1", p, func(port int) bool { return port != taken })
	if err == nil || !strings.Contains(err.Error(), "cluster m1's etcd") || strings.Contains(err.Error(), "API") {
		t.Errorf("error %v, want one about m1's etcd alone", err)
	}
	if err := checkPorts("m1", ports{API: 1, Etcd: 2}, func(int) bool { return true }); err != nil {
		t.Errorf("free ports: %v", err)
	}
}
