package rebalance_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/seatrial/seatrial/estimator"
	"github.com/seatrial/seatrial/rebalance"
	"github.com/seatrial/seatrial/scheduler"
)

// seeing answers for one cluster alone.
type seeing string

func (s seeing) Estimate(_ context.Context, _ estimator.Question, clusters []string) []estimator.Answer {
	answers := make([]estimator.Answer, len(clusters))
	for i, name := range clusters {
		answers[i].Count = 5
		if name != string(s) {
			answers[i] = estimator.Answer{Err: errors.New("asking the estimator of cluster " + name + ": no such host")}
		}
	}
	return answers
}

// TestDoubtsAreTold: a plan by estimators names those that did not answer, each once; one that asks nobody has nothing to doubt.
func TestDoubtsAreTold(t *testing.T) {
	s := stage{cpus: map[string]int64{"m1": 10, "m2": 10, "m3": 10}}
	for _, name := range []string{"web", "api"} {
		s.bindings = append(s.bindings, s.run(name, 1, map[string]int32{"m1": 3}, nil))
	}
	blind, seen := scheduler.Options{Name: "default-scheduler"}, scheduler.Options{Name: "default-scheduler", Estimators: seeing("m2")}
	const want = "m1 Summary: asking the estimator of cluster m1: no such host; m3 Summary: asking the estimator of cluster m3: no such host; "
	for name, c := range map[string]struct {
		decide rebalance.Decide
		want   string
	}{"no estimators": {blind.Decide, ""}, "one of three": {seen.Decide, want}} {
		planned, err := rebalance.New(t.Context(), s.fleet(), s.bindings, c.decide, rebalance.Options{})
		if got := listed(planned); err != nil || got != c.want {
			t.Errorf("%s, to rebalance: %q (%v), want %q", name, got, err, c.want)
		}
		emptied, err := rebalance.Evacuate(t.Context(), s.fleet(), s.bindings, "m1", c.decide, rebalance.Options{})
		if got := listed(emptied); err != nil || len(got) > len(c.want) || (got == "") != (c.want == "") {
			t.Errorf("%s, to empty m1: %q (%v), want part of %q", name, got, err, c.want)
		}
	}
}

func listed(plan rebalance.Plan) string {
	text := ""
	for _, doubt := range plan.Doubts {
		text += fmt.Sprintf("%s %s: %s; ", doubt.Cluster, doubt.Kind, doubt.Reason)
	}
	return text
}
