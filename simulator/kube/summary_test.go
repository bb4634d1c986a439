package kube

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
)

// TestVersionTellsOfSurveys does random things: whenever the sums differ from before, so does the version. It must stay the
// same for long enough to be worth asking for.
func TestVersionTellsOfSurveys(t *testing.T) {
	models := gradedModels()
	asked, same := 0, 0
	for seed := range uint64(10) {
		c := newChaos(t, seed)
		version := c.Version()
		nodes, resources := c.NodeSummary(), c.ResourceSummary(models)
		for range 300 {
			if asked++; c.one(6) {
				c.step()
			}
			c.loop.run(time.Duration(c.random.IntN(5000)) * time.Millisecond)
			moreNodes, moreResources := c.NodeSummary(), c.ResourceSummary(models)
			if c.Version() == version {
				same++
				if nodes != moreNodes || !reflect.DeepEqual(resources, moreResources) {
					t.Fatalf("seed %d: at the same version %+v has become %+v", seed, resources, moreResources)
				}
			}
			version, nodes, resources = c.Version(), moreNodes, moreResources
			fresh := c.fresh()
			if fresh != fmt.Sprint(resources) {
				t.Fatalf("seed %d: counted anew there is %s, not %v", seed, fresh, resources)
			}
		}
	}
	if same < asked/4 {
		t.Errorf("the version stayed the same %d times of %d", same, asked)
	}
}

// fresh is the survey without what is remembered.
func (c *chaos) fresh() string {
	c.summarised, c.grades.version = 0, 0
	for row := range c.nodes {
		c.regrade(int32(row))
	}
	return fmt.Sprint(c.ResourceSummary(gradedModels()))
}

// TestEstimatesAreKept: an estimate that has followed the cluster is that of one who looks for the first time.
func TestEstimatesAreKept(t *testing.T) {
	demands := []*workv1alpha2.ReplicaRequirements{nil,
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("500m")}},
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("1"), "memory": resource.MustParse("1Gi")}},
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("500m")}, NodeClaim: &workv1alpha2.NodeClaim{NodeSelector: map[string]string{"topology.kubernetes.io/zone": "a"}}},
		{ResourceRequest: corev1.ResourceList{"cpu": resource.MustParse("500m"), "memory": resource.MustParse("1"), "a.io/a": resource.MustParse("0"),
			"ephemeral-storage": resource.MustParse("0"), "a.io/b": resource.MustParse("1")}},
	}
	different := map[int32]bool{}
	for seed := range uint64(6) {
		c := newChaos(t, seed)
		for step := range 200 {
			c.step()
			c.loop.run(time.Duration(c.random.IntN(20000)) * time.Millisecond)
			if step == 100 {
				for range vacanciesKept {
					_, err := c.Replicas(&workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{"cpu": *resource.NewMilliQuantity(int64(1+c.random.IntN(4000)), resource.DecimalSI)}})
					c.must(err)
				}
			}
			for i, demand := range demands {
				kept, err := c.Replicas(demand)
				c.must(err)
				known := c.vacancies
				c.vacancies = nil
				fresh, err := c.Replicas(demand)
				c.must(err)
				c.vacancies = known
				if different[fresh] = true; kept != fresh {
					t.Fatalf("seed %d, step %d: demand %d finds room for %d, counted anew it is %d", seed, step, i, kept, fresh)
				}
			}
		}
	}
	if len(different) < 20 {
		t.Errorf("only %d different estimates", len(different))
	}
}

// TestSurveyCostsNothing: an answer that has not changed is not made again.
func TestSurveyCostsNothing(t *testing.T) {
	w, models := newWorld(t, Options{}), gradedModels()
	w.pool("pool", 10)
	w.must(w.Apply(deployment("app", 20, "1")))
	w.loop.run(time.Minute)
	w.ResourceSummary(models)
	if allocations := testing.AllocsPerRun(10, func() { w.NodeSummary(); w.ResourceSummary(models); w.ResourceSummary(nil) }); allocations > 0 {
		t.Errorf("%v allocations", allocations)
	}
}

// TestClustersAtOnce: clusters that are used by different goroutines, with the same objects applied, do not disturb each other.
func TestClustersAtOnce(t *testing.T) {
	_, made := benchCluster(t, 300)
	play := func(t *testing.T) string {
		w, _ := benchCluster(t, 300)
		for _, d := range made {
			w.must(w.Apply(d))
		}
		w.loop.run(time.Minute)
		w.Kill()
		w.loop.run(time.Minute)
		w.Revive()
		w.loop.run(time.Hour)
		w.Nodes()
		w.Pods("", nil)
		w.ResourceSummary(gradedModels())
		return w.Digest()
	}
	alone := play(t)
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			if together := play(t); together != alone {
				t.Errorf("the digest is %s, alone it was %s", together, alone)
			}
		})
	}
}
