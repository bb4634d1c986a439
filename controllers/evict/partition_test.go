package evict

import (
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/eviction"
)

// ready changes the health of a cluster, and gives the turns that come of it.
func (s *stage) ready(t *testing.T, name string, status metav1.ConditionStatus) {
	t.Helper()
	s.set(t, name, func(c *clusterv1alpha1.Cluster) {
		c.Status.Conditions[0].Status, c.Status.Conditions[0].LastTransitionTime = status, metav1.Time{Time: s.clock.Now()}
	})
	s.look(t)
}

// look gives the queue its turn, and then all bindings, as the notes it writes do.
func (s *stage) look(t *testing.T) {
	t.Helper()
	if _, err := s.reconcile(t.Context(), s.deps, queueKey); err != nil {
		t.Fatal(err)
	}
	s.settle(t)
	if _, err := s.reconcile(t.Context(), s.deps, queueKey); err != nil {
		t.Fatal(err)
	}
}

// restart is what a new process begins with.
func (s *stage) restart(t *testing.T) {
	t.Helper()
	s.evictor = &evictor{options: s.options, recorder: s, failed: map[types.NamespacedName]bool{}}
	s.look(t)
}

// notes are what clusters bear, by name.
func (s *stage) notes(t *testing.T) map[string]string {
	t.Helper()
	clusters := &clusterv1alpha1.ClusterList{}
	if err := s.deps.Client.List(t.Context(), clusters); err != nil {
		t.Fatal(err)
	}
	borne := map[string]string{}
	for i := range clusters.Items {
		if note, noted := clusters.Items[i].Annotations[names.AnnotationHeldUntil]; noted {
			borne[clusters.Items[i].Name] = note
		}
	}
	return borne
}

// TestPartitionHealsClusterByCluster loses all of four clusters for an hour. They come back minutes apart, but for one: it is left when what is
// tolerated has passed from the moment the first one came back. The controller dies in between or not.
func TestPartitionHealsClusterByCluster(t *testing.T) {
	for _, dies := range []bool{false, true} {
		objects := []client.Object{}
		for _, name := range []string{"m1", "m2", "m3", "m4"} {
			objects = append(objects, clusterOf(name, "False"), bound("ns", "in-"+name, 0, name))
		}
		s := newStage(t, nil, objects...)
		interrupt := func() {
			if dies {
				s.restart(t)
			}
		}
		s.look(t)
		for range 4 {
			s.pass(t, 15*time.Minute)
			interrupt()
		}
		if borne := s.notes(t); len(borne) != 4 || borne["m3"] != names.HeldOpen {
			t.Fatalf("while all are lost the notes are %v", borne)
		}
		if told := strings.Join(s.events, "\n"); !strings.Contains(told, "m1: 4 of 4 clusters are not healthy") {
			t.Errorf("users are told:\n%s", told)
		}
		for _, name := range []string{"m1", "m2", "m3"} {
			s.ready(t, name, metav1.ConditionTrue)
			interrupt()
			s.pass(t, 90*time.Second)
			if leaving := s.leaving(t); len(leaving) != 0 {
				t.Fatalf("dies: %t: %v leave while the partition heals", dies, leaving)
			}
		}
		if borne := s.notes(t); len(borne) != 1 || borne["m4"] != began.Add(time.Hour).Format(time.RFC3339) {
			t.Errorf("dies: %t: the notes are %v", dies, borne)
		}
		s.pass(t, time.Minute)
		if leaving := s.leaving(t); !slices.Equal(leaving, []string{"in-m4"}) {
			t.Errorf("dies: %t: %v leave, want what is in the cluster that stays lost", dies, leaving)
		}
		s.ready(t, "m4", metav1.ConditionTrue)
		if leaving, borne := s.leaving(t), s.notes(t); len(leaving) != 0 || len(borne) != 0 {
			t.Errorf("dies: %t: %v leave clusters that are well, with the notes %v", dies, leaving, borne)
		}
	}
}

// TestPartitionTakesBackWhatWaits has workloads leave two of three clusters. When the last one is lost too, what still waits for a place stays, and
// what has moved does not come back.
func TestPartitionTakesBackWhatWaits(t *testing.T) {
	moved := bound("ns", "moved", 0, "m3")
	view, _ := binding.Of(moved)
	view.Spec.GracefulEvictionTasks = []workv1alpha2.GracefulEvictionTask{{FromCluster: "m1", Producer: names.EvictionProducerTaint, Reason: names.EvictionReasonTaint}}
	s := newStage(t, nil, clusterOf("m1", "False"), clusterOf("m2", "Unknown"), clusterOf("m3", "True"), moved,
		bound("ns", "a", 0, "m1"), bound("ns", "b", 0, "m2"))
	s.pass(t, 6*time.Minute)
	if leaving := s.leaving(t); !slices.Equal(leaving, []string{"a", "b", "moved"}) {
		t.Fatalf("%v leave, want all", leaving)
	}
	s.ready(t, "m3", metav1.ConditionUnknown)
	if leaving := s.leaving(t); !slices.Equal(leaving, []string{"moved"}) {
		t.Errorf("%v leave while all are lost", leaving)
	}
	s.pass(t, time.Hour)
	s.ready(t, "m3", metav1.ConditionTrue)
	s.pass(t, 4*time.Minute)
	if leaving := s.leaving(t); !slices.Equal(leaving, []string{"moved"}) {
		t.Errorf("%v leave too soon after the partition", leaving)
	}
	s.pass(t, 2*time.Minute)
	if leaving := s.leaving(t); !slices.Equal(leaving, []string{"a", "b", "moved"}) {
		t.Errorf("%v leave, want all", leaving)
	}
}

// TestReferenceKnowsNoPartition: nothing is held, and nothing is noted.
func TestReferenceKnowsNoPartition(t *testing.T) {
	s := newStage(t, func(o *eviction.Options) { o.Reference = true },
		clusterOf("m1", "False", leave), clusterOf("m2", "False"), bound("ns", "a", 0, "m1"))
	s.look(t)
	s.pass(t, time.Second)
	if leaving, borne := s.leaving(t), s.notes(t); !slices.Equal(leaving, []string{"a"}) || len(borne) != 0 {
		t.Errorf("%v leave, with the notes %v", leaving, borne)
	}
}

// TestNoteWakes: a note changes verdicts, and the same one once more does not.
func TestNoteWakes(t *testing.T) {
	s := newStage(t, nil, clusterOf("m1", "False"), bound("ns", "a", 0, "m1"))
	before, after := clusterOf("m1", "False"), clusterOf("m1", "False")
	after.Annotations = map[string]string{names.AnnotationHeldUntil: names.HeldOpen}
	if keys := s.onCluster(t.Context(), s.deps.Client, control.Event{Old: before, New: after}); len(keys) != 2 {
		t.Errorf("a note wakes %v, want the queue and the binding", keys)
	}
	if keys := s.onCluster(t.Context(), s.deps.Client, control.Event{Old: after, New: after.DeepCopy()}); len(keys) != 0 {
		t.Errorf("the same note wakes %v", keys)
	}
}
