package quota

import (
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/control"
)

// settling is how long a quota must stay uncharged before what no binding uses is released: admission charges a binding before it
// is stored, and a view may be without it for a while longer. Released at once, the room would be given away twice.
const settling = 2 * time.Second

// releases remembers since when quotas have been charged more than bindings use. What it forgets with the process is only looked at
// for longer.
type releases struct {
	mu   sync.Mutex
	seen map[control.Key]charged
}

// charged is a version of a quota, and when it was first seen to have more in use than there is.
type charged struct {
	version string
	at      time.Time
}

// due is what the status of a quota shall tell of its use where this much was counted: what is more at once, what is less when it has
// settled, for which it tells how long to wait.
func (r *releases) due(now time.Time, quota *policyv1alpha1.FederatedResourceQuota, counted corev1.ResourceList) (used corev1.ResourceList, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key, used, less := control.KeyOf(quota), corev1.ResourceList{}, false
	for name, amount := range counted {
		if told, known := quota.Status.OverallUsed[name]; known && told.Cmp(amount) > 0 {
			amount, less = told, true
		}
		used[name] = amount
	}
	if !less {
		delete(r.seen, key)
		return counted, 0
	}
	seen, known := r.seen[key]
	if !known || seen.version != quota.ResourceVersion {
		seen = charged{quota.ResourceVersion, now}
		r.seen[key] = seen
	}
	if wait = seen.at.Add(settling).Sub(now); wait > 0 {
		return used, wait
	}
	delete(r.seen, key)
	return counted, 0
}

// follow takes a version that one's own write made of another for it: it charges nothing.
func (r *releases) follow(key control.Key, from, to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if seen, known := r.seen[key]; known && seen.version == from {
		r.seen[key] = charged{to, seen.at}
	}
}

// forget drops a quota that is gone.
func (r *releases) forget(key control.Key) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, key)
}
