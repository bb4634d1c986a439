package main

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// evictionQueue is the name of the queue in metrics.
const evictionQueue = "resource_eviction"

// evictionMetrics are those of the reference.
type evictionMetrics struct {
	depth     *prometheus.GaugeVec
	kinds     *prometheus.GaugeVec
	latency   *prometheus.HistogramVec
	processed *prometheus.CounterVec
}

func newEvictionMetrics(registry prometheus.Registerer) (*evictionMetrics, error) {
	m := &evictionMetrics{
		depth: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "eviction_queue_depth", Help: "Workloads that wait to leave a cluster.",
		}, []string{"name"}),
		kinds: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "eviction_kind_total", Help: "Workloads that left a member, by kind.",
		}, []string{"member_cluster", "resource_kind"}),
		latency: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "eviction_processing_latency_seconds", Help: "How long workloads waited to leave a cluster.",
			Buckets: prometheus.ExponentialBuckets(0.01, 4, 10),
		}, []string{"name"}),
		processed: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "eviction_processing_total", Help: "Attempts to let a workload leave a cluster, by result.",
		}, []string{"name", "result"}),
	}
	for _, collector := range []prometheus.Collector{m.depth, m.kinds, m.latency, m.processed} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of evictions: %w", err)
		}
	}
	return m, nil
}

// Depth implements evict.Recorder.
func (m *evictionMetrics) Depth(waiting int) {
	m.depth.WithLabelValues(evictionQueue).Set(float64(waiting))
}

// Processed implements evict.Recorder.
func (m *evictionMetrics) Processed(cluster, kind string, waited time.Duration, err error) {
	result := "success"
	if err != nil {
		result = "error"
	} else {
		m.kinds.WithLabelValues(cluster, kind).Inc()
	}
	m.processed.WithLabelValues(evictionQueue, result).Inc()
	m.latency.WithLabelValues(evictionQueue).Observe(waited.Seconds())
}
