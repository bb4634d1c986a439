package simulator

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/admission"
	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/controllers/quota"
	"github.com/seatrial/seatrial/fleet"
	"github.com/seatrial/seatrial/simulator/store"
)

// leaveTimeout covers a member that has to be found unreachable first.
const leaveTimeout = 2 * time.Minute

// Clusters implements fleet.Environment.
func (f *Fleet) Clusters(context.Context) ([]fleet.Cluster, error) {
	var all []fleet.Cluster
	for _, name := range f.names() {
		c := f.clusters[name]
		all = append(all, fleet.Cluster{Spec: c.spec, State: c.state, Partitioned: c.partitioned})
	}
	return all, nil
}

// Client implements fleet.Environment.
func (f *Fleet) Client(_ context.Context, name string) (client.Client, error) {
	c, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return gate(c.client(), func(bool) error { return c.down() }, func(int) {}), nil
}

// Kubeconfig implements fleet.Environment.
func (f *Fleet) Kubeconfig(_ context.Context, name string) (string, error) {
	if _, err := f.find(name); err != nil {
		return "", err
	}
	return "", fmt.Errorf("cluster %s: %w", name, fleet.ErrNoKubeconfig)
}

// Add implements fleet.Environment.
func (f *Fleet) Add(ctx context.Context, spec fleet.Spec) error {
	spec = spec.WithDefaults()
	added, err := f.newMember(spec)
	if err != nil {
		return err
	}
	objects, err := nodes(spec)
	if err != nil {
		return fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	for _, object := range objects {
		if err := create(ctx, added.store, object); err != nil {
			return fmt.Errorf("adding cluster %s: %w", spec.Name, err)
		}
	}
	moves := &world{cluster: added, random: f.random, fail: f.fail}
	added.inside.add(moves, moves.onChange)
	f.enter(added)
	return nil
}

// newMember makes a member that is not part of the fleet yet.
func (f *Fleet) newMember(spec fleet.Spec) (*cluster, error) {
	if err := spec.Validate(); err != nil {
		return nil, fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	if _, exists := f.clusters[spec.Name]; exists || spec.Role != fleet.Member {
		return nil, fmt.Errorf("adding cluster %s: a simulated fleet has one control plane and members of distinct names", spec.Name)
	}
	added := f.newCluster(spec)
	var err error
	added.store, err = store.New(store.Options{
		Scheme: f.scheme, Clock: added.clock, IDs: f.ids, Resources: store.Builtins(), Checked: f.options.Checked, Wrote: added.touch, Shared: f.shared, Beside: f.options.Beside,
		Derived: f.options.Kinds.derived,
	})
	if err != nil {
		return nil, fmt.Errorf("adding cluster %s: %w", spec.Name, err)
	}
	return added, nil
}

// enter makes a member part of the fleet.
func (f *Fleet) enter(added *cluster) {
	f.clusters[added.spec.Name] = added
	f.touch(added)
	f.sorted = slices.Sorted(maps.Keys(f.clusters))
	for _, r := range f.runners {
		f.connect(r, added)
	}
}

// create stores an object together with its status, as something that was there before.
func create(ctx context.Context, stored *store.Store, object client.Object) error {
	complete := object.DeepCopyObject().(client.Object)
	if err := stored.Client().Create(ctx, object); err != nil {
		return fmt.Errorf("creating %T %s: %w", object, object.GetName(), err)
	}
	complete.SetResourceVersion(object.GetResourceVersion())
	if err := stored.Client().Status().Update(ctx, complete); err != nil {
		return fmt.Errorf("writing the status of %T %s: %w", object, object.GetName(), err)
	}
	return nil
}

// Remove implements fleet.Environment.
func (f *Fleet) Remove(_ context.Context, name string) error {
	c, err := f.find(name)
	if err != nil {
		return err
	}
	if c == f.plane {
		return fmt.Errorf("cluster %s: a simulated fleet keeps its control plane", name)
	}
	c.state = fleet.Stopped
	if c.agent != nil {
		c.agent.end()
	}
	delete(f.clusters, name)
	f.sorted = slices.Sorted(maps.Keys(f.clusters))
	return nil
}

// Pause implements fleet.Environment. Of a cluster that is stopped nothing is left to freeze.
func (f *Fleet) Pause(_ context.Context, name string) error {
	return f.disturb(name, func(c *cluster) {
		if c.state == fleet.Running {
			c.state = fleet.Paused
		}
	})
}

// Resume implements fleet.Environment.
func (f *Fleet) Resume(_ context.Context, name string) error { return f.restart(name, fleet.Paused) }

// Kill implements fleet.Environment.
func (f *Fleet) Kill(_ context.Context, name string) error {
	return f.disturb(name, func(c *cluster) { c.state = fleet.Stopped })
}

// Revive implements fleet.Environment.
func (f *Fleet) Revive(_ context.Context, name string) error { return f.restart(name, fleet.Stopped) }

// Partition implements fleet.Environment.
func (f *Fleet) Partition(_ context.Context, name string) error {
	return f.disturb(name, func(c *cluster) { c.partitioned = true })
}

// Heal implements fleet.Environment.
func (f *Fleet) Heal(_ context.Context, name string) error {
	return f.disturb(name, func(c *cluster) { c.partitioned = false })
}

func (f *Fleet) restart(name string, from fleet.State) error {
	return f.disturb(name, func(c *cluster) {
		if c.state == from {
			c.state = fleet.Running
		}
	})
}

func (f *Fleet) disturb(name string, change func(*cluster)) error {
	c, err := f.find(name)
	if err != nil {
		return err
	}
	before := c.state
	change(c)
	f.touch(c)
	if c.columns != nil {
		c.columns.follow(before, c.state)
	}
	if err := f.followAgents(c); err != nil {
		return err
	}
	return f.tend()
}

// Join makes a cluster a member in Push mode. No credentials are needed where there is no network.
func (f *Fleet) Join(ctx context.Context, name string) error {
	c, err := f.find(name)
	if err != nil {
		return err
	}
	return f.admit(ctx, c, clusterv1alpha1.Push)
}

// Unjoin takes a member out of the control plane and waits until it has left.
func (f *Fleet) Unjoin(ctx context.Context, name string) error {
	leaving := &clusterv1alpha1.Cluster{ObjectMeta: metav1.ObjectMeta{Name: name}}
	plane := f.plane.store.Client()
	if err := plane.Delete(ctx, leaving); err != nil {
		return fmt.Errorf("unjoining cluster %s: %w", name, err)
	}
	return f.Await(ctx, leaveTimeout, "cluster "+name+" to leave", func(ctx context.Context) (bool, error) {
		err := plane.Get(ctx, client.ObjectKeyFromObject(leaving), leaving)
		return apierrors.IsNotFound(err), client.IgnoreNotFound(err)
	})
}

// planeStore is the API server of the control plane: built-in kinds, the kinds of the project with their admission, and
// Cluster, which the aggregated API server serves in production.
func (f *Fleet) planeStore(plane *cluster) (*store.Store, error) {
	kinds := f.options.Kinds
	return store.New(store.Options{
		Scheme: f.scheme, Derived: kinds.derived, Clock: f.loop, IDs: f.ids, Checked: f.options.Checked, Trusting: f.options.Trusting, Wrote: plane.touch, Shared: f.shared, Beside: f.options.Beside,
		Resources: append(store.Builtins(), kinds.project...),
		Admission: f.admission(kinds.project),
	})
}

// admission lets the functions behind the webhooks judge every write.
func (f *Fleet) admission(resources []store.Resource) []store.Admission {
	options := func() admission.Options {
		return admission.Options{IDs: f.ids.NewID, Now: metav1.NewTime(f.loop.Now()), Modeling: true, NoExecuteTaintPolicy: f.options.NoExecuteTaintPolicy}
	}
	var all []store.Admission
	for _, resource := range resources {
		kind := resource.GVK
		all = append(all, store.Admission{
			GVK: kind, Name: "seatrial",
			Default: func(_ context.Context, object, old client.Object) error {
				return admission.Default(object, orNil(old), options())
			},
			Validate: func(ctx context.Context, object, old client.Object) error {
				if object == nil {
					return nil
				}
				if faults := admission.Validate(object, orNil(old), options()); len(faults) > 0 {
					return apierrors.NewInvalid(kind.GroupKind(), object.GetName(), faults)
				}
				if after, ok := object.(*workv1alpha2.ResourceBinding); ok && f.options.QuotaEnforcement {
					before, _ := old.(*workv1alpha2.ResourceBinding)
					return quota.Admit(ctx, f.plane.store.Client(), before, after, false)
				}
				return nil
			},
		})
	}
	return all
}

func capacityOf(pool fleet.NodePool) (corev1.ResourceList, error) {
	capacity := corev1.ResourceList{}
	for name, text := range map[corev1.ResourceName]string{
		corev1.ResourceCPU: pool.CPU, corev1.ResourceMemory: pool.Memory, corev1.ResourcePods: pool.Pods,
	} {
		quantity, err := resource.ParseQuantity(text)
		if err != nil {
			return nil, fmt.Errorf("%s of a node, %q: %w", name, text, err)
		}
		capacity[name] = quantity
	}
	return capacity, nil
}
