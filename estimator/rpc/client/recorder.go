package client

import "time"

// What calls are for, as the methods of the wire name it.
const (
	PurposeReplicas      = "MaxAvailableReplicas"
	PurposeSets          = "MaxAvailableComponentSets"
	PurposeUnschedulable = "GetUnschedulableReplicas"
	PurposeExplain       = "Explain"
)

// Recorder is told what a Client does. Its methods are called at the same time by many, and must not wait.
type Recorder interface {
	// Call is told of each call that was made: whom, what for, how it ended (a gRPC code such as OK or DeadlineExceeded) and
	// how long it took.
	Call(cluster, purpose, code string, took time.Duration)
	// Breaker is told the state of a cluster's breaker when it changes.
	Breaker(cluster string, state State)
	// Forgotten is told of clusters that have left.
	Forgotten(cluster string)
	// Cache is told of each cluster of a question whether an earlier answer was there.
	Cache(hit bool)
}

type silent struct{}

func (silent) Call(string, string, string, time.Duration) {}
func (silent) Breaker(string, State)                      {}
func (silent) Forgotten(string)                           {}
func (silent) Cache(bool)                                 {}
