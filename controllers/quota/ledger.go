package quota

import (
	"context"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// remembered is how long a charge counts for the same change asked about again. Unused charges are released later than that.
const remembered = settling / 2

// Ledger charges the changes of bindings, and none twice: a change that another write was faster than is asked about again, by the API
// server itself for patches, and what was charged the first time was not stored.
type Ledger struct {
	clock clock.PassiveClock

	mu    sync.Mutex
	steps map[types.UID]step
}

// step is the last change of a binding that was charged: what it used before and was to use after.
type step struct {
	from, to corev1.ResourceList
	at       time.Time
}

// NewLedger makes one that has charged nothing yet.
func NewLedger(clock clock.PassiveClock) *Ledger {
	return &Ledger{clock: clock, steps: map[types.UID]step{}}
}

// Admit is Admit of this package for a binding that may be asked about again. New ones have no identity that would tell, and need
// none: a second creation is refused for the first.
func (l *Ledger) Admit(ctx context.Context, plane client.Client, before, after *workv1alpha2.ResourceBinding, dryRun bool) error {
	if before == nil || dryRun {
		return Admit(ctx, plane, before, after, dryRun)
	}
	now := step{from: admission.QuotaUsage(&before.Spec), to: admission.QuotaUsage(&after.Spec), at: l.clock.Now()}
	if l.charged(before.UID, now) {
		return nil
	}
	if err := Admit(ctx, plane, before, after, dryRun); err != nil {
		return err
	}
	l.note(before.UID, now)
	return nil
}

func (l *Ledger) charged(binding types.UID, now step) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.steps[binding]
	return known && now.at.Sub(last.at) < remembered && equality.Semantic.DeepEqual(last.from, now.from) && equality.Semantic.DeepEqual(last.to, now.to)
}

// note remembers a charge, and forgets those that do not count any more.
func (l *Ledger) note(binding types.UID, now step) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for other, last := range l.steps {
		if now.at.Sub(last.at) >= remembered {
			delete(l.steps, other)
		}
	}
	l.steps[binding] = now
}
