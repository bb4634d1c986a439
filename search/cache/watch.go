package cache

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
)

// reached is how far a watcher has read a source.
type reached struct{ epoch, next int }

// watcher tells one client of changes, at the client's pace: it keeps places in the records of sources, and no events.
type watcher struct {
	table  *table
	wanted Selection
	// from are the versions that the client came with, without those of sources that have ended since; versions are those it has now.
	from, versions Versions
	reached        map[*source]reached
	// begun is to be told once all that is there has been told.
	begun bool
	// every is the time between bookmarks, 0 for none.
	every  time.Duration
	events chan watch.Event
	cancel context.CancelFunc
}

// pending is an event that is not told yet.
type pending struct {
	source *source
	change change
}

// watch tells of all changes after versions. Clusters without a version begin with all they have. With begun, a bookmark tells when
// that is done.
func (t *table) watch(ctx context.Context, wanted Selection, versions Versions, begun bool, every time.Duration) (watch.Interface, error) {
	ctx, cancel := context.WithCancel(ctx)
	w := &watcher{
		table: t, wanted: wanted, from: maps.Clone(versions), versions: maps.Clone(versions), reached: map[*source]reached{}, begun: begun, every: every,
		events: make(chan watch.Event), cancel: cancel,
	}
	t.mu.Lock()
	first, err := w.collect()
	changed := t.changed
	t.mu.Unlock()
	if err == nil {
		err = t.knows(versions)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	order(first)
	go w.run(ctx, first, changed)
	return w, nil
}

// knows refuses versions of clusters that the table no longer follows: their end would never be told.
func (t *table) knows(versions Versions) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return t.noLonger()
	}
	followed := map[string]bool{}
	for _, s := range t.sources {
		followed[s.part()] = true
	}
	for cluster := range versions {
		if !followed[cluster] {
			return apierrors.NewResourceExpired(fmt.Sprintf("cluster %s is no longer cached: list again", cluster))
		}
	}
	return nil
}

func (t *table) noLonger() error {
	return apierrors.NewResourceExpired(t.resource.Resource + " are no longer cached: list again")
}

// ResultChan implements watch.Interface.
func (w *watcher) ResultChan() <-chan watch.Event { return w.events }

// Stop implements watch.Interface.
func (w *watcher) Stop() { w.cancel() }

func (w *watcher) run(ctx context.Context, found []pending, changed <-chan struct{}) {
	defer close(w.events)
	defer w.cancel()
	var due <-chan time.Time
	if w.every > 0 {
		ticker := time.NewTicker(w.every)
		defer ticker.Stop()
		due = ticker.C
	}
	marking, current := false, Versions{}
	for {
		for _, p := range found {
			if !w.tell(ctx, p) {
				return
			}
		}
		if marking {
			// What happened to other kinds counts too, so that a quiet client does not fall behind.
			maps.Copy(w.versions, current)
		}
		if (w.begun || marking) && !w.bookmark(ctx) {
			return
		}
		w.begun = false
		select {
		case <-changed:
			marking = false
		case <-due:
			marking = true
		case <-ctx.Done():
			return
		}
		var err error
		w.table.mu.Lock()
		found, err = w.collect()
		changed, current = w.table.changed, w.table.versions()
		ended := w.table.ended
		w.table.mu.Unlock()
		order(found)
		if err != nil {
			w.send(ctx, watch.Event{Type: watch.Error, Object: statusOf(err)})
			return
		}
		if ended {
			w.end(ctx, found)
			return
		}
	}
}

// end tells the last changes, and has the client begin anew with whoever answers for the kind then.
func (w *watcher) end(ctx context.Context, last []pending) {
	for _, p := range last {
		if !w.tell(ctx, p) {
			return
		}
	}
	w.send(ctx, watch.Event{Type: watch.Error, Object: statusOf(w.table.noLonger())})
}

// collect gathers what is new in all sources, those first that ended while the client watched: others may have come in
// their stead. The caller holds the table's lock.
func (w *watcher) collect() ([]pending, error) {
	var found []pending
	followed := map[*source]bool{}
	for _, s := range w.table.sources {
		followed[s] = true
	}
	gone := slices.DeleteFunc(slices.Collect(maps.Keys(w.reached)), func(s *source) bool { return followed[s] })
	slices.SortFunc(gone, func(a, b *source) int { return a.compare(b.sourceID) })
	for _, s := range gone {
		more, err := w.read(s)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
		delete(w.reached, s)
		// The client was told that all of it is gone: should the cluster come back, it is to be told all.
		delete(w.from, s.part())
	}
	for _, s := range w.table.sources {
		more, err := w.read(s)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// order brings what is new in each source into the order of its versions, so that a client that leaves amid it goes on without a gap.
// Changes are in that order already.
func order(found []pending) {
	for from := 0; from < len(found); {
		to := from + 1
		for to < len(found) && found[to].source == found[from].source {
			to++
		}
		slices.SortStableFunc(found[from:to], func(a, b pending) int {
			return cmp.Compare(a.change.entry.version, b.change.entry.version)
		})
		from = to
	}
}

// read gathers what is new in a source.
func (w *watcher) read(s *source) ([]pending, error) {
	if !s.synced {
		return nil, nil
	}
	at, known := w.reached[s]
	if !known {
		return w.begin(s)
	}
	if at.epoch != s.epoch || at.next < s.first {
		return nil, tooOld(s.cluster)
	}
	var found []pending
	for _, c := range s.changes[at.next-s.first:] {
		found = append(found, pending{s, c})
	}
	w.reached[s] = reached{s.epoch, s.first + len(s.changes)}
	return found, nil
}

// begin gathers all that a source has, or, where the client knows a version, what came after it.
func (w *watcher) begin(s *source) ([]pending, error) {
	var found []pending
	if text, known := w.from[s.part()]; known {
		version, err := parseVersion(text)
		if err != nil {
			return nil, err
		}
		// A member that was restored from a backup is behind what the client knows.
		if version < s.floor || version > s.current {
			return nil, tooOld(s.cluster)
		}
		for _, c := range s.changes {
			if c.entry.version > version {
				found = append(found, pending{s, c})
			}
		}
	} else {
		for _, e := range s.objects { // no two objects of a cluster have one version: order sorts them without the lock
			found = append(found, pending{s, change{kind: watch.Added, entry: e}})
		}
		if len(found) == 0 {
			w.versions[s.part()] = formatVersion(s.current)
		}
	}
	w.reached[s] = reached{s.epoch, s.first + len(s.changes)}
	return found, nil
}

func tooOld(cluster string) error {
	return apierrors.NewResourceExpired(fmt.Sprintf("the changes of cluster %s since then are no longer known: list again", cluster))
}

// tell sends an event as the client's selection shows it: what leaves it is deleted, what enters it is added.
func (w *watcher) tell(ctx context.Context, p pending) bool {
	c := p.change
	w.versions[p.source.part()] = formatVersion(c.entry.version)
	is := c.kind != watch.Deleted && w.wanted.has(c.entry)
	was := c.before != nil && w.wanted.has(c.before)
	if !is && !was {
		return true
	}
	kind, shown := watch.Modified, c.entry
	switch {
	case !was:
		kind = watch.Added
	case !is:
		kind, shown = watch.Deleted, c.before
	}
	tree, err := shown.tree(p.source.cluster)
	if err != nil {
		w.send(ctx, watch.Event{Type: watch.Error, Object: statusOf(apierrors.NewInternalError(err))})
		return false
	}
	tree.SetResourceVersion(w.versions.String())
	return w.send(ctx, watch.Event{Type: kind, Object: tree})
}

// bookmark tells the versions up to which the client knows all, and at the beginning that it now does.
func (w *watcher) bookmark(ctx context.Context) bool {
	mark := &unstructured.Unstructured{}
	mark.SetGroupVersionKind(w.table.kind)
	mark.SetResourceVersion(w.versions.String())
	if w.begun {
		mark.SetAnnotations(map[string]string{metav1.InitialEventsAnnotationKey: "true"})
	}
	return w.send(ctx, watch.Event{Type: watch.Bookmark, Object: mark})
}

func (w *watcher) send(ctx context.Context, event watch.Event) bool {
	select {
	case w.events <- event:
		return true
	case <-ctx.Done():
		return false
	}
}

func statusOf(err error) runtime.Object {
	if known, ok := err.(apierrors.APIStatus); ok {
		status := known.Status()
		return typed(status)
	}
	return typed(apierrors.NewInternalError(err).Status())
}

// typed says of a status what it is, which clients of a watch go by.
func typed(status metav1.Status) runtime.Object {
	status.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Status"}
	return &status
}
