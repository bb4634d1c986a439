// Package server answers over gRPC how much still fits into one cluster.
package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/klog/v2"

	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/inventory"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// defaultParallelism is how many estimates run at once when nothing else is said.
const defaultParallelism = 16

// Cluster is what is known of the cluster that a service answers for; inventory.Inventory is one.
type Cluster interface {
	// Synced is closed once there is something to answer from.
	Synced() <-chan struct{}
	// Stale reports whether answers are of what was seen last, and the cluster is out of sight.
	Stale() bool
	// Read lends the index, which does not change meanwhile.
	Read(look func(index *nodes.Index))
	// Unschedulable counts the replicas of a workload that have found no node for longer than the threshold.
	Unschedulable(ctx context.Context, apiVersion, kind, namespace, name string, threshold time.Duration) (int32, error)
}

var _ Cluster = (*inventory.Inventory)(nil)

// Service implements both services of package wire.
type Service struct {
	wire.UnimplementedEstimatorServer
	wire.UnimplementedBatchEstimatorServer

	name    string
	cluster Cluster
	metrics *Metrics
	// turns holds a token for each estimate that runs.
	turns chan struct{}
}

// NewService answers for the cluster of that name. Parallelism is how many estimates run at once; 0 means 16.
func NewService(name string, cluster Cluster, metrics *Metrics, parallelism int) (*Service, error) {
	if name == "" {
		return nil, errors.New("serving estimates: the cluster has no name")
	}
	if parallelism < 0 {
		return nil, fmt.Errorf("serving estimates: the parallelism is negative: %d", parallelism)
	}
	if parallelism == 0 {
		parallelism = defaultParallelism
	}
	return &Service{name: name, cluster: cluster, metrics: metrics, turns: make(chan struct{}, parallelism)}, nil
}

// MaxAvailableReplicas implements wire.EstimatorServer.
func (s *Service) MaxAvailableReplicas(ctx context.Context, request *wire.MaxAvailableReplicasRequest) (*wire.MaxAvailableReplicasResponse, error) {
	var replicas int32
	err := s.answer(ctx, typeReplicas, request.GetCluster(), func() error {
		requirements, err := wire.DecodeRequirements(request.GetReplicaRequirements())
		if err != nil {
			return invalid(fmt.Errorf("replicaRequirements.%w", err))
		}
		assumed, err := wire.DecodeAssumed(request.GetAssumedWorkloads())
		if err != nil {
			return invalid(err)
		}
		return s.estimate(ctx, typeReplicas, func(index *nodes.Index) (err error) {
			replicas, err = index.Replicas(&nodes.Demand{Requirements: requirements}, assumed)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return &wire.MaxAvailableReplicasResponse{MaxReplicas: &replicas}, nil
}

// MaxAvailableComponentSets implements wire.EstimatorServer.
func (s *Service) MaxAvailableComponentSets(ctx context.Context, request *wire.MaxAvailableComponentSetsRequest) (*wire.MaxAvailableComponentSetsResponse, error) {
	var sets int32
	err := s.answer(ctx, typeSets, request.GetCluster(), func() error {
		components, err := wire.DecodeComponents(request.GetComponents())
		if err != nil {
			return invalid(err)
		}
		assumed, err := wire.DecodeAssumed(request.GetAssumedWorkloads())
		if err != nil {
			return invalid(err)
		}
		return s.estimate(ctx, typeSets, func(index *nodes.Index) (err error) {
			sets, err = index.Sets(request.GetNamespace(), components, assumed)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return &wire.MaxAvailableComponentSetsResponse{MaxSets: &sets}, nil
}

// GetUnschedulableReplicas implements wire.EstimatorServer.
func (s *Service) GetUnschedulableReplicas(ctx context.Context, request *wire.UnschedulableReplicasRequest) (*wire.UnschedulableReplicasResponse, error) {
	var replicas int32
	err := s.answer(ctx, typeUnschedulable, request.GetCluster(), func() error {
		of := request.GetResource()
		if of.GetName() == "" {
			return invalid(errors.New("resource.name: is empty"))
		}
		started := time.Now()
		threshold := time.Duration(max(request.GetUnschedulableThreshold(), 0))
		var err error
		replicas, err = s.cluster.Unschedulable(ctx, of.GetApiVersion(), of.GetKind(), of.GetNamespace(), of.GetName(), threshold)
		s.metrics.step(typeUnschedulable, stepUnschedulablePods, started, err)
		return unreadable(err)
	})
	if err != nil {
		return nil, err
	}
	return &wire.UnschedulableReplicasResponse{UnschedulableReplicas: &replicas}, nil
}

// unreadable says whose fault it is that something could not be read.
func unreadable(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, inventory.ErrUnsupportedKind):
		return status.Error(codes.InvalidArgument, err.Error())
	case apierrors.IsNotFound(err):
		return status.Error(codes.NotFound, err.Error())
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return status.FromContextError(err).Err()
	default:
		return status.Error(codes.Unavailable, err.Error())
	}
}

// answer does what comes before and after every answer.
func (s *Service) answer(ctx context.Context, kind, cluster string, work func() error) error {
	started := time.Now()
	err := s.admit(cluster)
	if err == nil {
		err = work()
	}
	s.metrics.done(kind, started, err)
	if err != nil {
		klog.FromContext(ctx).V(2).Info("No estimate", "type", kind, "object", objectOf(ctx), "err", err)
	}
	return err
}

func (s *Service) admit(cluster string) error {
	if cluster != s.name {
		return status.Errorf(codes.InvalidArgument, "this estimator answers for cluster %q, not for %q", s.name, cluster)
	}
	if !ready(s.cluster) {
		return status.Errorf(codes.Unavailable, "the estimator has not seen all of cluster %s yet", s.name)
	}
	return nil
}

func ready(cluster Cluster) bool {
	select {
	case <-cluster.Synced():
		return true
	default:
		return false
	}
}

// objectOf is the workload that the caller says it asks for.
func objectOf(ctx context.Context) string {
	if values := metadata.ValueFromIncomingContext(ctx, wire.MetadataObject); len(values) > 0 {
		return values[0]
	}
	return ""
}

// estimate waits for its turn and looks at the index. Errors of the index are about the demand.
func (s *Service) estimate(ctx context.Context, kind string, look func(index *nodes.Index) error) error {
	select {
	case s.turns <- struct{}{}:
		defer func() { <-s.turns }()
	case <-ctx.Done():
		return status.FromContextError(ctx.Err()).Err()
	}
	// A free turn and the end of the caller can come at once.
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	started := time.Now()
	var err error
	s.cluster.Read(func(index *nodes.Index) { err = look(index) })
	s.metrics.estimated(kind, started, err)
	return invalid(err)
}

func invalid(err error) error {
	if err == nil {
		return nil
	}
	return status.Error(codes.InvalidArgument, err.Error())
}
