package scenario

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/simulator/report"
)

// Plan is what a simulation executes. It is fixed by the scenario and a seed.
type Plan struct {
	Name, Description string
	Requires          []Capability
	Seed              uint64
	Start             time.Time
	Duration          time.Duration
	// Clusters there are at the beginning, sorted by name.
	Clusters []*Cluster
	// Objects of the control plane at the beginning, in the order in which they are created: namespaces first.
	Objects []client.Object
	// Actions in the order of time; those of one time in the order of the scenario.
	Actions  []Action
	Settings Settings
	// Scheduling is how the scheduler of the control plane is configured; nil for its defaults.
	Scheduling *framework.Configuration
	Objectives []report.Objective

	floors []floorRule
}

// Cluster is a member.
type Cluster struct {
	Name, Provider, Region string
	Zones                  []string
	Labels                 map[string]string
	Taints                 []corev1.Taint
	// Price is what the scheduler is told, as text; empty for none.
	Price    string
	SyncMode SyncMode
	Startup  *Distribution
	API      API
	// Scheduler is the configuration of its kube-scheduler; nil for its defaults.
	Scheduler *configv1.KubeSchedulerConfiguration
	Pools     []*Pool
	// Nodes in the order of pools and numbers.
	Nodes []Node
}

// Pool is what like nodes have in common.
type Pool struct {
	Name        string
	Allocatable corev1.ResourceList
	Labels      map[string]string
	Taints      []corev1.Taint
	// Price of a node for an hour.
	Price       float64
	Autoscaling *Autoscaling
}

// Node is one of a pool.
type Node struct {
	Name, Zone string
	Pool       *Pool
}

// Object is the node as its cluster knows it.
func (n *Node) Object(region string) *corev1.Node {
	object := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: n.Name, Labels: map[string]string{corev1.LabelHostname: n.Name}}}
	for key, value := range n.Pool.Labels {
		object.Labels[key] = value
	}
	if region != "" {
		object.Labels[corev1.LabelTopologyRegion] = region
	}
	if n.Zone != "" {
		object.Labels[corev1.LabelTopologyZone] = n.Zone
	}
	object.Spec.Taints = slices.Clone(n.Pool.Taints)
	object.Status.Allocatable, object.Status.Capacity = n.Pool.Allocatable.DeepCopy(), n.Pool.Allocatable.DeepCopy()
	object.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady"}}
	return object
}

// Verb is what an action does.
type Verb string

// Verbs and the fields of Action that they use beside the time.
const (
	Fail          Verb = "fail"          // Clusters
	Pause         Verb = "pause"         // Clusters
	Partition     Verb = "partition"     // Clusters
	Heal          Verb = "heal"          // Clusters: undoes the three above
	AddCluster    Verb = "addCluster"    // Added
	RemoveCluster Verb = "removeCluster" // Clusters
	SetTaint      Verb = "taint"         // Clusters, Taint
	Untaint       Verb = "untaint"       // Clusters, Taint
	SetPrice      Verb = "setPrice"      // Clusters, Price

	FailNodes    Verb = "failNodes"    // Nodes
	HealNodes    Verb = "healNodes"    // Nodes
	Cordon       Verb = "cordon"       // Nodes
	Drain        Verb = "drain"        // Nodes
	Uncordon     Verb = "uncordon"     // Nodes
	TaintNodes   Verb = "taintNodes"   // Nodes, Taint
	UntaintNodes Verb = "untaintNodes" // Nodes, Taint
	AddNodes     Verb = "addNodes"     // Nodes, whose Added are set
	RemoveNodes  Verb = "removeNodes"  // Nodes

	ScaleTo Verb = "scale"   // Targets
	RollOut Verb = "rollOut" // Targets
	SetLoad Verb = "load"    // Targets, Metric, Amount
	Apply   Verb = "apply"   // Objects
	Delete  Verb = "delete"  // Targets

	SlowDown     Verb = "slowAPI" // ControlPlane or Clusters, Factor
	SlowAPIEnd   Verb = "slowAPIEnd"
	Disturb      Verb = "disturb" // ControlPlane or Clusters, Fault, Rate, Delay
	DisturbEnd   Verb = "disturbEnd"
	FaultyEstim  Verb = "estimator" // Clusters, EstimatorFault, Factor
	EstimatorEnd Verb = "estimatorEnd"
	Stop         Verb = "crash"   // Component
	Restart      Verb = "restart" // Component
)

// Action is done to the fleet at a time. The end of what lasts for a time names the clusters and nodes that it was done to: those
// that are gone by then are passed over, and what another event has done to the others meanwhile is undone too.
type Action struct {
	// At is since the start.
	At   time.Duration
	Verb Verb
	// Name and Field are those of the event in the scenario; Name is made of what it does when there is none.
	Name, Field string

	// Clusters it is done to, sorted.
	Clusters []string
	Added    *Cluster
	// Nodes it is done to, by cluster, sorted.
	Nodes   []NodesOf
	Targets []Target
	Objects []client.Object

	// Amount is in thousandths.
	Metric string
	Amount int64

	Taint          corev1.Taint
	Price          string
	ControlPlane   bool
	Fault          Fault
	EstimatorFault EstimatorError
	Rate, Factor   float64
	Delay          time.Duration
	Component      Component
}

// NodesOf are nodes of one cluster: names of those that are there, or whole ones that are added.
type NodesOf struct {
	Cluster string
	Names   []string
	Added   []Node
}

// Target is an object of the control plane. Replicas are those that it shall have after a scale.
type Target struct {
	APIVersion, Kind, Namespace, Name string
	Replicas                          int32
}

// FloorOf is what a workload is held to: a part of its replicas, and a number of them.
func (p *Plan) FloorOf(namespace, name string, labels map[string]string) (part float64, replicas int64) {
	for _, rule := range p.floors {
		if rule.group == "" || labels[GroupLabel] == rule.group {
			if rule.floor.Unit == Percent {
				return rule.floor.Value, 0
			}
			return 0, int64(rule.floor.Value)
		}
	}
	return 0, 0
}

// floorRule holds for a group of generated workloads, or for all.
type floorRule struct {
	group string
	floor Amount
}

const (
	// GroupLabel is on generated workloads: the name of what generated them, without the pattern.
	GroupLabel = "simulator.seatrial.io/group"
	// ClusterAnnotation says of a Node in a snapshot to which cluster it belongs.
	ClusterAnnotation = "simulator.seatrial.io/cluster"
	// RevisionAnnotation is what a roll-out changes in a pod template.
	RevisionAnnotation = "simulator.seatrial.io/revision"
)

const second = time.Second

// planner builds a plan step by step.
type planner struct {
	*problems
	scenario *Scenario
	plan     *Plan
	fleet    *fleetModel
	arrivals []Action
	// replicas of the workloads as the scenario leaves them.
	load *loadModel
	// schedulers are the configurations of kube-schedulers by their files.
	schedulers map[string]*configv1.KubeSchedulerConfiguration
}

// DefaultStart is when a scenario begins that does not say.
func DefaultStart() time.Time { return time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC) }

// Plan expands the scenario. The seed is what chance is drawn from. What cannot be done, such as to fail a cluster that there is
// not, is reported at once as a *configfile.Error.
func (s *Scenario) Plan(seed uint64) (*Plan, error) {
	plan := &Plan{
		Name: s.Metadata.Name, Description: s.Description, Requires: s.Requires, Seed: seed, Start: s.Start.Time,
		Duration: s.Duration.Duration, Settings: s.Settings,
	}
	if s.Start.empty() {
		plan.Start = DefaultStart()
	}
	p := &planner{problems: &problems{root: s.root, kinds: s.kinds}, scenario: s, plan: plan, fleet: newFleetModel(), load: newLoadModel(), schedulers: map[string]*configv1.KubeSchedulerConfiguration{}}
	p.configureSchedulers()
	p.addClusters()
	p.addManifests()
	p.generate()
	p.replayTraces()
	p.expandTimeline()
	p.addNamespaces()
	p.setFloors()
	p.setObjectives()
	if err := p.err(s.name); err != nil {
		return nil, err
	}
	slices.SortFunc(plan.Clusters, func(a, b *Cluster) int { return cmp.Compare(a.Name, b.Name) })
	return plan, nil
}
