package run

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
	"github.com/seatrial/seatrial/simulator/store"
)

// member is a cluster of the run.
type member struct {
	plan *scenario.Cluster
	id   report.ClusterID
	kube *kube.Cluster
	// pools are those of the kube.Cluster with the price of a node, in the order in which they were added.
	pools []pricedPool
	// nodes are the names that nodes have there, for those the timeline speaks of.
	nodes map[string]string
	// held are the pods of each workload.
	held             map[kube.Key]pods
	running, pending int64

	stopped, paused, partitioned bool
}

type pricedPool struct {
	name  string
	price float64
}

type pods struct {
	running, pending, ready int64
	// succeeded are all pods of a Job that have, ended those that no other follows, and followed those whose successors are not ready yet.
	succeeded, ended, followed int64
}

// addCluster makes a member, joins it, and begins to measure it.
func (e *engine) addCluster(plan *scenario.Cluster) error {
	m := &member{plan: plan, held: map[kube.Key]pods{}, nodes: map[string]string{}}
	e.members[plan.Name] = m
	m.id = e.recorder.AddCluster(e.passed(), report.Cluster{Name: plan.Name, Provider: plan.Provider, Region: plan.Region, Zones: plan.Zones})
	spec := fleet.Spec{Name: plan.Name, Role: fleet.Member, Provider: plan.Provider, Region: plan.Region, Zones: plan.Zones}
	columns := simulator.Columns{
		Timing: e.timing(plan), Scheduler: plan.Scheduler, Pools: m.divide(e.spokenOf(plan.Name)), Changed: func(key kube.Key) { e.onWorkload(m, key) },
	}
	if len(plan.Nodes) >= large {
		columns.Lag = largeLag
	}
	var err error
	if m.kube, err = e.fleet.AddColumnar(e.ctx, spec, columns); err != nil {
		return err
	}
	if err := e.serve(plan.Name, plan.API); err != nil {
		return err
	}
	if err := e.fleet.Watch(plan.Name, func(event store.Event) { e.onMember(m, event) }); err != nil {
		return err
	}
	if err := e.join(plan); err != nil {
		return err
	}
	return e.mark(plan.Name, func(cluster *clusterv1alpha1.Cluster) {
		cluster.Labels = maps.Clone(plan.Labels)
		cluster.Spec.Taints = slices.Clone(plan.Taints)
		setPrice(cluster, plan.Price)
	})
}

// mark changes a Cluster object.
func (e *engine) mark(name string, change func(*clusterv1alpha1.Cluster)) error {
	cluster := &clusterv1alpha1.Cluster{}
	if err := e.plane.Get(e.ctx, types.NamespacedName{Name: name}, cluster); err != nil {
		return fmt.Errorf("reading cluster %s: %w", name, err)
	}
	change(cluster)
	if err := e.plane.Update(e.ctx, cluster); err != nil {
		return fmt.Errorf("changing cluster %s: %w", name, err)
	}
	return nil
}

func setPrice(cluster *clusterv1alpha1.Cluster, price string) {
	if price == "" {
		return
	}
	if cluster.Annotations == nil {
		cluster.Annotations = map[string]string{}
	}
	cluster.Annotations[names.ClusterPrice] = price
}

// spokenOf are the names of a cluster's nodes that the timeline speaks of.
func (e *engine) spokenOf(cluster string) map[string]bool {
	spoken := map[string]bool{}
	for i := range e.plan.Actions {
		for _, group := range e.plan.Actions[i].Nodes {
			if group.Cluster == cluster {
				for _, name := range group.Names {
					spoken[name] = true
				}
			}
		}
	}
	return spoken
}

// divide makes a pool of a kube.Cluster for each zone of each pool.
func (m *member) divide(spoken map[string]bool) []kube.NodePool {
	var pools []kube.NodePool
	for _, pool := range m.plan.Pools {
		parts := map[string]int{}
		zones := m.plan.Zones
		for i := range m.plan.Nodes {
			node := &m.plan.Nodes[i]
			if node.Pool != pool {
				continue
			}
			if !slices.Contains(zones, node.Zone) {
				zones = append(slices.Clip(zones), node.Zone)
			}
			if spoken[node.Name] {
				m.nodes[node.Name] = fmt.Sprintf("%s-%d", m.poolName(pool, node.Zone), parts[node.Zone])
			}
			parts[node.Zone]++
		}
		if len(zones) == 0 {
			zones = []string{""}
		}
		for i, zone := range zones {
			made := kube.NodePool{
				Name: m.poolName(pool, zone), Labels: m.labels(pool, zone), Taints: pool.Taints, Allocatable: pool.Allocatable, Count: parts[zone],
			}
			if pool.Autoscaling != nil {
				made.Min, made.Max = share(pool.Autoscaling.Min, i, len(zones)), max(share(pool.Autoscaling.Max, i, len(zones)), parts[zone])
				made.Min = min(made.Min, made.Max)
			}
			pools = append(pools, made)
			m.pools = append(m.pools, pricedPool{made.Name, pool.Price})
		}
	}
	return pools
}

// share is the part that one of several zones has of a number.
func share(total, zone, zones int) int { return (total + zones - 1 - zone) / zones }

func (m *member) poolName(pool *scenario.Pool, zone string) string {
	return strings.TrimSuffix(m.plan.Name+"-"+pool.Name+"-"+zone, "-")
}

func (m *member) labels(pool *scenario.Pool, zone string) map[string]string {
	labels := maps.Clone(pool.Labels)
	if labels == nil {
		labels = map[string]string{}
	}
	if m.plan.Region != "" {
		labels[corev1.LabelTopologyRegion] = m.plan.Region
	}
	if zone != "" {
		labels[corev1.LabelTopologyZone] = zone
	}
	return labels
}

// In a large cluster something happens at any moment. What does within a second of each other happens at once there, which
// spares the run a third of the work on its pods; and what comes of it is told a moment later, so that the rest of the fleet
// can go on meanwhile.
const (
	large      = 1000
	largeGrain = time.Second
	largeLag   = 50 * time.Millisecond
)

// timing is how long everything takes in a cluster.
func (e *engine) timing(plan *scenario.Cluster) kube.Timing {
	members := &e.plan.Settings.Members
	timing := kube.Timing{Grace: members.NodeGracePeriod.Duration, Toleration: members.NodeToleration.Duration}
	if len(plan.Nodes) >= large {
		timing.Grain = largeGrain
	}
	if plan.Startup != nil {
		timing.Pull, timing.Start = kube.Latency{Delay: kube.Never}, latency(plan.Startup)
	}
	for _, pool := range plan.Pools {
		if pool.Autoscaling == nil {
			continue
		}
		if pool.Autoscaling.Delay != nil {
			timing.Provision = latency(pool.Autoscaling.Delay)
		}
		timing.UnneededTime = pool.Autoscaling.IdleAfter.Duration
		break
	}
	return timing
}

// latency has the median and the 99th percentile of a distribution; shapes that a kube.Latency does not have are drawn as
// the log-normal one with these.
func latency(d *scenario.Distribution) kube.Latency {
	const normal99 = 2.3263478740408408
	seconds := func(value float64) time.Duration { return time.Duration(math.Round(value*1e6)) * time.Microsecond }
	mean, deviation := d.Mean.Value, d.Deviation.Value
	switch d.Shape {
	case "Uniform":
		return kube.Latency{Delay: orNever(seconds(d.Min.Value)), Jitter: seconds(d.Max.Value - d.Min.Value)}
	case "Normal":
		return kube.Latency{Median: seconds(mean), P99: seconds(mean + float64(normal99*deviation))}
	case "LogNormal":
		spread := math.Log1p(float64(deviation/mean) * float64(deviation/mean))
		median := mean / math.Exp(spread/2)
		return kube.Latency{Median: seconds(median), P99: seconds(median * math.Exp(float64(normal99*math.Sqrt(spread))))}
	case "Exponential":
		return kube.Latency{Median: seconds(mean * math.Ln2), P99: seconds(mean * math.Log(100))}
	case "Pareto":
		return kube.Latency{Median: seconds(d.Min.Value * math.Pow(2, 1/d.Tail)), P99: seconds(d.Min.Value * math.Pow(100, 1/d.Tail))}
	}
	return kube.Latency{Delay: orNever(seconds(mean))}
}

func orNever(d time.Duration) time.Duration { return cmp.Or(d, kube.Never) }

// onWorkload measures a workload of a member that has changed.
func (e *engine) onWorkload(m *member, key kube.Key) {
	status, known := m.kube.Status(key)
	if !known {
		return
	}
	now := pods{running: int64(status.Replicas - status.Pending), pending: int64(status.Pending), ready: int64(status.Serving)}
	switch key.Kind {
	case kube.KindStatefulSet:
		now.running -= int64(status.Terminating)
	case kube.KindJob:
		now.succeed(m.held[key], status)
	}
	e.hold(m, key, now)
}

// succeed counts the pods of a Job that have ended as they should: until the next one is ready, nobody misses one.
func (p *pods) succeed(before pods, status kube.Status) {
	p.succeeded, p.ended = int64(status.Succeeded), int64(status.Ended)
	lacking := int64(status.Desired) - p.ended - p.ready
	p.followed = max(min(before.followed+p.succeeded-before.succeeded, lacking), 0)
	p.ready += p.followed
}

// onMember notes workloads that are gone from a member; their pods have been told to end.
func (e *engine) onMember(m *member, event store.Event) {
	if event.Type == watch.Deleted {
		e.hold(m, kube.Key{Kind: event.GVK.Kind, Namespace: event.Key.Namespace, Name: event.Key.Name}, pods{})
	}
}

func (e *engine) hold(m *member, key kube.Key, now pods) {
	before := m.held[key]
	if before == now {
		return
	}
	m.running += now.running - before.running
	m.pending += now.pending - before.pending
	m.held[key] = now
	if now == (pods{}) {
		delete(m.held, key)
	}
	e.recorder.Pods(e.passed(), m.id, m.running, m.pending)
	if w := e.workloads[workloadKey(key)]; w != nil {
		e.recorder.Replicas(e.passed(), w.id, m.id, now.running, now.ready)
		e.desire(w, func() { w.ended += now.ended - before.ended })
	}
}

// refresh looks at all workloads of a member, which may tell of nothing by itself.
func (e *engine) refresh(m *member) {
	for _, key := range m.kube.Workloads() {
		e.onWorkload(m, key)
	}
}

// sample looks at the capacity of all members.
func (e *engine) sample() {
	for _, name := range slices.Sorted(maps.Keys(e.members)) {
		m := e.members[name]
		nodes, resources := m.kube.NodeSummary(), m.kube.ResourceSummary(nil)
		seen := report.Capacity{
			Nodes: int64(nodes.TotalNum), ReadyNodes: int64(nodes.ReadyNum),
			CPU: resources.Allocatable.Cpu().MilliValue(), RequestedCPU: resources.Allocated.Cpu().MilliValue(),
			Memory: resources.Allocatable.Memory().Value(), RequestedMemory: resources.Allocated.Memory().Value(),
		}
		for _, pool := range m.pools {
			seen.Price += float64(pool.price * float64(m.kube.PoolSize(pool.name)))
		}
		if m.stopped {
			seen.ReadyNodes = 0
		}
		e.recorder.Capacity(e.passed(), m.id, seen)
	}
}

// state tells how a member is.
func (m *member) state() report.ClusterState {
	switch {
	case m.stopped:
		return report.ClusterFailed
	case m.partitioned, m.paused:
		return report.ClusterPartitioned
	}
	return report.ClusterReady
}
