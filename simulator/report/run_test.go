package report

import (
	"fmt"
	"math/rand/v2"
	"time"
)

func limit(value float64) *float64 { return &value }

var start = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// smallRun is a run of ten minutes: two clusters, two workloads; cluster a fails for three minutes.
func smallRun(seed uint64) *Report {
	r := New(Options{
		Scenario: "small", Description: "Cluster a fails.", Seed: seed, Start: start, Duration: 10 * time.Minute, Points: 10,
		Objectives: []Objective{
			{Name: "mostly there", Measure: Availability, AtLeast: limit(0.9)},
			{Name: "quick", Measure: Recovery, AtMost: limit(120)},
			{Name: "web stays", Measure: LowestAvailability, AtLeast: limit(0.4), From: time.Minute, Select: func(w Workload) bool { return w.Name == "web" }},
			{Name: "no moves late", Measure: Moves, AtMost: limit(0), From: 8 * time.Minute},
			{Name: "nothing pending", Measure: Pending, AtMost: limit(0), From: 10 * time.Minute, Until: 10 * time.Minute},
			{Name: "cheap", Measure: Cost, AtMost: limit(1)},
			{Name: "every invariant holds", Measure: Invariant, AtMost: limit(0)},
		},
	})
	a := r.AddCluster(0, Cluster{Name: "a", Provider: "alpha", Region: "eu"})
	b := r.AddCluster(0, Cluster{Name: "b", Region: "us"})
	for _, c := range []ClusterID{a, b} {
		r.Capacity(0, c, Capacity{Nodes: 2, ReadyNodes: 2, CPU: 8000, RequestedCPU: 3000, Price: 0.5})
	}
	web := r.AddWorkload(time.Second, Workload{Kind: "Deployment", Namespace: "default", Name: "web", Floor: 0.8}, 4)
	job := r.AddWorkload(time.Second, Workload{Kind: "Deployment", Namespace: "batch", Name: "job"}, 2)
	r.Decided(2*time.Second, web, []Target{{a, 2}, {b, 2}}, time.Second)
	r.Decided(2*time.Second, job, []Target{{a, 2}}, time.Second)
	r.Replicas(5*time.Second, web, a, 2, 2)
	r.Replicas(6*time.Second, web, b, 2, 2)
	r.Replicas(6*time.Second, job, a, 2, 2)
	r.Wrote(6*time.Second, 12)
	fail := 2*time.Minute + time.Duration(seed)*time.Second
	r.Mark(fail, "fail", "fail a", "a")
	r.ClusterState(fail, a, ClusterFailed)
	r.Replicas(fail, web, a, 0, 0)
	r.Replicas(fail, job, a, 0, 0)
	r.PodsLost(fail, a, 4)
	r.Capacity(fail, a, Capacity{Nodes: 2, Price: 0.5})
	r.Evicted(3*time.Minute, web, a, 2)
	r.Decided(3*time.Minute, web, []Target{{b, 4}}, 500*time.Millisecond)
	r.Undecided(3*time.Minute, 2*time.Second)
	r.Pods(3*time.Minute, b, 2, 2)
	r.Replicas(4*time.Minute, web, b, 4, 4)
	r.Pods(4*time.Minute, b, 4, 0)
	r.Mark(5*time.Minute, "heal", "heal a", "a")
	r.ClusterState(5*time.Minute, a, ClusterReady)
	r.Replicas(5*time.Minute+5*time.Second, job, a, 2, 2)
	r.Desired(7*time.Minute, job, 3)
	r.PodsStarted(10)
	r.Reconciled("binding", 7)
	r.Reconciled("aggregate", 5)
	r.Violated(8*time.Minute, "NoOrphans", "Work x has <no> binding")
	return r.Finish(10*time.Minute, false)
}

// largeRun is a day that looks like one, for people who look at pages.
func largeRun(seed uint64) *Report {
	chance := rand.New(rand.NewPCG(seed, 1))
	r := New(Options{
		Scenario: "region-loss", Seed: seed, Start: start, Duration: 2 * time.Hour,
		Description: "A whole region is gone for half an hour. Every workload is spread over two regions, so half of its replicas stay; the other half has to be replaced in the region that is left.",
		Objectives: []Objective{
			{Name: "LowestAvailability >= 40% from 5m", Measure: LowestAvailability, AtLeast: limit(0.4), From: 5 * time.Minute},
			{Name: "Recovery 90% <= 10m", Measure: Recovery, Quantile: 0.9, AtMost: limit(600)},
			{Name: "Availability >= 99% of web", Measure: Availability, AtLeast: limit(0.99)},
			{Name: "Pending <= 0 at 2h", Measure: Pending, AtMost: limit(0), From: 2 * time.Hour, Until: 2 * time.Hour},
			{Name: "BelowFloor <= 5m", Measure: BelowFloor, AtMost: limit(300)},
		},
	})
	var clusters []ClusterID
	for i := range 10 {
		region, provider := "eu", "alpha"
		if i%2 == 1 {
			region, provider = "us", "beta"
		}
		id := r.AddCluster(0, Cluster{Name: fmt.Sprintf("%s-%d", region, i/2+1), Region: region, Provider: provider})
		r.Capacity(0, id, Capacity{Nodes: 4, ReadyNodes: 4, CPU: 64000, RequestedCPU: 20000 + chance.Int64N(30000), Price: 3.2})
		clusters = append(clusters, id)
	}
	var loads []WorkloadID
	counts := make([][2]ClusterID, 40)
	for i := range 40 {
		id := r.AddWorkload(0, Workload{Kind: "Deployment", Namespace: []string{"shop", "search", "mail"}[i%3], Name: fmt.Sprintf("web-%d", i+1), Floor: 0.8}, 8)
		counts[i] = [2]ClusterID{clusters[i%10/2*2], clusters[(i*7)%10/2*2+1]}
		r.Decided(0, id, []Target{{counts[i][0], 4}, {counts[i][1], 4}}, time.Duration(chance.IntN(800))*time.Millisecond)
		loads = append(loads, id)
	}
	for i, id := range loads {
		r.Replicas(time.Duration(i+3)*time.Second, id, counts[i][0], 4, 4)
		r.Replicas(time.Duration(i+3)*time.Second, id, counts[i][1], 4, 4)
	}
	r.Mark(10*time.Minute, "fail", "fail eu-1, eu-2, eu-3 and 2 more")
	for i := 0; i < 10; i += 2 {
		r.ClusterState(10*time.Minute, clusters[i], ClusterFailed)
		r.Capacity(10*time.Minute, clusters[i], Capacity{Nodes: 4, Price: 3.2})
	}
	for i, id := range loads {
		r.Replicas(10*time.Minute, id, counts[i][0], 0, 0)
	}
	for i, id := range loads {
		at := 12*time.Minute + time.Duration(i*15)*time.Second
		r.Decided(at, id, []Target{{counts[i][1], 8}}, time.Duration(chance.IntN(5000))*time.Millisecond)
		r.Evicted(at, id, counts[i][0], 4)
		if i < 34 {
			r.Replicas(at+10*time.Second, id, counts[i][1], 8, 8)
		}
	}
	r.Mark(40*time.Minute, "heal", "end of fail eu-1, eu-2, eu-3 and 2 more")
	for i := 0; i < 10; i += 2 {
		r.ClusterState(40*time.Minute, clusters[i], ClusterReady)
		r.Capacity(40*time.Minute, clusters[i], Capacity{Nodes: 4, ReadyNodes: 4, CPU: 64000, RequestedCPU: 10000, Price: 3.2})
	}
	for i := 34; i < 40; i++ {
		r.Replicas(40*time.Minute+time.Duration(i)*time.Second, loads[i], counts[i][0], 4, 4)
	}
	r.Mark(70*time.Minute, "partition", "partition us-2")
	r.ClusterState(70*time.Minute, clusters[3], ClusterPartitioned)
	r.Mark(80*time.Minute, "heal", "heal us-2")
	r.ClusterState(80*time.Minute, clusters[3], ClusterReady)
	r.Mark(95*time.Minute, "scale", "scale web-1, web-2, web-3 and 5 more")
	for i := range 8 {
		r.Desired(95*time.Minute, loads[i], 12)
	}
	for i := range 8 {
		r.Replicas(96*time.Minute+time.Duration(i)*5*time.Second, loads[i], counts[i][0], 4, 4)
	}
	r.Wrote(100*time.Minute, 18234)
	r.PodsStarted(512)
	r.Reconciled("binding", 4120)
	r.Reconciled("execution", 9120)
	return r.Finish(2*time.Hour, false)
}
