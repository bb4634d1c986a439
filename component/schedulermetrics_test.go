package component

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/queue"
)

// TestSchedulerMetrics holds the names that dashboards of the reference look for.
func TestSchedulerMetrics(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newSchedulerMetrics(registry)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := RegisterBuild(registry); err != nil {
			t.Fatal(err)
		}
	}
	m.Incoming(queue.BindingAdd)
	m.Pending(1, 2, 3)
	m.Waited(time.Second)
	m.Step(scheduler.StepFilter, time.Millisecond)
	m.Attempt(scheduler.ReconcileSchedule, errors.New("no room"), time.Millisecond)
	m.Write(scheduler.WriteTargets, nil, time.Millisecond)
	m.InFlight(4)
	m.ExtensionPoint("Filter", "Success", time.Millisecond)
	m.Plugin("Mine", "Score", "Error", time.Millisecond)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, family := range families {
		names = append(names, family.GetName())
		if family.GetName() == "scheduler_pending_bindings" && len(family.GetMetric()) != 3 {
			t.Errorf("%d pools are counted, want 3", len(family.GetMetric()))
		}
	}
	for _, name := range []string{
		"karmada_scheduler_schedule_attempts_total", "karmada_scheduler_e2e_scheduling_duration_seconds",
		"karmada_scheduler_scheduling_algorithm_duration_seconds", "karmada_scheduler_queue_incoming_bindings_total", "scheduler_pending_bindings",
		"karmada_scheduler_framework_extension_point_duration_seconds", "karmada_scheduler_plugin_execution_duration_seconds",
		"seatrial_scheduler_queue_wait_duration_seconds", "seatrial_scheduler_write_duration_seconds", "seatrial_scheduler_inflight_assignments", "karmada_build_info",
	} {
		if !slices.Contains(names, name) {
			t.Errorf("%s is missing among %v", name, names)
		}
	}
}
