package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	status "k8s.io/kube-scheduler/framework"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/scheduler"
	"github.com/seatrial/seatrial/scheduler/framework"
	"github.com/seatrial/seatrial/scheduler/placement"
)

// Plugins of functions, named Test.
type (
	filtering func(cluster string) *status.Status
	scoring   func(cluster string) (int64, *status.Status)
	selecting func(candidates []framework.Candidate) ([]string, *status.Status)
	assigning func(targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status)
)

func (filtering) Name() string { return "Test" }
func (scoring) Name() string   { return "Test" }
func (selecting) Name() string { return "Test" }
func (assigning) Name() string { return "Test" }

func (f filtering) Filter(_ *placement.Request, cluster *clusterv1alpha1.Cluster) *status.Status {
	return f(cluster.Name)
}

func (f scoring) Score(_ *placement.Request, cluster *clusterv1alpha1.Cluster) (int64, *status.Status) {
	return f(cluster.Name)
}

func (f selecting) Select(_ *placement.Request, candidates []framework.Candidate) ([]string, *status.Status) {
	return f(candidates)
}

func (f assigning) Assign(_ *placement.Request, _ []string, targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
	return f(targets)
}

// configured reads a configuration file with a plugin named Test compiled in.
func configured(t *testing.T, profiles string, plugin framework.Plugin) *framework.Configuration {
	t.Helper()
	registry := framework.Registry{"Test": func(framework.Arguments) (framework.Plugin, error) { return plugin, nil }}
	content := "apiVersion: scheduler.seatrial.io/v1alpha1\nkind: SchedulerConfiguration\nprofiles: " + profiles
	configuration, err := framework.Load("scheduler.yaml", []byte(content), registry)
	if err != nil {
		t.Fatal(err)
	}
	return configuration
}

const withTest = "[{schedulerName: default-scheduler, plugins: {enabled: [{name: Test}]}}]"

// TestSimulatedSchedulerServesProfiles: one process, two scheduler names, a plugin under one of them.
func TestSimulatedSchedulerServesProfiles(t *testing.T) {
	notA := filtering(func(cluster string) *status.Status {
		if cluster == "a" {
			return status.NewStatus(status.Unschedulable, "closed to careful workloads")
		}
		return nil
	})
	profiles := "[{schedulerName: default-scheduler}, {schedulerName: careful, plugins: {enabled: [{name: Test}]}}]"
	b := newBench(t, scheduler.New(scheduler.Options{Profiles: configured(t, profiles, notA).Profiles}))
	b.cluster("a", 50)
	b.cluster("b", 40)
	named := func(scheduler string) func(*workv1alpha2.ResourceBinding) {
		return func(bound *workv1alpha2.ResourceBinding) { bound.Spec.SchedulerName = scheduler }
	}
	b.binding("mine", 2)
	b.binding("careful", 2, named("careful"))
	b.binding("other", 2, named("nobody"))
	for name, want := range map[string]string{"mine": "a", "careful": "b"} {
		if got := b.await(name, names.ReasonScheduled); got.Spec.Clusters[0].Name != want {
			t.Errorf("%s goes to %v, want %s", name, got.Spec.Clusters, want)
		}
	}
	pass(t, b.env, 10*time.Second)
	if other := b.bindings()["other"]; reasonOf(other) != "" {
		t.Errorf("a binding for a scheduler that does not run was given %v", other.Spec.Clusters)
	}
}

// TestSimulatedSchedulerSurvivesPlugins: whatever a plugin or an extender does, the binding says it, keeps its targets, and is
// scheduled once the fault is gone.
func TestSimulatedSchedulerSurvivesPlugins(t *testing.T) {
	long := strings.Repeat("all work and no play\n", 10_000)
	for name, c := range map[string]struct {
		plugin  framework.Plugin
		gather  framework.Gatherer
		reason  string
		message string
	}{
		"filter panics": {plugin: filtering(func(string) *status.Status { panic("oops\nand more") }),
			message: "plugin Test panicked at extension point Filter: oops; and more"},
		"score panics":   {plugin: scoring(func(string) (int64, *status.Status) { panic("oops") }), message: "plugin Test panicked at extension point Score: oops"},
		"score too high": {plugin: scoring(func(string) (int64, *status.Status) { return 1 << 62, nil }), message: "is not between 0 and 100"},
		"score negative": {plugin: scoring(func(string) (int64, *status.Status) { return -1, nil }), message: "-1 is not between 0 and 100"},
		"select panics": {plugin: selecting(func(list []framework.Candidate) ([]string, *status.Status) {
			return []string{list[9].Cluster.Name}, nil
		}), message: "plugin Test panicked at extension point Select"},
		"select unknown": {plugin: selecting(func([]framework.Candidate) ([]string, *status.Status) { return []string{"mars"}, nil }), message: `cluster "mars" is not a candidate`},
		"select nothing": {plugin: selecting(func([]framework.Candidate) ([]string, *status.Status) { return nil, nil }), reason: names.ReasonNoClusterFit, message: "not selected by plugin Test"},
		"assign panics":  {plugin: assigning(func([]workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) { panic("oops") }), message: "plugin Test panicked at extension point Assign: oops"},
		"assign twice": {plugin: assigning(func(targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
			return append(targets, targets...), nil
		}), message: "is listed twice"},
		"assign negative": {plugin: assigning(func(targets []workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) {
			targets[0].Replicas = -3
			return targets, nil
		}), message: "gets -3 replicas"},
		"assign nothing": {plugin: assigning(func([]workv1alpha2.TargetCluster) ([]workv1alpha2.TargetCluster, *status.Status) { return nil, nil }), message: "0 replicas are assigned, not 3"},
		"a long reason":  {plugin: filtering(func(string) *status.Status { return status.NewStatus(status.Unschedulable, long) }), reason: names.ReasonNoClusterFit, message: "all work and no play all work"},
		"a long error":   {plugin: filtering(func(string) *status.Status { return status.AsStatus(errors.New(long)) }), message: "all work and no play; all work"},
		"no text":        {plugin: filtering(func(string) *status.Status { return status.NewStatus(status.Error) }), message: "the plugin failed without a reason"},
		"extender fails": {gather: func(context.Context, *placement.CandidateSet) ([]placement.Foreign, error) {
			return nil, errors.New("asking extender http://127.0.0.1:1 to filter 2 clusters: no answer within 5s")
		}, message: "no answer within 5s"},
		"extender rejects all": {gather: func(_ context.Context, candidates *placement.CandidateSet) (rejected []placement.Foreign, _ error) {
			for _, name := range candidates.Names() {
				rejected = append(rejected, placement.Foreign{Cluster: name, Plugin: "licences", Reason: "no licence"})
			}
			return rejected, nil
		}, reason: names.ReasonNoClusterFit, message: "2 no licence"},
	} {
		t.Run(name, func(t *testing.T) {
			options := scheduler.Options{Gather: c.gather}
			if c.plugin != nil {
				options.Profiles = configured(t, withTest, c.plugin).Profiles
			}
			b := newBench(t, only(options))
			b.cluster("a", 50)
			b.cluster("b", 40)
			reason := c.reason
			if reason == "" {
				reason = names.ReasonSchedulerError
			}
			b.binding("web", 3)
			bound := b.await("web", reason)
			message := meta.FindStatusCondition(bound.Status.Conditions, names.ConditionScheduled).Message
			if !strings.Contains(message, c.message) || len(message) > 10_000 || strings.Contains(message, "\n") {
				t.Errorf("the condition has %d bytes and lacks %q: %.300s", len(message), c.message, message)
			}
			if len(bound.Spec.Clusters) > 0 {
				t.Errorf("it has targets %v", bound.Spec.Clusters)
			}
			b.must(b.env.Restart(only(scheduler.Options{})))
			b.await("web", names.ReasonScheduled)
		})
	}
}

// TestSimulatedSchedulerKeepsItsTermWhenPluginsFail: another affinity term is for clusters that do not fit, not for plugins that
// cannot tell.
func TestSimulatedSchedulerKeepsItsTermWhenPluginsFail(t *testing.T) {
	failing := true
	b := newBench(t, only(scheduler.Options{Gather: func(context.Context, *placement.CandidateSet) ([]placement.Foreign, error) {
		if failing {
			return nil, errors.New("the extender is away")
		}
		return nil, nil
	}}))
	b.cluster("a", 50)
	b.cluster("b", 50)
	term := func(cluster string) policyv1alpha1.ClusterAffinityTerm {
		return policyv1alpha1.ClusterAffinityTerm{AffinityName: cluster, ClusterAffinity: policyv1alpha1.ClusterAffinity{ClusterNames: []string{cluster}}}
	}
	b.binding("web", 3, func(bound *workv1alpha2.ResourceBinding) {
		bound.Spec.Placement.ClusterAffinities = []policyv1alpha1.ClusterAffinityTerm{term("b"), term("a")}
	})
	b.await("web", names.ReasonSchedulerError)
	failing = false
	if bound := b.await("web", names.ReasonScheduled); bound.Spec.Clusters[0].Name != "b" || bound.Status.SchedulerObservedAffinityName != "b" {
		t.Errorf("it went to %v by term %s", bound.Spec.Clusters, bound.Status.SchedulerObservedAffinityName)
	}
}

// TestSimulatedSchedulerTakesNothingAwayForExtenders: one that rejects every cluster keeps workloads from coming, and from
// growing, but takes none from where it runs. The words of the user still do.
func TestSimulatedSchedulerTakesNothingAwayForExtenders(t *testing.T) {
	closed := false
	b := newBench(t, only(scheduler.Options{Gather: func(_ context.Context, candidates *placement.CandidateSet) (rejected []placement.Foreign, _ error) {
		for _, name := range candidates.Names() {
			if closed {
				rejected = append(rejected, placement.Foreign{Cluster: name, Plugin: "licences", Reason: "no licence"})
			}
		}
		return rejected, nil
	}}))
	b.cluster("a", 50)
	b.binding("web", 3)
	b.await("web", names.ReasonScheduled)
	closed = true
	grow := b.bindings()["web"]
	grow.Spec.Replicas = 5
	b.must(b.plane.Update(t.Context(), grow))
	if kept := b.await("web", names.ReasonUnschedulable); replicasOf(kept) != 3 {
		t.Errorf("rejected everywhere it has %v", kept.Spec.Clusters)
	}
	b.binding("late", 1)
	b.await("late", names.ReasonNoClusterFit)
	elsewhere := b.bindings()["web"]
	elsewhere.Spec.Placement.ClusterAffinity = &policyv1alpha1.ClusterAffinity{ClusterNames: []string{"b"}}
	b.must(b.plane.Update(t.Context(), elsewhere))
	if gone := b.await("web", names.ReasonNoClusterFit); len(gone.Spec.Clusters) > 0 {
		t.Errorf("excluded by its policy it has %v", gone.Spec.Clusters)
	}
}

// nodesSay is an estimator of all clusters that counts the same in each.
type nodesSay map[string]int32

func (n nodesSay) Estimate(_ context.Context, _ estimator.Question, clusters []string) []estimator.Answer {
	answers := make([]estimator.Answer, len(clusters))
	for i, name := range clusters {
		count, ok := n[name]
		if answers[i].Count = count; !ok {
			answers[i].Err = errors.New("no estimator")
		}
	}
	return answers
}

// TestSimulatedSchedulerHeedsNodes: the summary of a has most room, its nodes have none.
func TestSimulatedSchedulerHeedsNodes(t *testing.T) {
	b := newBench(t, only(scheduler.Options{Estimators: nodesSay{"a": 0}}))
	b.cluster("a", 50)
	b.cluster("b", 5)
	b.binding("web", 5)
	if bound := b.await("web", names.ReasonScheduled); len(bound.Spec.Clusters) != 1 || bound.Spec.Clusters[0].Name != "b" {
		t.Errorf("it went to %v", bound.Spec.Clusters)
	}
	b.binding("late", 5)
	b.await("late", names.ReasonUnschedulable)
}

// priced makes a cluster with a price.
func priced(price string) func(*clusterv1alpha1.Cluster) {
	return func(c *clusterv1alpha1.Cluster) { c.Labels = map[string]string{names.ClusterPrice: price} }
}

// TestSimulatedSchedulerFollowsPreferences: a change of what is preferred, or of a price where cheap clusters are, is a reason to
// decide anew, also for a scheduler that did not run when it came.
func TestSimulatedSchedulerFollowsPreferences(t *testing.T) {
	one := func(bound *workv1alpha2.ResourceBinding) {
		bound.Spec.Placement.SpreadConstraints = []policyv1alpha1.SpreadConstraint{{SpreadByField: policyv1alpha1.SpreadByFieldCluster, MinGroups: 1, MaxGroups: 1}}
	}
	cheap := func(bound *workv1alpha2.ResourceBinding) {
		bound.Annotations[names.AnnotationPrefer] = names.PreferCheap
	}
	b := newBench(t, only(scheduler.Options{}))
	b.cluster("a", 50, priced("3"))
	b.cluster("b", 40, priced("2"))
	pass(t, b.env, time.Second)
	b.binding("web", 1, one)
	b.binding("plain", 1, one)
	b.await("plain", names.ReasonScheduled)
	if bound := b.await("web", names.ReasonScheduled); bound.Spec.Clusters[0].Name != "a" || bound.Annotations[names.AnnotationAppliedPreferences] != "" {
		t.Fatalf("without preferences: %v, %v", bound.Spec.Clusters, bound.Annotations)
	}
	decided := func(change func()) string {
		t.Helper()
		before := b.bindings()
		change()
		pass(t, b.env, 5*time.Second)
		after := b.bindings()
		if after["plain"].ResourceVersion != before["plain"].ResourceVersion {
			t.Error("a binding without preferences was written")
		}
		return after["web"].Annotations[names.AnnotationAppliedPreferences]
	}
	update := func(change func(*workv1alpha2.ResourceBinding)) func() {
		return func() {
			bound := b.bindings()["web"]
			change(bound)
			b.must(b.plane.Update(t.Context(), bound))
		}
	}
	first := decided(update(cheap))
	if !strings.Contains(first, `"seatrial.io/prefer":"Cheap"`) {
		t.Errorf("after the annotation came: %q", first)
	}
	second := decided(func() { b.change("b", priced("1")) })
	if second == first || second == "" {
		t.Errorf("after a price changed: %q as before", second)
	}
	third := decided(func() {
		b.must(b.env.Restart())
		b.change("b", priced("0.5"))
		b.must(b.env.Restart(only(scheduler.Options{})))
	})
	if third == second || third == "" {
		t.Errorf("after a price changed while no scheduler ran: %q as before", third)
	}
	if last := decided(update(func(bound *workv1alpha2.ResourceBinding) { delete(bound.Annotations, names.AnnotationPrefer) })); last != "" {
		t.Errorf("after the annotation went: %q", last)
	}
}

// TestSimulatedSchedulerIsFairToNamespaces: a namespace with fifty bindings in wait takes half of the room from one with five.
func TestSimulatedSchedulerIsFairToNamespaces(t *testing.T) {
	b := newBench(t, only(scheduler.Options{}))
	b.must(b.plane.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "quiet"}}))
	for i := range 50 {
		b.binding(fmt.Sprintf("flood-%02d", i), 1)
	}
	for i := range 5 {
		b.binding(fmt.Sprint("quiet-", i), 1, func(bound *workv1alpha2.ResourceBinding) {
			bound.Namespace, bound.Spec.Resource.Namespace = "quiet", "quiet"
		})
	}
	b.await("quiet-4", names.ReasonNoClusterFit)
	b.cluster("a", 10)
	pass(t, b.env, 20*time.Second)
	scheduled := map[string]int{}
	for _, bound := range b.bindings() {
		if reasonOf(bound) == names.ReasonScheduled {
			scheduled[bound.Namespace]++
		}
	}
	if scheduled["quiet"] != 5 || scheduled["default"] != 5 {
		t.Errorf("room for ten went to %v", scheduled)
	}
}
