package kube

import (
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	configv1 "k8s.io/kube-scheduler/config/v1"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Loop is what drives a cluster: a clock and a heap of events, which run one after the other. Events for the same time run in
// the order of planning.
type Loop interface {
	Now() time.Time
	After(delay time.Duration, run func())
}

// Events tell what the cluster has done by itself. They are called at the end of a turn, from the loop. They may read the cluster
// and plan events, and must not change it.
type Events struct {
	// Status: the status of a workload or ResourceQuota differs from what was last told, or from nothing. It comes after the others,
	// in the order of keys.
	Status func(Key)
	// Scaled: a HorizontalPodAutoscaler has given the workload another number of replicas. Whoever holds the object writes it
	// there; applying it again changes nothing.
	Scaled func(Key, int32)
	// Removed: a Job has outlived its time or the history of its CronJob.
	Removed func(Key)
}

// Options make a cluster what it is. The same options and the same calls at the same times give the same history.
type Options struct {
	Seed   uint64
	Timing Timing
	// Scheduler is the configuration of kube-scheduler, nil for its defaults.
	Scheduler *configv1.KubeSchedulerConfiguration
	Events    Events
	// Lag is the time between the beginning of a turn and its end, when the events come. Zero: both are in the same instant.
	Lag time.Duration
	// Beside calls what it is given once, at any time and on any goroutine: turns are worked off there while the loop goes on, up
	// to their end or to the next call of the cluster. It changes nothing but the time this takes. Nil works them off in the loop.
	Beside func(func())
}

// Stats count what has happened since the beginning.
type Stats struct {
	Created, Bound, Started, Pulled, Unschedulable, Preempted, Evicted, NodesLost, NodesAdded, Turns, Timers uint64
}

// Cluster is one member cluster. It is driven by its Loop and used by one goroutine at a time; it shares nothing that changes
// with other clusters. Every exported method begins with advance or join.
type Cluster struct {
	loop   Loop
	epoch  time.Time
	now    int64
	timing Timing
	events Events
	lag    time.Duration
	beside func(func())

	// aside is the work of a turn that may be under way on another goroutine, which alone uses the cluster until then; nil for none.
	aside *sync.Once
	// news are the events of the present turn but for those of statuses.
	news []func()

	// startups draws latencies, lots settles ties of the scheduler, fate decides how Jobs end: one source each, so that none
	// depends on how often another was asked.
	startups rand.Source
	lots     *rand.Rand
	fate     *rand.Rand

	timers timers
	wakes  []int64
	poked  bool
	// turning: a turn is under way, whose end will see to what is changed meanwhile.
	turning      bool
	paused, dead bool
	late         []timer

	resources resources
	stride    int
	shapes    shapeTable
	pools     []pool
	poolOf    map[string]int32
	nodes     []node
	// ownTaints are those that single nodes have beside the ones of their pool.
	ownTaints map[int32][]corev1.Taint
	used      []int64
	scored    [][2]int64
	freeNodes []int32
	zones     []*zone
	images    []*image
	imageOf   map[string]int32
	// pulling is when a node will hold an image; pulled is when all will that are being pulled.
	pulling map[[2]int32]int64
	pulled  int64

	pods     []pod
	freePods []int32
	serial   uint32
	sets     []set
	setGens  []uint32
	freeSets []int32
	works    []workload
	// freeWorks are rows; workOf finds those that exist.
	freeWorks []int32
	workOf    map[Key]int32
	// touched workloads wait for their controllers, changed ones for the end of the turn, when they become the reporting ones.
	touched, changed, reporting []int32
	daemons                     []int32
	missing                     []daemonPlace
	budgets                     []*budget
	// quotas and limits are those of all namespaces, by their keys; quotaVersion counts changes of the quotas.
	quotas       []*quota
	limits       []*corev1.LimitRange
	quotaVersion uint64
	scalers      []*scaler

	namespaces map[string]map[string]string
	// selective: there has been a term that selects namespaces by their labels.
	selective       bool
	priorityClasses map[string]priorityClass
	defaultClass    priorityClass

	scheduling
	ledger
	stats    Stats
	problems []error
}

// scheduling is what the scheduler remembers.
type scheduling struct {
	profiles []*profile
	nobody   *profile
	queue    queue
	parking  []*parked
	decided  int64

	// structure counts changes of nodes beyond what pods take; loudness those of the templates that have affinity terms.
	structure uint64
	loudness  int
	log       []happened
	position  uint64
	// freed counts what leaves room on nodes, added what changes the pods around: both may help pods that found no node.
	// unparked is how far they had come when parked pods were last looked at.
	freed, added uint64
	unparked     [2]uint64

	boards    []*board
	outlooks  []*outlook
	vacancies []*vacancy
	boardTurn uint64
	// order is that of the nodes in a walk, as of structure lined; orderShapes are their shapes, placeOf the places of rows.
	order, orderShapes, placeOf []int32
	// plain are the lanes of nodes by shape, shapesLined the number of shapes.
	plain       []uint8
	shapesLined int
	lined       uint64
	nextNode    int
	first       bool
	floors      []int32
	shunned     struct {
		structure uint64
		any       bool
	}
	priorities   tiers
	nominations  map[int32][]int32
	nominationOf map[int32]int32
	supposed     map[int32]struct{}

	// Scratch space of one decision.
	window                              window
	seen                                []bool
	feasible, ties, present, shapeCount []int32
	totals, raws                        []int64
	shapeScores                         [][2]int64
	base                                []float64
	// growing and shrinking: the cluster autoscaler will look at pods that wait, and at idle nodes.
	growing, shrinking bool
}

// ledger holds the sums over nodes and pods.
type ledger struct {
	capacity, held, waiting sums
	known, healthy          int
	live                    int
	grades                  grades
	// version counts changes of all these; summary is that of version summarised.
	version, summarised uint64
	summary             clusterv1alpha1.ResourceSummary
}

// New returns a cluster without nodes at the present time of the loop.
func New(loop Loop, options Options) (*Cluster, error) {
	source := func(stream uint64) rand.Source { return rand.NewPCG(options.Seed, stream) }
	c := &Cluster{
		loop: loop, epoch: loop.Now(), timing: options.Timing.WithDefaults(), events: options.Events, lag: options.Lag, beside: options.Beside,
		startups: source(1), lots: rand.New(source(2)), fate: rand.New(source(3)),
		resources: newResources(), shapes: newShapeTable(), poolOf: map[string]int32{}, imageOf: map[string]int32{}, workOf: map[Key]int32{},
		namespaces: map[string]map[string]string{}, priorityClasses: map[string]priorityClass{},
	}
	c.nominations, c.nominationOf, c.supposed = map[int32][]int32{}, map[int32]int32{}, map[int32]struct{}{}
	c.pulling, c.ownTaints = map[[2]int32]int64{}, map[int32][]corev1.Taint{}
	c.structure, c.version, c.nobody = 1, 1, defaultProfile()
	if err := c.readProfiles(options.Scheduler); err != nil {
		return nil, err
	}
	c.stride = len(c.resources.names)
	return c, nil
}

func (c *Cluster) time(at int64) time.Time { return c.epoch.Add(time.Duration(at)) }

// advance takes over the time of the loop, after what there was to do before.
func (c *Cluster) advance() {
	c.join()
	c.now = int64(c.loop.Now().Sub(c.epoch))
}

// poke asks for a turn in this instant.
func (c *Cluster) poke() {
	if c.poked || c.turning {
		return
	}
	c.poked = true
	c.loop.After(0, func() {
		c.join()
		c.poked = false
		c.turn()
	})
}

// down tells that the control plane of the cluster decides nothing.
func (c *Cluster) down() bool { return c.paused || c.dead }

// turn works off one instant, aside if it can, and plans its end.
func (c *Cluster) turn() {
	c.advance()
	c.stats.Turns++
	once := &sync.Once{}
	c.aside = once
	if c.beside != nil {
		c.beside(func() { once.Do(c.work) })
	} else {
		c.join()
	}
	if c.lag == 0 {
		c.end()
		return
	}
	c.loop.After(c.lag, c.end)
}

// join waits until the work of the last turn is done, or does it.
func (c *Cluster) join() {
	if c.aside != nil {
		c.aside.Do(c.work)
		c.aside = nil
	}
}

// work does what is to be done in this instant. It uses nothing but the cluster's own rows.
func (c *Cluster) work() {
	c.turning = true
	for again := true; again; {
		c.fire()
		if c.down() {
			break
		}
		c.settle()
		again = len(c.timers.heap) > 0 && c.timers.heap[0].at <= c.now
	}
	c.turning = false
	c.endPulls()
}

// end tells what has become of a turn, and plans the next.
func (c *Cluster) end() {
	c.advance()
	c.arm()
	news := c.news
	c.news = nil
	for _, tell := range news {
		tell()
	}
	if !c.down() {
		c.report()
	}
}

// settle lets controllers and scheduler work until neither has anything to do.
func (c *Cluster) settle() {
	for c.queue.size > 0 || len(c.touched) > 0 || len(c.missing) > 0 {
		for at := 0; at < len(c.touched); at++ { //nolint:intrange // reconciling touches more
			c.works[c.touched[at]].touched = false
			c.reconcile(c.touched[at])
		}
		c.touched = c.touched[:0]
		c.fillMissing()
		c.schedule()
	}
	c.unpark()
}

// fire runs what is due.
func (c *Cluster) fire() {
	for len(c.timers.heap) > 0 && c.timers.heap[0].at <= c.now {
		due := c.timers.pop()
		c.stats.Timers++
		switch {
		case due.kind.kubelet():
			c.kubelet(due)
		case c.down():
			c.late = append(c.late, due)
		default:
			c.control(due)
		}
	}
}

// kubelet runs what a pod's node does; a pod that has changed its mind since is let be.
func (c *Cluster) kubelet(due timer) {
	if c.pods[due.id].gen != due.gen {
		return
	}
	switch due.kind {
	case kindReady:
		c.becomeReady(due.id)
	case kindAvailable:
		c.change(due.id, func(p *pod) { p.flags |= podAvailable })
	case kindGone:
		if p := &c.pods[due.id]; p.node == none || !c.nodes[p.node].is(nodeDown) && !c.dead {
			c.removePod(due.id)
		}
	case kindFinish:
		c.finish(due.id)
	}
}

// control runs what the control plane does.
func (c *Cluster) control(due timer) {
	switch due.kind {
	case kindDetect, kindEvict, kindDrain, kindCollect:
		if c.nodes[due.id].gen == due.gen {
			c.controlNode(due)
		}
	case kindTaint:
		c.taint(c.zones[due.id])
	case kindRetry:
		if c.setGens[due.id] == due.gen {
			c.retry(due.id)
		}
	case kindCron, kindDeadline, kindJobRetry, kindExpire, kindAskAgain:
		if c.works[due.id].gen == due.gen {
			c.controlWorkload(due)
		}
	case kindPardon:
		if c.pods[due.id].gen == due.gen {
			c.pardon(due.id)
		}
	case kindScale:
		c.scale()
	case kindGrow:
		c.grow()
	case kindArrive:
		c.arrive(due.id)
	case kindShrink:
		c.shrink()
	}
}

func (c *Cluster) controlNode(due timer) {
	switch due.kind {
	case kindDetect:
		c.detect(due.id)
	case kindEvict:
		c.evictAfter(due.id, due.arg)
	case kindDrain:
		c.drain(due.id)
	case kindCollect:
		c.collectPods(due.id)
	}
}

func (c *Cluster) controlWorkload(due timer) {
	switch {
	case due.kind == kindCron:
		c.runCron(due.id)
	case due.kind == kindJobRetry:
		c.touch(due.id)
	case due.kind == kindAskAgain:
		c.askAgain(due.id)
	case due.kind == kindExpire:
		c.remove(c.works[due.id].key)
	case due.arg == 1:
		c.endJobLate(due.id)
	default:
		c.checkDeadline(due.id)
	}
}

// arm asks the loop for a turn when the next thing is due, unless one is asked for already.
func (c *Cluster) arm() {
	if len(c.timers.heap) == 0 {
		return
	}
	at := c.timers.heap[0].at
	if len(c.wakes) > 0 && slices.Min(c.wakes) <= at {
		return
	}
	c.wakes = append(c.wakes, at)
	// During the lag of a turn something may have become due already.
	c.loop.After(time.Duration(max(at-c.now, 0)), func() {
		c.wakes = slices.DeleteFunc(c.wakes, func(other int64) bool { return other == at })
		c.turn()
	})
}

// Stats returns the counts of the cluster.
func (c *Cluster) Stats() Stats {
	c.join()
	return c.stats
}

// Problems returns what the cluster could not do by itself, such as running a CronJob whose template cannot be read, and
// forgets it.
func (c *Cluster) Problems() []error {
	c.join()
	found := c.problems
	c.problems = nil
	return found
}

// widen makes room for another extended resource in the columns of the nodes.
func (c *Cluster) widen() {
	wide := len(c.resources.names)
	used := make([]int64, len(c.nodes)*wide)
	for row := range c.nodes {
		copy(used[row*wide:], c.used[row*c.stride:][:c.stride])
	}
	c.used, c.stride = used, wide
}
