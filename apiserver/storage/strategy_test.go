package storage

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/apiserver/pkg/endpoints/request"
	clocktesting "k8s.io/utils/clock/testing"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

var testTime = time.Date(2026, 2, 3, 4, 5, 6, 789_000_000, time.UTC)

func testStrategy(modeling bool) strategy {
	return strategy{clock: clocktesting.NewFakePassiveClock(testTime), modeling: modeling, agentSecretNamespaces: []string{"karmada-cluster"}}
}

func pushCluster() *clusterv1alpha1.Cluster {
	return &clusterv1alpha1.Cluster{
		ObjectMeta: metav1.ObjectMeta{Name: "member1", UID: "u", Generation: 3, ResourceVersion: "7"},
		Spec:       clusterv1alpha1.ClusterSpec{SyncMode: clusterv1alpha1.Push, Region: "north"},
		Status:     clusterv1alpha1.ClusterStatus{KubernetesVersion: "v1.36.3"},
	}
}

func TestCreateDropsStatusAndCompletesTheSpec(t *testing.T) {
	for _, modeling := range []bool{true, false} {
		cluster := pushCluster()
		cluster.Generation = 99
		cluster.Spec.Zone = "z1"
		cluster.Spec.Taints = []corev1.Taint{{Key: "a", Effect: corev1.TaintEffectNoExecute}}

		testStrategy(modeling).PrepareForCreate(context.Background(), cluster)

		if cluster.Generation != 1 {
			t.Errorf("modeling %v: generation of a new cluster is %d, want 1", modeling, cluster.Generation)
		}
		if diff := cmp.Diff(clusterv1alpha1.ClusterStatus{}, cluster.Status); diff != "" {
			t.Errorf("modeling %v: a user set the status on creation (-want +got):\n%s", modeling, diff)
		}
		if diff := cmp.Diff([]string{"z1"}, cluster.Spec.Zones); diff != "" {
			t.Errorf("modeling %v: zones (-want +got):\n%s", modeling, diff)
		}
		if got := len(cluster.Spec.ResourceModels) > 0; got != modeling {
			t.Errorf("modeling %v: default resource models set: %v", modeling, got)
		}
		if got, want := cluster.Spec.Taints[0].TimeAdded, testTime.Truncate(time.Second); got == nil || !got.Time.Equal(want) {
			t.Errorf("modeling %v: NoExecute taint added at %v, want %v", modeling, got, want)
		}
	}
}

func TestUpdateBumpsTheGenerationOnSpecChangesOnly(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*clusterv1alpha1.Cluster)
		want   int64
	}{
		{"nothing", func(*clusterv1alpha1.Cluster) {}, 3},
		{"spec", func(c *clusterv1alpha1.Cluster) { c.Spec.Region = "south" }, 4},
		{"labels", func(c *clusterv1alpha1.Cluster) { c.Labels = map[string]string{"a": "b"} }, 3},
		{"status", func(c *clusterv1alpha1.Cluster) { c.Status.KubernetesVersion = "v2" }, 3},
		{"generation", func(c *clusterv1alpha1.Cluster) { c.Generation = 50 }, 3},
		{"empty instead of absent", func(c *clusterv1alpha1.Cluster) { c.Spec.Zones = []string{} }, 3},
		{"the deprecated zone", func(c *clusterv1alpha1.Cluster) { c.Spec.Zone = "z" }, 4},
	} {
		t.Run(test.name, func(t *testing.T) {
			old := pushCluster()
			changed := old.DeepCopy()
			test.change(changed)

			testStrategy(true).PrepareForUpdate(context.Background(), changed, old)

			if changed.Generation != test.want {
				t.Errorf("generation %d, want %d", changed.Generation, test.want)
			}
			if diff := cmp.Diff(old.Status, changed.Status); diff != "" {
				t.Errorf("the main resource changed the status (-want +got):\n%s", diff)
			}
		})
	}
}

func TestStatusUpdateChangesNothingElse(t *testing.T) {
	old := pushCluster()
	changed := old.DeepCopy()
	changed.Generation = 8
	changed.Labels = map[string]string{"a": "b"}
	changed.Finalizers = []string{"x/y"}
	changed.Spec.Region = "south"
	changed.Status.KubernetesVersion = "v1.37.0"
	changed.ResourceVersion = "6"
	changed.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}

	statusStrategy{testStrategy(true)}.PrepareForUpdate(context.Background(), changed, old)

	want := old.DeepCopy()
	want.Status.KubernetesVersion = "v1.37.0"
	want.ResourceVersion = "6"
	want.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "m"}}
	if diff := cmp.Diff(want, changed); diff != "" {
		t.Errorf("status update (-want +got):\n%s", diff)
	}
}

func TestStatusUpdateSharesNothingWithTheOldObject(t *testing.T) {
	old := pushCluster()
	old.Labels = map[string]string{"a": "b"}
	changed := old.DeepCopy()

	statusStrategy{testStrategy(true)}.PrepareForUpdate(context.Background(), changed, old)
	changed.Labels["a"] = "c"

	if old.Labels["a"] != "b" {
		t.Error("writing to the updated object changed the old one")
	}
}

func TestErrorsNameTheField(t *testing.T) {
	rules := testStrategy(true)
	valid := pushCluster()
	badMode, badName, badStatus := valid.DeepCopy(), valid.DeepCopy(), valid.DeepCopy()
	badMode.Spec.SyncMode = "Carry"
	badName.Name = strings.Repeat("a", 49)
	badStatus.Status.Conditions = []metav1.Condition{{Type: "Ready", Status: "Perhaps", Reason: "R", LastTransitionTime: metav1.NewTime(testTime)}}

	for _, test := range []struct {
		name, want string
		got        error
	}{
		{"create", "spec.syncMode", rules.Validate(context.Background(), badMode).ToAggregate()},
		{"create name", "metadata.name", rules.Validate(context.Background(), badName).ToAggregate()},
		{"update", "spec.syncMode", rules.ValidateUpdate(context.Background(), badMode, valid).ToAggregate()},
		{"status", "status.conditions[0].status",
			statusStrategy{rules}.ValidateUpdate(context.Background(), badStatus, valid).ToAggregate()},
	} {
		if test.got == nil || !strings.Contains(test.got.Error(), test.want) {
			t.Errorf("%s: error %v does not name %s", test.name, test.got, test.want)
		}
	}
	if err := rules.Validate(context.Background(), valid).ToAggregate(); err != nil {
		t.Errorf("a valid cluster is refused: %v", err)
	}
}

// TestAgentsWriteLess: what an agent may say of its cluster is less than what an administrator may.
func TestAgentsWriteLess(t *testing.T) {
	agent := request.WithUser(t.Context(), &user.DefaultInfo{Name: "system:karmada:agent:member1", Groups: []string{"system:karmada:agents"}})
	pulled := pushCluster()
	pulled.Spec.SyncMode = clusterv1alpha1.Pull
	rules := testStrategy(true)
	for _, c := range []struct {
		name   string
		faults field.ErrorList
		want   bool
	}{
		{"an agent creates in Push mode", rules.Validate(agent, pushCluster()), true},
		{"an agent creates in Pull mode", rules.Validate(agent, pulled), false},
		{"an agent changes to Push mode", rules.ValidateUpdate(agent, pushCluster(), pulled), true},
		{"somebody else changes to Push mode", rules.ValidateUpdate(t.Context(), pushCluster(), pulled), false},
	} {
		if got := strings.Contains(fmt.Sprint(c.faults), "an agent's cluster is in Pull mode"); got != c.want {
			t.Errorf("%s: %v", c.name, c.faults)
		}
	}
}
