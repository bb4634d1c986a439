// Package fleet names what a test, a drill or a development set-up can do to a fleet of clusters: one control plane and its
// members. Environment is the whole of it; fleet/embedded implements it with real kube-apiservers in local processes, and a
// simulated fleet implements it in virtual time. A suite written against Environment runs on each of them unchanged.
package fleet

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Environment is a fleet that can be looked at, changed and broken.
//
// Every method names the cluster in its error, wraps ErrUnknownCluster when there is none of that name, and returns once the change
// has taken effect: a killed cluster's process is gone, a revived or added cluster answers its API and has its nodes. Disturbing a
// cluster twice in the same way, or mending what is whole, changes nothing and is no error. Methods may be called concurrently.
type Environment interface {
	// Clusters lists the fleet sorted by name.
	Clusters(ctx context.Context) ([]Cluster, error)
	// Client reaches the cluster's API directly, so it works through a partition. It reads without a cache.
	Client(ctx context.Context, cluster string) (client.Client, error)
	// Kubeconfig is the path of a file whose current context is the cluster, with direct admin access. An environment without
	// a network returns ErrNoKubeconfig.
	Kubeconfig(ctx context.Context, cluster string) (string, error)

	// Add starts one more cluster. It does not join it to the control plane.
	Add(ctx context.Context, spec Spec) error
	// Remove ends a cluster for good, data included, from whatever state it is in.
	Remove(ctx context.Context, cluster string) error

	// Pause freezes the cluster, as a hypervisor suspends a machine: connections open, nothing answers. Resume undoes it.
	Pause(ctx context.Context, cluster string) error
	Resume(ctx context.Context, cluster string) error
	// Kill ends the cluster at once, without shutdown. Revive starts it again on the data it had.
	Kill(ctx context.Context, cluster string) error
	Revive(ctx context.Context, cluster string) error
	// Partition cuts the network between the control plane and the member, in both directions and without a reset: calls hang.
	// The member's pods go on and Client still reaches it. Heal mends the network; connections from before the cut are dropped.
	Partition(ctx context.Context, cluster string) error
	Heal(ctx context.Context, cluster string) error

	// Await lets the environment's time pass until condition holds. It fails once timeout, in the environment's own time, has
	// passed, when ctx ends, or when condition fails; the error says what was awaited.
	Await(ctx context.Context, timeout time.Duration, what string, condition func(context.Context) (bool, error)) error
}

// Errors that an Environment wraps.
var (
	ErrUnknownCluster = errors.New("no such cluster in the fleet")
	ErrNoKubeconfig   = errors.New("the environment has no kubeconfigs")
)

// Role says what a cluster is in the fleet.
type Role string

const (
	// ControlPlane is the API server that holds the fleet's own kinds. It runs no workloads: no nodes, no scheduler, no
	// workload controllers.
	ControlPlane Role = "control-plane"
	// Member is a cluster with nodes that runs workloads.
	Member Role = "member"
)

// ControlPlaneName is the name, and so the kubeconfig context, of the control plane in a default fleet.
const ControlPlaneName = "karmada-apiserver"

// State says whether a cluster works.
type State string

const (
	Running State = "running"
	Paused  State = "paused"
	Stopped State = "stopped"
)

// Cluster is a cluster of a fleet as it is now.
type Cluster struct {
	Spec
	State State
	// Partitioned: the control plane and this cluster cannot reach each other.
	Partitioned bool
	// Endpoint is the URL under which the control plane reaches the cluster (Cluster.spec.apiEndpoint); a partition cuts it. It
	// is empty in an environment without a network.
	Endpoint string
}

// Spec describes a cluster. WithDefaults fills what is empty.
type Spec struct {
	// Name is a DNS-1123 label; it is the name of the kubeconfig context too.
	Name string `json:"name"`
	Role Role   `json:"role"`

	// Provider, Region and Zones are what the member's Cluster object says of it; nodes are spread over the zones in turn and
	// carry region and zone as topology labels.
	Provider string   `json:"provider,omitempty"`
	Region   string   `json:"region,omitempty"`
	Zones    []string `json:"zones,omitempty"`

	Nodes   NodePool `json:"nodes"`
	Startup Startup  `json:"startup"`
}

// NodePool is a number of like nodes. CPU, Memory and Pods are resource quantities: capacity and allocatable of each node.
type NodePool struct {
	Count  int               `json:"count,omitempty"`
	CPU    string            `json:"cpu,omitempty"`
	Memory string            `json:"memory,omitempty"`
	Pods   string            `json:"pods,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
}

// Startup is how long a scheduled pod takes to become ready: Delay plus a random part of Jitter. Negative means none.
type Startup struct {
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
}
