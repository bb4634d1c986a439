package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seatrial/seatrial/controllers/truth"
)

// estimateErrors implements truth.Recorder.
type estimateErrors struct {
	replicas         *prometheus.HistogramVec
	ready, lastKnown *prometheus.GaugeVec
}

var _ truth.Recorder = (*estimateErrors)(nil)

func newEstimateErrors(registry prometheus.Registerer) (*estimateErrors, error) {
	m := &estimateErrors{replicas: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Subsystem: "seatrial_estimator", Name: "error_replicas",
		Help:    "Replicas that a placement gave to a member by its capacity and that were not ready there when it had settled.",
		Buckets: []float64{0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
	}, []string{"member_cluster"})}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Subsystem: "seatrial_replicas", Name: name, Help: help}, []string{"member_cluster"})
	}
	m.ready = gauge("ready", "Replicas of propagated workloads that are ready in a member that can be seen.")
	m.lastKnown = gauge("last_known_ready", "Replicas of propagated workloads that were ready in a member when it was last seen, and that nobody can see now.")
	for _, collector := range []prometheus.Collector{m.replicas, m.ready, m.lastKnown} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of estimates: %w", err)
		}
	}
	return m, nil
}

// Ready implements truth.Recorder.
func (m *estimateErrors) Ready(cluster string, replicas int64, seen bool) {
	ready, lastKnown := float64(replicas), 0.0
	if !seen {
		ready, lastKnown = lastKnown, ready
	}
	m.ready.WithLabelValues(cluster).Set(ready)
	m.lastKnown.WithLabelValues(cluster).Set(lastKnown)
}

// Gone implements truth.Recorder.
func (m *estimateErrors) Gone(cluster string) {
	m.ready.DeleteLabelValues(cluster)
	m.lastKnown.DeleteLabelValues(cluster)
}

// Settled implements truth.Recorder. More ready replicas than promised are left over from before, and no error.
func (m *estimateErrors) Settled(cluster string, promised, ready int32) {
	m.replicas.WithLabelValues(cluster).Observe(float64(max(promised-ready, 0)))
}
