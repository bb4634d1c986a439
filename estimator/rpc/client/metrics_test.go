package client

import (
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestMetrics reads what a registry shows after calls of each kind.
func TestMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := NewMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	m.Call("m1", PurposeReplicas, "OK", time.Second)
	m.Call("m2", PurposeReplicas, "OK", time.Second)
	m.Breaker("m1", Closed)
	m.Breaker("m2", Open)
	m.Breaker("m3", Open)
	m.Forgotten("m3")
	m.Cache(true)
	m.Cache(false)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			text := family.GetName()
			for _, label := range metric.GetLabel() {
				text += " " + label.GetValue()
			}
			got = append(got, text)
		}
	}
	want := []string{
		"seatrial_estimator_client_breaker_state m1", "seatrial_estimator_client_breaker_state m2",
		"seatrial_estimator_client_cache_lookups_total hit", "seatrial_estimator_client_cache_lookups_total miss",
		"seatrial_estimator_client_call_duration_seconds OK MaxAvailableReplicas",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the metrics %q, want %q", got, want)
	}
	if _, err := NewMetrics(registry); err == nil {
		t.Error("metrics were registered twice")
	}
}
