// Package scenario reads scenarios: a fleet, what runs on it, what happens to it, and what shall hold meanwhile.
//
// Load reads the file and tells all that is wrong with it at once. Plan turns a scenario and a seed into what a simulation
// executes: concrete clusters, nodes and objects, and actions at times. Everything drawn by chance is drawn there, so the same
// scenario and seed give the same plan, and the engine only executes.
package scenario

import (
	"io/fs"

	"go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/runtime"
)

const (
	// APIVersion and Kind head every scenario.
	APIVersion = "simulator.seatrial.io/v1alpha1"
	Kind       = "Scenario"
)

// Scenario is the file. Everything but its name, its duration and its fleet may be left out.
type Scenario struct {
	APIVersion string `json:"apiVersion" rule:"required"`
	Kind       string `json:"kind" rule:"required"`
	// Metadata names the scenario.
	Metadata Metadata `json:"metadata" rule:"required"`
	// Description is for people: what happens, and what is to be learnt.
	Description string `json:"description,omitempty"`
	// Requires lists parts of a control plane without which the scenario cannot meet its objectives.
	Requires []Capability `json:"requires,omitempty"`
	// Start is the virtual time at which it begins, 2026-01-01T00:00:00Z unless given.
	Start Time `json:"start,omitempty"`
	// Seed is what chance is drawn from unless another is asked for.
	Seed uint64 `json:"seed,omitempty"`
	// Duration is how long it lasts.
	Duration Duration `json:"duration" rule:"required"`
	// Floor is the part (80%) or number of its replicas that every workload shall have ready at any time. A generated workload may
	// have its own.
	Floor Amount `json:"floor,omitempty"`
	// Fleet is what there is at the beginning.
	Fleet Fleet `json:"fleet" rule:"required"`
	// Manifests are objects of the control plane: workloads, policies, overrides and any other.
	Manifests []Manifest `json:"manifests,omitempty"`
	// Workloads are generated.
	Workloads []Workloads `json:"workloads,omitempty"`
	// Traces bring clusters and workloads from files.
	Traces []Trace `json:"traces,omitempty"`
	// Timeline is what happens.
	Timeline []Event `json:"timeline,omitempty"`
	// Settings of the control plane and of the world.
	Settings Settings `json:"settings,omitempty"`
	// Expect lists what shall hold.
	Expect []Objective `json:"expect,omitempty"`

	name    string
	content []byte
	root    *yaml.Node
	files   fs.FS
	// kinds are known from loading on, for collecting them takes time.
	kinds *runtime.Scheme
}

// Metadata names a scenario.
type Metadata struct {
	// Name is a DNS-1123 label.
	Name string `json:"name" rule:"required"`
	// Labels are for choosing among scenarios.
	Labels map[string]string `json:"labels,omitempty"`
}

// Fleet is given cluster by cluster, by a snapshot, or both.
type Fleet struct {
	// Snapshot is a file of Cluster and Node objects, as YAML documents or Lists. A Node says by the annotation
	// simulator.seatrial.io/cluster to which cluster it belongs. Other objects in it go to the control plane.
	Snapshot string `json:"snapshot,omitempty"`
	// Clusters are groups of like clusters.
	Clusters []ClusterGroup `json:"clusters,omitempty"`
}

// ClusterGroup is a number of like clusters.
type ClusterGroup struct {
	// Name of the cluster. With a count it contains {n}, which becomes 1, 2, 3...
	Name string `json:"name" rule:"required"`
	// Count of clusters, 1 unless given.
	Count int `json:"count,omitempty" rule:"min=1,max=10000"`
	// Provider, Region and Zones are what the Cluster object says. Nodes are spread over the zones in turn.
	Provider string   `json:"provider,omitempty"`
	Region   string   `json:"region,omitempty"`
	Zones    []string `json:"zones,omitempty"`
	// Labels and Taints of the Cluster object.
	Labels map[string]string `json:"labels,omitempty"`
	Taints []Taint           `json:"taints,omitempty"`
	// Price is what the scheduler is told that the cluster costs.
	Price *float64 `json:"price,omitempty" rule:"min=0"`
	// SyncMode is Push unless given.
	SyncMode SyncMode `json:"syncMode,omitempty"`
	// Pools of nodes; three nodes of 8 cores and 32Gi unless given.
	Pools []NodePool `json:"pools,omitempty"`
	// Startup is how long a pod takes from having a node to being ready.
	Startup *Distribution `json:"startup,omitempty"`
	// API is how fast the API server of the cluster is.
	API *API `json:"api,omitempty"`
	// Scheduler is a file with the KubeSchedulerConfiguration of the cluster.
	Scheduler string `json:"scheduler,omitempty"`
}

// NodePool is a number of like nodes.
type NodePool struct {
	// Name of the pool, "default" unless given.
	Name string `json:"name,omitempty"`
	// Count of nodes at the beginning.
	Count int `json:"count,omitempty" rule:"min=0,max=100000"`
	// CPU, Memory and Pods of a node: 8, 32Gi and 110 unless given.
	CPU    Quantity `json:"cpu,omitempty"`
	Memory Quantity `json:"memory,omitempty"`
	Pods   Quantity `json:"pods,omitempty"`
	// Extended resources of a node, such as example.com/gpu.
	Extended map[string]Quantity `json:"extended,omitempty"`
	Labels   map[string]string   `json:"labels,omitempty"`
	Taints   []Taint             `json:"taints,omitempty"`
	// Price of one node for an hour.
	Price float64 `json:"price,omitempty" rule:"min=0"`
	// Autoscaling adds and removes nodes; without it the pool stays as it is.
	Autoscaling *Autoscaling `json:"autoscaling,omitempty"`
}

// Autoscaling of a pool of nodes.
type Autoscaling struct {
	Min int `json:"min,omitempty" rule:"min=0"`
	Max int `json:"max" rule:"required,min=1"`
	// Delay from the first pod without room until the new node is ready.
	Delay *Distribution `json:"delay,omitempty"`
	// IdleAfter is how long a node must be empty before it is removed, 10m unless given. All pools of a cluster have the same
	// delay and the same idleAfter.
	IdleAfter Duration `json:"idleAfter,omitempty"`
}

// Taint of a cluster or a node.
type Taint struct {
	Key    string      `json:"key" rule:"required"`
	Value  string      `json:"value,omitempty"`
	Effect TaintEffect `json:"effect" rule:"required"`
}

// API is how an API server answers. What is not given is as measured on a real one (bench/simulator.md).
type API struct {
	// ServiceTime of one request, be it a read or a write.
	ServiceTime *Distribution `json:"serviceTime,omitempty"`
	// Concurrency is how many requests are served at once.
	Concurrency int `json:"concurrency,omitempty" rule:"min=1"`
}

// Manifest is a file or text with objects, in one or several YAML documents.
type Manifest struct {
	// File is found beside the scenario.
	File string `json:"file,omitempty"`
	// Inline is the text itself.
	Inline string `json:"inline,omitempty"`
	// At is when it is applied, at the beginning unless given.
	At Duration `json:"at,omitempty"`
}

// Workloads are a number of like workloads.
type Workloads struct {
	// Name of the workload. With a count it contains {n}, which becomes 1, 2, 3...
	Name  string       `json:"name" rule:"required"`
	Count int          `json:"count,omitempty" rule:"min=1,max=1000000"`
	Kind  WorkloadKind `json:"kind,omitempty"`
	// Namespaces are used in turn; default unless given. They are made when no manifest brings them.
	Namespaces []string `json:"namespaces,omitempty"`
	// Labels of the workloads and their pods.
	Labels map[string]string `json:"labels,omitempty"`
	// Replicas of each, 1 unless given.
	Replicas *Distribution `json:"replicas,omitempty"`
	// CPU, Memory and Extended are the requests of a replica.
	CPU      Quantity            `json:"cpu,omitempty"`
	Memory   Quantity            `json:"memory,omitempty"`
	Extended map[string]Quantity `json:"extended,omitempty"`
	// PriorityClass is the name of a PriorityClass of the members.
	PriorityClass string `json:"priorityClass,omitempty"`
	// Policy is the spec of a PropagationPolicy for them. Its resourceSelectors are filled in.
	Policy Raw `json:"policy,omitempty"`
	// Annotations of that policy.
	Annotations map[string]string `json:"annotations,omitempty"`
	// Arrival is when they are created, at the beginning unless given.
	Arrival Arrival `json:"arrival,omitempty"`
	// Lifetime ends with the deletion of a workload; forever unless given.
	Lifetime *Distribution `json:"lifetime,omitempty"`
	// Floor is as that of the scenario, for these workloads.
	Floor Amount `json:"floor,omitempty"`
}

// Arrival is when generated workloads are created.
type Arrival struct {
	Process ArrivalProcess `json:"process,omitempty"`
	// At is when the first one can arrive.
	At Duration `json:"at,omitempty"`
	// Over is the time that Uniform spreads them over.
	Over Duration `json:"over,omitempty"`
	// PerMinute is the mean number that arrives with Poisson.
	PerMinute float64 `json:"perMinute,omitempty" rule:"min=0"`
}

// Trace is a record of what ran somewhere.
type Trace struct {
	Format TraceFormat `json:"format" rule:"required"`
	// File has the workloads: for CSV the columns time, action, namespace, name, replicas, cpu and memory; for JSONL objects with
	// these fields; for OpenB the task list.
	File string `json:"file" rule:"required"`
	// Nodes is the node list of OpenB. Its nodes are dealt to clusters in turn.
	Nodes string `json:"nodes,omitempty"`
	// Clusters made of these nodes; Name of them contains {n}.
	Clusters int    `json:"clusters,omitempty" rule:"min=1,max=1000"`
	Name     string `json:"name,omitempty"`
	// At is the virtual time of the first entry.
	At Duration `json:"at,omitempty"`
	// Speed lets the trace pass so many times faster, 1 unless given.
	Speed float64 `json:"speed,omitempty" rule:"min=0"`
	// Limit of entries that are read; all unless given.
	Limit int `json:"limit,omitempty" rule:"min=1"`
	// Policy and Floor are as those of generated workloads.
	Policy Raw    `json:"policy,omitempty"`
	Floor  Amount `json:"floor,omitempty"`
}
