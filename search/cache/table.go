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

// find returns the object of a name and its cluster. It is an error when several clusters have one.
func (t *table) find(namespace, name string) (*entry, string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var found *entry
	var clusters []string
	for _, s := range t.sources {
		if e := s.objects[keyOf(namespace, name)]; e != nil && !slices.Contains(clusters, s.cluster) {
			found, clusters = e, append(clusters, s.cluster)
		}
	}
	switch len(clusters) {
	case 0:
		return nil, "", apierrors.NewNotFound(t.resource.GroupResource(), name)
	case 1:
		return found, clusters[0], nil
	}
	several := errors.New("several clusters have one, " + strings.Join(clusters, ", ") + ": ask for it by the proxy of its cluster")
	return nil, "", apierrors.NewConflict(t.resource.GroupResource(), name, several)
}

// versions are those of the present state; of a cluster with several sources the oldest, so that nothing is missed.
func (t *table) versions() Versions {
	oldest := map[string]uint64{}
	for _, s := range t.sources {
		if known, there := oldest[s.cluster]; s.synced && (!there || s.current < known) {
			oldest[s.cluster] = s.current
		}
	}
	versions := Versions{}
	for cluster, version := range oldest {
		versions[cluster] = formatVersion(version)
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
