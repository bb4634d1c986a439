package server

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Values of the label type; the first three are those of the reference.
const (
	typeReplicas      = "MaxAvailableReplicas"
	typeSets          = "MaxAvailableComponentSets"
	typeUnschedulable = "GetUnschedulableReplicas"
	typeBatch         = "Estimate"
)

// Values of the label step.
const (
	stepTotal             = "Total"
	stepReplicas          = "MaxAvailableReplicas"
	stepUnschedulablePods = "GetWorkloadUnschedulablePods"
)

// The one plugin there is, and where it is asked.
const (
	pluginNodes    = "NodeResourceEstimator"
	pointEstimator = "Estimator"
)

// Metrics of a service. Those that the reference has bear its names.
type Metrics struct {
	requests *prometheus.CounterVec
	steps    *prometheus.HistogramVec
	points   *prometheus.HistogramVec
	plugins  *prometheus.HistogramVec
	panics   prometheus.Counter
}

// NewMetrics registers the metrics of a service, and one that tells whether its cluster is out of sight.
func NewMetrics(registry prometheus.Registerer, cluster Cluster) (*Metrics, error) {
	const reference, own = "karmada_scheduler_estimator", "seatrial_estimator"
	buckets := prometheus.ExponentialBuckets(0.000_01, 2, 18)
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Subsystem: reference, Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &Metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Subsystem: reference, Name: "estimating_request_total", Help: "Requests by their outcome and by what was asked.",
		}, []string{"result", "type"}),
		steps:   histogram("estimating_algorithm_duration_seconds", "Time of each step of an answer.", "result", "type", "step"),
		points:  histogram("estimating_plugin_extension_point_duration_seconds", "Time of all plugins together.", "estimating_plugin_extension_point"),
		plugins: histogram("estimating_plugin_execution_duration_seconds", "Time of each plugin.", "estimating_plugin", "estimating_plugin_extension_point"),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Subsystem: own, Name: "panics_total", Help: "Requests that ended in a panic, which the caller saw as an internal error.",
		}),
	}
	stale := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Subsystem: own, Name: "stale", Help: "1 while the cluster is out of sight and answers are of what was seen last.",
	}, func() float64 { return number(cluster.Stale()) })
	ready := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Subsystem: own, Name: "ready", Help: "1 once all of the cluster has been seen.",
	}, func() float64 { return number(ready(cluster)) })
	for _, collector := range []prometheus.Collector{m.requests, m.steps, m.points, m.plugins, m.panics, stale, ready} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of the estimator: %w", err)
		}
	}
	return m, nil
}

func number(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

func (m *Metrics) done(kind string, started time.Time, err error) {
	m.requests.WithLabelValues(result(err), kind).Inc()
	m.step(kind, stepTotal, started, err)
}

// estimated notes the time of the index, which is all there is of plugins.
func (m *Metrics) estimated(kind string, started time.Time, err error) {
	m.step(kind, stepReplicas, started, err)
	took := time.Since(started).Seconds()
	m.points.WithLabelValues(pointEstimator).Observe(took)
	m.plugins.WithLabelValues(pluginNodes, pointEstimator).Observe(took)
}

func (m *Metrics) step(kind, step string, started time.Time, err error) {
	m.steps.WithLabelValues(result(err), kind, step).Observe(time.Since(started).Seconds())
}

func result(err error) string {
	if err != nil {
		return "error"
	}
	return "success"
}
