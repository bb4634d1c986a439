package fuzz

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

const (
	// insistence is how long a user goes on trying what the control plane refuses for now.
	insistence = 2 * time.Minute
	retry      = time.Second
)

// errNotYet says that a step has to wait for something to go.
var errNotYet = errors.New("not yet")

// drain is the key of the taint that users set.
const drain = "drain"

// take does a step. Users try again for a while what does not work at once.
func (p *play) take(step Step) error {
	if slices.Contains(Faults(), step.Do) {
		return p.strike(step)
	}
	return p.attempt(step, p.fleet.Now().Add(insistence))
}

func (p *play) attempt(step Step, deadline time.Time) error {
	err := p.do(step)
	switch {
	case err == nil || apierrors.IsNotFound(err):
		return nil
	case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err):
		return fmt.Errorf("%s of %v: %w", step.Do, step.Object, err)
	case p.fleet.Now().Before(deadline):
		p.fleet.After(retry, func() error { return p.attempt(step, deadline) })
	}
	return nil
}

func (p *play) do(step Step) error {
	switch step.Do {
	case Apply:
		return p.apply(step.Object)
	case Delete:
		return p.delete("", p.plane, step.Object)
	case DeleteCopy:
		member, err := p.fleet.Client(p.ctx, step.Cluster)
		if err != nil {
			return err
		}
		return p.delete(step.Cluster, member, step.Object)
	case Scale:
		return p.change(step.Object, func(current *unstructured.Unstructured) error {
			if _, scales, _ := unstructured.NestedInt64(current.Object, "spec", "replicas"); !scales {
				return nil
			}
			return unstructured.SetNestedField(current.Object, step.Replicas, "spec", "replicas")
		})
	case Join:
		return p.join(step.Cluster)
	case Unjoin:
		return p.plane.Delete(p.ctx, clusterNamed(step.Cluster))
	}
	return p.changeCluster(step)
}

func (p *play) delete(cluster string, from client.Client, object *unstructured.Unstructured) error {
	if err := from.Delete(p.ctx, object.DeepCopy()); err != nil {
		return err
	}
	p.checker.Asked(cluster, object.GroupVersionKind(), client.ObjectKeyFromObject(object))
	return nil
}

// apply creates an object, or gives the one that is there its content, labels and annotations.
func (p *play) apply(wanted *unstructured.Unstructured) error {
	err := p.change(wanted, func(current *unstructured.Unstructured) error {
		if current.GetDeletionTimestamp() != nil {
			return errNotYet
		}
		for _, field := range []string{"spec", "data", "rules", "subjects"} {
			if content, has := wanted.Object[field]; has {
				current.Object[field] = content
			}
		}
		current.SetLabels(merged(current.GetLabels(), wanted.GetLabels()))
		current.SetAnnotations(merged(current.GetAnnotations(), wanted.GetAnnotations()))
		return nil
	})
	if apierrors.IsNotFound(err) {
		return p.plane.Create(p.ctx, wanted.DeepCopy())
	}
	return err
}

func merged(present, wanted map[string]string) map[string]string {
	all := map[string]string{}
	maps.Copy(all, present)
	maps.Copy(all, wanted)
	return all
}

// change updates an object of the control plane.
func (p *play) change(of *unstructured.Unstructured, to func(*unstructured.Unstructured) error) error {
	current := reference(of)
	if err := p.plane.Get(p.ctx, client.ObjectKeyFromObject(of), current); err != nil {
		return err
	}
	current = current.DeepCopy()
	if err := to(current); err != nil {
		return err
	}
	return p.plane.Update(p.ctx, current)
}

func (p *play) join(name string) error {
	current := &clusterv1alpha1.Cluster{}
	err := p.plane.Get(p.ctx, types.NamespacedName{Name: name}, current)
	switch {
	case err == nil && !current.DeletionTimestamp.IsZero():
		return errNotYet
	case apierrors.IsNotFound(err):
		return p.fleet.Join(p.ctx, name)
	}
	return err
}

func (p *play) changeCluster(step Step) error {
	cluster := &clusterv1alpha1.Cluster{}
	if err := p.plane.Get(p.ctx, types.NamespacedName{Name: step.Cluster}, cluster); err != nil {
		return err
	}
	cluster = cluster.DeepCopy()
	switch step.Do {
	case Label:
		cluster.Labels = merged(cluster.Labels, step.Labels)
	case Entrust:
		cluster.Spec.ImpersonatorSecretRef = nil
		if step.Namespace != "" {
			cluster.Spec.ImpersonatorSecretRef = &clusterv1alpha1.LocalSecretReference{Namespace: step.Namespace, Name: step.Cluster + "-impersonator"}
		}
	case Taint, Untaint:
		kept := slices.DeleteFunc(slices.Clone(cluster.Spec.Taints), func(t corev1.Taint) bool { return t.Key == drain })
		if step.Do == Taint {
			added := metav1.NewTime(p.fleet.Now())
			kept = append(kept, corev1.Taint{Key: drain, Value: "now", Effect: cmp.Or(step.Effect, corev1.TaintEffectNoSchedule), TimeAdded: &added})
		}
		cluster.Spec.Taints = kept
	}
	return p.plane.Update(p.ctx, cluster)
}

func clusterNamed(name string) *clusterv1alpha1.Cluster {
	cluster := &clusterv1alpha1.Cluster{}
	cluster.SetName(name)
	return cluster
}
