package framework

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	status "k8s.io/kube-scheduler/framework"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Plugin takes part in one or more of the extension points FilterPlugin, ScorePlugin, SelectPlugin and AssignPlugin. It keeps
// no state between calls and modifies nothing it is given.
//
// A nil Status is a success. Skip means that the plugin has nothing to say about this request. Unschedulable,
// UnschedulableAndUnresolvable and Pending reject, with the reasons that users will read. Error, and any code that an
// extension point does not know, fails the decision.
type Plugin interface {
	// Name is the one the plugin is registered by.
	Name() string
}

// FilterPlugin rejects clusters one by one. It is asked only about clusters that the plugins before it let pass.
type FilterPlugin interface {
	Plugin
	Filter(request *placement.Request, cluster *clusterv1alpha1.Cluster) *status.Status
}

// ScorePlugin gives each cluster that passed all filters a score from status.MinScore to status.MaxScore, which counts times
// the plugin's weight.
type ScorePlugin interface {
	Plugin
	Score(request *placement.Request, cluster *clusterv1alpha1.Cluster) (int64, *status.Status)
}

// ScoreNormalizer is a ScorePlugin whose scores may be any numbers until it has seen all of them: it then changes them in
// place to the range of scores. They are in ascending order of cluster name.
type ScoreNormalizer interface {
	ScorePlugin
	NormalizeScores(request *placement.Request, scores []ClusterScore) *status.Status
}

// ClusterScore is the score of one plugin for one cluster.
type ClusterScore struct {
	Cluster string
	Score   int64
}

// SelectPlugin narrows the candidates together, with their capacities known, before the spread constraints choose among them.
// It returns the names of those that stay; with the code Skip all do.
type SelectPlugin interface {
	Plugin
	Select(request *placement.Request, candidates []Candidate) (keep []string, result *status.Status)
}

// Candidate is a cluster that may get the workload.
type Candidate struct {
	// Cluster is shared and must not be modified.
	Cluster *clusterv1alpha1.Cluster
	// Capacity is what the cluster can take in addition to what it runs, in replicas or sets of components;
	// placement.Unknown or placement.Unlimited.
	Capacity int32
}

// AssignPlugin moves replicas among the clusters that the spread constraints chose, after the core has divided them. It is
// asked only when replicas are divided. The replicas it returns must add up to those it was given; clusters that it leaves
// out get none. With the code Skip the division stays.
type AssignPlugin interface {
	Plugin
	Assign(request *placement.Request, selected []string, targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status)
}

// Factory makes a plugin of its arguments in the configuration file.
type Factory func(arguments Arguments) (Plugin, error)

// Registry holds the plugins that are compiled in beside the built-in ones, by name. They run in profiles that enable them.
type Registry map[string]Factory

// Arguments are those of one plugin as JSON, empty when the profile has none.
type Arguments []byte

// Decode reads the arguments into a struct with JSON tags, and leaves it as it is when there are none. Unknown fields are an
// error.
func (a Arguments) Decode(into any) error {
	if len(a) == 0 {
		return nil
	}
	decoder := json.NewDecoder(bytes.NewReader(a))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("decoding plugin arguments: %w", err)
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errors.New("decoding plugin arguments: more than one value")
	}
	return nil
}

// names lists the built-in plugins, then the registered ones in ascending order.
func (r Registry) names() []string {
	var names []string
	for _, plugin := range placement.Plugins() {
		names = append(names, plugin.String())
	}
	return append(names, slices.Sorted(maps.Keys(r))...)
}

func builtin(name string) (plugin placement.Plugin, ok bool) {
	for _, plugin := range placement.Plugins() {
		if plugin.String() == name {
			return plugin, true
		}
	}
	return 0, false
}
