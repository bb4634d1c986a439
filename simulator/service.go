package simulator

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/seatrial/seatrial/simulator/kube"
)

// Service is how long an API server takes for a request, and how many it serves at once. The zero Service takes no time.
type Service struct {
	// Read is the time for a list of one object as well; Object that for each further one.
	Read, Write kube.Latency
	Object      time.Duration
	Concurrency int
}

// DefaultService is that of an API server on two cores, fitted to what an embedded one was measured to take
// (bench/simulator.md). Reads are of single objects that no watch cache of the client answers.
func DefaultService() Service {
	return Service{
		Read:        kube.Latency{Median: 990 * time.Microsecond, P99: 1950 * time.Microsecond},
		Write:       kube.Latency{Median: 2750 * time.Microsecond, P99: 7150 * time.Microsecond},
		Object:      30 * time.Microsecond,
		Concurrency: 2,
	}
}

// Serve sets how fast the API server of a cluster is.
func (f *Fleet) Serve(cluster string, how Service) error {
	c, err := f.find(cluster)
	if err != nil {
		return err
	}
	for _, latency := range []kube.Latency{how.Read, how.Write} {
		if latency.Jitter < 0 || latency.Median < 0 || latency.P99 < 0 || how.Concurrency < 0 {
			return fmt.Errorf("cluster %s: service times and concurrency must not be below 0, have %+v", cluster, how)
		}
	}
	if how.Object < 0 {
		return fmt.Errorf("cluster %s: the time for an object must not be below 0, have %s", cluster, how.Object)
	}
	c.server.read, c.server.write, c.server.object = f.service(how.Read), f.service(how.Write), how.Object
	c.server.free = make([]time.Time, max(how.Concurrency, 1))
	c.server.pace = f.source(cluster)
	return nil
}

// source is what the service times of a cluster are drawn from: a source of its own, so that the load of one server leaves
// the others as they are.
func (f *Fleet) source(cluster string) rand.Source {
	hash := fnv.New64a()
	hash.Write([]byte(cluster))
	return rand.NewPCG(f.options.Seed, hash.Sum64())
}

// service are values of a latency, all equally likely: a request draws one of them, which costs as little as it must for what
// happens millions of times. No values mean no time.
type service []time.Duration

// serviceBits make so many values that the slowest of them is about the 99.99th percentile.
const serviceBits = 12

// service makes the values of a latency. Servers that are alike share them.
func (f *Fleet) service(latency kube.Latency) service {
	if latency.Delay <= 0 && latency.Jitter == 0 && latency.Median == 0 {
		return nil
	}
	if known, ok := f.services[latency]; ok {
		return known
	}
	values := make(service, 1<<serviceBits)
	for i := range values {
		part := (float64(i) + 0.5) / float64(len(values))
		values[i] = max(latency.Delay, 0) + latency.Median
		if latency.P99 > latency.Median && latency.Median > 0 {
			sigma := math.Log(float64(latency.P99)/float64(latency.Median)) / distuv.UnitNormal.Quantile(0.99)
			drawn := float64(latency.Median) * math.Exp(float64(sigma*distuv.UnitNormal.Quantile(part)))
			values[i] += time.Duration(drawn) - latency.Median
		}
		// The parts of the jitter go round by the golden ratio, which spreads them evenly over the values.
		_, turn := math.Modf(float64(i) * math.Phi)
		values[i] = (values[i] + time.Duration(float64(float64(latency.Jitter)*turn))).Round(time.Microsecond)
	}
	if f.services == nil {
		f.services = map[kube.Latency]service{}
	}
	f.services[latency] = values
	return values
}
