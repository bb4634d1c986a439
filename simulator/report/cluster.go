package report

import "time"

// Cluster is who a member is.
type Cluster struct {
	Name, Provider, Region string
	Zones                  []string
}

// ClusterState is how a member is, as the world knows it and not as the control plane believes.
type ClusterState string

const (
	ClusterReady       ClusterState = "ready"
	ClusterPartitioned ClusterState = "partitioned"
	ClusterDegraded    ClusterState = "degraded"
	ClusterFailed      ClusterState = "failed"
	ClusterRemoved     ClusterState = "removed"
)

// Capacity is what the nodes of a cluster have, and what is requested of it.
type Capacity struct {
	Nodes, ReadyNodes int64
	// CPU in thousandths of a core and memory in bytes: allocatable on ready nodes, and requested by the pods on them.
	CPU, RequestedCPU       int64
	Memory, RequestedMemory int64
	// Price of all nodes for an hour.
	Price float64
}

type cluster struct {
	info     Cluster
	since    int64
	capacity Capacity
	// cpuTime and requestedTime are integrals in core-microseconds; peak is the highest utilisation.
	cpuTime, requestedTime float64
	peak                   float64
	cost                   float64

	podsSince                       int64
	running, pending                int64
	overCommit, peakPending         int64
	lost, evictions, ready, drawnTo int64

	states []Period
	line   *series
}

// Period is a state of a cluster that lasted, in seconds since the start.
type Period struct {
	From  float64      `json:"from"`
	To    float64      `json:"to"`
	State ClusterState `json:"state"`
}

// maxPeriods of a cluster are told; the last one goes on when there are more.
const maxPeriods = 1024

// AddCluster begins to measure a member.
func (r *Recorder) AddCluster(at time.Duration, info Cluster) ClusterID {
	now := r.reach(at)
	added := cluster{info: info, since: now, podsSince: now, drawnTo: now, line: r.line()}
	added.states = []Period{{From: float64(now) / second, To: -1, State: ClusterReady}}
	r.clusters = append(r.clusters, added)
	return ClusterID(len(r.clusters) - 1)
}

// ClusterState says how a member is from now on. It changes no replicas: those that are lost with it are told by Replicas.
func (r *Recorder) ClusterState(at time.Duration, id ClusterID, state ClusterState) {
	now := float64(r.reach(at)) / second
	c := &r.clusters[id]
	last := &c.states[len(c.states)-1]
	if last.State == state || len(c.states) == maxPeriods {
		return
	}
	if last.From == now {
		last.State = state
		return
	}
	last.To = now
	c.states = append(c.states, Period{From: now, To: -1, State: state})
}

// Capacity says what a member has, and what is requested there, from now on.
func (r *Recorder) Capacity(at time.Duration, id ClusterID, capacity Capacity) {
	now := r.reach(at)
	c := &r.clusters[id]
	c.spend(now)
	r.readyNodes += capacity.ReadyNodes - c.capacity.ReadyNodes
	c.capacity = capacity
}

// spend lets the capacity hold until a time. The conversions keep the products from being fused with the sums, which would give
// other last bits on other machines.
func (c *cluster) spend(to int64) {
	span := float64(to - c.since)
	c.since = to
	if span == 0 {
		return
	}
	c.cpuTime += float64(float64(c.capacity.CPU) * span)
	c.requestedTime += float64(float64(c.capacity.RequestedCPU) * span)
	c.cost += float64(c.capacity.Price * float64(span/(3600*second)))
	if c.capacity.CPU > 0 {
		c.peak = max(c.peak, float64(c.capacity.RequestedCPU)/float64(c.capacity.CPU))
	}
}

// Pods says how many pods run in a member and how many wait there for room, from now on.
func (r *Recorder) Pods(at time.Duration, id ClusterID, running, pending int64) {
	now := r.reach(at)
	c := &r.clusters[id]
	c.wait(now)
	c.running, c.pending = running, pending
}

func (c *cluster) wait(to int64) {
	if to > c.podsSince {
		c.overCommit += c.pending * (to - c.podsSince)
		c.peakPending = max(c.peakPending, c.pending)
		c.podsSince = to
	}
}

// draw changes the ready replicas of a cluster on its timeline.
func (c *cluster) draw(now, change int64) {
	if now > c.drawnTo {
		c.line.add(c.drawnTo, now, c.ready)
		c.drawnTo = now
	}
	c.ready += change
}

// PodsLost notes pods that ended with a node or a cluster.
func (r *Recorder) PodsLost(at time.Duration, id ClusterID, pods int64) {
	now := r.reach(at)
	r.clusters[id].lost += pods
	r.count(PodsLost, r.podsLost(), now)
}

func (r *Recorder) podsLost() (sum int64) {
	for i := range r.clusters {
		sum += r.clusters[i].lost
	}
	return sum
}

// overCommit is in pod-microseconds.
func (r *Recorder) overCommit() (sum int64) {
	for i := range r.clusters {
		sum += r.clusters[i].overCommit
	}
	return sum
}

func (r *Recorder) cost() (sum float64) {
	for i := range r.clusters {
		sum += r.clusters[i].cost
	}
	return sum
}

func (r *Recorder) utilisation() (part float64, measured bool) {
	var requested, all float64
	for i := range r.clusters {
		requested += r.clusters[i].requestedTime
		all += r.clusters[i].cpuTime
	}
	if all == 0 {
		return 0, false
	}
	return requested / all, true
}
