package search

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/search/cache"
)

const (
	// definedLasts is how long it is believed what members define, and undefinedLasts how long after they did not answer.
	definedLasts, undefinedLasts = time.Minute, 10 * time.Second
	// definedWithin is how long a client waits for the columns of a custom resource at most.
	definedWithin = 2 * time.Second
)

// definitions remembers the columns that members define for custom resources.
type definitions struct {
	dial cache.Dial

	mu    sync.Mutex
	known map[schema.GroupVersionResource]defined
}

type defined struct {
	columns rest.TableConvertor
	until   time.Time
}

// columnsOf are what a table shows of a kind that clusters have.
func (d *definitions) columnsOf(ctx context.Context, resource schema.GroupVersionResource, clusters []string) rest.TableConvertor {
	if own := ownColumns(resource.GroupResource()); own != nil {
		return own
	}
	// Groups of custom resources have a dot, those of Kubernetes mostly none.
	if !strings.Contains(resource.Group, ".") {
		return plain{}
	}
	now := time.Now()
	d.mu.Lock()
	known, found := d.known[resource]
	d.mu.Unlock()
	if found && now.Before(known.until) {
		return known.columns
	}
	columns, err := d.ask(ctx, resource, clusters)
	lasts := definedLasts
	if err != nil {
		klog.V(2).ErrorS(err, "The columns of a kind are not known", "resource", resource)
		columns, lasts = plain{}, undefinedLasts
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.known == nil {
		d.known = map[schema.GroupVersionResource]defined{}
	}
	d.known[resource] = defined{columns, now.Add(lasts)}
	return columns
}

// ask returns the columns that the first cluster in order defines which has the kind and answers. Kinds that none of them defines as
// custom resources are shown plain.
func (d *definitions) ask(ctx context.Context, resource schema.GroupVersionResource, clusters []string) (rest.TableConvertor, error) {
	ctx, cancel := context.WithTimeout(ctx, definedWithin)
	defer cancel()
	var failures error
	for _, cluster := range clusters {
		definition, err := d.read(ctx, resource, cluster)
		switch {
		case apierrors.IsNotFound(err):
		case err != nil:
			failures = errors.Join(failures, fmt.Errorf("cluster %s: %w", cluster, err))
		default:
			return definedColumns(definition, resource.Version)
		}
	}
	return plain{}, failures
}

func (d *definitions) read(ctx context.Context, resource schema.GroupVersionResource, cluster string) (*apiextensionsv1.CustomResourceDefinition, error) {
	member, err := d.dial(ctx, cluster)
	if err != nil {
		return nil, err
	}
	kept := member.Resource(apiextensionsv1.SchemeGroupVersion.WithResource("customresourcedefinitions"))
	tree, err := kept.Get(ctx, resource.GroupResource().String(), metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	definition := &apiextensionsv1.CustomResourceDefinition{}
	return definition, runtime.DefaultUnstructuredConverter.FromUnstructured(tree.Object, definition)
}
