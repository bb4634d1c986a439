package simulator

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Fault is something that an API server may do at any time.
type Fault string

// Faults.
const (
	// DropWatch breaks watches when there is something to tell; watchers are back after a delay, without one after reconnect,
	// and never see the states between.
	DropWatch Fault = "DropWatch"
	// RepeatWatch tells the same change twice.
	RepeatWatch Fault = "RepeatWatch"
	// DelayWatch and StaleReads let watchers, and those who read what they hold, know of changes later.
	DelayWatch Fault = "DelayWatch"
	StaleReads Fault = "StaleReads"
	// Conflict refuses writes as if somebody else had been faster, Unavailable requests of all sorts.
	Conflict    Fault = "Conflict"
	Unavailable Fault = "Unavailable"
	// ClockSkew sets a clock ahead by a delay, at whatever rate: that of a member, which marks its objects and statuses with
	// times, or that of the controllers of the control plane.
	ClockSkew Fault = "ClockSkew"
)

// reconnect is how long a watcher takes to come back.
const reconnect = time.Second

// Disturbance says how often a fault happens: to which part of the requests or deliveries, from 0 to 1. Delay is that of
// faults that have one. Told is called within the request that a fault has hit, and before the delivery; nil for nobody.
type Disturbance struct {
	Rate  float64
	Delay time.Duration
	Told  func()
}

// server is what answers the requests of controllers.
type server struct {
	read, write service
	// object is what each further object of a list takes.
	object time.Duration
	factor float64
	// free is when each of its hands is free again, answered when the last write so far is done.
	free     []time.Time
	answered time.Time
	// pace is what service times are drawn from.
	pace   rand.Source
	faults map[Fault]Disturbance
	chance *rand.Rand
}

func newServer(chance *rand.Rand) *server {
	return &server{factor: 1, faults: map[Fault]Disturbance{}, chance: chance}
}

// SlowDown multiplies the service times of a cluster's API server, by 1 to end it.
func (f *Fleet) SlowDown(cluster string, factor float64) error {
	c, err := f.find(cluster)
	if err != nil {
		return err
	}
	c.server.factor = factor
	return nil
}

// Disturb lets a fault happen at a rate, at 0 to end it.
func (f *Fleet) Disturb(cluster string, fault Fault, how Disturbance) error {
	c, err := f.find(cluster)
	if err != nil {
		return err
	}
	if !slices.Contains([]Fault{DropWatch, RepeatWatch, DelayWatch, StaleReads, Conflict, Unavailable, ClockSkew}, fault) {
		return fmt.Errorf("cluster %s: API servers have no fault %q", cluster, fault)
	}
	if fault == ClockSkew {
		c.clock.ahead = 0
		if how.Rate > 0 {
			c.clock.ahead = how.Delay
		}
		return nil
	}
	delete(c.server.faults, fault)
	if how.Rate > 0 {
		c.server.faults[fault] = how
	}
	return nil
}

// strikes draws whether a fault happens now, and tells of it.
func (s *server) strikes(fault Fault) bool {
	struck := s.draws(fault)
	if told := s.faults[fault].Told; struck && told != nil {
		told()
	}
	return struck
}

func (s *server) draws(fault Fault) bool {
	how, on := s.faults[fault]
	return on && s.chance.Float64() < how.Rate
}

// take is when a request that comes at a time is answered.
func (s *server) take(at time.Time, write bool) time.Time {
	times := s.read
	if write {
		times = s.write
	}
	if times == nil {
		return at
	}
	cost := times[s.pace.Uint64()>>(64-serviceBits)]
	hand := 0
	for i := range s.free {
		if s.free[i].Before(s.free[hand]) {
			hand = i
		}
	}
	if s.free[hand].After(at) {
		at = s.free[hand]
	}
	at = at.Add(time.Duration(float64(cost) * s.factor))
	s.free[hand] = at
	if write && at.After(s.answered) {
		s.answered = at
	}
	return at
}

// lengthen is when a request that would be answered at a time is, if it is about that many objects.
func (s *server) lengthen(answered time.Time, objects int) time.Time {
	more := time.Duration(float64(s.object) * s.factor * float64(max(objects-1, 0)))
	for i := range s.free {
		if s.free[i].Equal(answered) {
			s.free[i] = answered.Add(more)
			break
		}
	}
	return answered.Add(more)
}

// lag is how much later than usual watchers learn of what has been written, whether their watches break meanwhile, so that
// they list anew and never see the states between, and whom to tell of it then.
func (s *server) lag(now time.Time) (lag time.Duration, broken bool, told []func()) {
	lag = max(s.answered.Sub(now), 0)
	for _, fault := range []Fault{DelayWatch, StaleReads, DropWatch} {
		if !s.draws(fault) {
			continue
		}
		how := s.faults[fault]
		if fault == DropWatch {
			how.Delay, broken = cmp.Or(how.Delay, reconnect), true
		}
		lag += how.Delay
		if how.Told != nil {
			told = append(told, how.Told)
		}
	}
	return lag, broken, told
}

// Unanswered is how long it is until the last write in the control plane so far is answered, and watchers learn of it.
func (f *Fleet) Unanswered() time.Duration {
	return max(f.plane.server.answered.Sub(f.loop.Now()), 0)
}

// door is how the controllers of a fleet come to the API server of a cluster, unless it is closed.
type door struct {
	fleet  *Fleet
	to     *cluster
	closed func() error
}

// request lets a controller's request pass: it takes its time, which the turn that makes it spends, and may fail.
func (d door) request(write bool) error {
	if err := d.closed(); err != nil {
		return err
	}
	now := d.fleet.loop.Now()
	d.fleet.spent = d.to.server.take(now.Add(d.fleet.spent), write).Sub(now)
	if d.to.server.strikes(Unavailable) {
		return apierrors.NewServiceUnavailable("the API server of " + d.to.spec.Name + " is overloaded")
	}
	if write && d.to.server.strikes(Conflict) {
		return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, "", fmt.Errorf("the object has been changed"))
	}
	return nil
}

// listed lets a list take its time, which what it answers tells.
func (d door) listed(objects int) {
	now := d.fleet.loop.Now()
	d.fleet.spent = d.to.server.lengthen(now.Add(d.fleet.spent), objects).Sub(now)
}
