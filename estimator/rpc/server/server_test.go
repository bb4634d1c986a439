package server_test

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/server"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

const member = "member1"

// fixed is a cluster that does not change.
type fixed struct {
	index *nodes.Index
	// unseen clusters are never seen.
	unseen bool
	stale  bool
	// looking, when set, is run while the index is lent.
	looking func()
	// pending, when set, answers for unschedulable replicas.
	pending func(ctx context.Context) (int32, error)
}

func (f *fixed) Synced() <-chan struct{} {
	synced := make(chan struct{})
	if !f.unseen {
		close(synced)
	}
	return synced
}

func (f *fixed) Stale() bool { return f.stale }

func (f *fixed) Read(look func(*nodes.Index)) {
	if f.looking != nil {
		f.looking()
	}
	look(f.index)
}

func (f *fixed) Unschedulable(ctx context.Context, _, _, _, _ string, _ time.Duration) (int32, error) {
	if f.pending == nil {
		return 0, nil
	}
	return f.pending(ctx)
}

// running is a server on loopback.
type running struct {
	address  string
	registry *prometheus.Registry
	stop     context.CancelFunc
	ended    chan struct{}
}

// serve runs a server until the test ends or it is stopped.
func serve(t testing.TB, cluster server.Cluster, config *tls.Config, parallelism int) *running {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics, err := server.NewMetrics(registry, cluster)
	if err != nil {
		t.Fatal(err)
	}
	service, err := server.NewService(member, cluster, metrics, parallelism)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	r := &running{address: listener.Addr().String(), registry: registry, stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(r.ended)
		if err := server.Serve(ctx, listener, service, config); err != nil {
			t.Errorf("serving: %v", err)
		}
	}()
	t.Cleanup(func() { cancel(); <-r.ended })
	return r
}

// dial connects to a server, with TLS if there is a configuration.
func dial(t testing.TB, r *running, config *tls.Config) *grpc.ClientConn {
	t.Helper()
	transport := insecure.NewCredentials()
	if config != nil {
		transport = credentials.NewTLS(config)
	}
	connection, err := grpc.NewClient(r.address, grpc.WithTransportCredentials(transport))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

func refused(t *testing.T, err error, code codes.Code, text string) {
	t.Helper()
	if status.Code(err) != code || !strings.Contains(err.Error(), text) {
		t.Errorf("got %v, want %s with %q", err, code, text)
	}
}

// TestAnswersForOneCluster refuses questions about another one, in all calls.
func TestAnswersForOneCluster(t *testing.T) {
	r := serve(t, &fixed{index: nodes.NewIndex(nodes.Options{})}, nil, 0)
	connection := dial(t, r, nil)
	installed, batch := wire.NewEstimatorClient(connection), wire.NewBatchEstimatorClient(connection)
	other := proto.String("member2")
	_, err := installed.MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: other})
	refused(t, err, codes.InvalidArgument, `"member1", not for "member2"`)
	_, err = installed.MaxAvailableComponentSets(t.Context(), &wire.MaxAvailableComponentSetsRequest{Cluster: other})
	refused(t, err, codes.InvalidArgument, `"member1", not for "member2"`)
	_, err = installed.GetUnschedulableReplicas(t.Context(), &wire.UnschedulableReplicasRequest{Cluster: other})
	refused(t, err, codes.InvalidArgument, `"member1", not for "member2"`)
	_, err = batch.Estimate(t.Context(), &wire.EstimateRequest{Cluster: *other})
	refused(t, err, codes.InvalidArgument, `"member1", not for "member2"`)
}

func TestUnseenCluster(t *testing.T) {
	r := serve(t, &fixed{index: nodes.NewIndex(nodes.Options{}), unseen: true}, nil, 0)
	connection := dial(t, r, nil)
	_, err := wire.NewEstimatorClient(connection).MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)})
	refused(t, err, codes.Unavailable, "has not seen all of cluster member1")
	health, err := grpc_health_v1.NewHealthClient(connection).Check(t.Context(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || health.GetStatus() != grpc_health_v1.HealthCheckResponse_NOT_SERVING {
		t.Errorf("health is %v (%v)", health.GetStatus(), err)
	}
}

func TestMalformedRequest(t *testing.T) {
	r := serve(t, &fixed{index: nodes.NewIndex(nodes.Options{})}, nil, 0)
	client := wire.NewEstimatorClient(dial(t, r, nil))
	_, err := client.MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member),
		ReplicaRequirements: &wire.ReplicaRequirements{ResourceRequestBytes: map[string][]byte{"cpu": {0xff}}}})
	refused(t, err, codes.InvalidArgument, "replicaRequirements.resourceRequestBytes[cpu]: is not the protobuf of a quantity")
	_, err = client.MaxAvailableComponentSets(t.Context(), &wire.MaxAvailableComponentSetsRequest{Cluster: proto.String(member),
		Components: []*wire.Component{{Replicas: proto.Int32(-1)}}})
	refused(t, err, codes.InvalidArgument, "components[0].replicas: is negative")
	_, err = client.GetUnschedulableReplicas(t.Context(), &wire.UnschedulableReplicasRequest{Cluster: proto.String(member)})
	refused(t, err, codes.InvalidArgument, "resource.name: is empty")
	_, err = client.MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: proto.String(strings.Repeat("x", 5<<20))})
	refused(t, err, codes.ResourceExhausted, "larger than max")
}

// TestPanic: a bug ends one request and not the process, and leaves no turn taken.
func TestPanic(t *testing.T) {
	cluster := &fixed{index: nodes.NewIndex(nodes.Options{}), looking: func() { panic("bug") }}
	r := serve(t, cluster, nil, 1)
	client := wire.NewEstimatorClient(dial(t, r, nil))
	for range 3 {
		_, err := client.MaxAvailableReplicas(t.Context(), &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)})
		refused(t, err, codes.Internal, "its log tells why")
	}
	if got := value(t, r.registry, "seatrial_estimator_panics_total", nil); got != 3 {
		t.Errorf("%v panics were counted, want 3", got)
	}
}

// TestParallelism: a request beyond what may run at once waits no longer than its caller.
func TestParallelism(t *testing.T) {
	looking, release := make(chan struct{}), make(chan struct{})
	cluster := &fixed{index: nodes.NewIndex(nodes.Options{}), looking: func() {
		select {
		case looking <- struct{}{}:
			<-release
		case <-release:
		}
	}}
	r := serve(t, cluster, nil, 1)
	client := wire.NewEstimatorClient(dial(t, r, nil))
	request := &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)}
	first := make(chan error, 1)
	go func() { _, err := client.MaxAvailableReplicas(t.Context(), request); first <- err }()
	<-looking
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := client.MaxAvailableReplicas(ctx, request)
	refused(t, err, codes.DeadlineExceeded, "")
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the one that ran: %v", err)
	}
}

// TestGracefulStop: what runs ends well, and nothing new begins.
func TestGracefulStop(t *testing.T) {
	looking, release := make(chan struct{}), make(chan struct{})
	cluster := &fixed{index: nodes.NewIndex(nodes.Options{}), looking: func() { looking <- struct{}{}; <-release }}
	r := serve(t, cluster, nil, 0)
	client := wire.NewEstimatorClient(dial(t, r, nil))
	request := &wire.MaxAvailableReplicasRequest{Cluster: proto.String(member)}
	first := make(chan error, 1)
	go func() { _, err := client.MaxAvailableReplicas(t.Context(), request); first <- err }()
	<-looking
	r.stop()
	for {
		connection, err := net.Dial("tcp", r.address)
		if err != nil {
			break
		}
		connection.Close()
	}
	select {
	case <-r.ended:
		t.Error("the server ended before the request that ran")
	default:
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the request that ran: %v", err)
	}
	<-r.ended
}

func TestBadOptions(t *testing.T) {
	if _, err := server.NewService("", &fixed{}, nil, 0); err == nil {
		t.Error("a cluster without a name was accepted")
	}
	if _, err := server.NewService(member, &fixed{}, nil, -1); err == nil {
		t.Error("a negative parallelism was accepted")
	}
}

// value is that of a metric with these labels.
func value(t *testing.T, registry *prometheus.Registry, name string, labels map[string]string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() != name {
			continue
		}
	next:
		for _, metric := range family.GetMetric() {
			for _, pair := range metric.GetLabel() {
				if labels[pair.GetName()] != pair.GetValue() {
					continue next
				}
			}
			return metric.GetCounter().GetValue() + metric.GetGauge().GetValue() + float64(metric.GetHistogram().GetSampleCount())
		}
	}
	t.Fatalf("there is no metric %s with %v", name, labels)
	return 0
}
