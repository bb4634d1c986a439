package simulator

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/simulator/store"
)

// version is what simulated API servers call themselves.
const version = "v1.36.3"

// member implements control.Member over a simulated cluster.
type member struct {
	client.Client
	cluster *cluster
	gated   client.Client
	// closed tells why the cluster cannot be asked now; nil when it can.
	closed func() error
}

// Member implements control.Members: a cluster can be reached once its Cluster object exists.
func (f *Fleet) Member(_ context.Context, name string) (control.Member, error) {
	found, known := f.clusters[name]
	kind := clusterv1alpha1.GroupVersion.WithKind(clusterv1alpha1.ResourceKindCluster)
	if !known || found == f.plane || f.plane.store.Peek(kind, types.NamespacedName{Name: name}) == nil {
		return nil, fmt.Errorf("cluster %s: %w", name, control.ErrNoMember)
	}
	if found.member == nil {
		found.member = f.connection(found)
	}
	return found.member, nil
}

// connection is how controllers of the control plane reach a member.
func (f *Fleet) connection(to *cluster) control.Member {
	return f.memberBy(&cached{cluster: to, view: control.Managed, changes: &f.coverages}, to.unreachable)
}

// memberBy reaches a member through a client, unless it is closed.
func (f *Fleet) memberBy(client *cached, closed func() error) control.Member {
	to := client.cluster
	through := door{f, to, closed}
	gated := gate(to.client(), through.request, through.listed)
	client.Client, client.covers = gated, func(gvk schema.GroupVersionKind) bool {
		return f.opened(control.Source{Cluster: to.spec.Name, GVK: gvk, View: control.Managed})
	}
	seen := &member{Client: client, cluster: to, gated: gated, closed: closed}
	if to.columns != nil {
		return surveyed{seen}
	}
	return seen
}

// Live implements control.Member.
func (m *member) Live() client.Reader { return m.gated }

// Inventory implements control.Member.
func (m *member) Inventory() client.Reader { return m.gated }

// Health implements control.Member.
func (m *member) Health(context.Context) (bool, error) {
	err := m.closed()
	return err == nil, err
}

// Discover implements control.Member.
func (m *member) Discover(context.Context) (control.Discovery, error) {
	if err := m.closed(); err != nil {
		return control.Discovery{}, err
	}
	return m.cluster.discovery(), nil
}

// discovery is what the cluster serves. It is made anew when that changes; readers must not write to it.
func (c *cluster) discovery() control.Discovery {
	if served := c.store.Served(); c.discovered.Revision != served {
		c.discovered = discover(c.store)
		c.discovered.Revision = served
	}
	return c.discovered
}

func discover(stored *store.Store) control.Discovery {
	groups := map[string][]clusterv1alpha1.APIResource{}
	for _, resource := range stored.Resources() {
		for _, version := range resource.Versions() {
			gv := schema.GroupVersion{Group: resource.GVK.Group, Version: version}.String()
			groups[gv] = append(groups[gv], clusterv1alpha1.APIResource{Name: resource.Plural, Kind: resource.GVK.Kind})
		}
	}
	discovery := control.Discovery{Version: version, Complete: true}
	for gv, resources := range groups {
		slices.SortFunc(resources, func(a, b clusterv1alpha1.APIResource) int { return cmp.Compare(a.Name, b.Name) })
		discovery.APIs = append(discovery.APIs, clusterv1alpha1.APIEnablement{GroupVersion: gv, Resources: resources})
	}
	slices.SortFunc(discovery.APIs, func(a, b clusterv1alpha1.APIEnablement) int { return cmp.Compare(a.GroupVersion, b.GroupVersion) })
	return discovery
}

// gate asks before every request whether it may pass, saying whether it is a write, and tells how many objects a list has had.
func gate(open client.WithWatch, admit func(write bool) error, listed func(objects int)) client.WithWatch {
	return interceptor.NewClient(open, interceptor.Funcs{
		Get: func(ctx context.Context, to client.WithWatch, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
			return unless(admit(false), func() error { return to.Get(ctx, key, object, options...) })
		},
		List: func(ctx context.Context, to client.WithWatch, list client.ObjectList, options ...client.ListOption) error {
			return unless(admit(false), func() error {
				err := to.List(ctx, list, options...)
				listed(meta.LenList(list))
				return err
			})
		},
		Create: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.CreateOption) error {
			return unless(admit(true), func() error { return to.Create(ctx, object, options...) })
		},
		Delete: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.DeleteOption) error {
			return unless(admit(true), func() error { return to.Delete(ctx, object, options...) })
		},
		DeleteAllOf: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.DeleteAllOfOption) error {
			return unless(admit(true), func() error { return to.DeleteAllOf(ctx, object, options...) })
		},
		Update: func(ctx context.Context, to client.WithWatch, object client.Object, options ...client.UpdateOption) error {
			return unless(admit(true), func() error { return to.Update(ctx, object, options...) })
		},
		Patch: func(ctx context.Context, to client.WithWatch, object client.Object, patch client.Patch, options ...client.PatchOption) error {
			return unless(admit(true), func() error { return to.Patch(ctx, object, patch, options...) })
		},
		Apply: func(ctx context.Context, to client.WithWatch, object runtime.ApplyConfiguration, options ...client.ApplyOption) error {
			return unless(admit(true), func() error { return to.Apply(ctx, object, options...) })
		},
		SubResourceGet: func(ctx context.Context, to client.Client, name string, object, into client.Object, options ...client.SubResourceGetOption) error {
			return unless(admit(false), func() error { return to.SubResource(name).Get(ctx, object, into, options...) })
		},
		SubResourceUpdate: func(ctx context.Context, to client.Client, name string, object client.Object, options ...client.SubResourceUpdateOption) error {
			return unless(admit(true), func() error { return to.SubResource(name).Update(ctx, object, options...) })
		},
		SubResourcePatch: func(ctx context.Context, to client.Client, name string, object client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			return unless(admit(true), func() error { return to.SubResource(name).Patch(ctx, object, patch, options...) })
		},
	})
}

func unless(err error, otherwise func() error) error {
	if err != nil {
		return err
	}
	return otherwise()
}
