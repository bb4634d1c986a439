// Package eviction decides whether the taints of a cluster evict a binding, now or later, and how.
package eviction

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Never is the wait of a verdict that stays as long as taints and tolerations do.
const Never = time.Duration(-1)

// Verdict says what taints do to a binding at one moment.
type Verdict struct {
	// Evict means that the binding has to leave the cluster now.
	Evict bool
	// Wait is the time until the verdict may change: 0 with Evict, else positive, or Never.
	Wait time.Duration
}

// Judge weighs the NoExecute taints of a cluster against tolerations. For each taint the first toleration that matches counts,
// also when a later one is more patient; its seconds run from the time the taint was added, and never end without that time.
func Judge(taints []corev1.Taint, tolerations []corev1.Toleration, now time.Time) Verdict {
	verdict := Verdict{Wait: Never}
	for i := range taints {
		taint := &taints[i]
		if taint.Effect != corev1.TaintEffectNoExecute {
			continue
		}
		toleration := firstMatch(taint, tolerations)
		if toleration == nil {
			return Verdict{Evict: true}
		}
		if toleration.TolerationSeconds == nil || taint.TimeAdded == nil {
			continue
		}
		wait := remaining(taint, *toleration.TolerationSeconds, now)
		if wait <= 0 {
			return Verdict{Evict: true}
		}
		if verdict.Wait == Never || wait < verdict.Wait {
			verdict.Wait = wait
		}
	}
	return verdict
}

func firstMatch(taint *corev1.Taint, tolerations []corev1.Toleration) *corev1.Toleration {
	for i := range tolerations {
		if tolerates(&tolerations[i], taint) {
			return &tolerations[i]
		}
	}
	return nil
}

// tolerates knows the operators Exists and Equal; admission refuses others.
func tolerates(toleration *corev1.Toleration, taint *corev1.Taint) bool {
	if toleration.Effect != "" && toleration.Effect != taint.Effect {
		return false
	}
	if toleration.Key != "" && toleration.Key != taint.Key {
		return false
	}
	switch toleration.Operator {
	case corev1.TolerationOpExists:
		return true
	case corev1.TolerationOpEqual, "":
		return toleration.Value == taint.Value
	default:
		return false
	}
}

func remaining(taint *corev1.Taint, seconds int64, now time.Time) time.Duration {
	// More seconds than a Duration holds are as good as all it holds.
	seconds = min(seconds, int64(math.MaxInt64/time.Second))
	return taint.TimeAdded.Add(time.Duration(seconds) * time.Second).Sub(now)
}

// AppliedPlacement reads the placement of the last decision from the annotations of a binding. A binding without one was not
// scheduled by a scheduler that leaves it, which is an error: nobody can tell what the binding tolerates.
func AppliedPlacement(annotations map[string]string) (*policyv1alpha1.Placement, error) {
	text, found := annotations[names.AnnotationAppliedPlacement]
	if !found {
		return nil, fmt.Errorf("reading the applied placement: no annotation %s", names.AnnotationAppliedPlacement)
	}
	var placement *policyv1alpha1.Placement
	if err := json.Unmarshal([]byte(text), &placement); err != nil {
		return nil, fmt.Errorf("reading the applied placement from annotation %s: %w", names.AnnotationAppliedPlacement, err)
	}
	if placement == nil {
		return nil, errors.New("reading the applied placement: the annotation is null")
	}
	return placement, nil
}

// PurgeMode is how the binding leaves: as its own cluster failover says, gracefully when that says nothing, and as the
// installation says for a binding without cluster failover.
func PurgeMode(failover *policyv1alpha1.FailoverBehavior, installation policyv1alpha1.PurgeMode) policyv1alpha1.PurgeMode {
	mode := installation
	if failover != nil && failover.Cluster != nil {
		mode = failover.Cluster.PurgeMode
	}
	if mode == policyv1alpha1.PurgeModeDirectly {
		return mode
	}
	return policyv1alpha1.PurgeModeGracefully
}
