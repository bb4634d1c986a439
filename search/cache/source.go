package cache

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/klog/v2"
)

// window is how many changes of a source are kept at most for those that come back, and windowBytes how much memory their objects may
// take. Either may be exceeded by a quarter.
const (
	window      = 1024
	windowBytes = 8 << 20
)

// sourceID says which part of a kind a source follows: a cluster, and there one namespace, or all when it is empty.
type sourceID struct{ cluster, namespace string }

func (s sourceID) compare(other sourceID) int {
	return cmp.Or(cmp.Compare(s.cluster, other.cluster), cmp.Compare(s.namespace, other.namespace))
}

// part is what versions call a source. No name has a slash.
func (s sourceID) part() string {
	if s.namespace == "" {
		return s.cluster
	}
	return s.cluster + "/" + s.namespace
}

// change is one event of a source. before is what the object was, nil when it is new.
type change struct {
	kind          watch.EventType
	entry, before *entry
}

// source holds what one member has of a kind, and its last changes in order. Its table's lock guards it.
type source struct {
	sourceID
	table *table
	stop  context.CancelFunc

	objects map[string]*entry
	// changes are all that came after version floor; the first of them is number first of all there have been.
	changes []change
	// bytes is what the objects of changes take.
	bytes int
	first int
	floor uint64
	// current is the version of the state that objects are in.
	current uint64
	// epoch counts how often the member went back in time, as when it is restored from a backup.
	epoch int
	// synced: there was a list. settled: there was one, or an error on the way to it.
	synced, settled bool
}

var (
	_ toolscache.ReflectorStore         = &source{}
	_ toolscache.ResourceVersionUpdater = &source{}
)

// Add implements cache.ReflectorStore, which tells of changes in the order of their versions.
func (s *source) Add(object any) error { return s.Update(object) }

// Update implements cache.ReflectorStore.
func (s *source) Update(object any) error {
	made, err := newEntry(object)
	if err != nil {
		return err
	}
	s.table.change(func() { s.put(made) })
	return nil
}

// Delete implements cache.ReflectorStore. The object has the version of its end.
func (s *source) Delete(object any) error {
	made, err := newEntry(object)
	if err != nil {
		return err
	}
	s.table.change(func() { s.drop(made.key(), made.version) })
	return nil
}

// Replace implements cache.ReflectorStore. It tells by changes what differs from before, so that those who watch need not begin anew.
func (s *source) Replace(objects []any, resourceVersion string) error {
	version, err := parseVersion(resourceVersion)
	if err != nil {
		return err
	}
	listed := make([]*entry, 0, len(objects))
	for _, object := range objects {
		made, err := newEntry(object)
		if err != nil {
			return err
		}
		listed = append(listed, made)
	}
	s.table.change(func() {
		if !s.synced || version < s.current {
			s.begin(listed, version)
		} else {
			s.catchUp(listed, version)
		}
	})
	return nil
}

// begin takes a list as it is: nothing before it counts.
func (s *source) begin(listed []*entry, version uint64) {
	s.epoch++
	s.first, s.changes, s.bytes, s.objects = s.first+len(s.changes), nil, 0, map[string]*entry{}
	for _, e := range listed {
		s.objects[e.key()] = e
	}
	s.floor, s.current, s.synced, s.settled = version, version, true, true
}

// catchUp records how a list differs from what was known.
func (s *source) catchUp(listed []*entry, version uint64) {
	slices.SortFunc(listed, func(a, b *entry) int { return cmp.Or(cmp.Compare(a.version, b.version), cmp.Compare(a.key(), b.key())) })
	kept := map[string]bool{}
	for _, e := range listed {
		kept[e.key()] = true
		if known := s.objects[e.key()]; known == nil || known.version != e.version {
			s.put(e)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		if !kept[key] {
			s.drop(key, version)
		}
	}
	s.current = version
}

// Resync implements cache.ReflectorStore: there is nothing to tell twice.
func (s *source) Resync() error { return nil }

// UpdateResourceVersion implements cache.ResourceVersionUpdater: nothing has changed up to a version.
func (s *source) UpdateResourceVersion(resourceVersion string) {
	version, err := parseVersion(resourceVersion)
	if err != nil {
		klog.ErrorS(err, "A member told a version that cannot be used", "cluster", s.cluster)
		return
	}
	s.table.mu.Lock()
	defer s.table.mu.Unlock()
	s.current = max(s.current, version)
}

// fail notes that the member could not be read.
func (s *source) fail() {
	s.table.change(func() { s.settled = true })
}

func (s *source) put(e *entry) {
	kind, before := watch.Modified, s.objects[e.key()]
	if before == nil {
		kind = watch.Added
	}
	s.objects[e.key()] = e
	s.record(change{kind: kind, entry: e, before: before})
}

func (s *source) drop(key string, version uint64) {
	before := s.objects[key]
	if before == nil {
		return
	}
	delete(s.objects, key)
	last := *before
	last.version = version
	s.record(change{kind: watch.Deleted, entry: &last, before: before})
}

func (s *source) record(c change) {
	s.current = max(s.current, c.entry.version)
	s.changes = append(s.changes, c)
	s.bytes += len(c.entry.raw)
	// Not with every change, so that trimming costs little.
	if len(s.changes) > window+window/4 || s.bytes > windowBytes+windowBytes/4 {
		s.trim()
	}
}

// trim forgets the first changes until the others are within bounds.
func (s *source) trim() {
	excess := 0
	for ; len(s.changes)-excess > window || s.bytes > windowBytes; excess++ {
		s.floor = s.changes[excess].entry.version
		s.bytes -= len(s.changes[excess].entry.raw)
	}
	s.first += excess
	s.changes = slices.Clone(s.changes[excess:])
}

// retire ends a source for good: what it had is gone.
func (s *source) retire() {
	s.stop()
	for _, key := range slices.Sorted(maps.Keys(s.objects)) {
		s.drop(key, s.current)
	}
}
