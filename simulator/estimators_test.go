package simulator

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	lifecycle "github.com/seatrial/seatrial/controllers/cluster"
	"github.com/seatrial/seatrial/controllers/clusterstatus"
	"github.com/seatrial/seatrial/estimator"
	packing "github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/policy"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/simulator/kube"
)

func cores(count string) corev1.ResourceList {
	return corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(count)}
}

func askCores(count string) estimator.Question {
	return estimator.Question{Namespace: "default", Requirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: cores(count)}}
}

// occupy runs a pod on a node of a cluster.
func occupy(t *testing.T, f *Fleet, cluster string, node int, name, cpu string) {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec: corev1.PodSpec{
			NodeName:   fmt.Sprintf("%s-node-%d", cluster, node),
			Containers: []corev1.Container{{Name: "main", Image: "app", Resources: corev1.ResourceRequirements{Requests: cores(cpu)}}},
		},
	}
	ok(t, of(t, f, cluster).Create(t.Context(), pod))
}

// counts are the answers as text.
func counts(answers []estimator.Answer) string {
	var told []string
	for _, answer := range answers {
		switch {
		case answer.Err != nil:
			told = append(told, "error")
		case answer.Stale:
			told = append(told, fmt.Sprintf("stale %d", answer.Count))
		default:
			told = append(told, fmt.Sprint(answer.Count))
		}
	}
	return strings.Join(told, ", ")
}

func expectCounts(t *testing.T, e *Estimators, question estimator.Question, want string, clusters ...string) {
	t.Helper()
	if got := counts(e.Estimate(t.Context(), question, clusters)); got != want {
		t.Errorf("%v answer %q, want %q", clusters, got, want)
	}
}

// fragmented has two members that use and report the same: m1 leaves one core on each of its four nodes, m2 leaves four
// cores on one.
func fragmented(t *testing.T, f *Fleet) {
	t.Helper()
	pool := fleet.NodePool{Count: 4, CPU: "4", Memory: "16Gi", Pods: "110"}
	for _, name := range []string{"m1", "m2"} {
		ok(t, f.Add(t.Context(), fleet.Spec{Name: name, Nodes: pool}))
		ok(t, f.Join(t.Context(), name))
	}
	for i := range 4 {
		occupy(t, f, "m1", i, fmt.Sprint("tenant-", i), "3")
		if i < 3 {
			occupy(t, f, "m2", i, fmt.Sprint("tenant-", i), "4")
		}
	}
}

// TestEstimatorsSeeNodes asks where the summary of a cluster says that more fits than does on any node.
func TestEstimatorsSeeNodes(t *testing.T) {
	f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
	ok(t, err)
	ok(t, f.Run(lifecycle.New(lifecycle.DefaultMonitor(), 1), clusterstatus.New(clusterstatus.Defaults())))
	fragmented(t, f)
	estimators := f.Estimators(packing.Options{Assumed: true})
	run(t, f, time.Minute)

	question := askCores("2")
	for _, name := range []string{"m1", "m2"} {
		reported := &clusterv1alpha1.Cluster{}
		ok(t, of(t, f, fleet.ControlPlaneName).Get(t.Context(), types.NamespacedName{Name: name}, reported))
		if by := (estimator.General{}).Replicas(reported, question.Requirements, nil); by != 2 {
			t.Fatalf("by the summary of %s %d replicas fit, want 2: %+v", name, by, reported.Status.ResourceSummary)
		}
	}
	expectCounts(t, estimators, question, "0, 2", "m1", "m2")

	question.Components = []workv1alpha2.Component{
		{Name: "driver", Replicas: 1, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: cores("3")}},
		{Name: "worker", Replicas: 1, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: cores("1")}},
	}
	expectCounts(t, estimators, question, "0, 1", "m1", "m2")
	question = askCores("1")
	question.Assumed = func(cluster string) []estimator.AssumedWorkload {
		if cluster != "m2" {
			return nil
		}
		return []estimator.AssumedWorkload{{Components: []workv1alpha2.Component{
			{Replicas: 1, ReplicaRequirements: &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: cores("3")}},
		}}}
	}
	expectCounts(t, estimators, question, "4, 1", "m1", "m2")
}

// TestSchedulerSeesNodes lets the scheduler choose between two members whose summaries are the same.
func TestSchedulerSeesNodes(t *testing.T) {
	for _, c := range []struct {
		name  string
		blind bool
		want  string
	}{
		{"by summaries", true, "m1:1 m2:1"},
		{"by nodes", false, "m2:2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
			ok(t, err)
			options := scheduler.Options{Name: "default-scheduler"}
			if !c.blind {
				options.Estimators = f.Estimators(packing.Options{Assumed: true})
			}
			ok(t, f.Run(lifecycle.New(lifecycle.DefaultMonitor(), 1), clusterstatus.New(clusterstatus.Defaults()), scheduler.New(options)))
			fragmented(t, f)
			run(t, f, time.Minute)
			bound := &workv1alpha2.ResourceBinding{
				ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "web"},
				Spec: workv1alpha2.ResourceBindingSpec{
					Resource: workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"},
					Replicas: 2, ReplicaRequirements: askCores("2").Requirements,
					Placement: &policyv1alpha1.Placement{ReplicaScheduling: &policyv1alpha1.ReplicaSchedulingStrategy{
						ReplicaSchedulingType:     policyv1alpha1.ReplicaSchedulingTypeDivided,
						ReplicaDivisionPreference: policyv1alpha1.ReplicaDivisionPreferenceWeighted,
						WeightPreference:          &policyv1alpha1.ClusterPreferences{DynamicWeight: policyv1alpha1.DynamicWeightByAvailableReplicas},
					}},
				},
			}
			policy.SetClaim(bound, policy.Claim{Policy: types.NamespacedName{Namespace: "default", Name: "all"}, ID: "all"})
			plane := of(t, f, fleet.ControlPlaneName)
			ok(t, plane.Create(t.Context(), bound))
			run(t, f, 2*time.Minute)
			ok(t, plane.Get(t.Context(), client.ObjectKeyFromObject(bound), bound))
			var got []string
			for _, target := range bound.Spec.Clusters {
				if target.Replicas > 0 {
					got = append(got, fmt.Sprintf("%s:%d", target.Name, target.Replicas))
				}
			}
			slices.Sort(got)
			if text := strings.Join(got, " "); text != c.want {
				t.Errorf("the scheduler chose %q, want %q: %v", text, c.want, bound.Status.Conditions)
			}
		})
	}
}

// TestEstimatorsPodDemand asks for one replica a node.
func TestEstimatorsPodDemand(t *testing.T) {
	f := rig(t)
	ok(t, f.Add(t.Context(), fleet.Spec{Name: "m2", Nodes: fleet.NodePool{Count: 3, CPU: "4", Memory: "16Gi", Pods: "110"}}))
	run(t, f, time.Second)
	question := askCores("1")
	question.Pod = &estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 8080}}}
	expectCounts(t, f.Estimators(packing.Options{}), question, "3", "m2")
}

// TestEstimatorsInTrouble follows what a cluster in trouble answers, and that its estimator catches up after.
func TestEstimatorsInTrouble(t *testing.T) {
	for _, c := range []struct {
		name           string
		fault, mend    func(*testing.T, *Fleet, *Estimators) error
		during         string
		writesMeantime bool
	}{
		{
			name: "a broken estimator", during: "error", writesMeantime: true,
			fault: func(t *testing.T, _ *Fleet, e *Estimators) error { return e.Break(t.Context(), "m1") },
			mend:  func(t *testing.T, _ *Fleet, e *Estimators) error { return e.Mend(t.Context(), "m1") },
		},
		{
			name: "a blind estimator", during: "stale 4", writesMeantime: true,
			fault: func(t *testing.T, _ *Fleet, e *Estimators) error { return e.Blind(t.Context(), "m1") },
			mend:  func(t *testing.T, _ *Fleet, e *Estimators) error { return e.Mend(t.Context(), "m1") },
		},
		{
			name: "a network that is cut", during: "error", writesMeantime: true,
			fault: func(t *testing.T, f *Fleet, _ *Estimators) error { return f.Partition(t.Context(), "m1") },
			mend:  func(t *testing.T, f *Fleet, _ *Estimators) error { return f.Heal(t.Context(), "m1") },
		},
		{
			name: "a paused API server", during: "stale 4",
			fault: func(t *testing.T, f *Fleet, _ *Estimators) error { return f.Pause(t.Context(), "m1") },
			mend:  func(t *testing.T, f *Fleet, _ *Estimators) error { return f.Resume(t.Context(), "m1") },
		},
		{
			name: "a stopped cluster", during: "error",
			fault: func(t *testing.T, f *Fleet, _ *Estimators) error { return f.Kill(t.Context(), "m1") },
			mend:  func(t *testing.T, f *Fleet, _ *Estimators) error { return f.Revive(t.Context(), "m1") },
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
			ok(t, err)
			fragmented(t, f)
			e := f.Estimators(packing.Options{})
			run(t, f, time.Second)
			expectCounts(t, e, askCores("1"), "4, 4", "m1", "m2")
			ok(t, c.fault(t, f, e))
			if c.writesMeantime {
				occupy(t, f, "m1", 0, "late", "1")
				run(t, f, 2*time.Second)
			}
			expectCounts(t, e, askCores("1"), c.during+", 4", "m1", "m2")
			ok(t, c.mend(t, f, e))
			if !c.writesMeantime {
				occupy(t, f, "m1", 0, "late", "1")
			}
			run(t, f, 4*time.Second)
			expectCounts(t, e, askCores("1"), "3, 4", "m1", "m2")
		})
	}
}

// TestEstimatorsOfOthers asks clusters that have no nodes to look at, or have them no more.
func TestEstimatorsOfOthers(t *testing.T) {
	f := rig(t)
	e := f.Estimators(packing.Options{})
	expectCounts(t, e, askCores("1"), "error", "m1")
	run(t, f, time.Second)
	for _, unknown := range []string{"m9", "", fleet.ControlPlaneName} {
		if err := e.Estimate(t.Context(), askCores("1"), []string{unknown})[0].Err; !errors.Is(err, fleet.ErrUnknownCluster) {
			t.Errorf("cluster %q answered %v, want that there is no such member", unknown, err)
		}
	}
	ok(t, f.Remove(t.Context(), "m1"))
	expectCounts(t, e, askCores("1"), "error", "m1")
	ok(t, f.Add(t.Context(), fleet.Spec{Name: "m1", Nodes: fleet.NodePool{Count: 1, CPU: "7", Memory: "16Gi", Pods: "110"}}))
	run(t, f, 2*time.Second)
	expectCounts(t, e, askCores("1"), "7", "m1")
	expectCounts(t, e, askCores("-1"), "error", "m1")
}

// TestEstimatorsFollow lets pods, nodes and quotas come and go: an estimator that followed all the time and one that looks
// for the first time agree.
func TestEstimatorsFollow(t *testing.T) {
	f := rig(t)
	ok(t, f.Add(t.Context(), fleet.Spec{Name: "m2", Nodes: fleet.NodePool{Count: 6, CPU: "8", Memory: "32Gi", Pods: "20"}}))
	options := packing.Options{Quotas: true}
	followed := f.Estimators(options)
	random := rand.New(rand.NewPCG(3, 4))
	m2 := of(t, f, "m2")
	var pods []string
	var seen = map[string]bool{}
	for i := range 150 {
		switch action := random.IntN(10); {
		case action < 6:
			pods = append(pods, fmt.Sprint("pod-", i))
			occupy(t, f, "m2", random.IntN(6), pods[len(pods)-1], fmt.Sprintf("%dm", 100+random.IntN(2000)))
		case action < 8 && len(pods) > 0:
			ok(t, m2.Delete(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: pods[0]}}))
			pods = pods[1:]
		case action == 8:
			node := &corev1.Node{}
			ok(t, m2.Get(t.Context(), types.NamespacedName{Name: fmt.Sprintf("m2-node-%d", random.IntN(6))}, node))
			node.Spec.Unschedulable = !node.Spec.Unschedulable
			ok(t, m2.Update(t.Context(), node))
		default:
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: fmt.Sprint("quota-", i)}}
			ok(t, m2.Create(t.Context(), quota))
			quota.Status.Hard = corev1.ResourceList{corev1.ResourceRequestsCPU: resource.MustParse(fmt.Sprint(10 + random.IntN(40)))}
			ok(t, m2.Status().Update(t.Context(), quota))
		}
		run(t, f, time.Duration(i+1)*10*time.Millisecond)
		question := askCores("500m")
		got := counts(followed.Estimate(t.Context(), question, []string{"m2"}))
		if want := counts(f.Estimators(options).Estimate(t.Context(), question, []string{"m2"})); got != want {
			t.Fatalf("after %d changes the one that followed says %s, the one that looks now %s", i+1, got, want)
		}
		seen[got] = true
	}
	if len(seen) < 10 {
		t.Errorf("the answers were %v only", seen)
	}
}

// TestEstimatorsReadRows asks a member whose nodes and pods are rows: what rows alone tell is what an index of them tells, the
// namespace of the requirements goes before that of the question, and a blind estimator stays where it was.
func TestEstimatorsReadRows(t *testing.T) {
	f, err := New(t.Context(), Options{Start: start, Seed: 1, Checked: true})
	ok(t, err)
	pool := kube.NodePool{Name: "m1", Count: 3, Allocatable: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse("4"), corev1.ResourceMemory: resource.MustParse("16Gi"), corev1.ResourcePods: resource.MustParse("20"),
	}}
	rows, err := f.AddColumnar(t.Context(), fleet.Spec{Name: "m1"}, Columns{Pools: []kube.NodePool{pool}})
	ok(t, err)
	estimators, blind := f.Estimators(packing.Options{}), f.Estimators(packing.Options{})
	run(t, f, time.Second)
	ok(t, blind.Blind(t.Context(), "m1"))
	question := askCores("1")
	indexed := question
	indexed.Pod = &estimator.PodDemand{}
	for i, happens := range []func() error{
		func() error { return nil },
		func() error { return rows.Cordon("m1-1", true) },
		func() error { return rows.RemoveNode("m1-0") },
		func() error { return rows.Cordon("m1-1", false) },
	} {
		ok(t, happens())
		run(t, f, time.Duration(i+1)*time.Minute)
		want := counts(estimators.Estimate(t.Context(), indexed, []string{"m1"}))
		expectCounts(t, estimators, question, want, "m1")
	}
	expectCounts(t, estimators, question, "8", "m1")
	expectCounts(t, blind, question, "stale 12", "m1")

	question.Namespace, question.Requirements.Namespace = "shop", "bank"
	if got := demandOf(&question).Requirements.Namespace; got != "bank" {
		t.Errorf("quotas are looked for in namespace %q, want that of the requirements", got)
	}
}
