package component

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/queue"
)

// schedulerMetrics implements scheduler.Recorder. The metrics that the reference has bear its names.
type schedulerMetrics struct {
	attempts *prometheus.CounterVec
	e2e      *prometheus.HistogramVec
	steps    *prometheus.HistogramVec
	incoming *prometheus.CounterVec
	pending  *prometheus.GaugeVec
	waited   prometheus.Histogram
	writes   *prometheus.HistogramVec
	inFlight prometheus.Gauge
	points   *prometheus.HistogramVec
	plugins  *prometheus.HistogramVec
}

var _ scheduler.Recorder = (*schedulerMetrics)(nil)

func newSchedulerMetrics(registry prometheus.Registerer) (*schedulerMetrics, error) {
	const reference, own = "karmada_scheduler", "seatrial_scheduler"
	buckets, fine := prometheus.ExponentialBuckets(0.001, 2, 15), prometheus.ExponentialBuckets(0.000_01, 2, 18)
	histogram := func(subsystem, name, help string, labels ...string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{Subsystem: subsystem, Name: name, Help: help, Buckets: buckets}, labels)
	}
	m := &schedulerMetrics{
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Subsystem: reference, Name: "schedule_attempts_total", Help: "Decisions by their outcome and by what they were for.",
		}, []string{"result", "schedule_type"}),
		e2e: histogram(reference, "e2e_scheduling_duration_seconds", "Time from the begin of a decision until it is written.", "result", "schedule_type"),
		steps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Subsystem: reference, Name: "scheduling_algorithm_duration_seconds", Help: "Time of each step of a decision.",
			Buckets: fine,
		}, []string{"schedule_step"}),
		incoming: prometheus.NewCounterVec(prometheus.CounterOpts{
			Subsystem: reference, Name: "queue_incoming_bindings_total", Help: "Bindings that were queued, by what queued them.",
		}, []string{"event"}),
		pending: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Subsystem: "scheduler", Name: "pending_bindings", Help: "Bindings that wait for a decision, by the part of the queue they wait in.",
		}, []string{"queue"}),
		waited: prometheus.NewHistogram(prometheus.HistogramOpts{
			Subsystem: own, Name: "queue_wait_duration_seconds", Help: "Time that bindings were due before their turn.", Buckets: buckets,
		}),
		writes:   histogram(own, "write_duration_seconds", "Time of each patch of a binding.", "part", "result"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{Subsystem: own, Name: "inflight_assignments", Help: "Assignments that clusters do not report yet."}),
		points: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Subsystem: reference, Name: "framework_extension_point_duration_seconds", Buckets: fine,
			Help: "Time of all plugins of an extension point together. The built-in ones filter and score in one pass, which counts as Filter.",
		}, []string{"extension_point", "result"}),
		plugins: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Subsystem: reference, Name: "plugin_execution_duration_seconds", Help: "Time of a plugin that is not built in, for all clusters of a decision.",
			Buckets: fine,
		}, []string{"plugin", "extension_point", "result"}),
	}
	for _, collector := range []prometheus.Collector{m.attempts, m.e2e, m.steps, m.incoming, m.pending, m.waited, m.writes, m.inFlight, m.points, m.plugins} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of the scheduler: %w", err)
		}
	}
	return m, nil
}

// Incoming implements queue.Recorder.
func (m *schedulerMetrics) Incoming(event string) { m.incoming.WithLabelValues(event).Inc() }

// Pending implements queue.Recorder.
func (m *schedulerMetrics) Pending(active, backoff, unschedulable int) {
	m.pending.WithLabelValues(queue.Active).Set(float64(active))
	m.pending.WithLabelValues(queue.Backoff).Set(float64(backoff))
	m.pending.WithLabelValues(queue.Unschedulable).Set(float64(unschedulable))
}

// Waited implements queue.Recorder.
func (m *schedulerMetrics) Waited(took time.Duration) { m.waited.Observe(took.Seconds()) }

// Step implements scheduler.Recorder.
func (m *schedulerMetrics) Step(step string, took time.Duration) {
	m.steps.WithLabelValues(step).Observe(took.Seconds())
}

// Attempt implements scheduler.Recorder.
func (m *schedulerMetrics) Attempt(scheduleType string, err error, took time.Duration) {
	result := resultOf(err, "scheduled")
	m.attempts.WithLabelValues(result, scheduleType).Inc()
	m.e2e.WithLabelValues(result, scheduleType).Observe(took.Seconds())
}

// Write implements scheduler.Recorder.
func (m *schedulerMetrics) Write(part string, err error, took time.Duration) {
	m.writes.WithLabelValues(part, resultOf(err, "success")).Observe(took.Seconds())
}

// InFlight implements scheduler.Recorder.
func (m *schedulerMetrics) InFlight(assignments int) { m.inFlight.Set(float64(assignments)) }

// ExtensionPoint implements framework.Observer.
func (m *schedulerMetrics) ExtensionPoint(point, result string, took time.Duration) {
	m.points.WithLabelValues(point, result).Observe(took.Seconds())
}

// Plugin implements framework.Observer.
func (m *schedulerMetrics) Plugin(plugin, point, result string, took time.Duration) {
	m.plugins.WithLabelValues(plugin, point, result).Observe(took.Seconds())
}

func resultOf(err error, success string) string {
	if err != nil {
		return "error"
	}
	return success
}
