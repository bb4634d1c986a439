package drain_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	"github.com/seatrial/seatrial/api/scheme"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/rebalance/drain"
)

func plane(t *testing.T, objects ...client.Object) client.WithWatch {
	t.Helper()
	kinds := runtime.NewScheme()
	if err := scheme.AddToScheme(kinds); err != nil {
		t.Fatal(err)
	}
	return fake.NewClientBuilder().WithScheme(kinds).WithObjects(objects...).Build()
}

// bound is a scheduled binding of a Deployment with 2 replicas in each cluster.
func bound(name string, changes ...func(binding.Binding)) client.Object {
	view := binding.New("ns", name)
	view.SetAnnotations(map[string]string{names.AnnotationPropagationPolicyNamespace: "ns", names.AnnotationPropagationPolicyName: "policy"})
	view.Spec.Resource = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "ns", Name: name}
	view.Spec.Placement = &policyv1alpha1.Placement{}
	for _, change := range changes {
		change(view)
	}
	return view.Object
}

func in(clusters ...string) func(binding.Binding) {
	return func(view binding.Binding) {
		for _, cluster := range clusters {
			view.Spec.Clusters = append(view.Spec.Clusters, workv1alpha2.TargetCluster{Name: cluster, Replicas: 2})
		}
	}
}

func sized(replicas int32) func(binding.Binding) {
	return func(view binding.Binding) {
		view.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "m1", Replicas: replicas}}
	}
}

func task(producer string) func(binding.Binding) {
	return func(view binding.Binding) {
		view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: producer, Reason: "Test", Replicas: ptr.To[int32](2)}}
	}
}

func answered(message string) func(binding.Binding) {
	return func(view binding.Binding) {
		view.SetGeneration(3)
		view.Status.Conditions = []metav1.Condition{{Type: names.ConditionScheduled, Status: metav1.ConditionTrue, ObservedGeneration: 3, Message: message}}
	}
}

func told(progress drain.Progress) string {
	var parts []string
	for i := range progress.Workloads {
		w := &progress.Workloads[i]
		part := fmt.Sprintf("%s %d %s", w.Name, w.Replicas, w.State)
		if w.Reason != "" {
			part += ": " + w.Reason
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// TestLook tells the states of single workloads.
func TestLook(t *testing.T) {
	for name, c := range map[string]struct {
		changes []func(binding.Binding)
		want    string
	}{
		"elsewhere":         {[]func(binding.Binding){in("m2")}, ""},
		"to be moved":       {[]func(binding.Binding){in("m1", "m2")}, "web 2 Queued"},
		"not looked at yet": {[]func(binding.Binding){in("m1"), task("drain")}, "web 2 Moving: the scheduler has not looked for a place elsewhere yet"},
		"without room": {
			[]func(binding.Binding){in("m1"), task("drain"), answered("scheduled to m1:2; " + names.MessageKept + "no room")}, "web 2 Stuck: no room",
		},
		"without a place at all": {[]func(binding.Binding){in("m1"), task("drain"), answered("0/1 clusters")}, "web 2 Stuck: 0/1 clusters"},
		"held":                   {[]func(binding.Binding){in("m2"), task("drain")}, "web 2 Moving: m2 has 0 of 2 replicas ready"},
		"held, of a kind that counts no replicas": {[]func(binding.Binding){in("m2"), task("drain"), func(b binding.Binding) {
			b.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{
				ClusterName: "m2", Health: workv1alpha2.ResourceHealthy, Status: &runtime.RawExtension{Raw: []byte(`{"active":2}`)},
			}}
		}}, "web 2 Moving"},
		"held by another move": {
			[]func(binding.Binding){in("m1", "m2"), task(names.EvictionProducerScheduler)},
			"web 2 Queued: another move of it is under way: m1 has 0 of 2 replicas ready, m2 has 0 of 2 replicas ready",
		},
		"let go":    {[]func(binding.Binding){in("m1"), func(b binding.Binding) { b.SetAnnotations(nil) }}, "web 2 Stays: no policy claims it, so no scheduler places it"},
		"suspended": {[]func(binding.Binding){in("m1"), func(b binding.Binding) { b.Spec.Suspension = &workv1alpha2.Suspension{Scheduling: ptr.To(true)} }}, "web 2 Stays: its scheduling is suspended"},
		"a Job": {
			[]func(binding.Binding){in("m1"), func(b binding.Binding) { b.Spec.Resource.APIVersion, b.Spec.Resource.Kind = "batch/v1", "Job" }},
			"web 2 Queued: a Job would begin anew elsewhere, so its end is awaited",
		},
		"a Job that has ended": {
			[]func(binding.Binding){in("m1"), func(b binding.Binding) {
				b.Spec.Resource.APIVersion, b.Spec.Resource.Kind = "batch/v1", "Job"
				b.Status.AggregatedStatus = []workv1alpha2.AggregatedStatusItem{{
					ClusterName: "m1", Status: &runtime.RawExtension{Raw: []byte(`{"conditions":[{"type":"Failed","status":"True"}]}`)},
				}}
			}}, "",
		},
		"tolerant": {
			[]func(binding.Binding){in("m1"), func(b binding.Binding) {
				b.Spec.Placement.ClusterTolerations = []corev1.Toleration{{Operator: corev1.TolerationOpExists}}
			}},
			"web 2 Stays: it tolerates the taint cluster.karmada.io/unschedulable, so it would come back",
		},
		"needed by another": {[]func(binding.Binding){func(b binding.Binding) {
			b.Spec.Placement = nil
			b.Spec.RequiredBy = []workv1alpha2.BindingSnapshot{{Name: "other", Clusters: []workv1alpha2.TargetCluster{{Name: "m1"}}}}
		}}, ""},
		"needed by another, and elsewhere by itself": {[]func(binding.Binding){in("m2"), func(b binding.Binding) {
			b.Spec.RequiredBy = []workv1alpha2.BindingSnapshot{{Name: "other", Clusters: []workv1alpha2.TargetCluster{{Name: "m1"}}}}
		}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			progress, err := drain.Look(t.Context(), plane(t, bound("web", c.changes...)), "m1")
			if err != nil {
				t.Fatal(err)
			}
			if got := told(progress); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
		})
	}
}

// TestRemoving counts the Works that no binding needs any more, and not those of the system.
func TestRemoving(t *testing.T) {
	work := func(name, owner string) client.Object {
		made := &workv1alpha1.Work{ObjectMeta: metav1.ObjectMeta{Namespace: names.ExecutionSpace("m1"), Name: name}}
		if owner != "" {
			made.Annotations = map[string]string{names.AnnotationResourceBindingNamespace: "ns", names.AnnotationResourceBindingName: owner}
		}
		return made
	}
	progress, err := drain.Look(t.Context(), plane(t, bound("here", in("m1")), bound("left", in("m2")), work("a", "here"), work("b", "left"), work("c", "")), "m1")
	if err != nil {
		t.Fatal(err)
	}
	if progress.Removing != 1 || progress.Over() || progress.Empty() {
		t.Errorf("progress is %+v", progress)
	}
}

// TestPace lets as many leave as the options allow, in order of name.
func TestPace(t *testing.T) {
	for name, c := range map[string]struct {
		options drain.Options
		want    string
	}{
		"all":                     {drain.Options{}, "a b c d"},
		"one, as one moves":       {drain.Options{Moves: 2}, "a"},
		"none, as one moves":      {drain.Options{Moves: 1}, ""},
		"within the surge":        {drain.Options{Surge: 4}, "a"},
		"what is small goes past": {drain.Options{Surge: 6}, "a d"},
	} {
		t.Run(name, func(t *testing.T) {
			store := plane(t, bound("a", sized(2)), bound("b", sized(9)), bound("c", sized(3)), bound("d", sized(1)), bound("moving", in("m2"), task("drain")))
			c.options.Cluster = "m1"
			if _, err := drain.Step(t.Context(), store, c.options); err != nil {
				t.Fatal(err)
			}
			bindings, err := binding.List(t.Context(), store)
			if err != nil {
				t.Fatal(err)
			}
			var leaving []string
			for _, view := range bindings {
				if tasks := view.Spec.GracefulEvictionTasks; len(tasks) == 1 && view.GetName() != "moving" {
					leaving = append(leaving, view.GetName())
					if tasks[0].Producer != names.EvictionProducerDrain || tasks[0].PurgeMode != policyv1alpha1.PurgeModeGracefully || *tasks[0].Replicas != view.Spec.Clusters[0].Replicas {
						t.Errorf("the task of %s is %+v", view.GetName(), tasks[0])
					}
				}
			}
			if got := strings.Join(leaving, " "); got != c.want {
				t.Errorf("%q leave, want %q", got, c.want)
			}
		})
	}
}

// TestLargeWorkloadMovesAlone: with nothing else on its way, one beyond the surge moves.
func TestLargeWorkloadMovesAlone(t *testing.T) {
	progress, err := drain.Step(t.Context(), plane(t, bound("big", sized(9)), bound("small", sized(1))), drain.Options{Cluster: "m1", Surge: 4})
	if err != nil {
		t.Fatal(err)
	}
	if got := told(progress); got != "big 9 Moving; small 1 Queued" {
		t.Errorf("progress is %s", got)
	}
}

// TestOthersWriteFirst: a binding that changed meanwhile waits for the next step; any other failure ends this one.
func TestOthersWriteFirst(t *testing.T) {
	bindings := schema.GroupResource{Resource: "resourcebindings"}
	for _, failure := range []error{apierrors.NewConflict(bindings, "web", nil), apierrors.NewForbidden(bindings, "web", nil)} {
		store := interceptor.NewClient(plane(t, bound("web", in("m1"))), interceptor.Funcs{
			Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				return failure
			},
		})
		progress, err := drain.Step(t.Context(), store, drain.Options{Cluster: "m1"})
		if refused := err != nil; refused != apierrors.IsForbidden(failure) || progress.Count(drain.Queued) != 1 {
			t.Errorf("after %v: %+v, %v", failure, progress, err)
		}
	}
}

// TestCordon taints once, and uncordon takes away that taint and no other.
func TestCordon(t *testing.T) {
	other := corev1.Taint{Key: "other", Effect: corev1.TaintEffectNoExecute}
	store := plane(t, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: "m1"}, Spec: clusterv1alpha1.ClusterSpec{Taints: []corev1.Taint{other}}})
	check := func(what string, act func(context.Context, client.Client, string, bool) (bool, error), changes bool, taints int) {
		t.Helper()
		changed, err := act(t.Context(), store, "m1", false)
		if err != nil {
			t.Fatal(err)
		}
		cluster := &clusterv1alpha1.Cluster{}
		if err := store.Get(t.Context(), client.ObjectKey{Name: "m1"}, cluster); err != nil {
			t.Fatal(err)
		}
		if changed != changes || len(cluster.Spec.Taints) != taints || cluster.Spec.Taints[0] != other {
			t.Errorf("%s: changed %t, taints %v", what, changed, cluster.Spec.Taints)
		}
	}
	check("cordon", drain.Cordon, true, 2)
	check("cordon again", drain.Cordon, false, 2)
	check("uncordon", drain.Uncordon, true, 1)
	check("uncordon again", drain.Uncordon, false, 1)
	if _, err := drain.Cordon(t.Context(), store, "m9", false); err == nil || !strings.Contains(err.Error(), "m9") {
		t.Errorf("cordoning a cluster that does not exist: %v", err)
	}
}

// TestWithdraw takes back what has not taken effect and was asked for by a drain of this cluster.
func TestWithdraw(t *testing.T) {
	store := plane(t, bound("stuck", in("m1"), task("drain")), bound("moving", in("m2"), task("drain")), bound("tainted", in("m1"), task(names.EvictionProducerTaint)))
	if kept, err := drain.Withdraw(t.Context(), store, "m2"); err != nil || kept != 0 {
		t.Fatalf("for m2, %d were kept: %v", kept, err)
	}
	if kept, err := drain.Withdraw(t.Context(), store, "m1"); err != nil || kept != 1 {
		t.Fatalf("%d were kept: %v", kept, err)
	}
	for name, tasks := range map[string]int{"stuck": 0, "moving": 1, "tainted": 1} {
		view, err := binding.Get(t.Context(), store, client.ObjectKey{Namespace: "ns", Name: name})
		if err != nil {
			t.Fatal(err)
		}
		if got := len(view.Spec.GracefulEvictionTasks); got != tasks {
			t.Errorf("%s has %d tasks, want %d", name, got, tasks)
		}
	}
}
