package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/status"
	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// What one connection may do, and how long the end may take.
const (
	maxRequestBytes = 4 << 20
	maxHeaderBytes  = 64 << 10
	// maxStreams is how many requests of one connection are looked at at once.
	maxStreams = 256
	// drainTime is how long running requests have to end after a stop.
	drainTime = 10 * time.Second

	connectionTimeout = 10 * time.Second
	pingAfter         = 30 * time.Second
	pingTimeout       = 10 * time.Second
	// leastPingInterval is how often clients may ping.
	leastPingInterval = 5 * time.Second
)

// Serve answers on the listener until the context ends; then requests that run have a while to end. Without a TLS
// configuration there is none. The listener is closed.
func Serve(ctx context.Context, listener net.Listener, service *Service, config *tls.Config) error {
	options := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(maxRequestBytes), grpc.MaxHeaderListSize(maxHeaderBytes), grpc.MaxConcurrentStreams(maxStreams),
		grpc.ConnectionTimeout(connectionTimeout),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPingInterval, PermitWithoutStream: true}),
		grpc.UnaryInterceptor(service.survive),
	}
	if config != nil {
		options = append(options, grpc.Creds(credentials.NewTLS(config)))
	}
	server := grpc.NewServer(options...)
	wire.RegisterEstimatorServer(server, service)
	wire.RegisterBatchEstimatorServer(server, service)
	report := health.NewServer()
	follow(ctx, report, service.cluster)
	grpc_health_v1.RegisterHealthServer(server, report)

	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving estimates on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	report.Shutdown()
	stop(server)
	if err := <-ended; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("ending the service of estimates on %s: %w", listener.Addr(), err)
	}
	return nil
}

// stop lets running requests end, for a while. What runs after that is cut off, and not waited for.
func stop(server *grpc.Server) {
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		server.GracefulStop()
	}()
	select {
	case <-drained:
	case <-time.After(drainTime):
		server.Stop()
	}
}

// survive turns a panic into an error of one request.
func (s *Service) survive(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (response any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			s.metrics.panics.Inc()
			klog.FromContext(ctx).Error(fmt.Errorf("panic: %v", cause), "Answering a request", "method", info.FullMethod, "object", objectOf(ctx), "stack", string(debug.Stack()))
			response, err = nil, status.Error(codes.Internal, "the estimator failed; its log tells why")
		}
	}()
	return handler(ctx, request)
}

// follow keeps the health of the services: they serve once the cluster was seen, and until the context ends.
func follow(ctx context.Context, report *health.Server, cluster Cluster) {
	services := []string{"", wire.Estimator_ServiceDesc.ServiceName, wire.BatchEstimator_ServiceDesc.ServiceName}
	for _, name := range services {
		report.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_NOT_SERVING)
	}
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-cluster.Synced():
		}
		for _, name := range services {
			report.SetServingStatus(name, grpc_health_v1.HealthCheckResponse_SERVING)
		}
	}()
}
