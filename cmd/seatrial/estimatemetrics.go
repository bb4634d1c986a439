package main

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seatrial/seatrial/controllers/truth"
)

// estimateErrors implements truth.Recorder.
type estimateErrors struct{ replicas *prometheus.HistogramVec }

var _ truth.Recorder = (*estimateErrors)(nil)

func newEstimateErrors(registry prometheus.Registerer) (*estimateErrors, error) {
	m := &estimateErrors{replicas: prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Subsystem: "seatrial_estimator", Name: "error_replicas",
		Help:    "Replicas that a placement gave to a member by its capacity and that were not ready there when it had settled.",
		Buckets: []float64{0, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000},
	}, []string{"member_cluster"})}
	if err := registry.Register(m.replicas); err != nil {
		return nil, fmt.Errorf("registering the metrics of estimates: %w", err)
	}
	return m, nil
}

// Settled implements truth.Recorder. More ready replicas than promised are left over from before, and no error.
func (m *estimateErrors) Settled(cluster string, promised, ready int32) {
	m.replicas.WithLabelValues(cluster).Observe(float64(max(promised-ready, 0)))
}
