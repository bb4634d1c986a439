package collect

import (
	"context"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	configv1alpha1 "github.com/seatrial/seatrial/api/config/v1alpha1"
	"github.com/seatrial/seatrial/api/names"
	workv1alpha1 "github.com/seatrial/seatrial/api/work/v1alpha1"
	"github.com/seatrial/seatrial/control"
	"github.com/seatrial/seatrial/workload"
)

// content is what a Work holds in one generation.
type content struct {
	cluster    string
	uid        types.UID
	generation int64
	// manifests have nothing but their identities, each with the name of its member object and the watch on it.
	manifests []*unstructured.Unstructured
	names     []types.NamespacedName
	sources   []control.Source
	// identifiers are what statuses call the manifests, empty until the member has told.
	identifiers []workv1alpha1.ResourceIdentifier

	// judged are the versions of the member objects when they were last judged without trouble, and statuses what came of it.
	judged   []version
	statuses []workv1alpha1.ManifestStatus
	// told is the resource version at which the Work said just that; empty before.
	told string
}

// version tells apart the states of a member object; zero for none.
type version struct {
	uid      types.UID
	resource string
}

func contentOf(work *workv1alpha1.Work, cluster string) (*content, error) {
	manifests, err := workload.Identities(work)
	if err != nil {
		return nil, err
	}
	held := &content{cluster: cluster, uid: work.UID, generation: work.Generation, manifests: manifests, sources: workload.Sources(cluster, manifests),
		identifiers: make([]workv1alpha1.ResourceIdentifier, len(manifests))}
	for _, manifest := range manifests {
		held.names = append(held.names, client.ObjectKeyFromObject(manifest))
	}
	return held, nil
}

// seen tells whether member objects are as they were when they were judged.
func (c *content) seen(objects []sight) bool {
	return c.judged != nil && slices.EqualFunc(c.judged, objects, func(judged version, now sight) bool { return judged == now.version() })
}

// tell remembers that a Work of this version says all there is to say, unless something went wrong.
func (c *content) tell(work string, failures []error) {
	if len(failures) == 0 {
		c.told = work
	}
}

// sight is a member object as it was read: nil when the member does not hold it, or holds one of its own.
type sight struct {
	object *unstructured.Unstructured
	err    error
}

func (s sight) version() version {
	if s.object == nil {
		return version{}
	}
	return version{s.object.GetUID(), s.object.GetResourceVersion()}
}

// read reads the member objects of manifests.
func read(ctx context.Context, member control.Member, cluster string, held *content) (objects []sight, failures []error) {
	objects = make([]sight, len(held.manifests))
	for i, manifest := range held.manifests {
		observed := &unstructured.Unstructured{}
		observed.SetGroupVersionKind(held.sources[i].GVK)
		err := member.Get(ctx, held.names[i], observed, client.UnsafeDisableDeepCopy)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			objects[i].err = fmt.Errorf("reading %s in cluster %s: %w", workload.Describe(manifest), cluster, err)
			failures = append(failures, objects[i].err)
		case workload.Managed(observed):
			objects[i].object = observed
		}
	}
	return objects, failures
}

// judge says how the member objects are, anew unless they are as they were. What cannot be judged stays as the Work says.
func (c *content) judge(ctx context.Context, deps control.Deps, member control.Member, work *workv1alpha1.Work, objects []sight, failures []error) ([]workv1alpha1.ManifestStatus, []error) {
	if len(failures) == 0 && c.seen(objects) {
		return c.statuses, nil
	}
	statuses := make([]workv1alpha1.ManifestStatus, 0, len(c.manifests))
	for ordinal, manifest := range c.manifests {
		status, err := c.judgeOne(ctx, deps, member, objects[ordinal], ordinal)
		if err != nil {
			if objects[ordinal].err == nil {
				failures = append(failures, err)
			}
			status = last(work, manifest, ordinal)
		}
		if status != nil {
			statuses = append(statuses, *status)
		}
	}
	c.told, c.judged, c.statuses = "", nil, nil
	if len(failures) == 0 {
		c.statuses, c.judged = statuses, make([]version, 0, len(objects))
		for _, seen := range objects {
			c.judged = append(c.judged, seen.version())
		}
	}
	return statuses, failures
}

// judgeOne says how one member object is; nil when there is none.
func (c *content) judgeOne(ctx context.Context, deps control.Deps, member control.Member, seen sight, ordinal int) (*workv1alpha1.ManifestStatus, error) {
	observed, manifest, gvk := seen.object, c.manifests[ordinal], c.sources[ordinal].GVK
	if observed == nil {
		return nil, seen.err
	}
	var err error
	if c.identifiers[ordinal] == (workv1alpha1.ResourceIdentifier{}) {
		if c.identifiers[ordinal], err = identify(member, manifest, ordinal); err != nil {
			return nil, err
		}
	}
	status := &workv1alpha1.ManifestStatus{Identifier: c.identifiers[ordinal], Health: workv1alpha1.ResourceUnknown}
	if deps.Interpreter.Supports(gvk, configv1alpha1.InterpreterOperationInterpretStatus) {
		if status.Status, err = deps.Interpreter.ReflectStatus(ctx, observed); err != nil {
			err = fmt.Errorf("reflecting the status of %s in cluster %s: %w", workload.Describe(manifest), c.cluster, err)
			return nil, unjudged{error: err, reason: names.EventReflectStatusFailed}
		}
	}
	if deps.Interpreter.Supports(gvk, configv1alpha1.InterpreterOperationInterpretHealth) {
		healthy, err := deps.Interpreter.Health(ctx, observed)
		if err != nil {
			err = fmt.Errorf("judging the health of %s in cluster %s: %w", workload.Describe(manifest), c.cluster, err)
			return nil, unjudged{error: err, reason: names.EventInterpretHealthFailed}
		}
		status.Health = workv1alpha1.ResourceUnhealthy
		if healthy {
			status.Health = workv1alpha1.ResourceHealthy
		}
	}
	return status, nil
}

func identify(member control.Member, manifest *unstructured.Unstructured, ordinal int) (workv1alpha1.ResourceIdentifier, error) {
	gvk := manifest.GroupVersionKind()
	mapping, err := member.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if err != nil {
		return workv1alpha1.ResourceIdentifier{}, fmt.Errorf("finding the resource of %s: %w", gvk, err)
	}
	return workv1alpha1.ResourceIdentifier{
		Ordinal: ordinal, Group: gvk.Group, Version: gvk.Version, Kind: gvk.Kind, Resource: mapping.Resource.Resource,
		Namespace: manifest.GetNamespace(), Name: manifest.GetName(),
	}, nil
}
