package kube

import (
	"math"
	"math/rand/v2"
	"time"

	"gonum.org/v1/gonum/stat/distuv"
)

// Latency is a time drawn anew each time: Delay, plus a uniform part of Jitter, plus a log-normal part given by its median
// and 99th percentile. Parts that are zero are left out; a Delay of Never is no time at all.
type Latency struct {
	Delay  time.Duration `json:"delay,omitempty"`
	Jitter time.Duration `json:"jitter,omitempty"`
	Median time.Duration `json:"median,omitempty"`
	P99    time.Duration `json:"p99,omitempty"`
}

// normal99 is the 99th percentile of the standard normal distribution.
const normal99 = 2.3263478740408408

func (l Latency) draw(source rand.Source) time.Duration {
	sum := l.Delay
	if l.Jitter > 0 {
		sum += time.Duration(distuv.Uniform{Min: 0, Max: float64(l.Jitter), Src: source}.Rand())
	}
	if l.Median > 0 && l.P99 > l.Median {
		mu, sigma := math.Log(float64(l.Median)), math.Log(float64(l.P99)/float64(l.Median))/normal99
		sum += time.Duration(distuv.LogNormal{Mu: mu, Sigma: sigma, Src: source}.Rand())
	} else {
		sum += l.Median
	}
	return max(sum, 0)
}

// Timing is how long everything takes. WithDefaults fills what is zero with the defaults of Kubernetes 1.36, and where
// Kubernetes has none, with what a small container on a warm node takes. Never stands for an explicit zero.
type Timing struct {
	// Decision is the scheduler's time for one pod; pods decided on together start that much after each other.
	Decision time.Duration `json:"decision,omitempty"`
	// Pull is added once per image and node. Start leads from there to running containers, Ready from these to readiness.
	Pull  Latency `json:"pull,omitzero"`
	Start Latency `json:"start,omitzero"`
	Ready Latency `json:"ready,omitzero"`
	// Stop is how long containers take to end; a pod's grace period bounds it.
	Stop Latency `json:"stop,omitzero"`
	// Run is how long a Job's pod runs whose template does not say; see AnnotationRunSeconds.
	Run Latency `json:"run,omitzero"`
	// Grain is the step to whose multiples the ends of all these are rounded up, so that what happens at about the same time
	// is reported together.
	Grain time.Duration `json:"grain,omitempty"`

	// Heartbeat is the interval of node leases, Monitor that of the node lifecycle controller, Grace its
	// --node-monitor-grace-period.
	Heartbeat time.Duration `json:"heartbeat,omitempty"`
	Monitor   time.Duration `json:"monitor,omitempty"`
	Grace     time.Duration `json:"grace,omitempty"`
	// Toleration is that of pods which do not say how long they tolerate a node that is not ready or not reachable.
	Toleration time.Duration `json:"toleration,omitempty"`
	// EvictionInterval is the time between two nodes of a zone that lose their pods (1/--node-eviction-rate), and
	// SecondaryEvictionInterval the same for a large zone most of whose nodes are lost.
	EvictionInterval          time.Duration `json:"evictionInterval,omitempty"`
	SecondaryEvictionInterval time.Duration `json:"secondaryEvictionInterval,omitempty"`
	// DrainRetry is the wait after an eviction that a disruption budget refused.
	DrainRetry time.Duration `json:"drainRetry,omitempty"`
	// PodCollection is how long pods outlive their deleted node: the collector looks every 20 s and waits 40 s before it
	// believes that a node is gone.
	PodCollection time.Duration `json:"podCollection,omitempty"`

	// ScaleInterval is that of horizontal autoscaling, ScaleDownWindow the time over which it remembers the highest need.
	ScaleInterval   time.Duration `json:"scaleInterval,omitempty"`
	ScaleDownWindow time.Duration `json:"scaleDownWindow,omitempty"`
	// AutoscalerInterval is the cluster autoscaler's scan interval, Provision the time until a node it asked for is ready,
	// UnneededTime how long a node must be empty before it goes.
	AutoscalerInterval time.Duration `json:"autoscalerInterval,omitempty"`
	Provision          Latency       `json:"provision,omitzero"`
	UnneededTime       time.Duration `json:"unneededTime,omitempty"`
}

// Never, as a duration of Timing, is zero time where an empty field would mean the default.
const Never time.Duration = -1

// WithDefaults fills what is empty.
func (t Timing) WithDefaults() Timing {
	latency(&t.Pull, Latency{Median: 2 * time.Second, P99: 20 * time.Second})
	latency(&t.Start, Latency{Delay: 500 * time.Millisecond, Median: time.Second, P99: 5 * time.Second})
	latency(&t.Stop, Latency{Median: time.Second, P99: 10 * time.Second})
	latency(&t.Run, Latency{Median: time.Minute, P99: 5 * time.Minute})
	latency(&t.Provision, Latency{Delay: 30 * time.Second, Median: time.Minute, P99: 4 * time.Minute})
	for _, field := range []struct {
		value    *time.Duration
		standard time.Duration
	}{
		{&t.Decision, 2 * time.Millisecond}, {&t.Grain, 100 * time.Millisecond},
		{&t.Heartbeat, 10 * time.Second}, {&t.Monitor, 5 * time.Second}, {&t.Grace, 50 * time.Second},
		{&t.Toleration, 300 * time.Second}, {&t.EvictionInterval, 10 * time.Second}, {&t.SecondaryEvictionInterval, 100 * time.Second},
		{&t.DrainRetry, 5 * time.Second}, {&t.PodCollection, time.Minute},
		{&t.ScaleInterval, 15 * time.Second}, {&t.ScaleDownWindow, 5 * time.Minute},
		{&t.AutoscalerInterval, 10 * time.Second}, {&t.UnneededTime, 10 * time.Minute},
	} {
		switch {
		case *field.value == 0:
			*field.value = field.standard
		case *field.value < 0:
			*field.value = 0
		}
	}
	return t
}

func latency(l *Latency, standard Latency) {
	if *l == (Latency{}) {
		*l = standard
	}
}

// rounded is a time in whole grains, not before the given one.
func (t *Timing) rounded(at int64) int64 {
	if grain := int64(t.Grain); grain > 0 {
		return roundUp(at, grain)
	}
	return at
}

func roundUp(at, step int64) int64 { return (at + step - 1) / step * step }
