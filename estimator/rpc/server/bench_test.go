package server_test

import (
	"fmt"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// BenchmarkCall asks a server on loopback about 5,000 nodes, one question at a time; a batch is of 100 questions.
func BenchmarkCall(b *testing.B) {
	index := nodes.NewIndex(nodes.Options{})
	for i := range 5000 {
		if err := index.UpsertNode(newNode(fmt.Sprint("node-", i), fmt.Sprintf("%dm", 4000+i))); err != nil {
			b.Fatal(err)
		}
	}
	connection := dial(b, serve(b, &fixed{index: index}, nil, 0), nil)
	questions := make([]*estimator.Question, 100)
	for i := range questions {
		questions[i] = asking(fmt.Sprintf("%dm", 100+i))
	}
	b.Run("replicas", func(b *testing.B) {
		client := wire.NewEstimatorClient(connection)
		request := wire.ReplicasRequest(member, demandOf(b, questions[0]), nil)
		b.ReportAllocs()
		for b.Loop() {
			if answer, err := client.MaxAvailableReplicas(b.Context(), request); err != nil || answer.GetMaxReplicas() == 0 {
				b.Fatal(answer, err)
			}
		}
	})
	b.Run("batch", func(b *testing.B) {
		client := wire.NewBatchEstimatorClient(connection)
		request := batchOf(b, questions...)
		b.ReportAllocs()
		for b.Loop() {
			if answer, err := client.Estimate(b.Context(), request); err != nil || answer.GetEstimates()[99].GetCount() == 0 {
				b.Fatal(answer, err)
			}
		}
	})
	b.Run("refused", func(b *testing.B) {
		client := wire.NewEstimatorClient(connection)
		request := &wire.MaxAvailableReplicasRequest{Cluster: proto.String("another")}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := client.MaxAvailableReplicas(b.Context(), request); err == nil {
				b.Fatal("answered for another cluster")
			}
		}
	})
}
