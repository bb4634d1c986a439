package eviction

import (
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Options are how workloads leave the clusters they cannot stay in. The controllers that take part share them.
type Options struct {
	// Failover is the gate of that name: without it nothing leaves a cluster by itself.
	Failover bool
	// GracefulEviction is the gate of that name: copies are held until their replacement is healthy.
	GracefulEviction bool
	// StatefulInjection is the gate StatefulFailoverInjection: facts from a failed copy become labels of its replacement.
	StatefulInjection bool
	// TaintManager is the flag --enable-taint-manager, NoExecute the flag --enable-no-execute-taint-eviction.
	TaintManager, NoExecute bool
	// PurgeMode is how a binding without cluster failover leaves because of a taint: Directly or Gracefully.
	PurgeMode policyv1alpha1.PurgeMode
	// Timeout is how long a held copy waits for a healthy replacement when its task does not say.
	Timeout time.Duration
	// Rate is how many bindings a second leave clusters.
	Rate float64
	// SecondaryRate is that of leaving lost clusters while more than SlowAbove of all clusters are lost, as a part from 0 to 1.
	// While StopFrom or more are lost, nothing leaves them.
	SecondaryRate, SlowAbove, StopFrom float64
	// Settle is for how long at least nothing leaves lost clusters after that, whatever workloads tolerate.
	Settle time.Duration
	// NotReady and Unreachable are how long a workload that says nothing stays in a cluster whose Ready condition is False, or
	// Unknown.
	NotReady, Unreachable time.Duration
	// Floor is the part of the replicas, from 0 to 1, that must be ready elsewhere before Timeout takes a copy that serves. At 0 it
	// is what the workload's own roll-outs keep up.
	Floor float64
	// Surge is how many replicas a workload may have beyond those it wants while the scheduler moves some of them, as a number or
	// a part of them. The zero value is what the workload's own roll-outs add.
	Surge intstr.IntOrString
	// Reference turns everything off that the reference does not do.
	Reference bool
}

// Defaults have the gates and flags of the reference where it has them, and safety on.
func Defaults() Options {
	return Options{
		GracefulEviction: true, TaintManager: true, PurgeMode: policyv1alpha1.PurgeModeGracefully,
		Timeout: 10 * time.Minute, Rate: 50, SecondaryRate: 0.1, SlowAbove: 0.55, StopFrom: 0.8, Settle: time.Minute,
		NotReady: 5 * time.Minute, Unreachable: 5 * time.Minute,
	}
}

// ReferenceRate is how many bindings a second leave clusters in a default installation of the reference.
const ReferenceRate = 0.5

// Evicts tells whether bindings leave clusters because of the cluster.
func (o *Options) Evicts() bool { return o.Failover && o.TaintManager && (o.NoExecute || !o.Reference) }

// Waits tells whether a binding stays in a cluster until a replacement fits.
func (o *Options) Waits(mode policyv1alpha1.PurgeMode) bool {
	return !o.Reference && o.GracefulEviction && mode != policyv1alpha1.PurgeModeDirectly
}
