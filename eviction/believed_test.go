package eviction

import (
	"testing"
	"time"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// A task that bounds what is taken for ready ends when a report shows that it is not from before, and with the timeout in any case.
func TestBoundsEnd(t *testing.T) {
	options := Defaults()
	undated := held("m1", 3)
	undated.CreationTimestamp = nil
	for name, c := range map[string]struct {
		task   workv1alpha2.GracefulEvictionTask
		copies []workv1alpha2.AggregatedStatusItem
		passed time.Duration
		ends   bool
		wait   time.Duration
	}{
		"a report from before":     {task: held("m1", 3), copies: []workv1alpha2.AggregatedStatusItem{reports("m1", healthy, 11, 11)}, wait: options.Timeout},
		"a report of as few":       {task: held("m1", 3), copies: []workv1alpha2.AggregatedStatusItem{reports("m1", healthy, 11, 3)}, ends: true},
		"nothing is reported":      {task: held("m1", 3), ends: true},
		"the time is over":         {task: held("m1", 3), copies: []workv1alpha2.AggregatedStatusItem{reports("m1", healthy, 11, 11)}, passed: options.Timeout, ends: true, wait: Never},
		"its time has not begun":   {task: undated, copies: []workv1alpha2.AggregatedStatusItem{reports("m1", healthy, 11, 11)}, passed: options.Timeout, wait: Never},
		"it holds what is to stay": {task: held("m1", 11), copies: []workv1alpha2.AggregatedStatusItem{reports("m1", healthy, 11, 10)}, wait: options.Timeout},
	} {
		t.Run(name, func(t *testing.T) {
			view := moving(targets("m1", 11), []workv1alpha2.GracefulEvictionTask{c.task}, c.copies...)
			view.Now = began.Add(c.passed)
			ends, wait := options.Assess(&view.Spec.GracefulEvictionTasks[0], view)
			if ends != c.ends || !ends && wait != c.wait {
				t.Errorf("ends: %t, wait %s; want %t, %s", ends, wait, c.ends, c.wait)
			}
			if !options.Dates(view.Spec, &undated) {
				t.Error("the time of such a task never begins")
			}
		})
	}
}
