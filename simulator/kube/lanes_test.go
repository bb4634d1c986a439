package kube

import (
	"fmt"
	"math/rand/v2"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// wishes are what pods may ask of nodes and of pods around.
func wishes(name string) []func(*appsv1.Deployment) {
	spreading := func(key string, skew int32) func(*appsv1.Deployment) {
		return func(d *appsv1.Deployment) {
			spreadOver(key, skew, corev1.DoNotSchedule)(d)
			d.Spec.Template.Spec.TopologySpreadConstraints[0].LabelSelector = &metav1.LabelSelector{MatchLabels: map[string]string{"app": name}}
		}
	}
	disk := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: "disk", Operator: corev1.NodeSelectorOpIn, Values: []string{"1"}}}}
	node := corev1.NodeSelectorTerm{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpNotIn, Values: []string{"p0-a-1"}}}}
	preferring := func(term corev1.NodeSelectorTerm) func(*appsv1.Deployment) {
		return affinity(func(a *corev1.Affinity) {
			a.NodeAffinity = &corev1.NodeAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.PreferredSchedulingTerm{{Weight: 30, Preference: term}}}
		})
	}
	return []func(*appsv1.Deployment){
		func(*appsv1.Deployment) {},
		spreading(corev1.LabelTopologyZone, 1), spreading(corev1.LabelHostname, 1), preferring(disk), preferring(node),
		spec(func(s *corev1.PodSpec) { s.NodeSelector = map[string]string{"disk": "1"} }),
		spec(func(s *corev1.PodSpec) {
			s.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80, ContainerPort: 80}}
		}),
		affinity(func(a *corev1.Affinity) {
			a.PodAntiAffinity = &corev1.PodAntiAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with(name, corev1.LabelHostname)}}
		}),
		affinity(func(a *corev1.Affinity) {
			a.PodAntiAffinity = &corev1.PodAntiAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
				{Weight: 100, PodAffinityTerm: with(name, corev1.LabelHostname)}}}
		}),
		affinity(func(a *corev1.Affinity) {
			a.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with(name, corev1.LabelTopologyZone)}}
		}),
		affinity(func(a *corev1.Affinity) {
			a.PodAffinity = &corev1.PodAffinity{RequiredDuringSchedulingIgnoredDuringExecution: []corev1.PodAffinityTerm{with("app-0", corev1.LabelHostname)}}
		}),
		affinity(func(a *corev1.Affinity) {
			a.PodAffinity = &corev1.PodAffinity{PreferredDuringSchedulingIgnoredDuringExecution: []corev1.WeightedPodAffinityTerm{
				{Weight: 30, PodAffinityTerm: with("app-0", corev1.LabelTopologyZone)}}}
		}),
	}
}

// mixed is a cluster of 400 nodes of many kinds, and as many as given with a label that no other has.
func mixed(t *testing.T, seed uint64, alone int) *world {
	w := newWorld(t, Options{Seed: seed})
	for i := range 4 {
		w.must(w.AddPool(NodePool{Name: fmt.Sprint("p", i), Count: 90, Zones: []string{"a", "b", "c"}[:1+i%3],
			Labels: map[string]string{"disk": fmt.Sprint(i % 2)}, Allocatable: list([]string{"4", "8", "16"}[i%3], "32Gi", "30")}))
	}
	w.must(w.AddPool(NodePool{Name: "shunned", Count: 40, Zones: []string{"a", "b"}, Allocatable: list("8", "32Gi", "30"),
		Taints: []corev1.Taint{{Key: "x", Effect: corev1.TaintEffectPreferNoSchedule}}}))
	for i := range alone {
		w.must(w.AddNode(&corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint("alone-", i), Labels: map[string]string{"own": fmt.Sprint(i)}},
			Status: corev1.NodeStatus{Allocatable: list("8", "32Gi", "30")}}))
	}
	return w
}

// TestLanesChooseAsAWalkDoes places pods with all kinds of wishes until nodes are full. Each is placed by a look at one node
// after the other as well, which must take the same node from the same lots, and end at the same place.
func TestLanesChooseAsAWalkDoes(t *testing.T) {
	for seed := range uint64(4) {
		w := mixed(t, seed, int(seed))
		random := rand.New(rand.NewPCG(seed, 7))
		compared, unplaced := 0, 0
		for i := range 36 {
			name := fmt.Sprint("app-", i)
			all := wishes(name)
			cpu := []string{"100m", "500m", "1", "1500m", "2"}[random.IntN(5)]
			w.must(w.Apply(deployment(name, int32(10+random.IntN(120)), cpu, all[i%len(all)])))
			if i%9 == 0 {
				w.must(w.Cordon(fmt.Sprintf("p1-a-%d", i), true))
			}
			a, b := w.compareChoices(random.Uint64())
			compared, unplaced = compared+a, unplaced+b
		}
		if w.check(); compared < 1000 || unplaced == 0 {
			t.Errorf("seed %d: %d choices by lanes were compared, %d of them found no node", seed, compared, unplaced)
		}
	}
}

// compareChoices places the pods that the workloads want now, and tells for how many lanes did it, and how many found no node.
func (w *world) compareChoices(seed uint64) (compared, unplaced int) {
	for len(w.touched) > 0 || w.queue.size > 0 {
		for _, id := range w.touched {
			w.works[id].touched = false
			w.reconcile(id)
		}
		w.touched = w.touched[:0]
		for ; w.queue.size > 0; seed++ {
			id := w.queue.pop().id
			of, from := w.pods[id].set, w.nextNode
			w.lots = rand.New(rand.NewPCG(seed, 1))
			row, why := w.choose(of)
			ended, b := w.nextNode, w.board(of)
			if !b.uncountable {
				compared++
				b.uncountable, w.nextNode, w.lots = true, from, rand.New(rand.NewPCG(seed, 1))
				if other, reason := w.choose(of); other != row || reason != why || w.nextNode != ended {
					w.t.Fatalf("pod %d of %s: lanes chose %d for %b and ended at %d, a walk %d for %b at %d", id,
						w.works[w.sets[of].work].key, row, why, ended, other, reason, w.nextNode)
				}
				b.uncountable = false
			}
			if row == none {
				unplaced++
				continue
			}
			w.bind(id, row)
		}
	}
	return compared, unplaced
}
