package client

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is a Recorder for Prometheus.
type Metrics struct {
	calls   *prometheus.HistogramVec
	breaker *prometheus.GaugeVec
	cache   *prometheus.CounterVec
}

var _ Recorder = (*Metrics)(nil)

// NewMetrics registers the metrics of one client.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	const subsystem = "seatrial_estimator_client"
	m := &Metrics{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Subsystem: subsystem, Name: "call_duration_seconds", Help: "Time of calls to estimators, by what they were for and how they ended.",
			Buckets: prometheus.ExponentialBuckets(0.000_5, 2, 14),
		}, []string{"type", "code"}),
		breaker: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Subsystem: subsystem, Name: "breaker_state", Help: "State of the circuit breaker of a cluster: 0 closed, 1 open, 2 half-open.",
		}, []string{"cluster"}),
		cache: prometheus.NewCounterVec(prometheus.CounterOpts{
			Subsystem: subsystem, Name: "cache_lookups_total", Help: "Clusters of questions, by whether an earlier answer still counted.",
		}, []string{"result"}),
	}
	for _, collector := range []prometheus.Collector{m.calls, m.breaker, m.cache} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of the client of estimators: %w", err)
		}
	}
	return m, nil
}

// Call implements Recorder. Hundreds of clusters would make too many histograms, so they share theirs.
func (m *Metrics) Call(_, purpose, code string, took time.Duration) {
	m.calls.WithLabelValues(purpose, code).Observe(took.Seconds())
}

// Breaker implements Recorder.
func (m *Metrics) Breaker(cluster string, state State) {
	m.breaker.WithLabelValues(cluster).Set(float64(state))
}

// Forgotten implements Recorder.
func (m *Metrics) Forgotten(cluster string) { m.breaker.DeleteLabelValues(cluster) }

// Cache implements Recorder.
func (m *Metrics) Cache(hit bool) {
	result := "miss"
	if hit {
		result = "hit"
	}
	m.cache.WithLabelValues(result).Inc()
}
