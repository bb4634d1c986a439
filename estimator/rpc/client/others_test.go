package client

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/ptr"

	workv1alpha2 "github.com/seatrial/seatrial/api/work/v1alpha2"
	"github.com/seatrial/seatrial/estimator/nodes"
	"github.com/seatrial/seatrial/estimator/rpc/wire"
)

var deployment = workv1alpha2.ObjectReference{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "default", Name: "web"}

// TestUnschedulable asks for replicas without a node.
func TestUnschedulable(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m1 := &fake{count: 4}
		c := newNetwork(t, map[string]*fake{"m1": m1, "m2": installed(-1)}).client()
		for range 2 {
			if count, err := c.Unschedulable(t.Context(), "m1", deployment, time.Minute); err != nil || count != 4 {
				t.Errorf("got %d and error %v, want 4", count, err)
			}
		}
		equal(t, "asked", m1.pending[1], &wire.UnschedulableReplicasRequest{
			Cluster: ptr.To("m1"), UnschedulableThreshold: ptr.To(time.Minute.Nanoseconds()), Resource: &wire.ObjectReference{
				ApiVersion: ptr.To("apps/v1"), Kind: ptr.To("Deployment"), Namespace: ptr.To("default"), Name: ptr.To("web"),
			},
		})
		if m1.objects[0] != "Deployment default/web" {
			t.Errorf("the estimator was told that it is about %q", m1.objects[0])
		}
		for _, cluster := range []string{"m2", "m3"} {
			if count, err := c.Unschedulable(t.Context(), cluster, deployment, 0); err == nil {
				t.Errorf("%s answered %d", cluster, count)
			}
		}
	})
}

// TestExplain asks why no more fits. Estimators that cannot explain answer all the same.
func TestExplain(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		why := &wire.Explanation{Nodes: 5, Quota: true, Constraints: []*wire.Constraint{{Reason: "cpu", Nodes: 5, Replicas: 9}}}
		m1 := &fake{}
		m1.respond = func(request *wire.EstimateRequest) *wire.EstimateResponse {
			if !request.GetExplain() {
				t.Error("no explanation was asked for")
			}
			return &wire.EstimateResponse{Stale: true, Estimates: []*wire.Estimate{{Count: 7, Explanation: why}}}
		}
		broken := &fake{respond: func(*wire.EstimateRequest) *wire.EstimateResponse {
			return &wire.EstimateResponse{Estimates: []*wire.Estimate{{Error: "no", Explanation: why}}}
		}}
		c := newNetwork(t, map[string]*fake{"m1": m1, "m2": installed(3), "m3": broken}).client(func(o *Options) { o.MaxAge = time.Hour })
		for range 2 {
			answer, explanation := c.Explain(t.Context(), "m1", question("1"))
			want := &nodes.Explanation{Replicas: 7, Nodes: 5, Quota: true, Constraints: []nodes.Constraint{{Reason: "cpu", Nodes: 5, Replicas: 9}}}
			if answer.Err != nil || answer.Count != 7 || !answer.Stale || !cmp.Equal(explanation, want) {
				t.Errorf("got %+v because %+v", answer, explanation)
			}
		}
		if m1.asked() != 2 {
			t.Errorf("two explanations took %d calls", m1.asked())
		}
		if answer, explanation := c.Explain(t.Context(), "m2", question("1")); answer.Err != nil || answer.Count != 3 || explanation != nil {
			t.Errorf("an installed estimator gave %+v because %+v", answer, explanation)
		}
		for _, cluster := range []string{"m3", "m4"} {
			if answer, explanation := c.Explain(t.Context(), cluster, question("1")); answer.Err == nil || explanation != nil {
				t.Errorf("%s gave %+v because %+v", cluster, answer, explanation)
			}
		}
	})
}
