package kind

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/seatrial/seatrial/fleet"
)

const (
	// fleetName begins the names of the fleet's clusters, and is that of the network they are at home in.
	fleetName = "seatrial"
	// hostName is the place of the control plane, which is installed in a cluster and is none.
	hostName = "host"

	recordSuffix = ".json"
	// maxClusters is how many have address ranges of their own.
	maxClusters = 60
)

// record is what is kept of a cluster, in <root>/<cluster>.json. How it is, is asked of the Docker engine.
type record struct {
	Spec fleet.Spec `json:"spec"`
	// Index is the cluster's own number in the fleet, from which its addresses follow.
	Index int `json:"index"`
}

// place is where the cluster is run: a member in a cluster of its name, the control plane in the host.
func (r record) place() string {
	if r.Spec.Role == fleet.ControlPlane {
		return hostName
	}
	return r.Spec.Name
}

// kindName is the name that kind knows the cluster by, and container the name of its only node.
func (r record) kindName() string  { return fleetName + "-" + r.place() }
func (r record) container() string { return r.kindName() + "-control-plane" }

func (r record) linkAddress() string   { return fmt.Sprintf("10.254.1.%d", 10+r.Index) }
func (r record) podSubnet() string     { return fmt.Sprintf("10.%d.0.0/16", 128+r.Index) }
func (r record) serviceSubnet() string { return fmt.Sprintf("10.%d.0.0/16", 192+r.Index) }

// endpoint is where the other side of the link finds the API server.
func (r record) endpoint() string {
	port := apiPort
	if r.Spec.Role == fleet.ControlPlane {
		port = ControlPlaneNodePort
	}
	return fmt.Sprintf("https://%s:%d", r.linkAddress(), port)
}

// record finds a cluster. The name may be any string: only names of existing clusters lead to one.
func (f *Fleet) record(cluster string) (record, error) {
	records, err := readRecords(f.root)
	if err != nil {
		return record{}, err
	}
	for _, r := range records {
		if r.Spec.Name == cluster {
			return r, nil
		}
	}
	return record{}, fmt.Errorf("cluster %q: %w", cluster, fleet.ErrUnknownCluster)
}

// newRecord gives a new cluster its number. It is not known before it is written.
func (f *Fleet) newRecord(spec fleet.Spec) (record, error) {
	f.adding.Lock()
	defer f.adding.Unlock()
	records, err := readRecords(f.root)
	if err != nil {
		return record{}, err
	}
	r := record{Spec: spec}
	for _, other := range records {
		if other.place() == r.place() {
			return record{}, fmt.Errorf("adding cluster %s: there is one of that name", spec.Name)
		}
	}
	for slices.ContainsFunc(records, func(other record) bool { return other.Index == r.Index }) {
		r.Index++
	}
	if r.Index >= maxClusters {
		return record{}, fmt.Errorf("adding cluster %s: a fleet has at most %d clusters", spec.Name, maxClusters)
	}
	return r, writeRecord(f.root, r)
}

// readRecords reads all clusters of a fleet, sorted by name.
func readRecords(root string) ([]record, error) {
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil, fmt.Errorf("reading the fleet in %s: %w", root, err)
	}
	var records []record
	for _, e := range entries {
		name, isRecord := strings.CutSuffix(e.Name(), recordSuffix)
		if !isRecord {
			continue
		}
		data, err := os.ReadFile(filepath.Join(root, e.Name()))
		if errors.Is(err, os.ErrNotExist) {
			// It was removed since the folder was read.
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading the state of cluster %s: %w", name, err)
		}
		var r record
		if err := json.Unmarshal(data, &r); err != nil {
			return nil, fmt.Errorf("reading the state of cluster %s from %s: %w", name, filepath.Join(root, e.Name()), err)
		}
		records = append(records, r)
	}
	slices.SortFunc(records, func(a, b record) int { return strings.Compare(a.Spec.Name, b.Spec.Name) })
	return records, nil
}

func writeRecord(root string, r record) error {
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of cluster %s: %w", r.Spec.Name, err)
	}
	// A reader sees the whole of it or nothing.
	path := filepath.Join(root, r.Spec.Name+recordSuffix)
	if err := os.WriteFile(path+".new", append(data, '\n'), 0o600); err != nil {
		return fmt.Errorf("writing the state of cluster %s: %w", r.Spec.Name, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("writing the state of cluster %s: %w", r.Spec.Name, err)
	}
	return nil
}
