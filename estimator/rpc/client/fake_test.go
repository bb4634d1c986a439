package client

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// fake is an estimator that says what it is told to.
type fake struct {
	wire.UnimplementedEstimatorServer
	wire.UnimplementedBatchEstimatorServer

	mu sync.Mutex
	// count is the answer. Before it, the estimator waits for delay, or, when it is negative, until the caller gives up.
	count int32
	delay time.Duration
	// err is said in place of an answer, batchErr in place of one to a batch.
	err, batchErr error
	// respond replaces the response to a batch.
	respond func(*wire.EstimateRequest) *wire.EstimateResponse

	// What was asked, and how often over which method.
	batches  []*wire.EstimateRequest
	replicas []*wire.MaxAvailableReplicasRequest
	sets     []*wire.MaxAvailableComponentSetsRequest
	pending  []*wire.UnschedulableReplicasRequest
	objects  []string
	running  int
	most     int
}

// asked is how many calls came in.
func (f *fake) asked() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.batches) + len(f.replicas) + len(f.sets) + len(f.pending)
}

// set changes what the estimator says from now on.
func (f *fake) set(change func(*fake)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// take notes a call and waits as long as the estimator shall.
func (f *fake) take(ctx context.Context, note func()) (int32, error) {
	f.mu.Lock()
	note()
	f.objects = append(f.objects, metadata.ValueFromIncomingContext(ctx, wire.MetadataObject)...)
	f.running++
	f.most = max(f.most, f.running)
	count, delay, err := f.count, f.delay, f.err
	f.mu.Unlock()
	defer f.set(func(f *fake) { f.running-- })
	switch {
	case delay < 0:
		<-ctx.Done()
	case delay > 0:
		select {
		case <-ctx.Done():
		case <-time.After(delay):
		}
	}
	if ctx.Err() != nil {
		return 0, status.FromContextError(ctx.Err()).Err()
	}
	return count, err
}

func (f *fake) Estimate(ctx context.Context, request *wire.EstimateRequest) (*wire.EstimateResponse, error) {
	count, err := f.take(ctx, func() { f.batches = append(f.batches, request) })
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.batchErr != nil:
		return nil, f.batchErr
	case err != nil:
		return nil, err
	case f.respond != nil:
		return f.respond(request), nil
	}
	return &wire.EstimateResponse{Estimates: []*wire.Estimate{{Count: count}}}, nil
}

func (f *fake) MaxAvailableReplicas(ctx context.Context, request *wire.MaxAvailableReplicasRequest) (*wire.MaxAvailableReplicasResponse, error) {
	count, err := f.take(ctx, func() { f.replicas = append(f.replicas, request) })
	return &wire.MaxAvailableReplicasResponse{MaxReplicas: &count}, err
}

func (f *fake) MaxAvailableComponentSets(ctx context.Context, request *wire.MaxAvailableComponentSetsRequest) (*wire.MaxAvailableComponentSetsResponse, error) {
	count, err := f.take(ctx, func() { f.sets = append(f.sets, request) })
	return &wire.MaxAvailableComponentSetsResponse{MaxSets: &count}, err
}

func (f *fake) GetUnschedulableReplicas(ctx context.Context, request *wire.UnschedulableReplicasRequest) (*wire.UnschedulableReplicasResponse, error) {
	count, err := f.take(ctx, func() { f.pending = append(f.pending, request) })
	return &wire.UnschedulableReplicasResponse{UnschedulableReplicas: &count}, err
}

// installed makes an estimator of the reference: it knows no batches.
func installed(count int32) *fake {
	return &fake{count: count, batchErr: status.Error(codes.Unimplemented, "unknown service")}
}

// network runs estimators in memory, each under the name of its cluster as address.
type network struct {
	t *testing.T

	mu        sync.Mutex
	listeners map[string]*pipes
	servers   map[string]*grpc.Server
	open      map[string]int
	dialed    map[string]int
	serving   sync.WaitGroup
}

func newNetwork(t *testing.T, fakes map[string]*fake) *network {
	n := &network{
		t: t, listeners: map[string]*pipes{}, servers: map[string]*grpc.Server{}, open: map[string]int{}, dialed: map[string]int{},
	}
	for address, estimator := range fakes {
		n.start(address, estimator)
	}
	t.Cleanup(n.stopAll)
	return n
}

// start serves an estimator at an address that has none.
func (n *network) start(address string, estimator *fake, options ...grpc.ServerOption) {
	server := grpc.NewServer(options...)
	wire.RegisterEstimatorServer(server, estimator)
	wire.RegisterBatchEstimatorServer(server, estimator)
	n.serve(address, server)
}

func (n *network) serve(address string, server *grpc.Server) {
	listener := listenInMemory()
	n.mu.Lock()
	n.listeners[address], n.servers[address] = listener, server
	n.mu.Unlock()
	n.serving.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			n.t.Errorf("serving %s: %v", address, err)
		}
	})
}

func (n *network) stop(address string) {
	n.mu.Lock()
	server, listener := n.servers[address], n.listeners[address]
	delete(n.servers, address)
	delete(n.listeners, address)
	n.mu.Unlock()
	if server != nil {
		server.Stop()
	}
	if listener != nil {
		_ = listener.Close()
	}
}

func (n *network) stopAll() {
	n.mu.Lock()
	var addresses []string
	for address := range n.listeners {
		addresses = append(addresses, address)
	}
	n.mu.Unlock()
	for _, address := range addresses {
		n.stop(address)
	}
	n.serving.Wait()
}

// dial implements Options.Dial. Nobody listens at unknown addresses.
func (n *network) dial(ctx context.Context, address string) (net.Conn, error) {
	n.mu.Lock()
	listener := n.listeners[address]
	n.dialed[address]++
	n.mu.Unlock()
	if listener == nil {
		return nil, errors.New("connection refused")
	}
	conn, err := listener.dial(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	n.open[address]++
	n.mu.Unlock()
	return &countedConn{Conn: conn, closed: sync.OnceFunc(func() {
		n.mu.Lock()
		n.open[address]--
		n.mu.Unlock()
	})}, nil
}

// connections are those that are open now, and all there have been.
func (n *network) connections(address string) (open, dialed int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.open[address], n.dialed[address]
}

type countedConn struct {
	net.Conn
	closed func()
}

func (c *countedConn) Close() error {
	c.closed()
	return c.Conn.Close()
}

// everywhere resolves each cluster to an address of the same name.
func everywhere(cluster string) (string, bool) { return cluster, true }

// client makes a client of the network. Changes are made to its options first.
func (n *network) client(changes ...func(*Options)) *Client {
	options := Options{Resolver: everywhere, Dial: n.dial, MaxAge: -1}
	for _, change := range changes {
		change(&options)
	}
	c, err := New(options)
	if err != nil {
		n.t.Fatal(err)
	}
	n.t.Cleanup(c.Close)
	return c
}

// inBubble runs a test in time that passes only when all of it waits. It fails when a goroutine is left in the end.
func inBubble(t *testing.T, test func(t *testing.T)) { synctest.Test(t, test) }

// members names n clusters.
func members(n int) []string {
	names := make([]string, n)
	for i := range names {
		names[i] = fmt.Sprintf("m%03d", i)
	}
	return names
}

func question(cpu string) estimator.Question {
	return estimator.Question{
		Workload: "Deployment default/web", Namespace: "default",
		Requirements: &workv1alpha2.ReplicaRequirements{ResourceRequest: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(cpu)}},
	}
}

// expect compares answers with texts such as "3", "3 stale", "3 pod ignored" and "error".
func expect(t *testing.T, answers []estimator.Answer, want ...string) {
	t.Helper()
	var got []string
	for _, answer := range answers {
		text := fmt.Sprint(answer.Count)
		if answer.Stale {
			text += " stale"
		}
		if answer.PodIgnored {
			text += " pod ignored"
		}
		if answer.Err != nil {
			text = "error"
		}
		got = append(got, text)
	}
	if !slices.Equal(got, want) {
		t.Errorf("got the answers %q, want %q: %v", got, want, answers)
	}
}

func equal[M proto.Message](t *testing.T, what string, got, want M) {
	t.Helper()
	if !proto.Equal(got, want) {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// history is a Recorder that remembers.
type history struct {
	mu       sync.Mutex
	breakers []string
	calls    []string
	hits     int
	misses   int
}

func (h *history) Call(cluster, purpose, code string, _ time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, cluster+" "+purpose+" "+code)
}

func (h *history) Breaker(cluster string, state State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.breakers = append(h.breakers, cluster+" "+state.String())
}

func (h *history) Forgotten(cluster string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.breakers = append(h.breakers, cluster+" forgotten")
}

func (h *history) Cache(hit bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if hit {
		h.hits++
	} else {
		h.misses++
	}
}

func (h *history) expectBreakers(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.breakers, want) {
		t.Errorf("the breakers went through %q, want %q", h.breakers, want)
	}
}
