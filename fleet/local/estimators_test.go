package local

import (
	"os"
	"slices"
	"testing"
)

// TestComponentsOfAnInstallation: estimators are known by their records, and no component is given a port of another, which may not
// listen yet.
func TestComponentsOfAnInstallation(t *testing.T) {
	i := &Installation{dir: t.TempDir()}
	if names, err := i.components(); err != nil || !slices.Equal(names, fixedComponents[:]) {
		t.Errorf("before anything was started: %q, %v", names, err)
	}
	ports := map[string][]int{schedulerName: {1, 2}, estimatorOf("m2"): {3}, estimatorOf("m1"): {4, 5}}
	if err := os.MkdirAll(i.component(schedulerName).folder, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, taken := range ports {
		if err := i.component(name).write(componentRecord{Ports: taken}); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(i.component(estimatorOf("m3")).log(), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	names, err := i.components()
	if want := append(slices.Clone(fixedComponents[:]), "estimator-m1", "estimator-m2"); err != nil || !slices.Equal(names, want) {
		t.Errorf("components %q, %v, want %q", names, err, want)
	}
	u := &up{Installation: i}
	if beside, err := u.portsBeside(estimatorOf("m1")); err != nil || !slices.Equal(beside, []int{1, 2, 3}) {
		t.Errorf("ports beside estimator-m1: %v, %v", beside, err)
	}
	if err := os.WriteFile(i.component(estimatorOf("m1")).recordPath(), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := u.portsBeside(schedulerName); err == nil {
		t.Error("no error for a record that cannot be read")
	}
}
