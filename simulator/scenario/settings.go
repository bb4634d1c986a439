package scenario

// Settings of the control plane and of the world. What is not given has the default of the product.
type Settings struct {
	// Profile Reference gives what is not given the value that it has in the reference: no safety on top of failover and moves, and
	// its feature gates.
	Profile Profile `json:"profile,omitempty"`
	// FeatureGates by their name.
	FeatureGates map[string]bool `json:"featureGates,omitempty"`
	// Controllers to run, as the flag --controllers: * is all, NAME adds one, -NAME leaves one out.
	Controllers   []string      `json:"controllers,omitempty"`
	ClusterStatus ClusterStatus `json:"clusterStatus,omitempty"`
	Scheduler     Scheduler     `json:"scheduler,omitempty"`
	Eviction      Eviction      `json:"eviction,omitempty"`
	Rebalance     Rebalance     `json:"rebalance,omitempty"`
	// Descheduler takes replicas from clusters that find no node for them; none runs unless it is given.
	Descheduler *Descheduler `json:"descheduler,omitempty"`
	Estimator   Estimator    `json:"estimator,omitempty"`
	// API is how fast the API server of the control plane is.
	API API `json:"api,omitempty"`
	// Members are defaults for all clusters.
	Members Members `json:"members,omitempty"`
}

// AsReference tells whether workloads leave clusters and move as in the reference.
func (s *Settings) AsReference() bool { return s.Eviction.Reference || s.Profile == ProfileReference }

// Gates are the names of the feature gates that are given, sorted.
func (s *Settings) Gates() []string { return sortedKeys(s.FeatureGates) }

// ClusterStatus is how members are watched.
type ClusterStatus struct {
	UpdateFrequency  Duration `json:"updateFrequency,omitempty"`
	FailureThreshold Duration `json:"failureThreshold,omitempty"`
	SuccessThreshold Duration `json:"successThreshold,omitempty"`
	ResourceModeling *bool    `json:"resourceModeling,omitempty"`
	// MonitorGracePeriod is the silence tolerated from a cluster in Pull mode.
	MonitorGracePeriod Duration `json:"monitorGracePeriod,omitempty"`
}

// Scheduler is how bindings are placed.
type Scheduler struct {
	// Configuration is a file with a SchedulerConfiguration, as seatrial scheduler --config takes it, without extenders.
	Configuration string `json:"configuration,omitempty"`
	// Members is a file with the KubeSchedulerConfiguration of the members that do not have their own.
	Members string `json:"members,omitempty"`
	Workers int    `json:"workers,omitempty" rule:"min=1"`
}

// Eviction is how workloads leave clusters, as the flags of the controller manager say it.
type Eviction struct {
	// Rate of evictions a second, and SecondaryRate of those from lost clusters while more than UnhealthyThreshold of all are lost.
	Rate          *float64 `json:"rate,omitempty" rule:"min=0"`
	SecondaryRate *float64 `json:"secondaryRate,omitempty" rule:"min=0"`
	// UnhealthyThreshold is a part of all clusters; from StopThreshold on nothing leaves lost clusters.
	UnhealthyThreshold Amount `json:"unhealthyThreshold,omitempty"`
	StopThreshold      Amount `json:"stopThreshold,omitempty"`
	// TolerationNotReady and TolerationUnreachable are how long workloads stay without saying so.
	TolerationNotReady    Duration `json:"tolerationNotReady,omitempty"`
	TolerationUnreachable Duration `json:"tolerationUnreachable,omitempty"`
	// GracefulTimeout is the longest wait before an evicted copy is removed, and Floor the part of the replicas that must be ready
	// elsewhere before it is.
	GracefulTimeout Duration `json:"gracefulTimeout,omitempty"`
	Floor           Amount   `json:"floor,omitempty"`
	// NoExecute lets workloads leave clusters with NoExecute taints that they do not tolerate.
	NoExecute *bool `json:"noExecute,omitempty"`
	// Reference fails over as the reference does: without waiting for room elsewhere and without a brake.
	Reference bool `json:"reference,omitempty"`
}

// Rebalance is how replicas move between healthy clusters. All but Surge is about workloads that move by themselves, because their
// policy has the annotation seatrial.io/rebalance: Automatic.
type Rebalance struct {
	// Surge is how many replicas of a workload may exist beyond the desired ones during any move, as a number or part; what its
	// own roll-outs add unless given.
	Surge Amount `json:"surge,omitempty"`
	// Hysteresis is the part of the replicas of a workload that must be out of place before it moves.
	Hysteresis Amount `json:"hysteresis,omitempty"`
	// Interval at which balance is looked at.
	Interval Duration `json:"interval,omitempty"`
	// Settling is how long a cluster must have been healthy before anything moves into it.
	Settling Duration `json:"settling,omitempty"`
	// Rest is how long a workload stays where it was moved to.
	Rest Duration `json:"rest,omitempty"`
	// AtOnce is the part of the workloads that may move at the same time.
	AtOnce Amount `json:"atOnce,omitempty"`
}

// Descheduler has the settings of the component of that name.
type Descheduler struct {
	// Interval at which all workloads are looked at.
	Interval Duration `json:"interval,omitempty"`
	// UnschedulableThreshold is how long a replica waits for a node before it is taken away.
	UnschedulableThreshold Duration `json:"unschedulableThreshold,omitempty"`
}

// Estimator is where capacities come from.
type Estimator struct {
	// Source is Summary, from the status of clusters, or Nodes, by packing nodes.
	Source EstimatorSource `json:"source,omitempty"`
	// Timeout is how long a decision waits for estimators that do not answer, 3s unless given.
	Timeout Duration `json:"timeout,omitempty"`
}

// Members are what clusters have that do not say.
type Members struct {
	Startup *Distribution `json:"startup,omitempty"`
	API     API           `json:"api,omitempty"`
	// NodeGracePeriod is how long a silent node counts as ready, and NodeTolerationSeconds how long its pods stay after that.
	NodeGracePeriod Duration `json:"nodeGracePeriod,omitempty"`
	NodeToleration  Duration `json:"nodeToleration,omitempty"`
}

// Objective is something that shall hold: a measure with a bound, or an invariant.
type Objective struct {
	// Name is how reports call it; made of the rest unless given.
	Name string `json:"name,omitempty"`
	// Measure is one of those of the report.
	Measure Measure `json:"measure,omitempty"`
	// Invariant is the name of one that must never be violated; "*" means all.
	Invariant string `json:"invariant,omitempty"`
	// Workloads that count, all unless given.
	Workloads *Selection `json:"workloads,omitempty"`
	// From and By bound the time that counts; At means that moment alone.
	From Duration `json:"from,omitempty"`
	By   Duration `json:"by,omitempty"`
	At   Duration `json:"at,omitempty"`
	// Quantile of a distribution, such as 99%; its longest unless given.
	Quantile Amount `json:"quantile,omitempty"`
	// AtLeast and AtMost are a number, a part such as 99.9%, or a duration, as the measure is.
	AtLeast Amount `json:"atLeast,omitempty"`
	AtMost  Amount `json:"atMost,omitempty"`
}
