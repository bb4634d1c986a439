package run

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/simulator/report"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// do executes one action and notes it.
func (e *engine) do(a *scenario.Action) error {
	clusters := slices.Clone(a.Clusters)
	for _, group := range a.Nodes {
		clusters = append(clusters, group.Cluster)
	}
	e.recorder.Mark(e.passed(), string(a.Verb), a.Name, clusters...)
	switch a.Verb {
	case scenario.AddCluster:
		return e.addCluster(a.Added)
	case scenario.ScaleTo, scenario.RollOut, scenario.SetLoad, scenario.Apply, scenario.Delete:
		return e.doObjects(a)
	case scenario.SlowDown, scenario.SlowAPIEnd, scenario.Disturb, scenario.DisturbEnd:
		return e.doServers(a)
	case scenario.Stop:
		return e.stop(a.Component)
	case scenario.Restart:
		return e.start(a.Component)
	}
	for _, name := range a.Clusters {
		m := e.members[name]
		if m == nil {
			continue // it has left meanwhile
		}
		if err := e.doCluster(a, m); err != nil {
			return err
		}
	}
	for i := range a.Nodes {
		if m := e.members[a.Nodes[i].Cluster]; m != nil {
			if err := e.doNodes(a, m, &a.Nodes[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// doCluster does something to one member.
func (e *engine) doCluster(a *scenario.Action, m *member) error {
	name := m.plan.Name
	switch a.Verb {
	case scenario.Fail, scenario.Pause, scenario.Partition, scenario.Heal:
		return e.disturb(a.Verb, m)
	case scenario.RemoveCluster:
		e.leaving = append(e.leaving, name)
		err := e.plane.Delete(e.ctx, &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}})
		return client.IgnoreNotFound(err)
	case scenario.SetTaint, scenario.Untaint:
		return client.IgnoreNotFound(e.mark(name, func(cluster *clusterv1alpha1.Cluster) {
			cluster.Spec.Taints = without(cluster.Spec.Taints, a.Taint)
			if a.Verb == scenario.SetTaint {
				taint := a.Taint
				now := metav1.NewTime(e.fleet.Now())
				taint.TimeAdded = &now
				cluster.Spec.Taints = append(cluster.Spec.Taints, taint)
			}
		}))
	case scenario.SetPrice:
		return client.IgnoreNotFound(e.mark(name, func(cluster *clusterv1alpha1.Cluster) { setPrice(cluster, a.Price) }))
	case scenario.FaultyEstim, scenario.EstimatorEnd:
		return e.doEstimator(a, name)
	}
	return fmt.Errorf("%s is no action on a cluster", a.Verb)
}

func without(taints []corev1.Taint, gone corev1.Taint) []corev1.Taint {
	return slices.DeleteFunc(slices.Clone(taints), func(t corev1.Taint) bool { return t.MatchTaint(&gone) })
}

// disturb fails, pauses, cuts off or heals a member.
func (e *engine) disturb(verb scenario.Verb, m *member) error {
	name, before := m.plan.Name, m.kube.Serving()
	var err error
	switch verb {
	case scenario.Fail:
		m.stopped, err = true, e.fleet.Kill(e.ctx, name)
	case scenario.Pause:
		if m.paused = true; !m.stopped {
			err = e.fleet.Pause(e.ctx, name)
		}
	case scenario.Partition:
		m.partitioned, err = true, e.fleet.Partition(e.ctx, name)
	default:
		err = e.heal(m)
	}
	if err != nil {
		return err
	}
	e.lost(m, before)
	e.recorder.ClusterState(e.passed(), m.id, m.state())
	return nil
}

func (e *engine) heal(m *member) error {
	name := m.plan.Name
	m.stopped, m.paused, m.partitioned = false, false, false
	for _, mend := range []func() error{
		func() error { return e.fleet.Revive(e.ctx, name) },
		func() error { return e.fleet.Resume(e.ctx, name) },
		func() error { return e.fleet.Heal(e.ctx, name) },
	} {
		if err := mend(); err != nil {
			return err
		}
	}
	return nil
}

// lost counts the pods that ended with what was done to a member, and looks at all that is left.
func (e *engine) lost(m *member, before int64) {
	if gone := before - m.kube.Serving(); gone > 0 {
		e.recorder.PodsLost(e.passed(), m.id, gone)
	}
	e.refresh(m)
}

// doNodes does something to nodes of one member. Nodes that are gone by then are passed over.
func (e *engine) doNodes(a *scenario.Action, m *member, group *scenario.NodesOf) error {
	before := m.kube.Serving()
	for i := range group.Added {
		node := &group.Added[i]
		if err := m.kube.AddNode(node.Object(m.plan.Region)); err != nil {
			return err
		}
		m.pools = append(m.pools, pricedPool{node.Name, node.Pool.Price})
		m.nodes[node.Name] = node.Name
	}
	for _, planned := range group.Names {
		name, known := m.nodes[planned]
		if !known || m.kube.Node(name) == nil {
			continue
		}
		if err := m.doNode(a, name); err != nil {
			return err
		}
	}
	e.lost(m, before)
	return nil
}

func (m *member) doNode(a *scenario.Action, name string) error {
	switch a.Verb {
	case scenario.FailNodes:
		return m.kube.FailNode(name, true)
	case scenario.HealNodes:
		return m.kube.HealNode(name)
	case scenario.Cordon:
		return m.kube.Cordon(name, true)
	case scenario.Drain:
		return m.kube.DrainNode(name)
	case scenario.Uncordon:
		return m.kube.Cordon(name, false)
	case scenario.TaintNodes:
		return m.kube.TaintNode(name, a.Taint, true)
	case scenario.UntaintNodes:
		return m.kube.TaintNode(name, a.Taint, false)
	case scenario.RemoveNodes:
		return m.kube.RemoveNode(name)
	}
	return fmt.Errorf("%s is no action on nodes", a.Verb)
}

// endLeaving ends members that the control plane has let go.
func (e *engine) endLeaving() error {
	var waiting []string
	for _, name := range e.leaving {
		err := e.plane.Get(e.ctx, types.NamespacedName{Name: name}, &clusterv1alpha1.Cluster{})
		switch {
		case err == nil:
			waiting = append(waiting, name)
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("reading cluster %s: %w", name, err)
		default:
			if err := e.end(name); err != nil {
				return err
			}
		}
	}
	e.leaving = waiting
	return nil
}

func (e *engine) end(name string) error {
	m := e.members[name]
	if err := e.fleet.Kill(e.ctx, name); err != nil {
		return err
	}
	for _, key := range m.kube.Workloads() {
		e.hold(m, key, pods{})
	}
	e.recorder.ClusterState(e.passed(), m.id, report.ClusterRemoved)
	e.recorder.Capacity(e.passed(), m.id, report.Capacity{})
	delete(e.members, name)
	if e.invariants != nil {
		e.invariants.Forget(name)
	}
	return e.fleet.Remove(e.ctx, name)
}

// doObjects changes objects of the control plane.
func (e *engine) doObjects(a *scenario.Action) error {
	for _, object := range a.Objects {
		if err := e.apply(object); err != nil {
			return err
		}
	}
	for i := range a.Targets {
		if err := e.doTarget(a, &a.Targets[i]); err != nil {
			return err
		}
	}
	return nil
}

// doTarget scales, rolls out or deletes one object. One that is gone by then is passed over.
func (e *engine) doTarget(a *scenario.Action, target *scenario.Target) error {
	object := &unstructured.Unstructured{}
	object.SetAPIVersion(target.APIVersion)
	object.SetKind(target.Kind)
	object.SetNamespace(target.Namespace)
	object.SetName(target.Name)
	if a.Verb == scenario.Delete {
		if e.invariants != nil {
			e.invariants.Asked("", object.GroupVersionKind(), client.ObjectKeyFromObject(object))
		}
		return client.IgnoreNotFound(e.plane.Delete(e.ctx, object))
	}
	if err := e.plane.Get(e.ctx, client.ObjectKeyFromObject(object), object); err != nil {
		return client.IgnoreNotFound(err)
	}
	if a.Verb == scenario.SetLoad {
		return e.setLoad(a, object)
	}
	object = object.DeepCopy()
	field, value := []string{"spec", "replicas"}, any(int64(target.Replicas))
	switch {
	case a.Verb == scenario.RollOut:
		field = []string{"spec", "template", "metadata", "annotations", scenario.RevisionAnnotation}
		value = e.fleet.Now().UTC().Format("20060102150405.000")
	case target.Kind == "Job":
		field[1] = "parallelism"
	}
	if err := unstructured.SetNestedField(object.Object, value, field...); err != nil {
		return fmt.Errorf("changing %s %s/%s: %w", target.Kind, target.Namespace, target.Name, err)
	}
	if err := e.plane.Update(e.ctx, object); err != nil {
		return fmt.Errorf("changing %s %s/%s: %w", target.Kind, target.Namespace, target.Name, err)
	}
	return nil
}

// apply creates an object of the control plane or makes it what is given, and keeps what others have added to its metadata.
func (e *engine) apply(planned client.Object) error {
	namespaced, err := e.plane.IsObjectNamespaced(planned)
	if err != nil {
		return told("looking up", planned, err)
	}
	if namespaced && planned.GetNamespace() == "" {
		planned = planned.DeepCopyObject().(client.Object)
		planned.SetNamespace(metav1.NamespaceDefault)
	}
	object := planned.DeepCopyObject().(client.Object)
	object.SetResourceVersion("")
	err = e.plane.Create(e.ctx, object)
	if !apierrors.IsAlreadyExists(err) {
		return told("creating", planned, err)
	}
	there := planned.DeepCopyObject().(client.Object)
	if err := e.plane.Get(e.ctx, client.ObjectKeyFromObject(planned), there); err != nil {
		return told("reading", planned, err)
	}
	object = planned.DeepCopyObject().(client.Object)
	object.SetResourceVersion(there.GetResourceVersion())
	object.SetUID(there.GetUID())
	object.SetFinalizers(there.GetFinalizers())
	object.SetLabels(merged(there.GetLabels(), planned.GetLabels()))
	object.SetAnnotations(merged(there.GetAnnotations(), planned.GetAnnotations()))
	return told("updating", planned, e.plane.Update(e.ctx, object))
}

func merged(there, given map[string]string) map[string]string {
	all := maps.Clone(there)
	if all == nil {
		return given
	}
	maps.Copy(all, given)
	return all
}

func told(doing string, object client.Object, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %s %s: %w", doing, object.GetObjectKind().GroupVersionKind().Kind, client.ObjectKeyFromObject(object), err)
}
