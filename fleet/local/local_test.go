package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/fleet"
)

func open(t *testing.T, dir string) *Installation {
	t.Helper()
	installation, err := Open(Options{StateDir: dir, Tied: true})
	if err != nil {
		t.Fatal(err)
	}
	return installation
}

func TestDefaultStateDir(t *testing.T) {
	t.Setenv("HOME", "/home/someone")
	for _, c := range []struct{ name, own, xdg, want string }{
		{"neither variable", "", "", "/home/someone/.local/state/seatrial"},
		{"XDG_STATE_HOME", "", "/state", "/state/seatrial"},
		{"a relative XDG_STATE_HOME counts as none", "", "state", "/home/someone/.local/state/seatrial"},
		{"the own variable wins", "/own", "/state", "/own"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv(StateDirEnv, c.own)
			t.Setenv("XDG_STATE_HOME", c.xdg)
			if got, err := DefaultStateDir(); got != c.want || err != nil {
				t.Errorf("got %q, %v, want %q", got, err, c.want)
			}
		})
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	installation, other := open(t, dir), open(t, dir)
	unlock, err := installation.lock()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.lock(); err == nil || !strings.Contains(err.Error(), "process ") || !strings.Contains(err.Error(), dir) {
		t.Errorf("locking what is locked: %v", err)
	}
	// Who ends an installation removes the lock file while it holds the lock.
	if err := os.Remove(filepath.Join(dir, lockFile)); err != nil {
		t.Fatal(err)
	}
	unlock()
	unlock, err = other.lock()
	if err != nil {
		t.Fatalf("locking what is free: %v", err)
	}
	defer unlock()
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err != nil {
		t.Errorf("the lock is not where others look for it: %v", err)
	}
}

func TestFleetSpecs(t *testing.T) {
	for members := 1; members <= MaxMembers; members++ {
		specs := fleetSpecs(members)
		if len(specs) != members+1 || specs[0].Role != fleet.ControlPlane {
			t.Fatalf("%d members: %d specs, the first a %s", members, len(specs), specs[0].Role)
		}
		for n, spec := range specs[1:] {
			if err := spec.Validate(); err != nil {
				t.Errorf("%d members: %v", members, err)
			}
			if want := fmt.Sprintf("member%d", n+1); spec.Name != want {
				t.Errorf("%d members: number %d is called %s", members, n+1, spec.Name)
			}
			if spec.Region == "" || len(spec.Zones) == 0 || !strings.HasPrefix(spec.Zones[0], spec.Region) {
				t.Errorf("%d members: %s is in region %q, zones %v", members, spec.Name, spec.Region, spec.Zones)
			}
		}
	}
}

func TestUpRefusesImpossibleFleets(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	for _, members := range []int{-1, 0, MaxMembers + 1} {
		err := open(t, dir).Up(t.Context(), UpOptions{Members: members, Timeout: time.Second}, NewProgress(t.Output()))
		if err == nil || !strings.Contains(err.Error(), "members") {
			t.Errorf("%d members: %v", members, err)
		}
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a refused Up left a state folder: %v", err)
	}
}

func TestNothingToLookAtOrEnd(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	installation := open(t, dir)
	status, err := installation.Status(t.Context())
	if err != nil || len(status.Clusters) > 0 || len(status.Faults()) > 0 {
		t.Errorf("status of nothing: %+v, %v", status, err)
	}
	if found, err := installation.Down(t.Context(), false); found || err != nil {
		t.Errorf("ending nothing: %v, %v", found, err)
	}
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("looking made a state folder: %v", err)
	}
}

func TestAwait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var said []string
		say := func(detail string) { said = append(said, detail) }
		asked := 0
		err := await(t.Context(), say, func(context.Context) (string, error) {
			asked++
			switch asked {
			case 1:
				return "", errors.New("refused")
			case 2:
				return "one missing", nil
			}
			return "", nil
		})
		if err != nil || asked != 3 || !slices.Contains(said, "one missing") {
			t.Errorf("after an error and a delay: %v, asked %d times, said %q", err, asked, said)
		}

		dead := errors.New("dead")
		err = await(t.Context(), say, func(context.Context) (string, error) { return "", finalError{dead} })
		if !errors.Is(err, dead) {
			t.Errorf("a final error: %v", err)
		}

		late := errors.New("too late")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, late)
		defer cancel()
		err = await(ctx, say, func(context.Context) (string, error) { return "two missing", nil })
		if !errors.Is(err, late) || !strings.Contains(err.Error(), "two missing") {
			t.Errorf("after the timeout: %v", err)
		}
	})
}

func TestExplain(t *testing.T) {
	installation := open(t, t.TempDir())
	c := installation.component(schedulerName)
	if err := os.MkdirAll(c.folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(c.log(), []byte(strings.Repeat("old\n", 20)+"panic: no luck\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	u := &up{Installation: installation}
	failed := step{name: "starting things", components: []string{schedulerName}}
	err := u.explain(t.Context(), failed, errors.New("it ended"))
	for _, want := range []string{"starting things: it ended", c.log(), "panic: no luck"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q: %v", want, err)
		}
	}
	if lines := strings.Count(err.Error(), "\n"); lines > logLines+1 {
		t.Errorf("the error has %d lines", lines)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := u.explain(ctx, failed, errors.New("canceled")); !strings.Contains(err.Error(), "interrupted while starting things") {
		t.Errorf("after an interrupt: %v", err)
	}
}

func TestUnready(t *testing.T) {
	members := []fleet.Cluster{{Spec: fleet.Spec{Name: "a"}}, {Spec: fleet.Spec{Name: "b"}}}
	known := func(name string, status metav1.ConditionStatus) clusterv1alpha1.Cluster {
		cluster := clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if status != "" {
			cluster.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: status, Reason: "Because", Message: "so"}}
		}
		return cluster
	}
	for _, c := range []struct {
		name     string
		clusters []clusterv1alpha1.Cluster
		want     string
	}{
		{"all ready", []clusterv1alpha1.Cluster{known("b", "True"), known("a", "True"), known("stranger", "False")}, ""},
		{"no condition yet", []clusterv1alpha1.Cluster{known("a", "True"), known("b", "")}, "b has not been looked at"},
		{"unknown", []clusterv1alpha1.Cluster{known("b", "True")}, "a has not been looked at"},
		{"not ready", []clusterv1alpha1.Cluster{known("a", "True"), known("b", "False")}, "b is not ready (Because: so)"},
	} {
		if got := unready(members, c.clusters); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestDefinitionsAreStable(t *testing.T) {
	first, err := definitions()
	if err != nil {
		t.Fatal(err)
	}
	second, err := definitions()
	if err != nil {
		t.Fatal(err)
	}
	hashes := map[string]bool{}
	for n := range first {
		hash := first[n].Annotations[definitionAnnotation]
		if hash == "" || hash != second[n].Annotations[definitionAnnotation] {
			t.Errorf("%s: hash %q, then %q", first[n].Name, hash, second[n].Annotations[definitionAnnotation])
		}
		hashes[hash] = true
	}
	if len(hashes) != len(first) || len(first) == 0 {
		t.Errorf("%d hashes of %d definitions", len(hashes), len(first))
	}
}
