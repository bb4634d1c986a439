package simulator

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Service is how long an API server takes for a request, and how many it serves at once. The zero Service takes no time.
type Service struct {
	Read, Write time.Duration
	Concurrency int
}

// DefaultService is that of an API server on two cores, as measured on an embedded one: a write costs about 2 ms of processor
// time, and a read that no watch cache answers a fraction of it.
func DefaultService() Service {
	return Service{Read: 300 * time.Microsecond, Write: 2 * time.Millisecond, Concurrency: 2}
}

// Fault is something that an API server may do at any time.
type Fault string

// Faults.
const (
	// DropWatch breaks watches when there is something to tell; watchers are back after reconnect.
	DropWatch Fault = "DropWatch"
	// RepeatWatch tells the same change twice.
	RepeatWatch Fault = "RepeatWatch"
	// DelayWatch and StaleReads let watchers, and those who read what they hold, know of changes later.
	DelayWatch Fault = "DelayWatch"
	StaleReads Fault = "StaleReads"
	// Conflict refuses writes as if somebody else had been faster, Unavailable requests of all sorts.
	Conflict    Fault = "Conflict"
	Unavailable Fault = "Unavailable"
)

// reconnect is how long a watcher takes to come back.
const reconnect = time.Second

// Disturbance says how often a fault happens: to which part of the requests or deliveries, from 0 to 1. Delay is that of
// DelayWatch and StaleReads.
type Disturbance struct {
	Rate  float64
	Delay time.Duration
}

// server is what answers the requests of controllers.
type server struct {
	service Service
	factor  float64
	// free is when each of its hands is free again, answered when the last write so far is done.
	free     []time.Time
	answered time.Time
	faults   map[Fault]Disturbance
	chance   *rand.Rand
}

func newServer(chance *rand.Rand) *server {
	return &server{factor: 1, faults: map[Fault]Disturbance{}, chance: chance}
}

// Serve sets how fast the API server of a cluster is.
func (f *Fleet) Serve(cluster string, service Service) error {
	c, err := f.find(cluster)
	if err != nil {
		return err
	}
	if service.Read < 0 || service.Write < 0 || service.Concurrency < 0 {
		return fmt.Errorf("cluster %s: service times and concurrency must not be below 0, have %+v", cluster, service)
	}
	c.server.service = service
	c.server.free = make([]time.Time, max(service.Concurrency, 1))
	return nil
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
	if !slices.Contains([]Fault{DropWatch, RepeatWatch, DelayWatch, StaleReads, Conflict, Unavailable}, fault) {
		return fmt.Errorf("cluster %s: API servers have no fault %q", cluster, fault)
	}
	delete(c.server.faults, fault)
	if how.Rate > 0 {
		c.server.faults[fault] = how
	}
	return nil
}

// strikes draws whether a fault happens now.
func (s *server) strikes(fault Fault) bool {
	how, on := s.faults[fault]
	return on && s.chance.Float64() < how.Rate
}

// take is when a request that comes at a time is answered.
func (s *server) take(at time.Time, write bool) time.Time {
	cost := s.service.Read
	if write {
		cost = s.service.Write
	}
	if cost == 0 {
		return at
	}
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

// lag is how much later than usual watchers learn of what has been written, and whether their watches break meanwhile: then
// they list anew, and never see the states between.
func (s *server) lag(now time.Time) (lag time.Duration, broken bool) {
	lag = max(s.answered.Sub(now), 0)
	for _, fault := range []Fault{DelayWatch, StaleReads} {
		if s.strikes(fault) {
			lag += s.faults[fault].Delay
		}
	}
	if s.strikes(DropWatch) {
		return lag + reconnect, true
	}
	return lag, false
}

// request lets a controller's request pass: it takes its time, which the turn that makes it spends, and may fail.
func (f *Fleet) request(c *cluster, closed func() error, write bool) error {
	if err := closed(); err != nil {
		return err
	}
	now := f.loop.Now()
	f.spent = c.server.take(now.Add(f.spent), write).Sub(now)
	if c.server.strikes(Unavailable) {
		return apierrors.NewServiceUnavailable("the API server of " + c.spec.Name + " is overloaded")
	}
	if write && c.server.strikes(Conflict) {
		return apierrors.NewConflict(schema.GroupResource{Resource: "objects"}, "", fmt.Errorf("the object has been changed"))
	}
	return nil
}
