package server

import (
	"context"
	"fmt"
	"slices"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// Estimate implements wire.BatchEstimatorServer.
func (s *Service) Estimate(ctx context.Context, request *wire.EstimateRequest) (*wire.EstimateResponse, error) {
	response := &wire.EstimateResponse{}
	err := s.answer(ctx, typeBatch, request.GetCluster(), func() error {
		if count := len(request.GetDemands()); count > wire.MaxDemands {
			return invalid(fmt.Errorf("demands: has %d, more than %d: ask in several calls", count, wire.MaxDemands))
		}
		assumed, err := wire.DecodeAssumed(request.GetAssumedWorkloads())
		if err != nil {
			return invalid(err)
		}
		b := newBatch(request.GetDemands(), assumed)
		for _, step := range b.steps(request.GetExplain()) {
			if err := s.estimate(ctx, typeBatch, step); err != nil {
				return err
			}
		}
		response.Estimates = b.estimates
		response.Stale = s.cluster.Stale()
		return nil
	})
	if err != nil {
		return nil, err
	}
	return response, nil
}

// chunk is how many plain demands are answered before others have their turn.
const chunk = 64

// batch holds the demands of one request and what is answered to them.
type batch struct {
	assumed   []estimator.AssumedWorkload
	estimates []*wire.Estimate
	questions []*estimator.Question
	demands   []*nodes.Demand
	// plain, special and sets are the places of the demands that could be read: for replicas as all estimators know them, for
	// replicas that ask more, which take longer, and for sets.
	plain, special, sets []int
}

func newBatch(from []*wire.Demand, assumed []estimator.AssumedWorkload) *batch {
	b := &batch{
		assumed: assumed, estimates: make([]*wire.Estimate, len(from)),
		questions: make([]*estimator.Question, len(from)), demands: make([]*nodes.Demand, len(from)),
	}
	for i, demand := range from {
		b.estimates[i] = &wire.Estimate{}
		question, err := wire.DecodeDemand(demand)
		if err == nil && question.Pod != nil {
			err = question.Pod.Validate()
		}
		if err != nil {
			b.refuse(i, err)
			continue
		}
		b.questions[i] = question
		if len(question.Components) > 0 {
			b.sets = append(b.sets, i)
			continue
		}
		b.demands[i] = &nodes.Demand{Requirements: question.Requirements}
		if question.Pod.IsZero() {
			b.plain = append(b.plain, i)
			continue
		}
		b.demands[i].PodDemand = *question.Pod
		b.special = append(b.special, i)
	}
	return b
}

func (b *batch) refuse(i int, err error) {
	b.estimates[i].Error = fmt.Sprintf("demands[%d]: %v", i, err)
}

// steps answer all demands. Each is short, so that events and other requests come in between. A demand without an answer says
// why in its place; no step fails.
func (b *batch) steps(explain bool) []func(*nodes.Index) error {
	var steps []func(*nodes.Index) error
	add := func(step func(*nodes.Index)) {
		steps = append(steps, func(index *nodes.Index) error { step(index); return nil })
	}
	for places := range slices.Chunk(b.plain, chunk) {
		add(func(index *nodes.Index) { b.together(index, places) })
	}
	for _, i := range b.special {
		add(func(index *nodes.Index) { b.alone(index, i) })
	}
	for _, i := range b.sets {
		add(func(index *nodes.Index) {
			sets, err := index.Sets(b.questions[i].Namespace, b.questions[i].Components, b.assumed)
			b.settle(i, sets, err)
		})
	}
	if explain {
		for _, i := range slices.Concat(b.plain, b.special) {
			add(func(index *nodes.Index) { b.explain(index, i) })
		}
	}
	return steps
}

// together answers plain demands in one pass; when one of them fails the pass, each for itself.
func (b *batch) together(index *nodes.Index, places []int) {
	demands, answers := make([]*nodes.Demand, len(places)), make([]int32, len(places))
	for k, i := range places {
		demands[k] = b.demands[i]
	}
	if err := index.ReplicasOfAll(demands, b.assumed, answers); err != nil {
		for _, i := range places {
			b.alone(index, i)
		}
		return
	}
	for k, i := range places {
		b.settle(i, answers[k], nil)
	}
}

func (b *batch) alone(index *nodes.Index, i int) {
	replicas, err := index.Replicas(b.demands[i], b.assumed)
	b.settle(i, replicas, err)
}

func (b *batch) settle(i int, count int32, err error) {
	if err != nil {
		b.refuse(i, err)
		return
	}
	b.estimates[i].Count = count
}

func (b *batch) explain(index *nodes.Index, i int) {
	if b.estimates[i].Error != "" {
		return
	}
	explanation, err := index.Explain(b.demands[i])
	if err != nil {
		b.refuse(i, err)
		return
	}
	b.estimates[i].Explanation = wire.EncodeExplanation(explanation)
}
