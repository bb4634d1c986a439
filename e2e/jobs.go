package e2e

import (
	"testing"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet"
)

// DividedJobIsDoneOnce divides a Job: the members complete it together as often as its template says, and run together as many
// pods at once.
func DividedJobIsDoneOnce(t *testing.T, env fleet.Environment) {
	f := start(t, env)
	defer f.space("work")()
	once := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: "work", Name: "once"},
		Spec: batchv1.JobSpec{
			Parallelism: ptr.To[int32](6), Completions: ptr.To[int32](15),
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				RestartPolicy: corev1.RestartPolicyNever, Containers: []corev1.Container{{Name: "work", Image: "busybox:1.37"}},
			}},
		},
	}
	f.create(once)
	divided := weightedPolicy("work", "once", map[string]int64{"member1": 1, "member2": 2, "member3": 3})
	divided.Spec.ResourceSelectors = f.placed(once).ResourceSelectors
	f.create(divided)
	// 15 completions by 1, 2 and 3 pods at once are 2.5, 5 and 7.5: the halves go to the member whose name comes first.
	for member, share := range map[string][2]int32{"member1": {1, 3}, "member2": {2, 5}, "member3": {3, 7}} {
		eventually(f, f.member(member), once, "the share of "+member, func(found *batchv1.Job) bool {
			return ptr.Deref(found.Spec.Parallelism, 0) == share[0] && ptr.Deref(found.Spec.Completions, 0) == share[1]
		})
	}
	// For Jobs the API leaves behind what belongs to them, unless it is told otherwise.
	f.must(f.plane.Delete(f.ctx, once, client.PropagationPolicy(metav1.DeletePropagationBackground)))
	f.awaitHolders(once)
}
