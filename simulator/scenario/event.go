package scenario

// Event is something that happens to the fleet once or several times. Exactly one field says what.
type Event struct {
	// Name is how reports call it.
	Name string `json:"name,omitempty"`
	// At is when it happens first.
	At Duration `json:"at,omitempty"`
	// Every repeats it; Between draws the time to the next instead.
	Every   Duration      `json:"every,omitempty"`
	Between *Distribution `json:"between,omitempty"`
	// Times and Until end the repetition.
	Times int      `json:"times,omitempty" rule:"min=1,max=100000"`
	Until Duration `json:"until,omitempty"`
	// Jitter is added to each time.
	Jitter *Distribution `json:"jitter,omitempty"`
	// For is how long it lasts: then what was failed, paused, partitioned, tainted, cordoned or slowed down is as before.
	For Duration `json:"for,omitempty"`

	// Fail ends clusters at once, with all that runs in them. Pause freezes them. Partition cuts the network between them and the
	// control plane while they go on. Heal undoes all of this.
	Fail      *Clusters `json:"fail,omitempty"`
	Pause     *Clusters `json:"pause,omitempty"`
	Partition *Clusters `json:"partition,omitempty"`
	Heal      *Clusters `json:"heal,omitempty"`
	// AddCluster joins new clusters; RemoveCluster unjoins some and ends them.
	AddCluster    *ClusterGroup `json:"addCluster,omitempty"`
	RemoveCluster *Clusters     `json:"removeCluster,omitempty"`
	// Taint and Untaint change Cluster objects.
	Taint   *ClusterTaint `json:"taint,omitempty"`
	Untaint *ClusterTaint `json:"untaint,omitempty"`
	// SetPrice changes what the scheduler is told that clusters cost.
	SetPrice *ClusterPrice `json:"setPrice,omitempty"`

	// FailNodes ends nodes as a power cut does; HealNodes brings them back. Cordon keeps new pods away, and Drain evicts those
	// that are there too; Uncordon undoes both.
	FailNodes   *Nodes     `json:"failNodes,omitempty"`
	HealNodes   *Nodes     `json:"healNodes,omitempty"`
	Cordon      *Nodes     `json:"cordon,omitempty"`
	Drain       *Nodes     `json:"drain,omitempty"`
	Uncordon    *Nodes     `json:"uncordon,omitempty"`
	TaintNodes  *NodeTaint `json:"taintNodes,omitempty"`
	AddNodes    *NewNodes  `json:"addNodes,omitempty"`
	RemoveNodes *Nodes     `json:"removeNodes,omitempty"`

	// Scale changes the replicas of workloads; RollOut changes their pod template, so that all replicas are replaced.
	Scale   *Scale     `json:"scale,omitempty"`
	RollOut *Selection `json:"rollOut,omitempty"`
	// Load says how much there is to do for workloads from then on: their ready pods share it, and autoscalers see what each of them does.
	Load *Demand `json:"load,omitempty"`
	// Apply creates or updates objects of the control plane, and Delete removes them.
	Apply  *Manifest  `json:"apply,omitempty"`
	Delete *Reference `json:"delete,omitempty"`

	// SlowAPI and Disturb let API servers answer late or wrongly, Estimator lets estimates fail, Crash ends a component of the control
	// plane between two writes; it starts again at once, or after For.
	SlowAPI   *SlowAPI        `json:"slowAPI,omitempty"`
	Disturb   *Disturbance    `json:"disturb,omitempty"`
	Estimator *EstimatorFault `json:"estimator,omitempty"`
	Crash     *Crash          `json:"crash,omitempty"`
}

// Clusters selects clusters that match all of its fields. Empty, it selects all.
type Clusters struct {
	Names    []string          `json:"names,omitempty"`
	Provider string            `json:"provider,omitempty"`
	Region   string            `json:"region,omitempty"`
	Zone     string            `json:"zone,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	SyncMode SyncMode          `json:"syncMode,omitempty"`
	// Pick takes a random part of those: a number, or a part such as 25%, rounded up.
	Pick Amount `json:"pick,omitempty"`
}

// Nodes selects nodes of some clusters that match all of its fields.
type Nodes struct {
	Clusters Clusters `json:"clusters,omitempty"`
	Pool     string   `json:"pool,omitempty"`
	Zone     string   `json:"zone,omitempty"`
	// Pick takes a random part of those of all the clusters together.
	Pick Amount `json:"pick,omitempty"`
}

// NewNodes are added to a pool that the clusters have.
type NewNodes struct {
	Clusters Clusters `json:"clusters,omitempty"`
	Pool     string   `json:"pool,omitempty"`
	// Count in each cluster.
	Count int `json:"count" rule:"required,min=1,max=100000"`
}

// ClusterTaint is a taint of Cluster objects.
type ClusterTaint struct {
	Clusters Clusters `json:"clusters,omitempty"`
	Taint    Taint    `json:"taint" rule:"required"`
}

// NodeTaint is a taint of nodes.
type NodeTaint struct {
	Nodes Nodes `json:"nodes,omitempty"`
	Taint Taint `json:"taint" rule:"required"`
}

// ClusterPrice is a price of clusters.
type ClusterPrice struct {
	Clusters Clusters `json:"clusters,omitempty"`
	Price    float64  `json:"price" rule:"required,min=0"`
}

// Selection selects workloads that match all of its fields. Empty, it selects all.
type Selection struct {
	Namespaces []string          `json:"namespaces,omitempty"`
	Names      []string          `json:"names,omitempty"`
	Labels     map[string]string `json:"labels,omitempty"`
	// Pick takes a random part of those that exist at that time.
	Pick Amount `json:"pick,omitempty"`
}

// Scale changes replicas: to a number, by a number that may be negative, or by a factor.
type Scale struct {
	Workloads Selection `json:"workloads,omitempty"`
	To        *int      `json:"to,omitempty" rule:"min=0"`
	By        int       `json:"by,omitempty"`
	Factor    float64   `json:"factor,omitempty" rule:"min=0"`
}

// Demand is what all pods of a workload use together.
type Demand struct {
	Workloads Selection `json:"workloads,omitempty"`
	// Metric is a resource or the name of a metric of pods, as autoscalers call it; cpu unless given.
	Metric string `json:"metric,omitempty"`
	// Amount for each of the workloads, such as 12 or 500m.
	Amount Quantity `json:"amount" rule:"required"`
}

// Reference names an object of the control plane.
type Reference struct {
	APIVersion string `json:"apiVersion" rule:"required"`
	Kind       string `json:"kind" rule:"required"`
	Namespace  string `json:"namespace,omitempty"`
	Name       string `json:"name" rule:"required"`
}

// SlowAPI multiplies the service time of API servers.
type SlowAPI struct {
	// ControlPlane means the API server of the control plane; otherwise those of the clusters.
	ControlPlane bool     `json:"controlPlane,omitempty"`
	Clusters     Clusters `json:"clusters,omitempty"`
	Factor       float64  `json:"factor" rule:"required,min=1"`
}

// Disturbance lets API servers do what they may do.
type Disturbance struct {
	ControlPlane bool     `json:"controlPlane,omitempty"`
	Clusters     Clusters `json:"clusters,omitempty"`
	Fault        Fault    `json:"fault" rule:"required"`
	// Rate is the part of requests or watch events that it happens to, all unless given.
	Rate Amount `json:"rate,omitempty"`
	// Delay of watch events for DelayWatch, age of what is read for StaleReads, and offset for ClockSkew.
	Delay Duration `json:"delay,omitempty"`
}

// EstimatorFault lets the estimates for clusters fail.
type EstimatorFault struct {
	Clusters Clusters       `json:"clusters,omitempty"`
	Fault    EstimatorError `json:"fault" rule:"required"`
	// Factor of Wrong multiplies the estimates.
	Factor float64 `json:"factor,omitempty" rule:"min=0"`
}

// Crash ends a component of the control plane.
type Crash struct {
	Component Component `json:"component" rule:"required"`
}
