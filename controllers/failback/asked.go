package failback

import (
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/workload"
)

// maxPatience is the longest time between two requests for another placement of a workload that stays where it is.
const maxPatience = 24 * time.Hour

// asked is a request for another placement. The scheduler may know what is not foreseen here, from estimators or plugins, and
// leave the workload where it is: the same request then comes after twice the time, and so on. It is no loss when a new process
// knows nothing of that.
type asked struct {
	// targets are those the workload had.
	targets  []workv1alpha2.TargetCluster
	at       time.Time
	patience time.Duration
}

// waits tells whether it is too early to ask for another placement of a workload again: the last request led to nothing.
func (m *mover) waits(bound binding.Binding, now time.Time) bool {
	last, known := m.asked[bound.NamespacedName()]
	since := now.Sub(last.at)
	// A clock that was set back makes nobody wait for longer.
	return known && since >= 0 && since < last.patience && workload.Equal(last.targets, bound.Spec.Clusters)
}

// note remembers a request.
func (m *mover) note(bound binding.Binding, now time.Time) {
	last, known := m.asked[bound.NamespacedName()]
	patience := m.options.Rest
	if known && workload.Equal(last.targets, bound.Spec.Clusters) {
		patience = min(2*last.patience, maxPatience)
	}
	m.asked[bound.NamespacedName()] = asked{slices.Clone(bound.Spec.Clusters), now, patience}
}

// forget drops what is known of workloads that are gone or do not move by themselves any more.
func (m *mover) forget(chosen []binding.Binding) {
	m.mu.Lock()
	defer m.mu.Unlock()
	there := map[types.NamespacedName]bool{}
	for _, bound := range chosen {
		there[bound.NamespacedName()] = true
	}
	maps.DeleteFunc(m.asked, func(name types.NamespacedName, _ asked) bool { return !there[name] })
}
