package webhook

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics is a Recorder for Prometheus.
type Metrics struct {
	asked *prometheus.CounterVec
	took  *prometheus.HistogramVec
}

var _ Recorder = (*Metrics)(nil)

// NewMetrics registers the metrics of one client.
func NewMetrics(registry prometheus.Registerer) (*Metrics, error) {
	const subsystem = "seatrial_interpreter_webhook"
	m := &Metrics{
		asked: prometheus.NewCounterVec(prometheus.CounterOpts{
			Subsystem: subsystem, Name: "questions_total", Help: "Questions for interpreter webhooks, by how they ended.",
		}, []string{"webhook", "operation", "result"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Subsystem: subsystem, Name: "duration_seconds", Help: "Time of the questions that went out to interpreter webhooks.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 15),
		}, []string{"webhook"}),
	}
	for _, collector := range []prometheus.Collector{m.asked, m.took} {
		if err := registry.Register(collector); err != nil {
			return nil, fmt.Errorf("registering the metrics of interpreter webhooks: %w", err)
		}
	}
	return m, nil
}

// Asked implements Recorder.
func (m *Metrics) Asked(webhook, operation, outcome string, took time.Duration) {
	m.asked.WithLabelValues(webhook, operation, outcome).Inc()
	if outcome != Remembered && outcome != Resting {
		m.took.WithLabelValues(webhook).Observe(took.Seconds())
	}
}
