package cache

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// settleTime is how long readers wait for members that have not been heard of at all yet.
const settleTime = 5 * time.Second

// reachTime is how long readers wait for a version that has not been reached, as those of an API server do.
const reachTime = 3 * time.Second

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

// find returns the object of a name and where it is, and the clusters that may have one as well, of which nothing is known. It is an
// error when several clusters have one.
func (t *table) find(namespace, name string) (found *entry, at sourceID, unknown []string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var clusters []string
	for _, s := range t.sources {
		if !s.synced && (s.namespace == "" || s.namespace == namespace) {
			unknown = append(unknown, s.cluster)
		}
		if e := s.objects[keyOf(namespace, name)]; e != nil && !slices.Contains(clusters, s.cluster) {
			found, at, clusters = e, s.sourceID, append(clusters, s.cluster)
		}
	}
	switch len(clusters) {
	case 0:
		return nil, at, unknown, apierrors.NewNotFound(t.resource.GroupResource(), name)
	case 1:
		return found, at, unknown, nil
	}
	several := errors.New("several clusters have one, " + strings.Join(clusters, ", ") + ": ask for it by the proxy of its cluster")
	return nil, at, unknown, apierrors.NewConflict(t.resource.GroupResource(), name, several)
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

// held is what a source has at a moment.
type held struct {
	cluster string
	entries []*entry
}

// held are the objects of all sources, in no order, and their versions. Entries do not change, so that what takes time with them,
// such as selecting by fields, needs no lock.
func (t *table) held() ([]held, string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	all := make([]held, len(t.sources))
	for i, s := range t.sources {
		all[i] = held{s.cluster, slices.Collect(maps.Values(s.objects))}
	}
	return all, t.versions().String()
}

func (t *table) page(wanted Selection, limit int, from position) (page []located, more bool, versions string) {
	all, versions := t.held()
	for _, of := range all {
		// Two sources of a cluster are two namespaces of it, in order, so that their keys are in order too.
		rest := slices.DeleteFunc(of.entries, func(e *entry) bool { return from.passed(of.cluster, e.key()) })
		slices.SortFunc(rest, func(a, b *entry) int { return cmp.Compare(a.key(), b.key()) })
		for _, e := range rest {
			if !wanted.has(e) {
				continue
			}
			if limit > 0 && len(page) == limit {
				return page, true, versions
			}
			page = append(page, located{e, of.cluster})
		}
	}
	return page, false, versions
}

// tooNew is what clients of an API server know as such, and answer by reading what there is.
func tooNew(behind string) error {
	err := apierrors.NewTimeoutError(fmt.Sprintf("what is known of cluster %s is older than the resource version", behind), 1)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeResourceVersionTooLarge, Message: "Too large resource version"}}
	return err
}

// reach waits until the state is not older than versions, at most for reachTime. Clusters that are no longer followed do not count.
func (t *table) reach(ctx context.Context, wanted Versions) error {
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	for {
		t.mu.Lock()
		changed, behind := t.changed, ""
		for _, s := range t.sources {
			version, err := parseVersion(wanted[s.part()])
			if err == nil && (!s.synced || s.current < version) {
				behind = s.cluster
				break
			}
		}
		t.mu.Unlock()
		if behind == "" {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return tooNew(behind)
		}
	}
}
