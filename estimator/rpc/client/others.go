package client

import (
	"context"
	"fmt"
	"time"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// Unschedulable asks how many replicas of a workload its cluster has found no node for since longer than the threshold.
// The question goes to the estimator each time.
func (c *Client) Unschedulable(ctx context.Context, cluster string, workload workv1alpha2.ObjectReference, threshold time.Duration) (int32, error) {
	nanoseconds := threshold.Nanoseconds()
	request := &wire.UnschedulableReplicasRequest{
		Cluster: &cluster, UnschedulableThreshold: &nanoseconds,
		Resource: &wire.ObjectReference{
			ApiVersion: &workload.APIVersion, Kind: &workload.Kind, Namespace: &workload.Namespace, Name: &workload.Name,
		},
	}
	name := workload.Kind + " " + workload.Namespace + "/" + workload.Name
	var count int32
	err := c.once(named(ctx, name), cluster, PurposeUnschedulable, func(ctx context.Context, p *pass) error {
		response, err := wire.NewEstimatorClient(p.conn).GetUnschedulableReplicas(ctx, request)
		count = response.GetUnschedulableReplicas()
		return err
	})
	if err == nil && count < 0 {
		err = fmt.Errorf("the estimator cannot tell: it answered %d", count)
	}
	if err != nil {
		return 0, fmt.Errorf("asking the estimator of cluster %s for unschedulable replicas of %s: %w", cluster, name, err)
	}
	return count, nil
}

// Explain asks one cluster anew, and what stands in the way of more there. The explanation is nil for sets, and for an
// estimator that gives none.
func (c *Client) Explain(ctx context.Context, cluster string, question estimator.Question) (estimator.Answer, *nodes.Explanation) {
	got, err := c.explain(ctx, cluster, &question)
	if err == nil {
		err = got.answer.Err
	}
	if err != nil {
		return estimator.Answer{Err: fmt.Errorf("asking the estimator of cluster %s: %w", cluster, err)}, nil
	}
	return got.answer, got.explanation
}

func (c *Client) explain(ctx context.Context, cluster string, question *estimator.Question) (reply, error) {
	demand, _, err := encode(question)
	if err != nil {
		return reply{}, err
	}
	q, err := inquire(cluster, question, demand)
	if err != nil {
		return reply{}, err
	}
	q.explain = true
	var got reply
	err = c.once(named(ctx, q.workload), cluster, q.purpose(), func(ctx context.Context, p *pass) error {
		var err error
		got, err = c.put(ctx, p, q)
		return err
	})
	return got, err
}

// once makes a call that nobody shares. It ends with the client, too.
func (c *Client) once(ctx context.Context, cluster, purpose string, talk func(context.Context, *pass) error) error {
	ctx, cancel := context.WithTimeout(ctx, c.options.Timeout)
	defer cancel()
	defer context.AfterFunc(c.ctx, cancel)()
	address, l, err := c.reach(cluster)
	if err != nil {
		return err
	}
	return c.call(ctx, l, address, purpose, talk)
}
