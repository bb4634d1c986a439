package client

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// inquiry is a question to one cluster. It shares nothing with the question of the caller, who may be gone, and have changed
// it, before it is sent.
type inquiry struct {
	cluster, workload string
	demand            *wire.Demand
	assumed           []*wire.AssumedWorkload
	explain           bool
}

// encode makes the part of inquiries that is the same for all clusters.
func encode(question *estimator.Question) (*wire.Demand, digest, error) {
	demand, err := wire.EncodeDemand(question)
	if err != nil {
		return nil, digest{}, err
	}
	if question.Pod.IsZero() {
		demand.Pod = nil
	}
	asked, err := digestOf(demand)
	return proto.CloneOf(demand), asked, err
}

// inquire makes an inquiry of a demand that has been encoded.
func inquire(cluster string, question *estimator.Question, demand *wire.Demand) (*inquiry, error) {
	q := &inquiry{cluster: cluster, workload: question.Workload, demand: demand}
	if question.Assumed == nil {
		return q, nil
	}
	assumed, err := wire.EncodeAssumed(question.Assumed(cluster))
	if err != nil {
		return nil, err
	}
	for _, workload := range assumed {
		q.assumed = append(q.assumed, proto.CloneOf(workload))
	}
	return q, nil
}

func (q *inquiry) sets() bool { return len(q.demand.GetComponents()) > 0 }

func (q *inquiry) purpose() string {
	switch {
	case q.explain:
		return PurposeExplain
	case q.sets():
		return PurposeSets
	}
	return PurposeReplicas
}

// reply is what an estimator says.
type reply struct {
	answer      estimator.Answer
	explanation *nodes.Explanation
}

// put asks over a connection: in words of this project, or in those of the reference where the estimator knows no others.
// The error is about the call; that the estimator cannot tell stands in the answer.
func (c *Client) put(ctx context.Context, p *pass, q *inquiry) (reply, error) {
	if p.knowsBatches(c.options.Clock.Now()) {
		got, err := q.batch(ctx, p.conn)
		if status.Code(err) != codes.Unimplemented {
			return got, err
		}
		p.withoutBatches(c.options.Clock.Now())
	}
	return q.plain(ctx, p.conn)
}

func (q *inquiry) batch(ctx context.Context, conn grpc.ClientConnInterface) (reply, error) {
	response, err := wire.NewBatchEstimatorClient(conn).Estimate(ctx, &wire.EstimateRequest{
		Cluster: q.cluster, Demands: []*wire.Demand{q.demand}, AssumedWorkloads: q.assumed, Explain: q.explain,
	})
	if err != nil {
		return reply{}, err
	}
	answers, err := wire.Answers(response, 1)
	if err != nil {
		return reply{}, nonsense{err}
	}
	got := reply{answer: answers[0]}
	if told := response.GetEstimates()[0].GetExplanation(); told != nil && got.answer.Err == nil {
		explanation := wire.DecodeExplanation(got.answer.Count, told)
		got.explanation = &explanation
	}
	return got, nil
}

// plain asks as the reference does. Such an estimator knows nothing of pods around.
func (q *inquiry) plain(ctx context.Context, conn grpc.ClientConnInterface) (reply, error) {
	var count int32
	client := wire.NewEstimatorClient(conn)
	if q.sets() {
		response, err := client.MaxAvailableComponentSets(ctx, wire.SetsRequest(q.cluster, q.demand, q.assumed))
		if err != nil {
			return reply{}, err
		}
		count = response.GetMaxSets()
	} else {
		response, err := client.MaxAvailableReplicas(ctx, wire.ReplicasRequest(q.cluster, q.demand, q.assumed))
		if err != nil {
			return reply{}, err
		}
		count = response.GetMaxReplicas()
	}
	if count < 0 {
		return reply{answer: estimator.Answer{Err: fmt.Errorf("the estimator cannot tell: it answered %d", count)}}, nil
	}
	return reply{answer: estimator.Answer{Count: count, PodIgnored: q.demand.GetPod() != nil}}, nil
}

// named tells the estimator what a call is about. Metadata holds printable ASCII alone.
func named(ctx context.Context, workload string) context.Context {
	printable := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, workload)
	return metadata.AppendToOutgoingContext(ctx, wire.MetadataObject, cmp.Or(printable, "?"))
}
