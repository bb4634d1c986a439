package e2e

import (
	"context"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/scheduler"
)

// Joiner makes a running cluster of a fleet a member and takes it out again. What that takes differs from fleet to fleet.
type Joiner interface {
	// Join returns when the Cluster exists, Unjoin when it is gone.
	Join(ctx context.Context, cluster string) error
	Unjoin(ctx context.Context, cluster string) error
}

// Rig is a fleet together with the components that run it.
type Rig interface {
	fleet.Environment
	Joiner
	// Restart kills the scheduler and the controllers where they stand, and starts them again.
	Restart(ctx context.Context) error
	// Upgrade replaces the components, one after the other, by another build of them with other flags.
	Upgrade(ctx context.Context) error
	// Explain tells what the scheduler makes of a binding, which is named by NAMESPACE/NAME.
	Explain(ctx context.Context, binding string) (scheduler.Explanation, error)
	// Logs writes what the components and the clusters have told so far into files of a folder that exists.
	Logs(ctx context.Context, folder string) error
}

// Estimating is a fleet whose scheduler asks estimators of members.
type Estimating interface {
	// Estimators are those that the scheduler asks. Done ends the connections to them.
	Estimators(ctx context.Context) (asked estimator.Estimators, done func(), err error)
}
