// Package agent lists the controllers of an agent: those of a control plane that work inside a member, for one cluster in Pull
// mode, and its heartbeat. The agent sees of the control plane its own Cluster and execution space only.
package agent

import (
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/controllers/collect"
	"github.com/seatrial/seatrial/controllers/execute"
	"github.com/seatrial/seatrial/controllers/heartbeat"
	"github.com/seatrial/seatrial/controllers/services"
)

// Options are the settings of the controllers.
type Options struct {
	// Cluster is the name of the one cluster that is served.
	Cluster string

	ClusterStatus clusterstatus.Options
	Heartbeat     heartbeat.Options
	// MultiClusterService is the gate of that name.
	MultiClusterService bool
	// Clusters and Works are how many keys of each sort have their turns at once.
	Clusters, Works int
}

// Defaults are those of the reference.
func Defaults() Options {
	return Options{ClusterStatus: clusterstatus.Defaults(), Heartbeat: heartbeat.Defaults(), Clusters: 5, Works: 5}
}

// Controllers are all of an agent that can be left out, by the names of the reference.
func Controllers(options Options) []control.Controller {
	scope := control.Scope{Agent: options.Cluster}
	status := options.ClusterStatus
	status.Scope, status.Workers = scope, options.Clusters
	all := []control.Controller{clusterstatus.New(status), execute.New(scope, options.Works), collect.New(scope, options.Works)}
	return append(all, services.Collectors(scope, services.Options{MultiClusterService: options.MultiClusterService, Workers: options.Works})...)
}

// Heartbeat runs in every agent: without it the control plane would give the cluster up.
func Heartbeat(options Options) control.Controller {
	beat := options.Heartbeat
	beat.Scope = control.Scope{Agent: options.Cluster}
	return heartbeat.New(beat)
}
