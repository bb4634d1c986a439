package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

// TestEstimate asks three estimators all there is to ask, and looks at what arrives.
func TestEstimate(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes := map[string]*fake{"m1": {count: 3}, "m2": {count: 0}, "m3": {respond: func(*wire.EstimateRequest) *wire.EstimateResponse {
			return &wire.EstimateResponse{Stale: true, Estimates: []*wire.Estimate{{Count: 7}}}
		}}}
		c := newNetwork(t, fakes).client()
		q := question("2")
		q.Pod = &estimator.PodDemand{Labels: map[string]string{"app": "web"}, Priority: ptr.To[int32](5)}
		q.Assumed = func(cluster string) []estimator.AssumedWorkload {
			if cluster != "m2" {
				return nil
			}
			return []estimator.AssumedWorkload{{Namespace: "other", Components: []workv1alpha2.Component{{Name: "all", Replicas: 4}}}}
		}
		expect(t, c.Estimate(t.Context(), q, []string{"m2", "m1", "m3", "m1"}), "0", "3", "7 stale", "3")
		demand, err := wire.EncodeDemand(&q)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, "asked of m1", fakes["m1"].batches[0], &wire.EstimateRequest{Cluster: "m1", Demands: []*wire.Demand{demand}})
		equal(t, "asked of m2", fakes["m2"].batches[0], &wire.EstimateRequest{
			Cluster: "m2", Demands: []*wire.Demand{demand}, AssumedWorkloads: []*wire.AssumedWorkload{
				{Namespace: ptr.To("other"), Components: []*wire.Component{{Name: ptr.To("all"), Replicas: ptr.To[int32](4)}}},
			},
		})
		for cluster, asked := range fakes {
			if asked.asked() != 1 || asked.objects[0] != q.Workload {
				t.Errorf("cluster %s was asked %d times about %q", cluster, asked.asked(), asked.objects)
			}
		}
	})
}

// TestInstalledEstimators asks estimators of the reference.
func TestInstalledEstimators(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes := map[string]*fake{"m1": installed(3), "m2": installed(-1), "m3": installed(0)}
		c := newNetwork(t, fakes).client()
		all := []string{"m1", "m2", "m3"}
		plain := question("2")
		plain.Pod = &estimator.PodDemand{}
		plain.Assumed = func(string) []estimator.AssumedWorkload { return []estimator.AssumedWorkload{{Namespace: "other"}} }
		expect(t, c.Estimate(t.Context(), plain, all), "3", "error", "0")
		special := question("2")
		special.Pod = &estimator.PodDemand{HostPorts: []estimator.HostPort{{Port: 80}}}
		expect(t, c.Estimate(t.Context(), special, all), "3 pod ignored", "error", "0 pod ignored")
		sets := estimator.Question{Namespace: "default", Components: []workv1alpha2.Component{{Name: "driver", Replicas: 2}}}
		expect(t, c.Estimate(t.Context(), sets, all), "3", "error", "0")

		m1 := fakes["m1"]
		if len(m1.batches) != 1 || len(m1.replicas) != 2 || len(m1.sets) != 1 {
			t.Fatalf("m1 got %d batches, %d and %d plain questions", len(m1.batches), len(m1.replicas), len(m1.sets))
		}
		equal(t, "replicas", m1.replicas[0], &wire.MaxAvailableReplicasRequest{
			Cluster: ptr.To("m1"), ReplicaRequirements: demandOf(t, &plain).GetReplicaRequirements(),
			AssumedWorkloads: []*wire.AssumedWorkload{{Namespace: ptr.To("other")}},
		})
		equal(t, "sets", m1.sets[0], &wire.MaxAvailableComponentSetsRequest{
			Cluster: ptr.To("m1"), Namespace: ptr.To("default"), Components: demandOf(t, &sets).GetComponents(),
		})

		m1.set(func(f *fake) { f.batchErr = nil })
		time.Sleep(plainTime)
		expect(t, c.Estimate(t.Context(), special, all[:1]), "3")
	})
}

func demandOf(t *testing.T, question *estimator.Question) *wire.Demand {
	t.Helper()
	demand, err := wire.EncodeDemand(question)
	if err != nil {
		t.Fatal(err)
	}
	return demand
}

// TestOneTroubleEach has one estimator in trouble of each kind: the answer of the other one counts.
func TestOneTroubleEach(t *testing.T) {
	of := func(estimate ...*wire.Estimate) func(*wire.EstimateRequest) *wire.EstimateResponse {
		return func(*wire.EstimateRequest) *wire.EstimateResponse { return &wire.EstimateResponse{Estimates: estimate} }
	}
	for _, c := range []struct {
		name    string
		fake    *fake
		changes func(*Options)
		is      error
		code    codes.Code
	}{
		{name: "an error", fake: &fake{err: status.Error(codes.Internal, "broken")}, code: codes.Internal},
		{name: "another cluster", fake: &fake{err: status.Error(codes.InvalidArgument, "this is m7")}, code: codes.InvalidArgument},
		{name: "neither service", fake: &fake{
			err: status.Error(codes.Unimplemented, "unknown"), batchErr: status.Error(codes.Unimplemented, "unknown"),
		}, code: codes.Unimplemented},
		{name: "silence", fake: &fake{delay: -1}, is: context.DeadlineExceeded},
		{name: "an answer too late", fake: &fake{delay: DefaultTimeout + 1}, is: context.DeadlineExceeded},
		{name: "minus one", fake: &fake{count: -1}},
		{name: "an error for the demand", fake: &fake{respond: of(&wire.Estimate{Count: 3, Error: "no such resource"})}},
		{name: "no answer in the answer", fake: &fake{respond: of()}},
		{name: "two answers", fake: &fake{respond: of(&wire.Estimate{Count: 1}, &wire.Estimate{Count: 1})}},
		{name: "nobody there", code: codes.Unavailable},
		{name: "no estimator", is: ErrNoEstimator, fake: &fake{count: 1}, changes: func(o *Options) {
			o.Resolver = func(cluster string) (string, bool) { return cluster, cluster != "bad" }
		}},
		{name: "a cluster that is skipped", is: errSkipped, fake: &fake{count: 1}, changes: func(o *Options) {
			o.Skip = func(cluster string) bool { return cluster == "bad" }
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				fakes := map[string]*fake{"good": {count: 4}}
				if c.fake != nil {
					fakes["bad"] = c.fake
				}
				var changes []func(*Options)
				if c.changes != nil {
					changes = append(changes, c.changes)
				}
				answers := newNetwork(t, fakes).client(changes...).Estimate(t.Context(), question("1"), []string{"bad", "good"})
				expect(t, answers, "error", "4")
				if c.is != nil && !errors.Is(answers[0].Err, c.is) {
					t.Errorf("got error %v, want %v", answers[0].Err, c.is)
				}
				if c.code != 0 && status.Code(errors.Unwrap(answers[0].Err)) != c.code {
					t.Errorf("got error %v, want code %s", answers[0].Err, c.code)
				}
				if answers[0].Count != 0 || answers[0].Stale {
					t.Errorf("an error comes with an answer: %+v", answers[0])
				}
			})
		})
	}
}

// TestSlowEstimators has 10 of 200 estimators that do not answer in time: all others count, and the question takes no longer
// than its deadline. The second one does not wait for them again.
func TestSlowEstimators(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes, clusters := map[string]*fake{}, members(200)
		var want []string
		for i, cluster := range clusters {
			fakes[cluster] = &fake{count: int32(i), delay: 10 * time.Millisecond}
			if i%20 == 0 {
				fakes[cluster].delay = -1
				want = append(want, "error")
			} else {
				want = append(want, fmt.Sprint(i))
			}
		}
		c := newNetwork(t, fakes).client()
		began := time.Now()
		expect(t, c.Estimate(t.Context(), question("1"), clusters), want...)
		if took := time.Since(began); took != DefaultTimeout {
			t.Errorf("the first question took %s, want the deadline", took)
		}
		synctest.Wait()
		began = time.Now()
		expect(t, c.Estimate(t.Context(), question("1"), clusters), want...)
		if took := time.Since(began); took != 10*time.Millisecond {
			t.Errorf("the second question took %s, want what a healthy estimator takes", took)
		}
	})
}

// TestManySilentEstimators has more silent estimators than there are slots. Once they are known, they take no healthy one its
// answer, even while all of them are tried again.
func TestManySilentEstimators(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		fakes, clusters := map[string]*fake{}, members(60)
		for i, cluster := range clusters {
			if fakes[cluster] = (&fake{delay: -1}); i >= 40 {
				fakes[cluster] = &fake{count: 1}
			}
		}
		c := newNetwork(t, fakes).client(func(o *Options) { o.Concurrency = 20 })
		c.Estimate(t.Context(), question("1"), clusters[:40])
		time.Sleep(2 * DefaultTimeout)
		c.Estimate(t.Context(), question("1"), clusters[:40])
		for range 20 {
			began := time.Now()
			answers := c.Estimate(t.Context(), question("1"), clusters)
			for i, answer := range answers {
				if (answer.Err == nil) != (i >= 40) {
					t.Fatalf("cluster %s answered %+v", clusters[i], answer)
				}
			}
			if took := time.Since(began); took > DefaultTimeout/probeShare {
				t.Fatalf("the question took %s", took)
			}
			time.Sleep(1700 * time.Millisecond)
		}
	})
}

// TestConcurrency bounds the calls at one time.
func TestConcurrency(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		one := &fake{count: 2, delay: 100 * time.Millisecond}
		n := newNetwork(t, map[string]*fake{"all": one})
		c := n.client(func(o *Options) {
			o.Concurrency = 4
			o.Resolver = func(string) (string, bool) { return "all", true }
		})
		clusters := members(20)
		for _, answer := range c.Estimate(t.Context(), question("1"), clusters) {
			if answer.Err != nil || answer.Count != 2 {
				t.Errorf("got %+v, want 2", answer)
			}
		}
		if one.most != 4 {
			t.Errorf("%d calls ran at once, want 4", one.most)
		}
	})
}

// TestNothingAsked has no clusters, and questions that cannot be asked.
func TestNothingAsked(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		n := newNetwork(t, map[string]*fake{"m1": {count: 1}})
		c := n.client()
		expect(t, c.Estimate(t.Context(), question("1"), nil))
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		answers := c.Estimate(ended, question("1"), []string{"m1"})
		expect(t, answers, "error")
		if !errors.Is(answers[0].Err, context.Canceled) {
			t.Errorf("got error %v, want that the question was taken back", answers[0].Err)
		}
		for _, options := range []Options{
			{}, {Resolver: everywhere, TLS: TLS{CertFile: "cert.pem"}}, {Resolver: everywhere, TLS: TLS{CAFile: "nowhere.pem"}},
			{Resolver: everywhere, TLS: TLS{CertFile: "cert.pem", KeyFile: "key.pem"}},
		} {
			if _, err := New(options); err == nil {
				t.Errorf("a client was made of %+v", options)
			}
		}
	})
}

// TestChangedMeanwhile has a caller that gives up, and uses what it asked with for something else. Run with the race detector,
// it fails when the call still looks at that.
func TestChangedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1 := &fake{count: 1, delay: time.Second}
		c := newNetwork(t, map[string]*fake{"m1": m1}).client(func(o *Options) { o.Concurrency = 1 })
		var callers sync.WaitGroup
		callers.Go(func() { c.Estimate(t.Context(), question("9"), []string{"m1"}) })
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		q := question("1")
		q.Requirements.NodeClaim = &workv1alpha2.NodeClaim{NodeSelector: map[string]string{"disk": "fast"}}
		assumed := []estimator.AssumedWorkload{{Namespace: "before"}}
		q.Assumed = func(string) []estimator.AssumedWorkload { return assumed }
		callers.Go(func() {
			c.Estimate(ctx, q, []string{"m1"})
			q.Requirements.NodeClaim.NodeSelector["disk"] = "slow"
			assumed[0].Namespace = "after"
		})
		synctest.Wait()
		cancel()
		callers.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		sent := m1.batches[1]
		disk, namespace := sent.GetDemands()[0].GetReplicaRequirements().GetNodeClaim().GetNodeSelector()["disk"], sent.GetAssumedWorkloads()[0].GetNamespace()
		if disk != "fast" || namespace != "before" {
			t.Errorf("the estimator was asked for disks that are %s, beside a workload in namespace %s", disk, namespace)
		}
	})
}

// TestOddNames asks about a workload whose name metadata cannot hold.
func TestOddNames(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1 := &fake{count: 1}
		c := newNetwork(t, map[string]*fake{"m1": m1}).client()
		for _, name := range []string{"Boot prod/grün", "", "a\nb"} {
			q := question("1")
			q.Workload = name
			expect(t, c.Estimate(t.Context(), q, []string{"m1"}), "1")
		}
		if got := fmt.Sprintf("%q", m1.objects); got != `["Boot prod/gr?n" "?" "a?b"]` {
			t.Errorf("the estimator was told %s", got)
		}
	})
}
