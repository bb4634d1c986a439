package cache

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// settleTime is how long readers wait for members that have not been heard of at all yet.
const settleTime = 5 * time.Second

// table is one kind in all clusters that it is kept of.
type table struct {
	resource schema.GroupVersionResource
	kind     schema.GroupVersionKind

	mu sync.Mutex
	// sources are sorted by cluster and namespace.
	sources []*source
	// ended: the kind is no longer kept, and nothing will change here.
	ended bool
	// changed is closed, and replaced, with every change.
	changed chan struct{}
}

// change does something to sources of the table, and tells those who wait.
func (t *table) change(do func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	do()
	close(t.changed)
	t.changed = make(chan struct{})
}

// settle waits until every source was heard of, at most for settleTime. It returns the clusters of which nothing is known.
func (t *table) settle(ctx context.Context) (missing []string) {
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	for {
		t.mu.Lock()
		changed, settled := t.changed, true
		missing = nil
		for _, s := range t.sources {
			settled = settled && s.settled
			if !s.synced && !slices.Contains(missing, s.cluster) {
				missing = append(missing, s.cluster)
			}
		}
		t.mu.Unlock()
		if settled {
			return missing
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return missing
		}
	}
}

// find returns the object of a name and where it is. It is an error when several clusters have one.
func (t *table) find(namespace, name string) (*entry, sourceID, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *entry
	var at sourceID
	var clusters []string
	for _, s := range t.sources {
		if e := s.objects[keyOf(namespace, name)]; e != nil && !slices.Contains(clusters, s.cluster) {
			found, at, clusters = e, s.sourceID, append(clusters, s.cluster)
		}
	}
	switch len(clusters) {
	case 0:
		return nil, at, apierrors.NewNotFound(t.resource.GroupResource(), name)
	case 1:
		return found, at, nil
	}
	several := errors.New("several clusters have one, " + strings.Join(clusters, ", ") + ": ask for it by the proxy of its cluster")
	return nil, at, apierrors.NewConflict(t.resource.GroupResource(), name, several)
}

// versions are those of the present state.
func (t *table) versions() Versions {
	versions := Versions{}
	for _, s := range t.sources {
		if s.synced {
			versions[s.part()] = formatVersion(s.current)
		}
	}
	return versions
}

// located is an object and where it is.
type located struct {
	*entry
	cluster string
}

// list reads a page of at most limit objects, all when limit is 0.
func (t *table) list(wanted Selection, limit int, from position) (*unstructured.UnstructuredList, error) {
	page, more, versions := t.page(wanted, limit, from)
	if from.Versions != "" {
		versions = from.Versions
	}
	list := &unstructured.UnstructuredList{}
	list.SetAPIVersion(t.kind.GroupVersion().String())
	list.SetKind(t.kind.Kind + "List")
	list.SetResourceVersion(versions)
	list.Items = make([]unstructured.Unstructured, 0, len(page))
	for _, found := range page {
		tree, err := found.tree(found.cluster)
		if err != nil {
			return nil, err
		}
		list.Items = append(list.Items, *tree)
	}
	if more {
		last := page[len(page)-1]
		list.SetContinue(position{Versions: versions, Cluster: last.cluster, After: last.key()}.String())
	}
	return list, nil
}

func (t *table) page(wanted Selection, limit int, from position) (page []located, more bool, versions string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	versions = t.versions().String()
	for _, s := range t.sources {
		for _, e := range s.sorted() {
			// Two sources of a cluster are two namespaces of it, in order, so that their keys are in order too.
			if from.passed(s.cluster, e.key()) || !wanted.has(e) {
				continue
			}
			if limit > 0 && len(page) == limit {
				return page, true, versions
			}
			page = append(page, located{e, s.cluster})
		}
	}
	return page, false, versions
}
