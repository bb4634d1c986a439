package main

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
)

func TestEstimateErrors(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := newEstimateErrors(registry)
	if err != nil {
		t.Fatal(err)
	}
	m.Settled("member1", 5, 5)
	m.Settled("member1", 5, 2)
	m.Settled("member1", 5, 9)
	want := `
# HELP seatrial_estimator_error_replicas Replicas that a placement gave to a member by its capacity and that were not ready there when it had settled.
# TYPE seatrial_estimator_error_replicas histogram
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="0"} 2
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="1"} 2
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="2"} 2
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="5"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="10"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="20"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="50"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="100"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="200"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="500"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="1000"} 3
seatrial_estimator_error_replicas_bucket{member_cluster="member1",le="+Inf"} 3
seatrial_estimator_error_replicas_sum{member_cluster="member1"} 3
seatrial_estimator_error_replicas_count{member_cluster="member1"} 3
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	m.Ready("member1", 7, false)
	m.Ready("member2", 4, true)
	m.Ready("member3", 4, false)
	m.Gone("member3")
	want = `
# HELP seatrial_replicas_last_known_ready Replicas of propagated workloads that were ready in a member when it was last seen, and that nobody can see now.
# TYPE seatrial_replicas_last_known_ready gauge
seatrial_replicas_last_known_ready{member_cluster="member1"} 7
seatrial_replicas_last_known_ready{member_cluster="member2"} 0
# HELP seatrial_replicas_ready Replicas of propagated workloads that are ready in a member that can be seen.
# TYPE seatrial_replicas_ready gauge
seatrial_replicas_ready{member_cluster="member1"} 0
seatrial_replicas_ready{member_cluster="member2"} 4
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "seatrial_replicas_ready", "seatrial_replicas_last_known_ready"); err != nil {
		t.Error(err)
	}
	if _, err := newEstimateErrors(registry); err == nil || !strings.Contains(err.Error(), "metrics of estimates") {
		t.Errorf("registering twice: error %v", err)
	}
}
