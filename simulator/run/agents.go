package run

import (
	"cmp"
	"maps"
	"slices"

	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/agent"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// agents is the process inside each member in Pull mode.
const agents scenario.Component = "agent"

const pull scenario.SyncMode = "Pull"

// clusterStatus is how clusters are looked at, with the settings of the scenario.
func (e *engine) clusterStatus() clusterstatus.Options {
	options, given := clusterstatus.Defaults(), &e.plan.Settings.ClusterStatus
	options.UpdateFrequency = cmp.Or(given.UpdateFrequency.Duration, options.UpdateFrequency)
	options.FailureThreshold = given.FailureThreshold.Or(options.FailureThreshold)
	options.SuccessThreshold = given.SuccessThreshold.Or(options.SuccessThreshold)
	options.ResourceModeling = ptr.Deref(given.ResourceModeling, options.ResourceModeling)
	return options
}

// join makes a cluster a member in the mode of its plan.
func (e *engine) join(plan *scenario.Cluster) error {
	if plan.SyncMode != pull {
		return e.fleet.Join(e.ctx, plan.Name)
	}
	options := agent.Defaults()
	options.Cluster, options.ClusterStatus = plan.Name, e.clusterStatus()
	return e.fleet.Register(e.ctx, plan.Name, func() []control.Controller {
		return append(agent.Controllers(options), agent.Heartbeat(options))
	})
}

// eachAgent does something to the agents of all members in Pull mode.
func (e *engine) eachAgent(do func(cluster string) error) error {
	for _, name := range slices.Sorted(maps.Keys(e.members)) {
		if e.members[name].plan.SyncMode != pull {
			continue
		}
		if err := do(name); err != nil {
			return err
		}
	}
	return nil
}
