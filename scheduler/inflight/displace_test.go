package inflight

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
)

func TestSinceTellsWhatCameAfterTheMark(t *testing.T) {
	l := New(time.Minute)
	l.Assume(named("early"), specOf("1"), []workv1alpha2.TargetCluster{on("a", 4)}, start)
	mark := l.Mark()
	if later := l.Since("a", mark); len(later) > 0 {
		t.Errorf("nothing came, and yet %v", later)
	}
	undo := l.Assume(named("late"), specOf("3"), []workv1alpha2.TargetCluster{on("a", 2), on("b", 1)}, start)
	later := l.Since("a", mark)
	if len(later) != 1 || later[0].Namespace != "team" || later[0].Components[0].Replicas != 2 {
		t.Errorf("after the mark came %v", later)
	}
	undo()
	if later := l.Since("a", mark); len(later) > 0 {
		t.Errorf("taken back, and yet %v", later)
	}
	if later := l.Since("nowhere", mark); len(later) > 0 {
		t.Errorf("an unknown cluster has %v", later)
	}
}

func TestDisplaced(t *testing.T) {
	request := func(cpu, memory string) *workv1alpha2.ComponentReplicaRequirements {
		list := corev1.ResourceList{}
		for name, amount := range map[corev1.ResourceName]string{corev1.ResourceCPU: cpu, corev1.ResourceMemory: memory} {
			if amount != "" {
				list[name] = resource.MustParse(amount)
			}
		}
		return &workv1alpha2.ComponentReplicaRequirements{ResourceRequest: list}
	}
	taking := func(replicas int32, requirements *workv1alpha2.ComponentReplicaRequirements) []estimator.AssumedWorkload {
		return []estimator.AssumedWorkload{{Components: []workv1alpha2.Component{{Replicas: replicas, ReplicaRequirements: requirements}}}}
	}
	sets := &workv1alpha2.ResourceBindingSpec{Components: []workv1alpha2.Component{
		{Name: "master", Replicas: 1, ReplicaRequirements: request("4", "")}, {Name: "worker", Replicas: 5, ReplicaRequirements: request("500m", "")},
	}}
	for name, c := range map[string]struct {
		taken []estimator.AssumedWorkload
		spec  *workv1alpha2.ResourceBindingSpec
		want  int64
	}{
		"nothing":                       {nil, specOf("1"), 0},
		"the same size":                 {taking(3, request("1", "")), specOf("1"), 3},
		"smaller ones take one each":    {taking(3, request("100m", "")), specOf("1"), 3},
		"larger ones are rounded up":    {taking(2, request("2500m", "")), specOf("1"), 6},
		"thousandths":                   {taking(1, request("250m", "")), specOf("100m"), 3},
		"the resource where most goes":  {taking(2, request("1", "64Gi")), specOf("500m"), 4},
		"no request still takes a pod":  {taking(4, nil), specOf("1"), 4},
		"of sets, the smallest of pods": {taking(2, request("2", "")), sets, 8},
	} {
		if got := Displaced(c.taken, c.spec); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}
