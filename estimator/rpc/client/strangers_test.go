package client

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"k8s.io/utils/ptr"

	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// raw sends bytes as they are, whatever message the client expects.
type raw struct{}

func (raw) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }
func (raw) Unmarshal([]byte, any) error   { return nil }
func (raw) Name() string                  { return "raw" }
func rawReply(say func() []byte) grpc.StreamHandler {
	return func(_ any, stream grpc.ServerStream) error {
		said := say()
		return stream.SendMsg(&said)
	}
}

// TestGarbage has servers that speak gRPC but answer with random bytes: what can be read of them is an answer or an error.
func TestGarbage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(5, 6))
		n := newNetwork(t, map[string]*fake{"good": {count: 4}})
		n.serve("bad", grpc.NewServer(grpc.ForceServerCodec(raw{}), grpc.UnknownServiceHandler(rawReply(func() []byte {
			said := make([]byte, random.IntN(40))
			for i := range said {
				said[i] = byte(random.IntN(256))
			}
			return said
		}))))
		c := n.client()
		refused := 0
		for range 300 {
			answers := c.Estimate(t.Context(), question("1"), []string{"bad", "good"})
			expect(t, answers[1:], "4")
			if answers[0].Err != nil {
				refused++
			} else if answers[0].Count < 0 {
				t.Fatalf("got %+v", answers[0])
			}
			if _, explanation := c.Explain(t.Context(), "bad", question("1")); explanation != nil && explanation.Nodes < 0 {
				t.Fatalf("got the explanation %+v", explanation)
			}
			time.Sleep(maxBackoff)
		}
		if refused < 250 {
			t.Errorf("only %d of 300 random answers were refused", refused)
		}
	})
}

// spoken is a connection over which the same bytes come, whatever is asked.
type spoken []byte

func (s spoken) Invoke(_ context.Context, _ string, _, reply any, _ ...grpc.CallOption) error {
	return proto.Unmarshal(s, reply.(proto.Message))
}

func (spoken) NewStream(context.Context, *grpc.StreamDesc, string, ...grpc.CallOption) (grpc.ClientStream, error) {
	return nil, errors.ErrUnsupported
}

// FuzzReplies reads what an estimator could say to each kind of question: an answer is a count or an error, and explained only
// when it is a count.
func FuzzReplies(f *testing.F) {
	for _, seed := range []proto.Message{
		&wire.EstimateResponse{}, &wire.EstimateResponse{Estimates: []*wire.Estimate{{Count: -1}}},
		&wire.EstimateResponse{Stale: true, Estimates: []*wire.Estimate{{Error: "no"}}},
		&wire.EstimateResponse{Estimates: []*wire.Estimate{{Count: 3, Explanation: &wire.Explanation{Constraints: []*wire.Constraint{{Reason: "cpu"}}}}}},
		&wire.MaxAvailableReplicasResponse{MaxReplicas: ptr.To[int32](7)}, &wire.MaxAvailableReplicasResponse{MaxReplicas: ptr.To[int32](-7)},
	} {
		encoded, err := proto.Marshal(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	replicas := &inquiry{cluster: "m1", demand: &wire.Demand{}, explain: true}
	sets := &inquiry{cluster: "m1", demand: &wire.Demand{Components: []*wire.Component{{}}}}
	f.Fuzz(func(t *testing.T, said []byte) {
		for _, ask := range []func(context.Context, grpc.ClientConnInterface) (reply, error){replicas.batch, replicas.plain, sets.plain} {
			got, err := ask(t.Context(), spoken(said))
			if err == nil && got.answer.Err == nil && got.answer.Count < 0 {
				t.Errorf("the answer is %+v", got.answer)
			}
			if got.explanation != nil && (err != nil || got.answer.Err != nil) {
				t.Errorf("an error is explained: %v, %v", err, got.answer.Err)
			}
		}
	})
}

// TestStrangers finds something else than an estimator behind an address.
func TestStrangers(t *testing.T) {
	for name, talk := range map[string]func(net.Conn){
		"one that hangs up":    func(conn net.Conn) { _ = conn.Close() },
		"one that never talks": func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) },
		"a web server":         func(conn net.Conn) { _, _ = io.WriteString(conn, "HTTP/1.1 400 Bad Request\r\n\r\n") },
		"one that talks without end": func(conn net.Conn) {
			for {
				if _, err := conn.Write(make([]byte, 1024)); err != nil {
					return
				}
				time.Sleep(time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				n := newNetwork(t, map[string]*fake{"good": {count: 4}})
				listener := listenInMemory()
				n.listeners["bad"] = listener
				var talking sync.WaitGroup
				defer talking.Wait()
				defer func() { _ = listener.Close() }()
				talking.Go(func() {
					for {
						conn, err := listener.Accept()
						if err != nil {
							return
						}
						talking.Go(func() {
							talk(conn)
							_ = conn.Close()
						})
					}
				})
				c := n.client()
				defer c.Close()
				began := time.Now()
				for range failuresToOpen {
					expect(t, c.Estimate(t.Context(), question("1"), []string{"bad", "good"}), "error", "4")
				}
				if took := time.Since(began); took > DefaultTimeout+DefaultTimeout/2 {
					t.Errorf("it took %s to leave the stranger alone", took)
				}
				synctest.Wait()
				if err := c.Estimate(t.Context(), question("1"), []string{"bad"})[0].Err; !errors.Is(err, ErrOpen) {
					t.Errorf("got error %v, want that the stranger is left alone", err)
				}
			})
		})
	}
}
