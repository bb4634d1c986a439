package simulator

import (
	"context"
	"reflect"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/seatrial/seatrial/api/names"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// cached is a client as a controller has it: reads of the kinds it watches are as old as the last delivery and hold what its
// view shows, all others are current and whole. What it reads belongs to the reader, unless they renounce it by
// client.UnsafeDisableDeepCopy.
type cached struct {
	client.Client
	cluster *cluster
	// covers tells the kinds that are watched. The fleet counts the changes of that; known are those that were asked about since the
	// last one, which was numbered asked.
	covers  func(schema.GroupVersionKind) bool
	changes *uint64
	asked   uint64
	known   []coverage
	view    control.View
	// agent is whose client it is; nil for the control plane's.
	agent *agent
}

// coverage says whether a kind, or that of the items of a list, is watched.
type coverage struct {
	gvk     schema.GroupVersionKind
	covered bool
}

// seen is the revision of the last delivery.
func (c *cached) seen() uint64 {
	if c.agent != nil {
		return c.agent.sight(c.cluster)
	}
	return c.cluster.outside.seen
}

func (c *cached) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	if !c.watches(object) {
		return c.Client.Get(ctx, key, object, options...)
	}
	if err := c.cluster.store.At(c.seen()).Get(ctx, key, object, options...); err != nil {
		return err
	}
	if visible(c.view, object) == nil {
		gvk, err := c.GroupVersionKindFor(object)
		if err != nil {
			return err
		}
		return apierrors.NewNotFound(schema.GroupResource{Group: gvk.Group, Resource: gvk.Kind}, key.Name)
	}
	if wanted := (&client.GetOptions{}).ApplyOptions(options); !ptr.Deref(wanted.UnsafeDisableDeepCopy, false) {
		detach(object)
	}
	return nil
}

func (c *cached) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	if !c.watches(list) {
		return c.Client.List(ctx, list, options...)
	}
	if c.view == control.Managed {
		options = append(options, client.MatchingLabels{names.LabelManaged: names.LabelManagedValue})
	}
	if err := c.cluster.store.At(c.seen()).List(ctx, list, options...); err != nil {
		return err
	}
	if wanted := (&client.ListOptions{}).ApplyOptions(options); !ptr.Deref(wanted.UnsafeDisableDeepCopy, false) {
		detach(list)
	}
	return nil
}

func (c *cached) watches(object runtime.Object) bool {
	gvk, err := c.GroupVersionKindFor(object)
	if err != nil {
		return false
	}
	if c.asked != *c.changes {
		c.asked, c.known = *c.changes, c.known[:0]
	}
	for i := range c.known {
		if c.known[i].gvk == gvk {
			return c.known[i].covered
		}
	}
	item := gvk
	item.Kind = strings.TrimSuffix(gvk.Kind, "List")
	answer := coverage{gvk, c.covers(item)}
	c.known = append(c.known, answer)
	return answer.covered
}

// detach replaces what was read, which is shared with the store, by a copy.
func detach(object runtime.Object) {
	reflect.ValueOf(object).Elem().Set(reflect.ValueOf(object.DeepCopyObject()).Elem())
}

// visible leaves out what a view does not show.
func visible(view control.View, object client.Object) client.Object {
	if object == nil || view == control.Managed && !workload.Managed(object) {
		return nil
	}
	return object
}
