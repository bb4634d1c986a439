package eviction

import (
	"testing"
	"time"

	"k8s.io/utils/ptr"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestStuck tells a move that has not got on for the timeout from one that has.
func TestStuck(t *testing.T) {
	const long, short = 10 * time.Minute, 9 * time.Minute
	for name, c := range map[string]struct {
		passed time.Duration
		change func(*View, []workv1alpha2.GracefulEvictionTask)
		copies []workv1alpha2.AggregatedStatusItem
		want   string
	}{
		"a full cluster": {
			long, nil, []workv1alpha2.AggregatedStatusItem{reports("m2", unhealthy, 1, 0)},
			"copies are held in m1 (4) until others are ready: m2 has 0 of 4 replicas ready",
		},
		"not for long": {short, nil, []workv1alpha2.AggregatedStatusItem{reports("m2", unhealthy, 1, 0)}, ""},
		"no report":    {long, nil, nil, "copies are held in m1 (4) until others are ready: m2 has no copy yet"},
		"cut off": {
			long, func(view *View, _ []workv1alpha2.GracefulEvictionTask) {
				view.Seen = func(string) bool { return false }
			},
			[]workv1alpha2.AggregatedStatusItem{reports("m2", healthy, 4, 4)}, "copies are held in m1 (4) until others are ready: m2 cannot be seen",
		},
		"all is ready": {long, nil, []workv1alpha2.AggregatedStatusItem{reports("m2", healthy, 4, 4)}, ""},
		"ready, and not healthy": {
			long, nil, []workv1alpha2.AggregatedStatusItem{reports("m2", unhealthy, 4, 4)},
			"copies are held in m1 (4) until others are ready: m2 has a copy that is not healthy",
		},
		"nobody has decided":  {long, func(view *View, _ []workv1alpha2.GracefulEvictionTask) { view.Decided = false }, nil, ""},
		"a user shall say so": {long, func(_ *View, tasks []workv1alpha2.GracefulEvictionTask) { tasks[0].SuppressDeletion = ptr.To(true) }, nil, ""},
		"a failover as well": {
			long, func(_ *View, tasks []workv1alpha2.GracefulEvictionTask) {
				tasks[0].Producer, tasks[0].PurgeMode = "TaintManager", policyv1alpha1.PurgeModeGracefully
			}, nil, "copies are held in m1 (4) until others are ready: m2 has no copy yet",
		},
	} {
		options, tasks := Defaults(), []workv1alpha2.GracefulEvictionTask{held("m1", 4)}
		view := moving(targets("m2", 4), tasks, c.copies...)
		view.Now = began.Add(c.passed)
		if c.change != nil {
			c.change(view, tasks)
		}
		got := ""
		if stuck := options.Stuck(tasks, view); stuck != nil {
			got = stuck.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
		options.Reference = true
		if stuck := options.Stuck(tasks, view); stuck != nil {
			t.Errorf("%s: the reference says %v", name, stuck)
		}
	}
}
