package opensearch

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"golang.org/x/sync/semaphore"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/klog/v2"
)

const (
	// queued and queuedBytes bound what waits to be written.
	queued, queuedBytes = 1000, 16 << 20
	// batched and batchedBytes bound one request; a document alone may be larger.
	batched, batchedBytes = 500, 4 << 20
	// gathers is how long the first change of a batch waits for others.
	gathers = 200 * time.Millisecond
	// retryFirst and retryLast are the pauses after a request that failed: ever longer ones.
	retryFirst, retryLast = time.Second, time.Minute
)

// Credentials are those of a user of the service, none without a name. CA (PEM) verifies its certificate; without, the system does.
type Credentials struct {
	Username, Password string
	CA                 []byte
}

// Settings say how a service is reached.
type Settings struct {
	// Addresses are URLs of the same service, tried in turn.
	Addresses []string
	// Credentials reads those in use now. It is asked before the first request, and again after one has failed.
	Credentials func(ctx context.Context) (Credentials, error)
	// ClusterAnnotation is the key by which objects tell their cluster.
	ClusterAnnotation string
	// Retry is the first pause after a request that failed, a second for 0.
	Retry time.Duration
}

// Writer writes objects to a service in the order in which it is told of them, as fast as the service takes them. Who tells more waits.
type Writer struct {
	settings  Settings
	addresses []*url.URL
	queue     chan operation
	room      *semaphore.Weighted

	// What follows belongs to Run alone.
	at      int
	client  *client
	indices map[string]bool
}

// operation brings one document up to date: without a document it is deleted.
type operation struct {
	index, id string
	document  []byte
}

func (o operation) weight() int64 { return min(int64(len(o.document))+200, queuedBytes) }

// ParseAddress reads the URL of a service. Its errors do not hold the text, which may have a password.
func ParseAddress(text string) (*url.URL, error) {
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Host == "" {
		return nil, errors.New("it must be a URL of the form https://host:port")
	}
	return address, nil
}

// New returns a writer to a service. It errs when an address is no URL; nothing is sent before Run runs.
func New(settings Settings) (*Writer, error) {
	w := &Writer{settings: settings, queue: make(chan operation, queued), room: semaphore.NewWeighted(queuedBytes), indices: map[string]bool{}}
	for i, text := range settings.Addresses {
		address, err := ParseAddress(text)
		if err != nil {
			return nil, fmt.Errorf("address %d of an OpenSearch service: %w", i, err)
		}
		w.addresses = append(w.addresses, address)
	}
	if len(w.addresses) == 0 {
		return nil, errors.New("an OpenSearch service has no address")
	}
	return w, nil
}

// Index queues an object, which must say its kind and its UID. It waits while the queue is full, and errs when ctx ends before.
func (w *Writer) Index(ctx context.Context, object *unstructured.Unstructured) error {
	made, err := documentOf(object)
	if err != nil {
		return err
	}
	return w.enqueue(ctx, operation{indexOf(object.GetKind()), string(object.GetUID()), made})
}

// Delete queues the end of the object of a kind with a UID, as Index does.
func (w *Writer) Delete(ctx context.Context, kind, uid string) error {
	return w.enqueue(ctx, operation{index: indexOf(kind), id: uid})
}

func (w *Writer) enqueue(ctx context.Context, o operation) error {
	if err := w.room.Acquire(ctx, o.weight()); err != nil {
		return err
	}
	select {
	case w.queue <- o:
		return nil
	case <-ctx.Done():
		w.room.Release(o.weight())
		return ctx.Err()
	}
}

// Run writes until ctx ends. What is queued then is not written any more.
func (w *Writer) Run(ctx context.Context) {
	for {
		batch, weight := w.gather(ctx)
		if ctx.Err() != nil {
			return
		}
		w.write(ctx, batch)
		w.room.Release(weight)
	}
}

// gather takes a batch from the queue: of each document the last that is known. Weight is that of all that was taken.
func (w *Writer) gather(ctx context.Context) (batch []operation, weight int64) {
	type document struct{ index, id string }
	at := map[document]int{}
	var due <-chan time.Time
	bytes := 0
	for len(batch) < batched && bytes < batchedBytes {
		select {
		case o := <-w.queue:
			weight += o.weight()
			bytes += len(o.document)
			if i, known := at[document{o.index, o.id}]; known {
				batch[i] = o
				continue
			}
			at[document{o.index, o.id}] = len(batch)
			batch = append(batch, o)
			if due == nil {
				due = time.After(gathers)
			}
		case <-due:
			return batch, weight
		case <-ctx.Done():
			return batch, weight
		}
	}
	return batch, weight
}

// write goes on until all of a batch is written or refused for good, or ctx ends.
func (w *Writer) write(ctx context.Context, batch []operation) {
	first := w.settings.Retry
	if first == 0 {
		first = retryFirst
	}
	pause := wait.Backoff{Duration: first, Factor: 2, Jitter: 0.2, Steps: 64, Cap: retryLast}
	for {
		address := w.addresses[w.at].Host
		left, err := w.try(ctx, batch)
		if len(left) == 0 || ctx.Err() != nil {
			return
		}
		if len(left) < len(batch) {
			pause.Duration, pause.Steps = first, 64
		}
		batch = left
		again := pause.Step()
		klog.ErrorS(err, "Objects could not be indexed yet", "address", address, "documents", len(batch), "again", again)
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return
		}
	}
}

// try sends a batch to one address. After a failure the next one is tried, with credentials read anew.
func (w *Writer) try(ctx context.Context, batch []operation) (left []operation, err error) {
	if w.client == nil {
		credentials, err := w.settings.Credentials(ctx)
		if err != nil {
			return batch, fmt.Errorf("reading the credentials of the service: %w", err)
		}
		if w.client, err = newClient(w.addresses[w.at], credentials); err != nil {
			return batch, err
		}
	}
	if err = w.ensureIndices(ctx, batch); err == nil {
		left, err = w.client.bulk(ctx, batch)
	} else {
		left = batch
	}
	var later *busy
	if err != nil && !errors.As(err, &later) {
		w.client.close()
		w.client, w.at = nil, (w.at+1)%len(w.addresses)
	}
	return left, err
}

// ensureIndices makes the indices of a batch that are not there. One that the service will not make as it should be is left to it.
func (w *Writer) ensureIndices(ctx context.Context, batch []operation) error {
	for _, o := range batch {
		if w.indices[o.index] {
			continue
		}
		wanted, err := mapping(w.settings.ClusterAnnotation)
		if err != nil {
			return err
		}
		if err := w.client.create(ctx, o.index, wanted); err != nil {
			return err
		}
		w.indices[o.index] = true
	}
	return nil
}
