package parity

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/fleet/embedded"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/kube"
)

const (
	startup = 300 * time.Millisecond
	jobRuns = time.Second
	// toHold is how long the real cluster must stay as the simulated one is, toGiveUp how long it may take to get there.
	toHold   = 3 * time.Second
	toGiveUp = 75 * time.Second
	poll     = 700 * time.Millisecond
	// toRest is what the simulated cluster gets for each step.
	toRest = time.Minute
	// toLose covers the loss of a node: its grace period, the round of the lifecycle controller, tolerations.
	toLose = 200 * time.Second
)

// play is one case on both clusters.
type play struct {
	*testing.T
	scene  *scene
	real   client.Client
	loop   *simulator.Loop
	sim    *kube.Cluster
	groups map[string]group
	jobs   []string
	// settled is when the status of a simulated workload changed last.
	settled time.Time
	patient bool
	lines   []string
	last    outcome
}

// step changes both clusters in the same way. Between steps both come to rest.
type step struct {
	what string
	do   func(*play)
}

func newPlay(t *testing.T, s *scene, member client.Client, classes []client.Object) *play {
	t.Helper()
	p := &play{T: t, scene: s, real: member, loop: simulator.NewLoop(time.Now()), groups: map[string]group{}}
	var err error
	p.sim, err = kube.New(p.loop, kube.Options{
		Seed:   1,
		Timing: kube.Timing{Pull: kube.Latency{Delay: kube.Never}, Start: kube.Latency{Delay: startup}, Stop: kube.Latency{Delay: 50 * time.Millisecond}, Run: kube.Latency{Delay: jobRuns}, Monitor: 2 * time.Second},
		Events: kube.Events{Status: func(kube.Key) { p.settled = p.loop.Now() }},
	})
	p.must(err)
	for _, object := range classes {
		p.must(p.sim.Apply(object))
	}
	// The real cluster has the nodes of other cases: what holds when a cluster has lost all of its nodes is not at stake.
	p.must(p.sim.AddPool(kube.NodePool{Name: "elsewhere", Count: 1, Allocatable: allocatable(group{cpu: "1", memory: "1Gi"})}))
	p.must(member.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.name}}))
	for _, g := range s.groups {
		p.addGroup(g)
	}
	p.await("the service account of pods and nodes that are ready", func(ctx context.Context) bool {
		return p.real.Get(ctx, client.ObjectKey{Namespace: s.name, Name: "default"}, &corev1.ServiceAccount{}) == nil && p.nodesReady(ctx)
	})
	return p
}

func (p *play) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

func (p *play) await(what string, holds func(context.Context) bool) {
	p.Helper()
	for end := time.Now().Add(toGiveUp); !holds(p.Context()); time.Sleep(poll) {
		if time.Now().After(end) {
			p.Fatalf("waited in vain for %s", what)
		}
	}
}

func (p *play) nodesReady(ctx context.Context) bool {
	nodes := &corev1.NodeList{}
	p.must(p.real.List(ctx, nodes, client.MatchingLabels{caseLabel: p.scene.name}))
	for i := range nodes.Items {
		ready := slices.ContainsFunc(nodes.Items[i].Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		})
		starting := slices.ContainsFunc(nodes.Items[i].Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeNotReady })
		if !ready || starting {
			return false
		}
	}
	return true
}

func allocatable(g group) corev1.ResourceList {
	list := corev1.ResourceList{"cpu": resource.MustParse(g.cpu), "memory": resource.MustParse("64Gi"), "pods": resource.MustParse("110")}
	for name, amount := range map[corev1.ResourceName]string{"memory": g.memory, "pods": g.pods, gpu: g.gpus} {
		if amount != "" {
			list[name] = resource.MustParse(amount)
		}
	}
	return list
}

// addGroup makes nodes named after the case, the group and a number from 0.
func (p *play) addGroup(g group) {
	p.Helper()
	p.groups[g.name] = g
	labels := map[string]string{caseLabel: p.scene.name, "group": g.name}
	maps.Copy(labels, g.labels)
	if g.zone != "" {
		labels[zoneLabel] = p.scene.name + "-" + g.zone
	}
	list := allocatable(g)
	p.must(p.sim.AddPool(kube.NodePool{Name: p.poolName(g.name), Labels: labels, Taints: g.taints, Allocatable: list, Count: g.count}))
	for i := range g.count {
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.node(g.name, i), Labels: maps.Clone(labels)}, Spec: corev1.NodeSpec{Taints: g.taints}}
		node.Labels[hostLabel], node.Labels[embedded.KubeletLabel] = node.Name, embedded.KubeletValue
		node.Status = corev1.NodeStatus{Capacity: list, Allocatable: list}
		p.must(p.real.Create(p.Context(), node))
	}
}

func (p *play) poolName(group string) string { return p.scene.name + "-" + group }

func (p *play) node(group string, number int) string {
	return fmt.Sprintf("%s-%d", p.poolName(group), number)
}

// create makes objects in the real cluster, and gives the simulated one what that made of them.
func create(objects ...client.Object) step {
	names := make([]string, len(objects))
	for i, object := range objects {
		names[i] = object.GetName()
	}
	return step{"create " + strings.Join(names, ", "), func(p *play) {
		for _, object := range objects {
			object = object.DeepCopyObject().(client.Object)
			object.SetNamespace(p.scene.name)
			if t := templateOf(object); t != nil {
				on(caseLabel, p.scene.name)(t)
			}
			switch object := object.(type) {
			case *corev1.Pod:
				object.Spec.NodeSelector = map[string]string{caseLabel: p.scene.name}
			case *batchv1.Job:
				p.jobs = append(p.jobs, object.Name)
			}
			p.must(p.real.Create(p.Context(), object))
			p.must(p.sim.Apply(object))
		}
	}}
}

func templateOf(object client.Object) *corev1.PodTemplateSpec {
	switch object := object.(type) {
	case *appsv1.Deployment:
		return &object.Spec.Template
	case *appsv1.ReplicaSet:
		return &object.Spec.Template
	case *appsv1.StatefulSet:
		return &object.Spec.Template
	case *appsv1.DaemonSet:
		return &object.Spec.Template
	case *batchv1.Job:
		return &object.Spec.Template
	}
	return nil
}

// update changes an object; its zero value says of which kind it is.
func update[T client.Object](empty T, name, what string, change func(T)) step {
	return step{what, func(p *play) {
		object := empty.DeepCopyObject().(T)
		p.await("a change of "+name, func(ctx context.Context) bool {
			p.must(p.real.Get(ctx, client.ObjectKey{Namespace: p.scene.name, Name: name}, object))
			change(object)
			return p.real.Update(ctx, object) == nil
		})
		p.must(p.sim.Apply(object))
	}}
}

func scale(name string, replicas int32) step {
	return update(&appsv1.Deployment{}, name, fmt.Sprintf("scale %s to %d", name, replicas), func(d *appsv1.Deployment) { d.Spec.Replicas = &replicas })
}

func roll(name string, changes ...change) step {
	return update(&appsv1.Deployment{}, name, "update "+name, func(d *appsv1.Deployment) {
		for _, c := range changes {
			c(&d.Spec.Template)
		}
	})
}

// changeNodes changes the real nodes of a group.
func (p *play) changeNodes(group string, numbers []int, change func(*corev1.Node)) {
	p.Helper()
	for _, i := range numbers {
		p.await("a change of node "+p.node(group, i), func(ctx context.Context) bool {
			node := &corev1.Node{}
			p.must(p.real.Get(ctx, client.ObjectKey{Name: p.node(group, i)}, node))
			change(node)
			return p.real.Update(ctx, node) == nil
		})
	}
}

func (p *play) all(group string) []int {
	numbers := make([]int, p.groups[group].count)
	for i := range numbers {
		numbers[i] = i
	}
	return numbers
}

func cordon(group string, closed bool) step {
	return step{fmt.Sprintf("cordon %s: %t", group, closed), func(p *play) {
		for _, i := range p.all(group) {
			p.must(p.sim.Cordon(p.node(group, i), closed))
		}
		p.changeNodes(group, p.all(group), func(n *corev1.Node) { n.Spec.Unschedulable = closed })
	}}
}

func taintNodes(group string, taints ...corev1.Taint) step {
	return step{"taint " + group, func(p *play) {
		p.must(p.sim.Taint(p.poolName(group), taints))
		p.changeNodes(group, p.all(group), func(n *corev1.Node) { n.Spec.Taints = taints })
	}}
}

func addNodes(g group) step {
	return step{"add " + g.name, func(p *play) { p.addGroup(g) }}
}

// lose silences a node, and waits for what the control plane makes of it.
func lose(group string, numbers ...int) step {
	return step{fmt.Sprintf("lose %s %v", group, numbers), func(p *play) {
		p.patient = true
		for _, i := range numbers {
			p.must(p.sim.FailNode(p.node(group, i), true))
		}
		p.changeNodes(group, numbers, func(n *corev1.Node) { delete(n.Labels, embedded.KubeletLabel) })
	}}
}

func removeNode(group string, number int) step {
	return step{fmt.Sprintf("remove %s-%d", group, number), func(p *play) {
		p.patient = true
		p.must(p.sim.RemoveNode(p.node(group, number)))
		p.must(p.real.Delete(p.Context(), &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: p.node(group, number)}}))
	}}
}

func deleteDeployment(name string) step {
	return step{"delete " + name, func(p *play) {
		object := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: p.scene.name, Name: name}}
		p.must(p.real.Delete(p.Context(), object, client.PropagationPolicy(metav1.DeletePropagationBackground)))
		p.sim.Delete(kube.Key{Kind: kube.KindDeployment, Namespace: p.scene.name, Name: name})
	}}
}
