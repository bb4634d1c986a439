package kube

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

// TestRollouts follows what is told of a Deployment as replicas/updated/ready/available, second by second: pods take a second
// to start and a second to stop.
func TestRollouts(t *testing.T) {
	for name, c := range map[string]struct {
		first, second *appsv1.Deployment
		want          string
	}{
		"creation": {deployment("app", 3, "100m"), nil, "0s 3/3/0/0, 1s 3/3/3/3"},
		"surge of one, none unavailable": {
			deployment("app", 2, "100m", rolling(1, 0)), deployment("app", 2, "100m", rolling(1, 0), withImage("new")),
			"0s 2/2/0/0, 1s 2/2/2/2, 10s 3/1/2/2, 11s 3/2/2/2, 12s 2/2/2/2, 13s 2/2/2/2",
		},
		"no surge, one unavailable": {
			deployment("app", 2, "100m", rolling(0, 1)), deployment("app", 2, "100m", rolling(0, 1), withImage("new")),
			"0s 2/2/0/0, 1s 2/2/2/2, 10s 2/1/1/1, 11s 2/2/1/1, 12s 2/2/2/2",
		},
		"a quarter of each by default": {
			deployment("app", 4, "100m"), deployment("app", 4, "100m", withImage("new")),
			"0s 4/4/0/0, 1s 4/4/4/4, 10s 5/2/3/3, 11s 5/4/3/3, 12s 4/4/4/4, 13s 4/4/4/4",
		},
		"all at once": {
			deployment("app", 2, "100m", recreating), deployment("app", 2, "100m", recreating, withImage("new")),
			"0s 2/2/0/0, 1s 2/2/2/2, 10s 0/0/0/0, 11s 2/2/0/0, 12s 2/2/2/2",
		},
		"up":   {deployment("app", 1, "100m"), deployment("app", 3, "100m"), "0s 1/1/0/0, 1s 1/1/1/1, 10s 3/3/1/1, 11s 3/3/3/3"},
		"down": {deployment("app", 3, "100m"), deployment("app", 1, "100m"), "0s 3/3/0/0, 1s 3/3/3/3, 10s 1/1/1/1, 11s 1/1/1/1"},
		"available after two seconds": {
			deployment("app", 1, "100m", func(d *appsv1.Deployment) { d.Spec.MinReadySeconds = 2 }), nil,
			"0s 1/1/0/0, 1s 1/1/1/0, 3s 1/1/1/1",
		},
		"paused": {
			deployment("app", 1, "100m"), deployment("app", 1, "100m", withImage("new"), func(d *appsv1.Deployment) { d.Spec.Paused = true }),
			"0s 1/1/0/0, 1s 1/1/1/1, 10s 1/0/1/1",
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.pool("pool", 3)
			w.must(w.Apply(c.first))
			w.loop.run(10 * time.Second)
			if c.second != nil {
				w.must(w.Apply(c.second))
			}
			w.loop.run(10 * time.Second)
			w.check()
			var told []string
			for _, line := range w.told {
				told = append(told, strings.Replace(line, " app ", " ", 1))
			}
			if got := strings.Join(told, ", "); got != c.want {
				t.Errorf("told %s\nwant %s", got, c.want)
			}
		})
	}
}

func recreating(d *appsv1.Deployment) { d.Spec.Strategy.Type = appsv1.RecreateDeploymentStrategyType }

func TestRollback(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 3)
	for _, image := range []string{"one", "two", "one"} {
		w.must(w.Apply(deployment("app", 3, "100m", withImage(image))))
		w.loop.run(time.Minute)
		w.expect("app", "3/3/3/3")
	}
	if n := len(w.works[w.workOf[key(KindDeployment, "app")]].sets); n != 2 {
		t.Errorf("three roll-outs of two templates made %d revisions", n)
	}
	w.Delete(key(KindDeployment, "app"))
	w.loop.run(time.Minute)
	w.check()
	if w.live != 0 || len(w.Workloads()) != 0 {
		t.Errorf("%d pods and %v are left", w.live, w.Workloads())
	}
}

// TestStall: a roll-out that cannot get on is told to have stalled after its deadline, and keeps what is available.
func TestStall(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 2)
	w.must(w.Apply(deployment("app", 2, "2", rolling(1, 0))))
	w.loop.run(time.Minute)
	w.must(w.Apply(deployment("app", 2, "8", rolling(1, 0), func(d *appsv1.Deployment) { d.Spec.ProgressDeadlineSeconds = ptr.To[int32](90) })))
	w.loop.run(89 * time.Second)
	if s, _ := w.Status(key(KindDeployment, "app")); s.Condition != "Progressing" || s.Pending != 1 || s.Available != 2 {
		t.Errorf("before the deadline: %+v", s)
	}
	w.loop.run(2 * time.Second)
	s, _ := w.Status(key(KindDeployment, "app"))
	if s.Condition != "Stalled" || s.Available != 2 {
		t.Errorf("after the deadline: %+v", s)
	}
	status := s.DeploymentStatus(&appsv1.DeploymentStatus{}, w.loop.now)
	if reason := status.Conditions[1].Reason; reason != "ProgressDeadlineExceeded" || status.Conditions[0].Status != "True" {
		t.Errorf("conditions %+v", status.Conditions)
	}
	w.must(w.Apply(deployment("app", 2, "1", rolling(1, 0))))
	w.loop.run(time.Minute)
	w.expect("app", "2/2/2/2")
}

// TestProportionalScaling shares replicas between the sets of a roll-out that hangs.
func TestProportionalScaling(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 10)
	w.must(w.Apply(deployment("app", 10, "100m", rolling(3, 2))))
	w.loop.run(time.Minute)
	w.must(w.Apply(deployment("app", 10, "64", rolling(3, 2))))
	w.loop.run(time.Minute)
	w.expect("app", "13/5/8/8")
	w.must(w.Apply(deployment("app", 15, "64", rolling(3, 2))))
	w.loop.run(time.Minute)
	w.expect("app", "18/7/11/11")
	w.check()
}

func statefulSet(replicas int32, image string, change ...func(*appsv1.StatefulSet)) *appsv1.StatefulSet {
	s := &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "db", Generation: 1}}
	s.Spec.Replicas, s.Spec.Template = &replicas, podTemplate("db", "100m")
	s.Spec.Template.Spec.Containers[0].Image = image
	for _, c := range change {
		c(s)
	}
	return s
}

func TestStatefulSets(t *testing.T) {
	parallel := func(s *appsv1.StatefulSet) { s.Spec.PodManagementPolicy = appsv1.ParallelPodManagement }
	partition := func(n int32) func(*appsv1.StatefulSet) {
		return func(s *appsv1.StatefulSet) {
			s.Spec.UpdateStrategy.RollingUpdate = &appsv1.RollingUpdateStatefulSetStrategy{Partition: &n}
		}
	}
	onDelete := func(s *appsv1.StatefulSet) { s.Spec.UpdateStrategy.Type = appsv1.OnDeleteStatefulSetStrategyType }
	for name, c := range map[string]struct {
		first, second *appsv1.StatefulSet
		want          string
	}{
		"in order":    {statefulSet(3, "one"), nil, "0s 1/1/0/0, 1s 2/2/1/1, 2s 3/3/2/2, 3s 3/3/3/3"},
		"in parallel": {statefulSet(3, "one", parallel), nil, "0s 3/3/0/0, 1s 3/3/3/3"},
		"down in order": {
			statefulSet(3, "one", parallel), statefulSet(1, "one"),
			"0s 3/3/0/0, 1s 3/3/3/3, 10s 3/2/2/2, 11s 2/1/1/1, 12s 1/1/1/1",
		},
		"update from the last": {
			statefulSet(2, "one", parallel), statefulSet(2, "two"),
			"0s 2/2/0/0, 1s 2/2/2/2, 10s 2/0/1/1, 11s 2/1/1/1, 12s 2/1/1/1, 13s 2/2/1/1, 14s 2/2/2/2",
		},
		"update down to the partition": {
			statefulSet(2, "one", parallel), statefulSet(2, "two", partition(1)),
			"0s 2/2/0/0, 1s 2/2/2/2, 10s 2/0/1/1, 11s 2/1/1/1, 12s 2/1/2/2",
		},
		"update on deletion": {statefulSet(2, "one", parallel), statefulSet(2, "two", onDelete), "0s 2/2/0/0, 1s 2/2/2/2, 10s 2/0/2/2"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, Options{})
			w.pool("pool", 3)
			w.must(w.Apply(c.first))
			w.loop.run(10 * time.Second)
			if c.second != nil {
				w.must(w.Apply(c.second))
			}
			w.loop.run(10 * time.Second)
			w.check()
			if got := strings.ReplaceAll(strings.Join(w.told, ", "), " db ", " "); got != c.want {
				t.Errorf("told %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestDaemonSet(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 3)
	w.pool("other", 1, labelled("skip", "yes"))
	agent := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "agent", Generation: 1}}
	agent.Spec.Template = podTemplate("agent", "100m")
	expect := func(what string, desired, updated, ready int32) {
		t.Helper()
		s, _ := w.Status(key(KindDaemonSet, "agent"))
		if got := []int32{s.Desired, s.Updated, s.Ready}; !slices.Equal(got, []int32{desired, updated, ready}) {
			t.Errorf("%s: %v desired, updated and ready, want %v", what, got, []int32{desired, updated, ready})
		}
		w.check()
	}
	w.must(w.Apply(agent))
	w.loop.run(time.Minute)
	expect("at first", 4, 4, 4)
	w.must(w.Resize("pool", 5))
	w.loop.run(time.Minute)
	expect("with two more nodes", 6, 6, 6)
	w.must(w.RemoveNode("pool-1"))
	w.loop.run(time.Minute)
	expect("with one node less", 5, 5, 5)
	w.must(w.Cordon("pool-0", true))
	w.loop.run(time.Minute)
	expect("with a cordoned node", 5, 5, 5)
	agent = agent.DeepCopy()
	agent.Generation, agent.Spec.Template.Spec.NodeSelector = 2, map[string]string{"skip": "yes"}
	w.must(w.Apply(agent))
	w.loop.run(time.Minute)
	expect("on selected nodes", 1, 1, 1)
	agent = agent.DeepCopy()
	agent.Generation, agent.Spec.Template.Spec.NodeSelector, agent.Spec.Template.Spec.Containers[0].Image = 3, nil, "new"
	w.must(w.Apply(agent))
	w.loop.run(500 * time.Millisecond)
	if s, _ := w.Status(key(KindDaemonSet, "agent")); s.Terminating > 1 {
		t.Errorf("%d pods end at once", s.Terminating)
	}
	w.loop.run(time.Minute)
	expect("with a new image", 5, 5, 5)
	if w.Placed(key(KindDaemonSet, "agent"))["other"] != 1 {
		t.Errorf("placed %v", w.Placed(key(KindDaemonSet, "agent")))
	}
	var names []string
	for _, pod := range w.PodsOn("other-0") {
		names = append(names, fmt.Sprint(pod.Namespace, " ", pod.Spec.NodeName, " ", pod.Status.Phase))
	}
	if !slices.Equal(names, []string{"ns other-0 Running"}) {
		t.Errorf("on the node: %v", names)
	}
}

func TestStatusOfAPI(t *testing.T) {
	w := newWorld(t, Options{})
	w.pool("pool", 2)
	w.must(w.Apply(statefulSet(2, "one")))
	agent := &appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "agent", Generation: 4}}
	agent.Spec.Template = podTemplate("agent", "100m")
	w.must(w.Apply(agent))
	w.must(w.Apply(deployment("app", 3, "1")))
	w.loop.run(time.Minute)
	s, _ := w.Status(key(KindStatefulSet, "db"))
	if got := s.StatefulSetStatus(); got.Replicas != 2 || got.CurrentReplicas != 2 || got.UpdatedReplicas != 2 || got.AvailableReplicas != 2 ||
		got.CurrentRevision != got.UpdateRevision || got.CurrentRevision == "" {
		t.Errorf("StatefulSet %+v", got)
	}
	s, _ = w.Status(key(KindDaemonSet, "agent"))
	if got := s.DaemonSetStatus(); got.DesiredNumberScheduled != 2 || got.CurrentNumberScheduled != 2 || got.NumberReady != 2 ||
		got.UpdatedNumberScheduled != 2 || got.NumberUnavailable != 0 || got.ObservedGeneration != 4 {
		t.Errorf("DaemonSet %+v", got)
	}
	s, _ = w.Status(key(KindDeployment, "app"))
	first := s.DeploymentStatus(&appsv1.DeploymentStatus{}, epoch)
	if later := s.DeploymentStatus(&first, epoch.Add(time.Hour)); later.Replicas != 3 || later.UnavailableReplicas != 0 ||
		!later.Conditions[0].LastTransitionTime.Time.Equal(epoch) || later.Conditions[1].Reason != "NewReplicaSetAvailable" {
		t.Errorf("Deployment %+v", later)
	}
	if _, ok := w.Status(key(KindDeployment, "none")); ok {
		t.Error("there is a status of nothing")
	}
}
