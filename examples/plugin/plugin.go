// Command plugin is a scheduler with a plugin of its own, as an example: GreenClusters keeps clusters in maintenance free
// of new workloads, and prefers those with the lowest carbon intensity.
package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	status "k8s.io/kube-scheduler/framework"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Name is the one to enable the plugin by.
const Name = "GreenClusters"

// Arguments are what a configuration file says under pluginConfig.
type Arguments struct {
	// Label of a Cluster that holds its carbon intensity, a whole number of grams of CO2 per kWh.
	Label string `json:"label"`
	// Worst is the intensity that scores nothing.
	Worst int64 `json:"worst"`
}

type plugin struct {
	arguments Arguments
}

var (
	_ framework.FilterPlugin = &plugin{}
	_ framework.ScorePlugin  = &plugin{}
)

// Register adds the plugin to a registry.
func Register(registry framework.Registry) { registry[Name] = build }

func build(arguments framework.Arguments) (framework.Plugin, error) {
	made := &plugin{Arguments{Label: "example.com/carbon-intensity", Worst: 1000}}
	if err := arguments.Decode(&made.arguments); err != nil {
		return nil, err
	}
	if made.arguments.Label == "" || made.arguments.Worst <= 0 {
		return nil, errors.New("label must be set and worst must be positive")
	}
	return made, nil
}

// Name is the one the plugin is registered by.
func (p *plugin) Name() string { return Name }

// Filter rejects clusters in maintenance, unless the workload is there already.
func (p *plugin) Filter(request *placement.Request, cluster *clusterv1alpha1.Cluster) *status.Status {
	there := slices.ContainsFunc(request.Spec.Clusters, func(c workv1alpha2.TargetCluster) bool { return c.Name == cluster.Name })
	if there || cluster.Annotations["example.com/maintenance"] != "true" {
		return nil
	}
	return status.NewStatus(status.Unschedulable, "cluster(s) were in maintenance")
}

// Score is highest for a cluster without emissions; one that does not tell scores nothing.
func (p *plugin) Score(_ *placement.Request, cluster *clusterv1alpha1.Cluster) (int64, *status.Status) {
	label, ok := cluster.Labels[p.arguments.Label]
	if !ok {
		return status.MinScore, nil
	}
	intensity, err := strconv.ParseInt(label, 10, 64)
	if err != nil {
		return 0, status.AsStatus(fmt.Errorf("reading label %s: %w", p.arguments.Label, err))
	}
	intensity = min(max(intensity, 0), p.arguments.Worst)
	return status.MaxScore - intensity*status.MaxScore/p.arguments.Worst, nil
}
