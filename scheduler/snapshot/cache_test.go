package snapshot

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/binding"
	"github.com/seatrial/seatrial/scheduler/placement"
)

func cluster(name string, version int) clusterv1alpha1.Cluster {
	return clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(name), ResourceVersion: fmt.Sprint(version)}}
}

func TestChangesAreToldApart(t *testing.T) {
	base := cluster("a", 1)
	for _, test := range []struct {
		name   string
		change func(*clusterv1alpha1.Cluster)
		want   Change
	}{
		{"nothing that matters", func(*clusterv1alpha1.Cluster) {}, Change{}},
		{"a label", func(c *clusterv1alpha1.Cluster) { c.Labels = map[string]string{"x": "y"} }, Change{Traits: true}},
		{"the specification", func(c *clusterv1alpha1.Cluster) { c.Generation++ }, Change{Traits: true}},
		{"deletion", func(c *clusterv1alpha1.Cluster) { c.DeletionTimestamp = &metav1.Time{} }, Change{}},
		{"what it serves", func(c *clusterv1alpha1.Cluster) {
			c.Status.APIEnablements = []clusterv1alpha1.APIEnablement{{GroupVersion: "apps/v1"}}
		}, Change{Traits: true}},
		{"its room", func(c *clusterv1alpha1.Cluster) {
			c.Status.ResourceSummary = &clusterv1alpha1.ResourceSummary{Allocatable: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("1")}}
		}, Change{Capacity: []string{"a"}}},
		{"another cluster of that name", func(c *clusterv1alpha1.Cluster) { c.UID, c.Generation = "other", 1 }, Change{Traits: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := New()
			first := cache.Sync([]clusterv1alpha1.Cluster{base})
			if want := (Change{Traits: true, Capacity: []string{"a"}}); !cmp.Equal(first, want) {
				t.Fatalf("a cluster came: %v", cmp.Diff(want, first))
			}
			next := *base.DeepCopy()
			next.ResourceVersion = "2"
			test.change(&next)
			if got := cache.Sync([]clusterv1alpha1.Cluster{next}); !cmp.Equal(got, test.want) {
				t.Error(cmp.Diff(test.want, got))
			}
			if got, want := Matters(&base, &next), test.want.Traits || test.want.Capacity != nil; got != want {
				t.Errorf("matters: %t, want %t", got, want)
			}
			if held := cache.Current().Cluster("a").ResourceVersion; held != "2" {
				t.Errorf("version %s is held", held)
			}
			gone := cache.Sync(nil)
			if want := (Change{Traits: true, Gone: []string{"a"}}); !cmp.Equal(gone, want) || cache.Current().Len() != 0 {
				t.Errorf("a cluster went: %v", cmp.Diff(want, gone))
			}
		})
	}
}

// TestIncrementsEqualTheWhole compares, over random histories, decisions on the kept Snapshot with those on one made anew, and
// checks that earlier Snapshots stay as they were.
func TestIncrementsEqualTheWhole(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 0))
	cache := New()
	fleet := map[string]clusterv1alpha1.Cluster{}
	version := 0
	for step := range 300 {
		for range random.IntN(4) {
			version++
			next := cluster(fmt.Sprint("c", random.IntN(12)), version)
			next.Labels = map[string]string{"tier": fmt.Sprint(random.IntN(3))}
			next.Generation = int64(version)
			fleet[next.Name] = next
		}
		if random.IntN(3) == 0 {
			delete(fleet, fmt.Sprint("c", random.IntN(12)))
		}
		var all []clusterv1alpha1.Cluster
		var pointers []*clusterv1alpha1.Cluster
		for _, c := range fleet {
			all = append(all, c)
			pointers = append(pointers, c.DeepCopy())
		}
		before := cache.Current()
		chosen := choose(before)
		cache.Sync(all)
		if got, want := choose(cache.Current()), choose(placement.NewSnapshot(pointers)); !cmp.Equal(got, want) {
			t.Fatalf("step %d: the kept snapshot chooses otherwise: %s", step, cmp.Diff(want, got))
		}
		if again := choose(before); !cmp.Equal(again, chosen) {
			t.Fatalf("step %d: an earlier snapshot changed: %s", step, cmp.Diff(chosen, again))
		}
	}
}

func choose(fleet *placement.Snapshot) []string {
	request := placement.Request{Spec: &workv1alpha2.ResourceBindingSpec{Placement: &policyv1alpha1.Placement{
		ClusterAffinity: &policyv1alpha1.ClusterAffinity{LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"tier": "1"}}},
	}}, Options: placement.Options{Disabled: 1 << placement.APIEnablement}}
	return placement.Candidates(request, fleet).Names()
}

func TestPeersInFlightCountUntilTheyAreRead(t *testing.T) {
	cache := New()
	cache.Sync([]clusterv1alpha1.Cluster{cluster("a", 1), cluster("b", 2)})
	rival := binding.New("team", "rival")
	rival.SetResourceVersion("7")
	rival.Spec.WorkloadAffinityGroups = &workv1alpha2.WorkloadAffinityGroups{AntiAffinityGroup: "g"}
	cache.Store(rival)
	allowed := func() []string {
		request := placement.Request{
			Binding: types.NamespacedName{Namespace: "team", Name: "me"},
			Spec:    &workv1alpha2.ResourceBindingSpec{WorkloadAffinityGroups: &workv1alpha2.WorkloadAffinityGroups{AntiAffinityGroup: "g"}},
			Options: placement.Options{WorkloadAffinity: true, Disabled: 1 << placement.APIEnablement},
		}
		return placement.Candidates(request, cache.Current()).Names()
	}
	expect := func(when string, want ...string) {
		t.Helper()
		if got := allowed(); !cmp.Equal(got, want) {
			t.Errorf("%s: %s", when, cmp.Diff(want, got))
		}
	}
	expect("before", "a", "b")
	cache.Assume(rival, placement.Decision{Clusters: []workv1alpha2.TargetCluster{{Name: "a"}}})
	expect("decided", "b")
	cache.Retract(rival.NamespacedName())
	expect("not written", "a", "b")
	cache.Assume(rival, placement.Decision{Clusters: []workv1alpha2.TargetCluster{{Name: "a"}}})
	written := rival.Clone()
	written.SetResourceVersion("9")
	written.Spec.Clusters = []workv1alpha2.TargetCluster{{Name: "b"}}
	cache.Store(written)
	expect("read anew", "a")
	cache.Delete(rival.NamespacedName())
	expect("gone", "a", "b")
}
