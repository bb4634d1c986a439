package eviction

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/internal/golden"
)

type goldenInput struct {
	Now                time.Time                        `json:"now"`
	Taints             []corev1.Taint                   `json:"taints"`
	Tolerations        []corev1.Toleration              `json:"clusterTolerations"`
	ClusterMissing     bool                             `json:"clusterMissing"`
	PlacementMissing   bool                             `json:"placementAnnotationMissing"`
	PlacementInvalid   bool                             `json:"placementAnnotationInvalid"`
	Enabled            bool                             `json:"enableNoExecuteTaintEviction"`
	InstallationPurges policyv1alpha1.PurgeMode         `json:"noExecuteTaintEvictionPurgeMode"`
	Failover           *policyv1alpha1.FailoverBehavior `json:"failover"`
}

func TestGolden(t *testing.T) {
	for _, c := range golden.Load(t, "taint-eviction") {
		var in goldenInput
		var want struct {
			Error bool                     `json:"error"`
			Evict bool                     `json:"needEviction"`
			Wait  int64                    `json:"tolerationTimeNs"`
			Purge policyv1alpha1.PurgeMode `json:"purgeMode"`
		}
		mustDecode(t, c.In, &in)
		mustDecode(t, c.Out, &want)
		verdict, err := judgeCase(t, in)
		if (err != nil) != want.Error {
			t.Errorf("%s: error %v, want one: %t", c.ID, err, want.Error)
		}
		if err != nil {
			continue
		}
		if verdict.Evict != want.Evict || verdict.Wait != time.Duration(want.Wait) {
			t.Errorf("%s: %+v, want %+v", c.ID, verdict, want)
		}
		if purge := PurgeMode(in.Failover, in.InstallationPurges); verdict.Evict && purge != want.Purge {
			t.Errorf("%s: purge mode %s, want %s", c.ID, purge, want.Purge)
		}
	}
}

// judgeCase does what a taint manager does with one binding on one cluster.
func judgeCase(t *testing.T, in goldenInput) (Verdict, error) {
	t.Helper()
	if !in.Enabled {
		return Verdict{Wait: Never}, nil
	}
	annotations := map[string]string{}
	if !in.PlacementMissing {
		raw, err := json.Marshal(policyv1alpha1.Placement{ClusterTolerations: in.Tolerations})
		if err != nil {
			t.Fatal(err)
		}
		annotations[names.AnnotationAppliedPlacement] = string(raw)
	}
	if in.PlacementInvalid {
		annotations[names.AnnotationAppliedPlacement] = "{"
	}
	placement, err := AppliedPlacement(annotations)
	if err != nil || in.ClusterMissing {
		return Verdict{Wait: Never}, err
	}
	return Judge(in.Taints, placement.ClusterTolerations, in.Now), nil
}

func mustDecode(t *testing.T, raw []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatalf("decoding %s: %v", raw, err)
	}
}

func TestVerdictHoldsUntilItsWaitIsOver(t *testing.T) {
	start := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	seconds := int64(300)
	taints := []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: start}}}
	tolerations := []corev1.Toleration{{Operator: corev1.TolerationOpExists, TolerationSeconds: &seconds}}
	verdict := Judge(taints, tolerations, start)
	if verdict.Evict || verdict.Wait != 300*time.Second {
		t.Fatalf("at the start: %+v", verdict)
	}
	if early := Judge(taints, tolerations, start.Add(verdict.Wait-1)); early.Evict {
		t.Error("evicts before the wait is over")
	}
	if late := Judge(taints, tolerations, start.Add(verdict.Wait)); !late.Evict || late.Wait != 0 {
		t.Errorf("after the wait: %+v", late)
	}
}

func TestHugeTolerationDoesNotOverflow(t *testing.T) {
	seconds := int64(math.MaxInt64)
	taints := []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoExecute, TimeAdded: &metav1.Time{Time: time.Unix(0, 0)}}}
	tolerations := []corev1.Toleration{{Operator: corev1.TolerationOpExists, TolerationSeconds: &seconds}}
	if verdict := Judge(taints, tolerations, time.Unix(0, 0)); verdict.Evict || verdict.Wait <= 0 {
		t.Errorf("tolerating for ages: %+v", verdict)
	}
}

func TestNullPlacementIsAnError(t *testing.T) {
	if _, err := AppliedPlacement(map[string]string{names.AnnotationAppliedPlacement: "null"}); err == nil {
		t.Error("null passed as a placement")
	}
}
