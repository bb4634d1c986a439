package run

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/seatrial/seatrial/autoscale"
	source "github.com/seatrial/seatrial/autoscale/load"
	"github.com/seatrial/seatrial/simulator"
	"github.com/seatrial/seatrial/simulator/scenario"
)

// load is how much of a metric all pods of a workload use together, in thousandths.
type load struct {
	workload workloadKey
	metric   string
	// pods are the labels of its pods.
	pods   labels.Set
	amount int64
}

// setLoad has a workload do as much as an action says from now on.
func (e *engine) setLoad(a *scenario.Action, object *unstructured.Unstructured) error {
	pods, _, err := unstructured.NestedStringMap(object.Object, "spec", "template", "metadata", "labels")
	if err != nil {
		return fmt.Errorf("reading the labels of the pods of %s %s/%s: %w", object.GetKind(), object.GetNamespace(), object.GetName(), err)
	}
	made := load{workload: workloadKey{Kind: object.GetKind(), Namespace: object.GetNamespace(), Name: object.GetName()}, metric: a.Metric, pods: pods, amount: a.Amount}
	e.loads = slices.DeleteFunc(e.loads, func(l load) bool { return l.workload == made.workload && l.metric == made.metric })
	e.loads = append(e.loads, made)
	return nil
}

// metrics are what autoscalers see of loads. Where a scenario sets none, they ask members.
func (e *engine) metrics() autoscale.Metrics {
	if !slices.ContainsFunc(e.plan.Actions, func(a scenario.Action) bool { return a.Verb == scenario.SetLoad }) {
		return nil
	}
	return &source.Source{
		Clusters: func() []string { return slices.Sorted(maps.Keys(e.members)) },
		Inside:   e.fleet.Client, Members: e.fleet, Clock: passing{e.fleet}, Demand: e.demand,
	}
}

// demand implements load.Source's: that of the workload whose pods are asked for, less than 0 where no event has said any.
func (e *engine) demand(_ time.Time, namespace string, pods labels.Selector, metric string) int64 {
	for _, l := range e.loads {
		if pods != nil && l.workload.Namespace == namespace && l.metric == metric && pods.Matches(l.pods) {
			return l.amount
		}
	}
	return -1
}

// passing is the time of a fleet.
type passing struct{ *simulator.Fleet }

func (p passing) Since(at time.Time) time.Duration { return p.Now().Sub(at) }
